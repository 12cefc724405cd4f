"""FEC's clustering-based feature encoding and pooling (section 3.2 of the paper), exactly, without its large tensors.

Values enter only through sums over clusters, so the inputs are summed, and the value and output projections are applied
to the representatives instead of to all positions. The argmax has no gradient, so it is found first, and the similarity
is computed for the chosen pairs alone. `fec_mm.ops.reference` has the same functions step by step.

Shapes: B images, H×W positions, C channels, e heads of D channels, r×r regions of N positions and m×m = M centers each,
G = B·r·r.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .assign import assign, first_largest
from .few_centers import encode_few
from .few_forward import Groups, Weights
from .linear import scaled
from .members import Indexed, OneHot, one_hot_is_faster
from .regions import (
    average_centers,
    average_pairs,
    ceil_div,
    from_regions,
    is_exporting,
    is_padded,
    pooled_ids,
    raster_ids,
    to_regions,
    valid_positions,
)
from .vectors import full, normalize, similarity_of


def encode(
    x: Tensor,
    f_weight: Tensor,
    f_bias: Tensor,
    v_weight: Tensor,
    v_bias: Tensor,
    proj_weight: Tensor,
    proj_bias: Tensor,
    alpha: Tensor,
    beta: Tensor,
    *,
    heads: int,
    centers: int,
    regions: int = 1,
    weighting: str = 'count',
    scale: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Clustering-based feature encoding.

    Args:
        x: B×H×W×C, any H and W.
        f_weight, f_bias, v_weight, v_bias: Projections to features and values, (e·D)×C and e·D.
        proj_weight, proj_bias: Output projection, C'×(e·D) and C'.
        alpha, beta: Scale and shift of the cosine, one element each; alpha may be negative.
        heads: e.
        centers: m, centers per side and region.
        regions: r, regions per side that are clustered independently.
        weighting: How positions count in their representative: 'count' (FEC, all alike) or 'similarity' (Context
            Cluster).
        scale: Multiplies the output, C'. Default: 1.

    Returns:
        The encoded map, B×H×W×C', and the assignments, B×e×H×W int64, in raster order over the map's (r·m)×(r·m)
        centers.
    """
    layer = Weights(f_weight, f_bias, v_weight, v_bias, proj_weight, proj_bias, alpha, beta, scale)
    y, assignments = _encode(x, layer, heads, centers, regions, weighting)
    return y, assignments()


def encode_map(
    x: Tensor, layer: Weights, *, heads: int, centers: int, regions: int = 1, weighting: str = 'count'
) -> Tensor:
    """The encoded map of `encode` alone, without the operators that number the assignments."""
    return _encode(x, layer, heads, centers, regions, weighting)[0]


def _encode(
    x: Tensor, layer: Weights, heads: int, centers: int, regions: int, weighting: str
) -> tuple[Tensor, Callable[[], Tensor]]:
    """`encode`, and what makes its assignments."""
    H, W = x.shape[1:3]
    h, w = ceil_div(H, regions), ceil_div(W, regions)
    if one_hot_is_faster(heads, centers**2) and not torch.compiler.is_compiling() and not is_exporting():
        y, rows = encode_few(_groups(x, centers, regions), layer, heads, weighting == 'similarity')

        def assignments() -> Tensor:
            ids = (rows // heads).transpose(1, 2).unflatten(1, (h, w))
            return from_regions(raster_ids(ids, regions, (centers, centers)), regions, (H, W)).permute(0, 3, 1, 2)
    else:
        members, similarity, rep, ids = _cluster(
            x, *layer[:2], layer.alpha, layer.beta, heads, centers, regions, weighting
        )
        proj_weight, proj_bias = scaled(layer.proj_weight, layer.proj_bias, layer.scale)
        with torch.autocast(x.device.type, enabled=False):
            table = _per_head(rep, layer.v_weight, layer.v_bias, proj_weight)
        y = members.dispatch(table.to(layer.f_weight.dtype), similarity)
        y = y.add_(proj_bias) if y.dtype == proj_bias.dtype else y + proj_bias

        def assignments() -> Tensor:
            return ids

    return from_regions(y.unflatten(1, (h, w)), regions, (H, W)), assignments


def represent(
    x: Tensor, f_weight: Tensor, f_bias: Tensor, alpha: Tensor, beta: Tensor, *, centers: int
) -> tuple[Tensor, Tensor]:
    """A map as m·m representatives of itself: (x̄_m + Σ s·x_n) / (1 + Σ s) over the cluster of each center.

    Args:
        x: B×H×W×C, any H and W.
        f_weight, f_bias: Projection to features, D×C and D.
        alpha, beta: Scale and shift of the cosine, one element each.
        centers: m, centers per side.

    Returns:
        The representatives, B×M×C, at least float32, and the assignments, B×1×H×W int64.
    """
    _, _, rep, ids = _cluster(x, f_weight, f_bias, alpha, beta, 1, centers, 1, 'similarity')
    return rep[:, 0], ids


def pool(
    x: Tensor,
    f_weight: Tensor,
    f_bias: Tensor,
    v_weight: Tensor,
    v_bias: Tensor,
    alpha: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    regions: int = 1,
) -> tuple[Tensor, Tensor]:
    """Clustering-based feature pooling: the representatives of ceil(H/2)×ceil(W/2) centers.

    As published, the similarity does not enter the value: `f_weight` and `f_bias` receive no gradient.

    Args:
        x: B×H×W×C, any H and W.
        f_weight, f_bias, v_weight, v_bias: Projections to features and values, C'×C and C'.
        alpha, beta: If given, positions count in their representative by sigmoid(β + α·cos), as in Context Cluster, and
            the similarity receives gradients; the assignment is by the cosine as ever. One element each.
        regions: r, regions per side that are clustered independently.

    Returns:
        The representatives as a map, B×ceil(H/2)×ceil(W/2)×C', and the assignments, B×1×H×W int64, as raster positions
        in it.
    """
    B, H, W, _ = x.shape
    with torch.autocast(x.device.type, enabled=False):
        # Contiguous: other layouts come out of the means with strides that torch.compile does not foresee.
        x = to_regions(full(x).contiguous(), regions, multiple=2)
        h, w = x.shape[1:3]
        valid = None
        if is_padded((H, W), regions, (h, w)):
            valid = valid_positions((H, W), regions, (h, w), x.device).repeat(B, 1)
        means, choosable = average_pairs(x, None if valid is None else valid.view(-1, h, w))
        x = x.flatten(1, 2)
        center = normalize(F.linear(means, full(f_weight), full(f_bias)))
        with torch.no_grad():
            queries, offsets = center @ full(f_weight), center @ full(f_bias)
            if choosable is not None:
                offsets = offsets.masked_fill(~choosable, -float('inf'))
            index = assign(x, queries[:, None], offsets[:, None])
        members, weight = Indexed(index, means.shape[1]), None if valid is None else valid.to(x.dtype)[..., None]
        if alpha is not None and beta is not None:
            f = F.linear(x, full(f_weight), full(f_bias))[:, :, None]
            similarity = similarity_of(members.dot(f, center[:, None]), f, alpha, beta)
            weight = similarity if weight is None else weight * similarity
        sums, counts = members.sum(x, weight)
        rep = (means + sums[:, 0]) / (1 + counts[:, 0, :, None])
    rows, cols = ceil_div(H, 2), ceil_div(W, 2)
    rep = from_regions(rep.unflatten(1, (h // 2, w // 2)), regions, (rows, cols))
    ids = pooled_ids(index.unflatten(1, (h, w)), regions, (h, w), cols)
    return F.linear(rep.to(v_weight.dtype), v_weight, v_bias), from_regions(ids, regions, (H, W)).permute(0, 3, 1, 2)


def _groups(x: Tensor, centers: int, regions: int) -> Groups:
    """Regions of a map and their centers."""
    B, H, W, _ = x.shape
    with torch.autocast(x.device.type, enabled=False):
        x = full(x)
        means, choosable = average_centers(x, regions, centers)
        x = to_regions(x, regions)
        excluded = valid = None
        if choosable is not None:
            # Finite: in a region of nothing but padding all are excluded.
            excluded = torch.zeros_like(choosable, dtype=x.dtype).masked_fill(~choosable, torch.finfo(x.dtype).min / 2)
            excluded = excluded.repeat(B, 1)[:, :, None, None]
        h, w = x.shape[1:3]
        if is_padded((H, W), regions, (h, w)):
            valid = valid_positions((H, W), regions, (h, w), x.device).to(x.dtype).repeat(B, 1)[:, None]
    return Groups(x.flatten(1, 2), means, excluded, valid)


def _cluster(
    x: Tensor,
    f_weight: Tensor,
    f_bias: Tensor,
    alpha: Tensor,
    beta: Tensor,
    heads: int,
    centers: int,
    regions: int,
    weighting: str,
) -> tuple[OneHot | Indexed, Tensor, Tensor, Tensor]:
    """Centers, assignments and representatives; arguments as of `encode`.

    Returns:
        Who belongs to whom; similarities, G×N×e; representatives in the channels of the map, G×e×M×C; assignments as of
        `encode`.
    """
    B, H, W, _ = x.shape
    M = centers**2
    with torch.autocast(x.device.type, enabled=False):
        means, choosable = average_centers(full(x), regions, centers)
        center = F.linear(means, full(f_weight), full(f_bias)).unflatten(-1, (heads, -1)).transpose(1, 2)
        center = normalize(center)
    x = to_regions(x, regions)
    h, w = x.shape[1:3]
    x = x.flatten(1, 2)
    f = F.linear(x, f_weight, f_bias).unflatten(-1, (heads, -1))
    # Similarities, sums and counts in float32 whatever the surroundings: a cluster's sum overflows float16.
    with torch.autocast(x.device.type, enabled=False):
        x, f = full(x), full(f)
        # c·f_n = (W_fᵀ c)·x_n + c·b: the scores of all heads in one product. As the sigmoid is monotonic, the best
        # center has the largest or, where α is negative, the smallest cosine. All tie where it is zero.
        queries = _each_head(center, full(f_weight).unflatten(0, (heads, -1)))
        offsets = (center @ full(f_bias).view(heads, -1, 1)).squeeze(-1)
        sign = full(alpha.detach().sign())
        excluded = None if choosable is None else _excluded(choosable, offsets)
        members: OneHot | Indexed
        if one_hot_is_faster(heads, M):
            score = torch.baddbmm(offsets.flatten(1)[..., None], queries.flatten(1, 2), x.transpose(1, 2))
            score = score.unflatten(1, (heads, M))
            candidates = score.detach() * sign
            if excluded is not None:
                candidates = candidates + excluded[..., None]
            members = OneHot(first_largest(candidates).transpose(1, 2).contiguous(), M)
            dot = members.own(score)
        else:
            offsets = offsets * sign if excluded is None else torch.addcmul(excluded, offsets, sign)
            members = Indexed(assign(x, queries * sign, offsets), M)
            dot = members.dot(f, center)
        similarity = similarity_of(dot, f, alpha, beta)
        weight = similarity if weighting == 'similarity' else None
        if is_padded((H, W), regions, (h, w)):
            valid = valid_positions((H, W), regions, (h, w), x.device).to(x.dtype).repeat(B, 1)[..., None]
            weight = valid.expand_as(similarity) if weight is None else weight * valid
        sums, counts = members.sum(x, weight)
        rep = (means[:, None] + sums) / (1 + counts[..., None])
    ids = raster_ids(members.index.unflatten(1, (h, w)), regions, (centers, centers))
    return members, similarity, rep, from_regions(ids, regions, (H, W)).permute(0, 3, 1, 2)


def _excluded(choosable: Tensor, like: Tensor) -> Tensor:
    """What to add to scores (like: G×e×M) so that centers without positions, (r·r)×M, are never chosen."""
    return torch.zeros_like(like).masked_fill(
        ~choosable.repeat(like.shape[0] // choosable.shape[0], 1)[:, None], -float('inf')
    )


def _per_head(means: Tensor, v_weight: Tensor, v_bias: Tensor, proj_weight: Tensor) -> Tensor:
    """Value and output projection of the representatives, G×e×M×C → G×e×M×C', each head with its own rows and
    columns."""
    heads = means.shape[1]
    values = _each_head(means, full(v_weight).unflatten(0, (heads, -1)).transpose(1, 2)) + full(v_bias).view(
        heads, 1, -1
    )
    return _each_head(values, full(proj_weight).unflatten(1, (heads, -1)).permute(1, 2, 0))


def _each_head(x: Tensor, weight: Tensor) -> Tensor:
    """x[g, h] @ weight[h]: G×e×M×D, e×D×C → G×e×M×C, as one product for each head."""
    return (x.transpose(0, 1).flatten(1, 2) @ weight).unflatten(1, x.shape[::2]).transpose(0, 1)
