"""From what each layer assigned to the clusters that the input's pixels belong to, level by level.

Shapes: B images, H×W pixels of the backbone's input, h×w positions of a layer's input; label maps are B×H×W, int64.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fec_mm.errors import UserError

STEM_STRIDE = 4


def cluster_levels(
    pools: Sequence[Tensor], image_size: tuple[int, int], stem: tuple[int, int] | None = None
) -> list[Tensor]:
    """Compose the pooling layers' assignments: the cluster of each pixel at every level.

    A pixel is at first in the stem position that sees it; the last ones of a side that 4 does not divide are seen by
    none, and go with their neighbour. Each pooling layer's clusters are the positions that the next one clusters.

    Args:
        pools: The assignments of successive pooling layers, B×1×h×w, as raster positions in ceil(h/2)×ceil(w/2).
        image_size: H, W.
        stem: Sides of the stem's map. Default: a quarter of the image's, floored.

    Returns:
        For each pooling layer a label map, B×H×W; labels are raster positions in that layer's pooled map.

    Raises:
        UserError: There is no pooling layer, as in Context Cluster and EnFormer.
        ValueError: The shapes do not follow from each other.
    """
    if not pools:
        raise UserError(
            'the backbone has no clustering-based pooling, and so no hierarchy of clusters to show '
            '(Context Cluster and EnFormer halve their maps by convolutions): use one with fec_mm.FEC or fec_mm.CLUENet'
        )
    height, width = image_size
    h, w = stem = stem or _quarter(image_size)
    labels = _grid(image_size, stem, 0, pools[0].device).expand(len(pools[0]), -1)
    levels = []
    for level, ids in enumerate(pools, 1):
        if ids.shape != (len(labels), 1, h, w):
            raise ValueError(
                f'pooling layer {level} assigned a map of {tuple(ids.shape)}, expected {(len(labels), 1, h, w)} '
                f'for images of {height}×{width}'
            )
        labels = ids.flatten(1).gather(1, labels)
        levels.append(labels.unflatten(1, (height, width)))
        h, w = (h + 1) // 2, (w + 1) // 2
    return levels


def layer_labels(
    ids: Tensor, pools: Sequence[Tensor], image_size: tuple[int, int], stem: tuple[int, int] | None = None
) -> Tensor:
    """The centers of one encode layer that the input's pixels went to, through the clusters that are the layer's
    positions.

    Args:
        ids: The layer's assignments, or how confident they are, B×heads×h×w.
        pools: Those of the backbone's pooling layers, B×1×…; none where convolutions halve the map, as in Context
            Cluster.
        image_size: H, W.
        stem: As of `cluster_levels`.

    Returns:
        B×heads×H×W, the layer's center of each pixel.

    Raises:
        ValueError: No stage of the backbone has a map of the layer's size.
    """
    stem = stem or _quarter(image_size)
    level, size = 0, stem
    while size != ids.shape[2:]:
        if size == (1, 1) or 0 < len(pools) == level:
            raise ValueError(
                f'no stage has a map of {tuple(ids.shape[2:])} for images of {image_size[0]}×{image_size[1]}'
            )
        level, size = level + 1, ((size[0] + 1) // 2, (size[1] + 1) // 2)
    if pools and level:
        labels = cluster_levels(pools[:level], image_size, stem)[-1].flatten(1)
    else:
        labels = _grid(image_size, stem, level, ids.device).expand(len(ids), -1)
    return ids.flatten(2).gather(2, labels[:, None].expand(-1, ids.shape[1], -1)).unflatten(2, image_size)


def _quarter(image_size: tuple[int, int]) -> tuple[int, int]:
    return image_size[0] // STEM_STRIDE, image_size[1] // STEM_STRIDE


def _grid(image_size: tuple[int, int], stem: tuple[int, int], halvings: int, device: torch.device) -> Tensor:
    """The raster position of each pixel in the stem's map, halved so many times by strided convolutions, H·W."""
    stride = 1 if stem == image_size else STEM_STRIDE
    rows, cols = (
        (torch.arange(side, device=device) // stride).clamp(max=last - 1) >> halvings
        for side, last in zip(image_size, stem)
    )
    return (rows[:, None] * (int(cols[-1]) + 1) + cols).flatten()
