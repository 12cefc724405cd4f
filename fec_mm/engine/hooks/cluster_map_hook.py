"""Clusters beside a segmenter's predictions while it is evaluated."""

from __future__ import annotations

from contextlib import AbstractContextManager

from mmengine.hooks import Hook
from mmengine.runner import Runner

from fec_mm.evaluation.cluster_maps import attach_cluster_maps
from fec_mm.registry import HOOKS
from fec_mm.wrappers import unwrap


@HOOKS.register_module()
class ClusterMapHook(Hook):
    """Gives `ClusterMapMetric` the clusters while mmseg validates and tests: add it to `custom_hooks`."""

    def __init__(self) -> None:
        self._attached: AbstractContextManager[None] | None = None

    def before_val_epoch(self, runner: Runner) -> None:
        """Watch the model; raises as `attach_cluster_maps`."""
        self._attached = attach_cluster_maps(unwrap(runner.model))
        self._attached.__enter__()

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        """Let go of it."""
        if self._attached is not None:
            self._attached.__exit__(None, None, None)
            self._attached = None

    before_test_epoch = before_val_epoch
    after_test_epoch = after_val_epoch
