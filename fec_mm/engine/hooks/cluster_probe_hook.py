"""Features of layers for ClusterProbeMetric."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.evaluation.cluster_probe_metric import FIELD
from fec_mm.evaluation.features import default_layers, record_features, to_numpy
from fec_mm.registry import HOOKS
from fec_mm.wrappers import unwrap


@HOOKS.register_module()
class ClusterProbeHook(Hook):
    """While the model is validated or tested, puts the pooled features of its layers into each data sample it predicts.

    Args:
        layers: Names of modules. Default: the stages of the backbone, and `head`, what the classifier reads.
    """

    def __init__(self, layers: Sequence[str] | None = None) -> None:
        self.layers = layers
        self._recording = ExitStack()

    def before_val_epoch(self, runner: Runner) -> None:
        model: Any = unwrap(runner.model)
        record = self._recording.enter_context(record_features(model, self.layers or default_layers(model)))

        def attach(_module: Any, _inputs: Any, samples: Any) -> None:
            arrays = {name: to_numpy(features) for name, features in record.items()}
            for i, sample in enumerate(samples):
                sample.set_field({name: rows[i] for name, rows in arrays.items()}, FIELD)

        self._recording.callback(model.register_forward_hook(attach).remove)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._recording.close()

    def before_test_epoch(self, runner: Runner) -> None:
        self.before_val_epoch(runner)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        self._recording.close()
