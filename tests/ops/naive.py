"""Clustering position by position, in loops over nothing but the positions that exist: no padding, no masks, no
matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def _bins(length: int, bins: int) -> list[range]:
    return [range(math.floor(i * length / bins), math.ceil((i + 1) * length / bins)) for i in range(bins)]


def _regions(size: int, regions: int, multiple: int = 1) -> tuple[int, list[range]]:
    side = math.ceil(size / (regions * multiple)) * multiple
    return side, [range(r * side, (r + 1) * side) for r in range(regions)]


def _mean(x: Tensor, rows: list[int], cols: list[int]) -> Tensor:
    return torch.stack([x[i, j] for i in rows for j in cols]).mean(0)


def _cluster(
    f: Tensor, v: Tensor, regions: int, multiple: int, bins: int | None, alpha: Tensor, beta: Tensor, weighting: str
) -> tuple[dict, dict, dict]:
    """One image and head, f and v H×W×D: representatives by center, each position's center, and similarity."""
    H, W, _ = f.shape
    (h, row_regions), (w, col_regions) = _regions(H, regions, multiple), _regions(W, regions, multiple)
    m, n = (bins or h // 2), (bins or w // 2)
    representatives, chosen, similarity = {}, {}, {}
    for ri, rr in enumerate(row_regions):
        for ci, cr in enumerate(col_regions):
            positions = [(i, j) for i in rr for j in cr if i < H and j < W]
            centers = {}
            for a, bin_a in enumerate(_bins(h, m)):
                for b, bin_b in enumerate(_bins(w, n)):
                    rows = [rr[i] for i in bin_a if rr[i] < H]
                    cols = [cr[j] for j in bin_b if cr[j] < W]
                    if rows and cols:
                        centers[ri * m + a, ci * n + b] = _mean(f, rows, cols), _mean(v, rows, cols)
            for i, j in positions:
                scores = {
                    c: torch.sigmoid(beta + alpha * torch.cosine_similarity(f[i, j], cf, 0, eps=1e-12))
                    for c, (cf, _) in centers.items()
                }
                best = max(scores, key=lambda c: (scores[c].item(), -c[0], -c[1]))
                chosen[i, j], similarity[i, j] = best, scores[best]
            for c, (_, cv) in centers.items():
                own = [p for p in positions if chosen[p] == c]
                weight = {p: similarity[p] if weighting == 'similarity' else 1 for p in own}
                representatives[c] = (cv + sum(weight[p] * v[p] for p in own)) / (1 + sum(weight[p] for p in own))
    return representatives, chosen, similarity


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
) -> tuple[Tensor, Tensor]:
    B, H, W, _ = x.shape
    f = (x @ f_weight.T + f_bias).unflatten(-1, (heads, -1))
    v = (x @ v_weight.T + v_bias).unflatten(-1, (heads, -1))
    y, ids = torch.zeros_like(v), torch.zeros(B, heads, H, W, dtype=torch.long)
    for b in range(B):
        for e in range(heads):
            rep, chosen, similarity = _cluster(
                f[b, :, :, e], v[b, :, :, e], regions, 1, centers, alpha, beta, weighting
            )
            for (i, j), (row, col) in chosen.items():
                y[b, i, j, e] = similarity[i, j] * rep[row, col]
                ids[b, e, i, j] = row * regions * centers + col
    return y.flatten(3) @ proj_weight.T + proj_bias, ids


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
    """With alpha, which has to be positive here, and beta, positions are weighted by their similarity."""
    B, H, W, _ = x.shape
    rows, cols = math.ceil(H / 2), math.ceil(W / 2)
    f, v = x @ f_weight.T + f_bias, x @ v_weight.T + v_bias
    y, ids = x.new_zeros(B, rows, cols, v.shape[-1]), torch.zeros(B, 1, H, W, dtype=torch.long)
    one = torch.ones(())
    for b in range(B):
        if alpha is None:
            rep, chosen, _ = _cluster(f[b], v[b], regions, 2, None, one, one, 'count')
        else:
            rep, chosen, _ = _cluster(f[b], v[b], regions, 2, None, alpha, beta, 'similarity')
        for (row, col), value in rep.items():
            y[b, row, col] = value
        for (i, j), (row, col) in chosen.items():
            ids[b, 0, i, j] = row * cols + col
    return y, ids


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
    B, H, W, C = x.shape
    rows, cols = math.ceil(H / 2), math.ceil(W / 2)
    places = [(r, c) for r in range(rows) for c in range(cols)]
    y, centers = x.new_zeros(B, rows, cols, len(v_weight)), x.new_zeros(B, rows, cols, C)
    ids = torch.zeros(B, 1, H, W, dtype=torch.long)
    for b in range(B):
        own = {
            p: [(i, j) for i in (2 * p[0], 2 * p[0] + 1) for j in (2 * p[1], 2 * p[1] + 1) if i < H and j < W]
            for p in places
        }
        means = {p: torch.stack([x[b, i, j] for i, j in own[p]]).mean(0) for p in places}
        now = dict(means)
        for step in range(iterations):
            members: dict = {p: [] for p in places}
            similarity = {}
            for home in places:
                around = [p for p in places if abs(p[0] - home[0]) <= 1 and abs(p[1] - home[1]) <= 1]
                for i, j in own[home]:
                    s = {}
                    for p in around:
                        f, key = x[b, i, j] @ f_weight.T + f_bias, now[p] @ f_weight.T + f_bias
                        cosine = torch.cosine_similarity(f, key, 0, eps=1e-12)
                        far = ((i - 2 * p[0] - 0.5) / 2) ** 2 + ((j - 2 * p[1] - 0.5) / 2) ** 2
                        s[p] = cosine, cosine.item() - compactness * far
                    best = max(around, key=lambda p: (s[p][1], p == home, -p[0], -p[1]))
                    members[best].append((i, j))
                    ids[b, 0, i, j] = best[0] * cols + best[1]
                    if alpha is not None:
                        similarity[i, j] = torch.sigmoid(beta + alpha * s[best][0])
            if step + 1 < iterations:
                now = {
                    p: (means[p] / 4 + sum(x[b, i, j] for i, j in members[p])) / (1 / 4 + len(members[p]))
                    for p in places
                }
        for p in places:
            weight = {n: similarity.get(n, 1) for n in members[p]}
            total = means[p] + sum(weight[i, j] * x[b, i, j] for i, j in members[p])
            y[b, p[0], p[1]] = total / (1 + sum(weight.values())) @ v_weight.T + v_bias
            centers[b, p[0], p[1]] = now[p]
    return y, ids, centers


def represent(
    x: Tensor, f_weight: Tensor, f_bias: Tensor, alpha: Tensor, beta: Tensor, *, centers: int
) -> tuple[Tensor, Tensor]:
    B, H, W, C = x.shape
    y, ids = x.new_zeros(B, centers**2, C), torch.zeros(B, 1, H, W, dtype=torch.long)
    for b in range(B):
        rep, chosen, _ = _cluster(x[b] @ f_weight.T + f_bias, x[b], 1, 1, centers, alpha, beta, 'similarity')
        for (row, col), value in rep.items():
            y[b, row * centers + col] = value
        for (i, j), (row, col) in chosen.items():
            ids[b, 0, i, j] = row * centers + col
    return y, ids


def send(f: Tensor, keys: Tensor, values: Tensor, alpha: Tensor, beta: Tensor, near: bool) -> tuple[Tensor, Tensor]:
    """The top-down step: B×H×W×D, B×h×w×D, B×C×h×w → B×C×H×W and the raster positions of the chosen, B×H×W."""
    (B, H, W, _), (h, w) = f.shape, keys.shape[1:3]
    y, ids = values.new_zeros(B, values.shape[1], H, W), torch.zeros(B, H, W, dtype=torch.long)
    for b in range(B):
        for i in range(H):
            for j in range(W):
                own = math.floor(i * h / H), math.floor(j * w / W)
                places = [
                    (r, c)
                    for r in range(h)
                    for c in range(w)
                    if not near or (abs(r - own[0]) <= 1 and abs(c - own[1]) <= 1)
                ]
                s = {
                    p: torch.sigmoid(
                        beta + alpha * torch.cosine_similarity(f[b, i, j], keys[b, p[0], p[1]], 0, eps=1e-12)
                    )
                    for p in places
                }
                best = max(places, key=lambda p: (s[p].item(), near and p == own, -p[0], -p[1]))
                y[b, :, i, j] = s[best] * values[b, :, best[0], best[1]]
                ids[b, i, j] = best[0] * w + best[1]
    return y, ids
