"""The probe as a metric of validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from fec_mm.errors import UserError
from fec_mm.registry import METRICS

from .layer_probe import probe

FIELD = 'layer_features'  # of a data sample: {layer: C}, put there by ClusterProbeHook


@METRICS.register_module()
class ClusterProbeMetric(BaseMetric):
    """How well k-means on a model's layers recovers the subclasses of a `SuperclassDataset`.

    It needs `custom_hooks=[dict(type='fec_mm.ClusterProbeHook')]`, which collects the features, and keeps those of the
    whole validation set in memory; `tools/analysis_tools/probe_clusters.py` does not. Of each layer it reports
    `<layer>/nmi`, `ami`, `ari`, `purity`, `accuracy` and `silhouette` of as many clusters as subclasses, the same
    within superclasses as `<layer>/within_nmi`, ..., and `<layer>/knn` and `<layer>/linear`.

    Args:
        seeds: Of k-means and splits; the means are reported.
        collect_device: 'cpu' or 'gpu', how the processes exchange features.
        prefix: Of the names.
    """

    default_prefix = 'probe'

    def __init__(self, seeds: Sequence[int] = (0,), collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device, prefix)
        self.seeds = tuple(seeds)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep labels and features of a batch.

        Raises:
            UserError: The data set or the hook is missing.
        """
        for sample in data_samples:
            if 'subclass' not in sample:
                raise UserError(
                    'ClusterProbeMetric: the data samples have no subclass: wrap the data set in '
                    'fec_mm.SuperclassDataset'
                )
            if FIELD not in sample:
                raise UserError(
                    "ClusterProbeMetric: the data samples have no features: add dict(type='fec_mm.ClusterProbeHook') "
                    'to custom_hooks'
                )
            self.results.append((int(sample['subclass']), int(sample['superclass']), sample[FIELD]))

    def compute_metrics(self, results: list[tuple[int, int, dict[str, np.ndarray]]]) -> dict[str, float]:
        subclasses, superclasses = (np.asarray([r[i] for r in results]) for i in (0, 1))
        scores: dict[str, float] = {}
        for layer in results[0][2]:
            found = probe(np.stack([r[2][layer] for r in results]), subclasses, superclasses, seeds=self.seeds)
            for group, start in (
                (found['global']['1'], ''),
                (found['within']['1'], 'within_'),
                (found['read_out'], ''),
            ):
                scores.update({f'{layer}/{start}{name}': value['mean'] for name, value in group.items()})
        return scores
