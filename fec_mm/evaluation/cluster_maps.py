"""The clusters of a segmenter's backbone against ground-truth masks, in mmseg's evaluation.

Shapes: `cluster_maps` of a data sample are levels×H×W, of the network's input without its padding; regions, the ground
truth, are H'×W', and everything is measured at their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.structures import PixelData
from torch import Tensor, nn
from torch.nn import functional as F

from fec_mm.clusters import cluster_levels, record_assignments
from fec_mm.errors import UserError
from fec_mm.optional import optional
from fec_mm.registry import METRICS

from .segments import measure, square_grid, tolerance_of

MEASURES = ('asa', 'boundary_recall', 'boundary_precision', 'undersegmentation', 'explained_variation')
BASELINES = ('grid', 'slic')
SLIC_ATTEMPTS = 5
SLIC_TOLERANCE = 0.03  # of the number of segments


@contextmanager
def attach_cluster_maps(model: nn.Module) -> Iterator[None]:
    """Inside of the `with`, what mmseg's model predicts also holds its clusters: each data sample gets `cluster_maps`.

    Raises:
        UserError: The model has no clustering layer or no clustering-based pooling, or sees an image in several parts.
    """
    with record_assignments(model) as record:

        def attach(_model: nn.Module, args: tuple, kwargs: dict[str, Any], samples: Any) -> None:
            size = tuple((args[0] if args else kwargs['inputs']).shape[-2:])
            if size != record.image_size:
                raise UserError(
                    f'the backbone saw {record.image_size[0]}×{record.image_size[1]} of {size[0]}×{size[1]} pixels: '
                    "clusters are of whole images, set model.test_cfg.mode='whole'"
                )
            levels = torch.stack(cluster_levels(record.pools, record.image_size), dim=1)
            for sample, maps in zip(samples, levels):
                info = sample.metainfo
                left, right, top, bottom = info.get('img_padding_size', info.get('padding_size', (0, 0, 0, 0)))
                sample.cluster_maps = PixelData(data=maps[:, top : size[0] - bottom, left : size[1] - right])

        handle = model.register_forward_hook(attach, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()


@METRICS.register_module()
class ClusterMapMetric(BaseMetric):
    """How well clusters fit ground-truth masks, at each level: see `fec_mm.evaluation.segments`.

    Reports the means over images as `clusters/level<k>/<measure>`, those of baselines with as many segments as
    `clusters/<baseline>/level<k>/<measure>`. Needs `custom_hooks=[dict(type='fec_mm.ClusterMapHook')]`.

    Args:
        ignore_index: Label of the pixels that do not count.
        tolerance: Pixels that a border may be off by. Default: 0.0025 of the image's diagonal, at least 1.
        baselines: Of 'grid' and 'slic' (needs scikit-image), what is measured beside the clusters.
        collect_device, prefix: As for every metric.
    """

    default_prefix = 'clusters'

    def __init__(
        self,
        ignore_index: int = 255,
        tolerance: int | None = None,
        baselines: Sequence[str] = (),
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        unknown = set(baselines) - set(BASELINES)
        if unknown:
            raise ValueError(f'baselines={list(baselines)} must be some of {", ".join(BASELINES)}')
        self.ignore_index, self.tolerance, self.baselines = ignore_index, tolerance, baselines

    def process(self, data_batch: dict[str, Any], data_samples: Sequence[dict[str, Any]]) -> None:
        """Measure a batch.

        Raises:
            UserError: The samples have no clusters.
        """
        for inputs, sample in zip(data_batch['inputs'], data_samples):
            if 'cluster_maps' not in sample:
                raise UserError(
                    "ClusterMapMetric gets no clusters: add custom_hooks=[dict(type='fec_mm.ClusterMapHook')]"
                )
            image, regions = picture_and_regions(inputs, sample)
            rows: list[dict[str, Any]] = []
            for level, labels in enumerate(resized(sample['cluster_maps']['data'], regions.shape), 1):
                maps = {'': labels, **baseline_maps(image, len(np.unique(labels)), self.baselines)}
                for name, values in self.measured(maps, image, regions).items():
                    rows.append(dict(method=name, level=level, **values))
            self.results.append(rows)  # one item per image: mmengine cuts off what exceeds the size of the data set

    def measured(
        self, maps: Mapping[str, np.ndarray], image: np.ndarray, regions: np.ndarray
    ) -> dict[str, dict[str, float]]:
        """The measures of label maps, by their names; none of an image without a valid pixel."""
        valid = regions != self.ignore_index
        if not valid.any():
            return {}
        tolerance = tolerance_of(regions.shape) if self.tolerance is None else self.tolerance
        return {name: measure(labels, regions, image, valid, tolerance) for name, labels in maps.items()}

    def compute_metrics(self, results: list[list[dict[str, Any]]]) -> dict[str, float]:
        """The means over images, by `[<baseline>/]level<k>/<measure>`."""
        means: dict[str, float] = {}
        for row in mean_rows(results):
            where = '/'.join(filter(None, (row['method'], f'level{row["level"]}')))
            means.update({f'{where}/{name}': row[name] for name in ('segments', 'pieces', *MEASURES)})
        return means


def mean_rows(results: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """The means over images of the rows of each method and level, in the order in which these first come.

    Args:
        results: The rows of each image.
    """
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in chain.from_iterable(results):
        groups.setdefault((row['method'], row['level']), []).append(row)
    return [
        dict(
            method=method,
            level=level,
            images=len(group),
            **{name: _mean([row[name] for row in group]) for name in ('segments', 'pieces', *MEASURES)},
        )
        for (method, level), group in groups.items()
    ]


def _mean(values: list[float]) -> float:
    """The mean of those that are numbers: an image without borders has no boundary recall."""
    numbers = [value for value in values if value == value]
    return float(np.mean(numbers)) if numbers else float('nan')


def picture_and_regions(inputs: Tensor, sample: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H'×W'×3, RGB, uint8) and the ground truth (H'×W') of an image as mmseg loads it.

    Args:
        inputs: 3×H×W, BGR, before normalisation.
        sample: With `gt_sem_seg`.
    """
    regions = sample['gt_sem_seg']['data'].squeeze(0).cpu().numpy()
    if inputs.shape[1:] != regions.shape:
        inputs = F.interpolate(inputs[None].float(), regions.shape, mode='bilinear', antialias=True)[0].round()
    return inputs.byte().flip(0).permute(1, 2, 0).cpu().numpy(), regions


def resized(maps: Tensor, size: tuple[int, ...]) -> np.ndarray:
    """Label maps at another size, each pixel with the label of the one that its middle falls in."""
    rows, cols = (
        (2 * torch.arange(new, device=maps.device) + 1) * old // (2 * new) for new, old in zip(size, maps.shape[-2:])
    )
    return maps[:, rows[:, None], cols].cpu().numpy()


def baseline_maps(image: np.ndarray, segments: int, names: Sequence[str]) -> dict[str, np.ndarray]:
    """What needs no network, with about so many segments: the square grid, and SLIC.

    Args:
        image: H×W×3, RGB, uint8.
    """
    makers = {'grid': lambda: square_grid(image.shape[:2], segments), 'slic': lambda: slic_with(image, segments)}
    return {name: makers[name]() for name in names}


def slic_with(image: np.ndarray, segments: int) -> np.ndarray:
    """SLIC of scikit-image with its defaults, and as near to a number of segments as some attempts come.

    It makes fewer segments than it is asked for, by up to a third: it starts from a grid and merges what is small.
    """
    slic = optional('skimage.segmentation', 'SLIC segments').slic
    attempts: list[tuple[int, np.ndarray]] = []
    wanted = segments
    for _ in range(SLIC_ATTEMPTS):
        labels = slic(image, wanted, start_label=0)
        found = len(np.unique(labels))
        attempts.append((abs(found - segments), labels))
        if attempts[-1][0] <= SLIC_TOLERANCE * segments:
            break
        wanted = max(1, round(wanted * segments / found))
    return min(attempts, key=lambda attempt: attempt[0])[1]
