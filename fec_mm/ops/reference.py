"""FEC's clustering transcribed step by step from the paper (section 3.2): the yardstick of `fec_mm.ops.clustering`.

It builds score matrices and masks of M×N and products of M×N×D, which is gigabytes per image at detection resolution.
It is here for tests and benchmarks.

Shapes: B images, H×W positions, C channels, e heads of D channels, r×r regions of N positions and m×m = M centers each,
G = B·r·r.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .regions import ceil_div, from_regions, pooled_ids, pooling_matrix, raster_ids, to_regions, valid_positions


def _split(x: Tensor, regions: int, heads: int, multiple: int = 1) -> Tensor:
    """B×H×W×(e·D) → (G·e)×D×h×w."""
    x = to_regions(x, regions, multiple)
    G, h, w, _ = x.shape
    return x.reshape(G, h, w, heads, -1).permute(0, 3, 4, 1, 2).reshape(G * heads, -1, h, w)


def _centers(x: Tensor, size: tuple[int, int], valid: Tensor) -> Tensor:
    """Adaptive average pooling over the valid positions: G×D×h×w → G×M×D."""
    share = F.adaptive_avg_pool2d(valid, size)
    mean = F.adaptive_avg_pool2d(x * valid, size) / share.masked_fill(share == 0, 1)
    return mean.flatten(2).transpose(1, 2)


def _choosable(size: tuple[int, int], regions: int, centers: tuple[int, int], like: Tensor, heads: int) -> Tensor:
    """Which centers can be chosen, (G·e)×M: they have positions, and not just those of the center before."""
    rows, cols = (
        pooling_matrix(length, side, regions, m, like)[1] for length, side, m in zip(size, like.shape[2:], centers)
    )
    ok = rows.view(regions, 1, centers[0], 1) & cols.view(1, regions, 1, centers[1])
    return ok.reshape(regions**2, -1).repeat(like.shape[0] // heads // regions**2, 1).repeat_interleave(heads, 0)


def _cluster(f: Tensor, v: Tensor, size: tuple[int, int], valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values as G×N×D, the value centers G×M×D, and the cosine G×M×N."""
    center_f = _centers(f, size, valid)
    center_v = _centers(v, size, valid)
    f, v = f.flatten(2).transpose(1, 2), v.flatten(2).transpose(1, 2)
    cosine = F.normalize(center_f, dim=-1) @ F.normalize(f, dim=-1).transpose(1, 2)
    return v, center_v, cosine


def _chosen(score: Tensor, choosable: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The index of each position's best center, G×N, and the assignment as a G×M×N mask without padding."""
    index = score.masked_fill(~choosable[..., None], -float('inf')).argmax(1)
    mask = torch.zeros_like(score).scatter_(1, index[:, None], 1)
    return index, mask * valid.flatten(1)[:, None]


def _valid(size: tuple[int, int], regions: int, padded: tuple[int, int], like: Tensor, heads: int) -> Tensor:
    """1 for positions and 0 for padding, (G·e)×1×h×w."""
    valid = valid_positions(size, regions, padded, like.device).to(like.dtype)
    return valid.repeat(like.shape[0] // heads // regions**2, 1).repeat_interleave(heads, 0).view(-1, 1, *padded)


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
    """Clustering-based feature encoding; see `fec_mm.ops.encode`."""
    H, W = x.shape[1:3]
    f = _split(F.linear(x, f_weight, f_bias), regions, heads)
    v = _split(F.linear(x, v_weight, v_bias), regions, heads)
    h, w = f.shape[2:]
    valid = _valid((H, W), regions, (h, w), f, heads)
    v, center_v, cosine = _cluster(f, v, (centers, centers), valid)
    similarity = torch.sigmoid(beta + alpha * cosine)
    index, mask = _chosen(similarity, _choosable((H, W), regions, (centers, centers), f, heads), valid)
    chosen = similarity * mask
    weight = mask if weighting == 'count' else chosen
    total = (weight[..., None] * v[:, None]).sum(2)
    representatives = (center_v + total) / (1 + weight.sum(2, keepdim=True))
    y = (chosen[..., None] * representatives[:, :, None]).sum(1)
    y = y.reshape(-1, heads, h, w, y.shape[-1]).permute(0, 2, 3, 1, 4).flatten(3)
    y = F.linear(from_regions(y, regions, (H, W)), proj_weight, proj_bias)
    y = y if scale is None else y * scale
    ids = raster_ids(index.view(-1, heads, h, w).permute(0, 2, 3, 1), regions, (centers, centers))
    return y, from_regions(ids, regions, (H, W)).permute(0, 3, 1, 2)


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
    """Clustering-based feature pooling; see `fec_mm.ops.pool`."""
    H, W = x.shape[1:3]
    f = _split(F.linear(x, f_weight, f_bias), regions, 1, multiple=2)
    v = _split(F.linear(x, v_weight, v_bias), regions, 1, multiple=2)
    h, w = f.shape[2:]
    valid = _valid((H, W), regions, (h, w), f, 1)
    v, center_v, cosine = _cluster(f, v, (h // 2, w // 2), valid)
    index, mask = _chosen(cosine, _choosable((H, W), regions, (h // 2, w // 2), f, 1), valid)
    if alpha is not None and beta is not None:
        mask = mask * torch.sigmoid(beta + alpha * cosine)
    representatives = (center_v + mask @ v) / (1 + mask.sum(2, keepdim=True))
    rows, cols = ceil_div(H, 2), ceil_div(W, 2)
    pooled = from_regions(representatives.reshape(-1, h // 2, w // 2, v.shape[-1]), regions, (rows, cols))
    return pooled, from_regions(pooled_ids(index.view(-1, h, w, 1), regions, (h, w), cols), regions, (H, W))[..., 0][
        :, None
    ]


def _near(h: int, w: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of h×w positions, in cells of 2×2: which centers are candidates, M×N; the squared distances to the middles of
    their cells, in cells, M×N; and each position's own center, N."""
    row, col = (t.flatten() for t in torch.meshgrid(torch.arange(h), torch.arange(w), indexing='ij'))
    center = torch.meshgrid(torch.arange(h // 2), torch.arange(w // 2), indexing='ij')
    i, j = (t.flatten()[:, None] for t in center)
    candidate = ((row // 2 - i).abs() <= 1) & ((col // 2 - j).abs() <= 1)
    distance = ((row - (2 * i + 0.5)) / 2) ** 2 + ((col - (2 * j + 0.5)) / 2) ** 2
    own = row // 2 * (w // 2) + col // 2
    return candidate.to(like.device), distance.to(like), own.to(like.device)


def pool_near(
    x: Tensor,
    f_weight: Tensor,
    f_bias: Tensor,
    v_weight: Tensor,
    v_bias: Tensor,
    alpha: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    compactness: float = 0.0,
    iterations: int = 1,
) -> tuple[Tensor, Tensor, Tensor]:
    """Clustering-based feature pooling among neighbours; see `fec_mm.ops.pool_near`."""
    H, W = x.shape[1:3]
    f = _split(F.linear(x, f_weight, f_bias), 1, 1, multiple=2)
    v = _split(F.linear(x, v_weight, v_bias), 1, 1, multiple=2)
    h, w = f.shape[2:]
    valid = _valid((H, W), 1, (h, w), f, 1)
    candidate, distance, own = _near(h, w, f)
    means = [_centers(t, (h // 2, w // 2), valid) for t in (f, v, _split(x, 1, 1, multiple=2))]
    f, v, x = (t.flatten(2).transpose(1, 2) for t in (f, v, _split(x, 1, 1, multiple=2)))
    center_f, center_x = means[0], means[2]
    for step in range(iterations):
        cosine = F.normalize(center_f, dim=-1) @ F.normalize(f, dim=-1).transpose(1, 2)
        score = (cosine - compactness * distance).masked_fill(~candidate, -float('inf'))
        best, index = score.max(1)
        index = torch.where(score.gather(1, own.expand(len(score), 1, -1))[:, 0] >= best, own, index)
        mask = torch.zeros_like(score).scatter_(1, index[:, None], 1) * valid.flatten(1)[:, None]
        if step + 1 < iterations:
            total = 1 / 4 + mask.sum(2, keepdim=True)
            center_f, center_x = (means[0] / 4 + mask @ f) / total, (means[2] / 4 + mask @ x) / total
    if alpha is not None and beta is not None:
        mask = mask * torch.sigmoid(beta + alpha * cosine)
    representatives = (means[1] + mask @ v) / (1 + mask.sum(2, keepdim=True))
    pooled, centers = (t.unflatten(1, (h // 2, w // 2)) for t in (representatives, center_x))
    return pooled, index.view(-1, 1, h, w)[..., :H, :W], centers
