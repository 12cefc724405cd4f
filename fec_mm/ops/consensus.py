"""EnFormer's two clusterings and their consensus, forward and backward by hand, without keeping scores of all pairs.

Where scores are more than a tile, positions come tile by tile, so that a tile stays in cache; all scores are computed
once more in the backward pass. `fec_mm.ops.ensemble.clusterings` is the same in plain operators.

Shapes: B images, e heads of D channels, G = B·e; n positions, F and P centers of the fuzzy and the partitional
clustering, R = n + F + P rows: positions, then both means of the map. The five parts of a row are the position's key,
then keys and values of each clustering.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .assign import tile_size
from .regions import kept
from .total import Total
from .vectors import length

EPS = 1e-7  # of the sum of memberships that a fuzzy representative is divided by
KEY, KEY1, VALUE1, KEY2, VALUE2 = range(5)


class Sizes(NamedTuple):
    """Of one call."""

    heads: int
    fuzzy: int
    hard: int

    def rows(self, part: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Positions, and the centers of both clusterings: views of G×R×…"""
        n = part.shape[1] - self.fuzzy - self.hard
        first, second, third = part.split([n, self.fuzzy, self.hard], 1)
        return first, second, third


def consensus(maps: Tensor, similarities: tuple[Tensor, ...], heads: int, noise: Tensor | None) -> Tensor:
    """Each position's mean of the representatives of both clusterings, by a softmax over them.

    Args:
        maps: The projected rows, B×R×(5·e·D).
        similarities: Scale and shift of the fuzzy, of the partitional clustering and of the consensus: F, F, P, P,
            F + P and F + P.
        heads: e.
        noise: What is subtracted from the partitional scores to choose by, G×n×P, or None.

    Returns:
        B×n×(e·D).
    """
    y: Tensor = Consensus.apply(maps, *similarities, heads, noise)
    return y


def choice(scores: Tensor) -> Tensor:
    """Each position's center, the first one at a tie: G×n×P → G×n×1 int64. No gradient: the choice has none."""
    return scores.detach().argmax(-1, keepdim=True)


class Consensus(torch.autograd.Function):
    """`consensus`: keeps keys and values, the choice, the noise and the representatives."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, *others: Any) -> Tensor:
        (*similarities, heads, noise) = others
        alpha1, beta1, alpha2, beta2, alpha, beta = similarities
        sizes = Sizes(heads, len(alpha1), len(alpha2))
        parts, lengths = heads_apart(maps, heads)
        keys = [sizes.rows(parts[i]) for i in (KEY, KEY1, KEY2)]
        queries = [keys[1][1] * alpha1[:, None], keys[2][2] * alpha2[:, None]]
        rep, total, index = _representatives(parts, queries, (beta1, beta2), sizes, noise)
        reach = length(rep)
        direction = rep / reach
        query = direction * alpha[:, None]
        y = maps.new_empty(len(maps), index.shape[1], heads, rep.shape[2])
        for n in _tiles(keys[0][0], rep):
            member = _scores(keys[0][0][:, n], query, beta).softmax(-1)
            y[:, n] = (member @ rep).unflatten(0, (-1, heads)).transpose(1, 2)
        ctx.sizes = sizes
        ctx.save_for_backward(
            parts, lengths, index, noise, *similarities, rep, total, reach, direction, query, *queries
        )
        return y.flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        parts, lengths, index, noise, *rest = ctx.saved_tensors
        alpha1, beta1, alpha2, beta2, alpha, beta, rep, total, reach, direction, query, *queries = rest
        sizes: Sizes = ctx.sizes
        of_parts = torch.zeros_like(parts)
        g = gradient.unflatten(2, (sizes.heads, -1)).transpose(1, 2).flatten(0, 1)
        of_query, of_rep, of_beta = _through_consensus(parts[KEY], of_parts[KEY], g, query, rep, beta)
        along = (of_query * direction).sum(-1, keepdim=True)
        of_rep.addcmul_(of_query.addcmul_(direction, along, value=-1), alpha[:, None] / reach)
        of_sum = of_rep / total
        of_total = (of_sum * rep).sum(-1)[:, None].neg_()  # G×1×(F + P)
        sums, totals = (t.split([sizes.fuzzy, sizes.hard], d) for t, d in ((of_sum, 1), (of_total, 2)))
        fuzzy = _through_fuzzy(parts, of_parts, queries[0], sums[0], totals[0], beta1, sizes)
        hard = _through_hard(parts, of_parts, queries[1], sums[1], totals[1], beta2, sizes, index, noise)
        of_alphas = []
        for i, (part, scale, of_q) in enumerate(((KEY1, alpha1, fuzzy[0]), (KEY2, alpha2, hard[0])), 1):
            of_alphas.append((of_q * sizes.rows(parts[part])[i]).sum((0, 2)))
            torch.mul(of_q, scale[:, None], out=sizes.rows(of_parts[part])[i])
            sizes.rows(of_parts[part + 1])[i].copy_(sums[i - 1])
        of_maps = _heads_together(parts, lengths, of_parts)
        return of_maps, of_alphas[0], fuzzy[1], of_alphas[1], hard[1], along.sum(0)[:, 0], of_beta, None, None


def heads_apart(maps: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Five parts, keys divided by their lengths, 5×G×R×D; and the lengths, 5×B×e×R×1, one for values."""
    x = maps.unflatten(2, (5, heads, -1))
    lengths = length(x)
    lengths[:, :, VALUE1::2] = 1
    x, lengths = (t.permute(2, 0, 3, 1, 4) for t in (x, lengths))
    parts = maps.new_empty(x.shape)
    torch.div(x, lengths, out=parts)
    return parts.flatten(1, 2), lengths


def _heads_together(parts: Tensor, lengths: Tensor, of_parts: Tensor) -> Tensor:
    """The way back of `heads_apart`; `of_parts` is overwritten."""
    along = (parts * of_parts).sum(-1, keepdim=True)
    along[VALUE1::2] = 0
    of_parts.addcmul_(parts, along, value=-1)
    count, B, heads, R, _ = lengths.shape
    of_maps = parts.new_empty(B, R, count, heads, parts.shape[-1])
    torch.div(of_parts.unflatten(1, (B, heads)), lengths, out=of_maps.permute(2, 0, 3, 1, 4))
    return of_maps.flatten(2)


def _representatives(
    parts: Tensor, queries: list[Tensor], betas: tuple[Tensor, Tensor], sizes: Sizes, noise: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """(v̄ + Σ A·v) / (EPS + Σ A), then those over the choice, (v̄ + Σ A·v) / (1 + count): G×(F + P)×D, what they are
    divided by, and the choice, G×n×1."""
    (k1, _, _), (v1, sum1, _), (k2, _, _), (v2, _, sum2) = (sizes.rows(parts[i]) for i in range(KEY1, 5))
    total1: Any = EPS
    total2: Any = 1
    index = torch.empty(*k2.shape[:2], 1, dtype=torch.int64, device=parts.device)
    for n in _tiles(k1, queries[0]):
        member = _scores(k1[:, n], queries[0], betas[0]).softmax(-1)
        sum1 = torch.baddbmm(sum1, member.transpose(1, 2), v1[:, n])
        total1 = member.sum(1).add_(total1)
    for n in _tiles(k2, queries[1]):
        score = _scores(k2[:, n], queries[1], betas[1])
        index[:, n] = choice(score if noise is None else score - noise[:, n])
        mask = _chosen(index[:, n], score)
        sum2 = torch.baddbmm(sum2, score.sigmoid_().mul_(mask).transpose(1, 2), v2[:, n])
        total2 = mask.sum(1).add_(total2)
    total = torch.cat([total1, total2], 1)[..., None]
    return torch.cat([sum1, sum2], 1).div_(total), total, index


def _through_consensus(
    keys: Tensor, of_keys: Tensor, g: Tensor, query: Tensor, rep: Tensor, beta: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the queries, of the representatives as what is averaged, and of the shifts; those of the keys are
    written."""
    of_query, of_rep, of_beta = Total(), Total(), Total()
    for n in _tiles(g, query):
        k = keys[:, n]
        member = _scores(k, query, beta).softmax(-1)
        of_score = _through_softmax(member, g[:, n] @ rep.transpose(1, 2))
        of_rep.product(member, g[:, n])
        _through_scores(k, of_keys[:, n], query, of_score, of_query, of_beta)
    return of_query.value, of_rep.value, of_beta.value


def _through_fuzzy(
    parts: Tensor, of_parts: Tensor, query: Tensor, of_sum: Tensor, of_total: Tensor, beta: Tensor, sizes: Sizes
) -> tuple[Tensor, Tensor]:
    """Gradients of the queries and of the shifts; those of keys and values are written."""
    (k, _, _), (v, _, _), (of_k, _, _), (of_v, _, _) = (
        sizes.rows(t[i]) for t in (parts, of_parts) for i in (KEY1, VALUE1)
    )
    of_query, of_beta = Total(), Total()
    for n in _tiles(k, query):
        member = _scores(k[:, n], query, beta).softmax(-1)
        torch.bmm(member, of_sum, out=of_v[:, n])
        of_score = _through_softmax(member, torch.baddbmm(of_total, v[:, n], of_sum.transpose(1, 2)))
        _through_scores(k[:, n], of_k[:, n], query, of_score, of_query, of_beta)
    return of_query.value, of_beta.value


def _through_hard(
    parts: Tensor,
    of_parts: Tensor,
    query: Tensor,
    of_sum: Tensor,
    of_total: Tensor,
    beta: Tensor,
    sizes: Sizes,
    index: Tensor,
    noise: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The same of the partitional clustering, whose choice has the gradient of a softmax (straight through)."""
    (k, _, _), (v, _, _), (of_k, _, _), (of_v, _, _) = (
        sizes.rows(t[i]) for t in (parts, of_parts) for i in (KEY2, VALUE2)
    )
    of_query, of_beta = Total(), Total()
    for n in _tiles(k, query):
        score = _scores(k[:, n], query, beta)
        soft = (score if noise is None else score - noise[:, n]).softmax(-1)
        share = score.sigmoid_()
        mask = _chosen(index[:, n], share)
        torch.bmm(share * mask, of_sum, out=of_v[:, n])
        of_member = v[:, n] @ of_sum.transpose(1, 2)
        of_score = _through_softmax(soft, torch.addcmul(of_total, share, of_member))
        of_score.addcmul_(torch.ops.aten.sigmoid_backward(of_member, share), mask)
        _through_scores(k[:, n], of_k[:, n], query, of_score, of_query, of_beta)
    return of_query.value, of_beta.value


def _tiles(keys: Tensor, queries: Tensor) -> Iterator[slice]:
    """Positions whose scores with all centers are a tile."""
    G, N, _ = keys.shape
    step = max(64, tile_size(keys.device) // (G * queries.shape[1]))
    for first in range(0, N, step):
        yield slice(first, min(N, first + step))


def _scores(keys: Tensor, queries: Tensor, beta: Tensor) -> Tensor:
    """β + key · query, G×n×M."""
    return torch.baddbmm(beta, keys, queries.transpose(1, 2))


def _chosen(index: Tensor, like: Tensor) -> Tensor:
    """One where a center is a position's, else zero: G×n×1, G×n×M → G×n×M."""
    centers = kept(_numbers)(like.shape[-1], like=like)
    return torch.eq(index, centers, out=torch.empty_like(like))


def _numbers(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.arange(count, dtype=dtype, device=device)


def _through_scores(
    keys: Tensor, of_keys: Tensor, queries: Tensor, of_score: Tensor, of_queries: Total, of_beta: Total
) -> None:
    torch.bmm(of_score, queries, out=of_keys)
    of_queries.product(of_score, keys)
    of_beta.add(of_score.sum((0, 1)))


def _through_softmax(member: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of the scores from that of their softmax."""
    return torch._softmax_backward_data(gradient, member, -1, member.dtype)
