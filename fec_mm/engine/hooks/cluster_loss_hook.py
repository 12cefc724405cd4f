"""A loss on a model's clusters, beside the losses of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from fec_mm.errors import UserError
from fec_mm.models.layers.tap import ScoreTap
from fec_mm.registry import HOOKS, MODELS
from fec_mm.wrappers import unwrap


@HOOKS.register_module()
class ClusterLossHook(Hook):
    """Adds `loss_clusters` to what a model of any toolbox is trained on: one more entry of its dict of losses.

    It needs a backbone with near candidates, such as `fec_mm.FEC` with `pool=dict(candidates='near')`, and watches the
    model's forward. So mixed precision, accumulated gradients and distributed training treat the loss as the others,
    and it has no state that a checkpoint would have to hold.

    Args:
        loss: Config of the loss. Default: `dict(type='fec_mm.ClusterConsistencyLoss', target='colours')`, which needs
            no labels.
    """

    def __init__(self, loss: Mapping[str, Any] | None = None) -> None:
        self.loss: Any = MODELS.build(dict(loss or dict(type='fec_mm.ClusterConsistencyLoss', target='colours')))
        self._levels = 0
        self._scores: list[Tensor] = []
        self._handles: list[Any] = []

    def before_train(self, runner: Runner) -> None:
        """Watch the model.

        Raises:
            UserError: It has no pooling with near candidates.
        """
        self.attach(unwrap(runner.model))

    def attach(self, model: nn.Module) -> None:
        """Watch a model, until `after_train`; raises as `before_train`."""
        taps = [module for module in model.modules() if isinstance(module, ScoreTap)]
        if not taps:
            raise UserError(
                f'ClusterLossHook: {type(model).__name__} has no pooling with near candidates: set '
                "model.backbone.pool=dict(candidates='near') of fec_mm.FEC, or remove the hook"
            )
        self._levels = len(taps)
        self._handles = [tap.register_forward_hook(self._keep) for tap in taps]
        self._handles.append(model.register_forward_pre_hook(self._forget))
        self._handles.append(model.register_forward_hook(self._add, with_kwargs=True))

    def after_train(self, runner: Runner) -> None:
        """Let go of it."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._scores = [], []

    def _forget(self, _model: nn.Module, _inputs: Any) -> None:
        self._scores = []

    def _keep(self, _tap: nn.Module, _inputs: Any, output: tuple[Tensor, Tensor]) -> None:
        if torch.is_grad_enabled():
            self._scores.append(output[0])

    def _add(self, _model: nn.Module, args: tuple, kwargs: dict[str, Any], losses: Any) -> Any:
        """The losses with one more, if it is losses that the model was asked for."""
        named = dict(zip(('inputs', 'data_samples', 'mode'), args), **kwargs)
        if named.get('mode') != 'loss' or not isinstance(losses, dict):
            return losses
        scores, self._scores = self._scores, []
        samples, inputs = named.get('data_samples') or (), named['inputs']
        views = [inputs] if isinstance(inputs, Tensor) else list(inputs)  # of self-supervised models, several
        if len(scores) != len(views) * self._levels:
            raise UserError(
                f'ClusterLossHook: the backbone ran {len(scores) / self._levels:g} times with gradients on '
                f'{len(views)} views of the images: remove the hook where it is frozen, or runs otherwise'
            )
        labels = drawn_labels(samples) if self.loss.target == 'labels' else None
        sizes = drawn_sizes(samples)
        found = [
            self.loss(scores[i * self._levels : (i + 1) * self._levels], images, labels, sizes)
            for i, images in enumerate(views)
        ]
        return {**losses, 'loss_clusters': sum(found) / len(found)}


def drawn_labels(samples: Sequence[Any]) -> Tensor:
    """The label maps of a batch, B×H×W.

    Raises:
        UserError: The samples have none.
    """
    if not samples or any('gt_sem_seg' not in sample for sample in samples):
        raise UserError(
            'ClusterLossHook: the data have no label maps (gt_sem_seg) to reconstruct: set '
            "target='colours' of its loss, which needs none"
        )
    # mmseg's are `data`, mmdet's `sem_seg`.
    maps = [sample.gt_sem_seg.get('sem_seg', sample.gt_sem_seg.get('data')) for sample in samples]
    return torch.stack([one.squeeze(0) for one in maps])


def drawn_sizes(samples: Sequence[Any]) -> list[tuple[int, int]] | None:
    """Height and width of each image of a batch without its padding, None where nothing was padded.

    The preprocessors of mmdet and mmseg, which pad, say so.
    """
    infos = [getattr(sample, 'metainfo', {}) for sample in samples]
    if not infos or not all({'img_shape', 'pad_shape'} <= set(info) for info in infos):
        return None
    return [(int(info['img_shape'][0]), int(info['img_shape'][1])) for info in infos]
