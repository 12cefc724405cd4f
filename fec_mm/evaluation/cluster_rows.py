"""Health of each clustering layer of a backbone, and what its clusters show of the image's colours, without masks.

Shapes: images B×3×H×W, as the network gets them; pictures B×H×W×3, RGB, or B×H×W×1; label maps of a layer B×heads×H×W.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fec_mm.clusters import Assignments, cluster_levels, layer_labels, record_assignments
from fec_mm.models.layers import ClusterAttention, ClusterEnsemble, EncodingLayer
from fec_mm.models.layers.similarity import VectorSimilarity
from fec_mm.ops.regions import ceil_div

from .baselines import square_grid
from .cluster_health import agreement, share_used, size_entropy
from .segments import compactness, contour_density, explained_variation

PATCH = 4  # pixels, the stride of the stems
MEASURES = (
    'used',
    'entropy',
    'shift',
    'flip',
    'segments',
    'explained_variation',
    'grid_explained_variation',
    'contour_density',
    'compactness',
)

Values = dict[str, dict[str, list[float]]]  # of each layer, measure and head of an image


@torch.no_grad()
def layer_values(backbone: nn.Module, images: Tensor, pictures: np.ndarray) -> Values:
    """The measures of each clustering layer, each number of one image and head.

    - `used`, `entropy`: see `share_used` and `size_entropy`.
    - `shift`, `flip`: the agreement of the pixels' clusters with those in the image moved by a patch of 4 pixels to the
      left (reflected at the border, where nothing is compared), and mirrored.
    - None of these is of a layer with nothing to choose: of one center or one position.
    - The others are of the pixels' clusters as segments, see `fec_mm.evaluation.segments`;
      `grid_explained_variation` is of a square grid of as many.

    Args:
        backbone: In evaluation mode.
        images: On its device.
        pictures: The same, as they are seen.

    Raises:
        UserError: The backbone has no clustering layer.
    """
    width = images.shape[-1]
    moved = F.pad(images, (0, PATCH, 0, 0), mode='reflect')[..., PATCH:]
    record, maps = _look(backbone, images)
    _, shifted = _look(backbone, moved)
    _, flipped = _look(backbone, images.flip(-1))
    layers = dict(backbone.named_modules())
    found: Values = {}
    for name, labels in maps.items():
        values = found[name] = {measure: [] for measure in MEASURES}
        ids = record.layers[name].cpu()
        centers = center_count(layers[name], ids.shape[2:])
        choice = min(centers, ids[0, 0].numel()) > 1
        if choice:
            values['used'] += share_used(ids, centers).flatten().tolist()
            values['entropy'] += size_entropy(ids, centers).flatten().tolist()
        for image, head in np.ndindex(labels.shape[:2]):
            one, picture = labels[image, head], pictures[image]
            if choice:
                values['shift'].append(agreement(one[:, PATCH:], shifted[name][image, head][:, : width - PATCH]))
                values['flip'].append(agreement(one, flipped[name][image, head][:, ::-1]))
            for measure, value in _colours(one, picture).items():
                values[measure].append(value)
    return found


def _look(backbone: nn.Module, images: Tensor) -> tuple[Assignments, dict[str, np.ndarray]]:
    """What a backbone assigns, and the cluster of each pixel in each layer."""
    with record_assignments(backbone) as record:
        backbone(images)
    grids = record.image_size, record.stem_size
    levels = iter(cluster_levels(record.pools, *grids) if record.pools else ())
    maps = {
        name: next(levels)[:, None] if name in record.pool_names else layer_labels(ids, record.pools, *grids)
        for name, ids in record.layers.items()
    }
    return record, {name: labels.cpu().numpy() for name, labels in maps.items()}


def _colours(labels: np.ndarray, picture: np.ndarray) -> dict[str, float]:
    """The measures that need no masks."""
    valid = np.ones(labels.shape, bool)
    colours, segments = picture.reshape(-1, picture.shape[-1]), len(np.unique(labels))
    grid = square_grid(labels.shape, segments)
    return dict(
        segments=segments,
        explained_variation=explained_variation(labels.ravel(), colours),
        grid_explained_variation=explained_variation(grid.ravel(), colours),
        contour_density=contour_density(labels, valid),
        compactness=compactness(labels, valid),
    )


def center_count(layer: nn.Module, size: tuple[int, ...]) -> int:
    """How many centers a clustering layer has for a map of h×w."""
    if isinstance(layer, EncodingLayer):
        return int(layer.settings['centers'] * layer.settings['regions']) ** 2
    if isinstance(layer, ClusterAttention):
        return layer.centers**2
    if isinstance(layer, ClusterEnsemble):
        return layer.consensus.alpha.numel()
    if isinstance(layer, VectorSimilarity):
        return layer.alpha.numel()
    return math.prod(ceil_div(side, 2) for side in size)  # a pooling layer


def mean_rows(values: Values) -> list[dict[str, Any]]:
    """A row for each layer: `layer`, and the mean of each measure over the images and heads that have it, or None."""
    return [
        dict(layer=layer, **{measure: _mean(numbers) for measure, numbers in measures.items()})
        for layer, measures in values.items()
    ]


def _mean(numbers: list[float]) -> float | None:
    there = [number for number in numbers if number == number]
    return float(np.mean(there)) if there else None
