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

from fec_mm.clusters import cluster_levels, connect, record_assignments
from fec_mm.errors import UserError
from fec_mm.registry import METRICS

from .baselines import BASELINES, baseline_maps
from .segments import count_pieces, measure, tolerance_of

MEASURES = (
    'asa',
    'boundary_recall',
    'boundary_precision',
    'undersegmentation',
    'explained_variation',
    'contour_density',
    'compactness',
)
EQUAL = ('segments', 'pieces', 'connected')


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
            levels = torch.stack(cluster_levels(record.pools, record.image_size, record.stem_size), dim=1)
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

    Reports the means over images: of the clusters as `clusters/level<k>/<measure>`, and of baselines with as many
    segments as `clusters/<baseline>/level<k>/<measure>`. Baselines with as many segments as the clusters have connected
    pieces are `clusters/<baseline>/pieces/…`. The clusters read as connected segments (`fec_mm.clusters.connect`) are
    `clusters/connected/…`, and baselines with as many are `clusters/<baseline>/connected/…`. Needs
    `custom_hooks=[dict(type='fec_mm.ClusterMapHook')]`.

    Args:
        ignore_index: Label of the pixels that do not count.
        tolerance: Pixels that a border may be off by. Default: 0.0025 of the image's diagonal, at least 1.
        baselines: Of 'grid', 'slic' and 'felzenszwalb', what is measured beside the clusters.
        equal: Of 'segments', 'pieces' and 'connected', what baselines have as many of as the clusters. Default:
            'segments'.
        collect_device, prefix: As for every metric.
    """

    default_prefix = 'clusters'

    def __init__(
        self,
        ignore_index: int = 255,
        tolerance: int | None = None,
        baselines: Sequence[str] = (),
        equal: Sequence[str] = ('segments',),
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix)
        for name, given, known in (('baselines', baselines, BASELINES), ('equal', equal, EQUAL)):
            if not set(given) <= set(known):
                raise ValueError(f'{name}={list(given)} must be some of {", ".join(known)}')
        if tolerance is not None and tolerance < 0:
            raise ValueError(f'tolerance={tolerance} must be 0 or more pixels')
        self.ignore_index, self.tolerance, self.baselines, self.equal = ignore_index, tolerance, baselines, equal

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
                maps = {'': labels, **self.beside(labels, image)}
                for name, values in self.measured(maps, image, regions).items():
                    rows.append(dict(method=name, level=level, **values))
            self.results.append(rows)  # one item per image: mmengine cuts off what exceeds the size of the data set

    def beside(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """What a label map is measured beside, by name: its connected segments, and the baselines as `equal` says."""
        maps = {'connected': connect(labels)} if 'connected' in self.equal else {}
        numbers = dict.fromkeys(self.equal, 0)
        for equal in self.equal:
            numbers[equal] = count_pieces(labels) if equal == 'pieces' else len(np.unique(maps.get(equal, labels)))
        for equal, number in numbers.items():
            found = baseline_maps(image, number, self.baselines)
            maps.update({name if equal == 'segments' else f'{name}/{equal}': one for name, one in found.items()})
        return maps

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
