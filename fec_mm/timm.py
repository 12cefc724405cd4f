"""The models of this project as timm has models: `import fec_mm.timm`, then `timm.create_model('fec_small')`.

The module registers them; nothing else of it is called. Parameters have the names of mmpretrain's classifiers, so that
`create_model(NAME, checkpoint_path=FILE)` takes the checkpoints of tools/train.py and of convert_released.py.

Shapes: images B×3×H×W, maps B×C×h×w.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models._features import feature_take_indices
from torch import Tensor, nn

from .models import FAMILIES
from .models.backbones.staged_backbone import StagedBackbone

PREFIXES = {'FEC': 'fec', 'ContextCluster': 'coc', 'CLUENet': 'cluenet', 'EnFormer': 'enformer'}


class Head(nn.Module):
    """Mean over positions, the norm of families that have it there, dropout, and a linear layer."""

    def __init__(self, channels: int, num_classes: int, global_pool: str, drop_rate: float) -> None:
        super().__init__()
        self.channels = channels
        self.drop = nn.Dropout(drop_rate)
        self.reset(num_classes, global_pool)

    def reset(self, num_classes: int, global_pool: str | None = None) -> None:
        """Other classes; 0: none."""
        if global_pool is not None:
            if global_pool not in ('avg', ''):
                raise ValueError(f"global_pool='{global_pool}' must be 'avg' or ''")
            self.global_pool = global_pool
        self.fc: nn.Module = nn.Identity()
        if num_classes:
            linear = nn.Linear(self.channels, num_classes)
            nn.init.trunc_normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)
            self.fc = linear

    def forward(self, x: Tensor, norm: nn.Module | None, pre_logits: bool) -> Tensor:
        """A map, its channels first → logits, B×K."""
        if not self.global_pool:
            return x
        x = x.mean((2, 3))
        x = self.drop(x if norm is None else norm(x))
        return x if pre_logits else self.fc(x)


class ClusterModel(nn.Module):
    """A backbone of this project with a classifier, as timm expects models to be.

    Args:
        family: `fec_mm.FEC` or another backbone.
        arch: One of its archs.
        num_classes, in_chans, global_pool, drop_rate, drop_path_rate: As everywhere in timm.
        settings: Of the backbone, such as `centers_per_side`.
    """

    def __init__(
        self,
        family: type[StagedBackbone],
        arch: str,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = 'avg',
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        **settings: Any,
    ) -> None:
        super().__init__()
        build: Any = family
        self.backbone = build(arch, in_channels=in_chans, drop_path_rate=drop_path_rate, **settings)
        self.num_classes, self.grad_checkpointing = num_classes, False
        self.num_features = self.head_hidden_size = self.backbone.out_channels[-1]
        # EnFormer's published classifiers take the norm behind the mean.
        self.pools_first = PREFIXES[family.__name__] == 'enformer'
        self.head = Head(self.num_features, num_classes, global_pool, drop_rate)
        stem = settings_of(family, arch).get('stem_stride', 4)
        self.feature_info = [
            dict(num_chs=channels, reduction=stem * 2**i, module=f'backbone.stages.{i}')
            for i, channels in enumerate(settings_of(family, arch)['embed_dims'])
        ]

    def forward_features(self, x: Tensor) -> Tensor:
        """Images → the last map, through its norm where that comes before the mean."""
        *_, x = self.backbone.maps(x)
        return self._first(x if self.pools_first else self._norm(x))

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The last map → logits, or what the linear layer takes."""
        return self.head(x, self._norm if self.pools_first else None, pre_logits)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_intermediates(
        self,
        x: Tensor,
        indices: int | list[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = 'NCHW',
        intermediates_only: bool = False,
    ) -> Any:
        """The maps of stages; of the last one through the norm, if `norm`. The others have none."""
        if output_fmt != 'NCHW':
            raise ValueError(f"output_fmt='{output_fmt}' must be 'NCHW'")
        taken, last = feature_take_indices(len(self.backbone.stages), indices)
        found, end = [], len(self.backbone.stages) - 1
        for i, each in enumerate(self.backbone.maps(x)):
            x = each
            if i in taken:
                found.append(self._first(self._norm(x) if norm and i == end else x))
            if stop_early and i == last:
                break
        if intermediates_only:
            return found
        return self._first(x if self.pools_first else self._norm(x)), found

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Leave out what the maps of some stages do not need; returns which these are."""
        taken, last = feature_take_indices(len(self.backbone.stages), indices)
        whole = len(self.backbone.stages) == last + 1
        self.backbone.stages = self.backbone.stages[: last + 1]
        self.backbone.downsamples = self.backbone.downsamples[:last]
        if prune_norm or not whole:
            self._set_norm(nn.Identity())
        if prune_head:
            self.reset_classifier(0, '')
        return taken

    def get_classifier(self) -> nn.Module:
        """The linear layer."""
        return self.head.fc

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Another linear layer; of no classes, none."""
        self.num_classes = num_classes
        self.head.reset(num_classes, global_pool)

    @torch.jit.ignore
    def no_weight_decay(self) -> set[str]:
        """Scales and shifts of similarities, and layer scales."""
        names = ('alpha', 'beta', 'ls1', 'ls2')
        return {name for name, _ in self.named_parameters() if name.rsplit('.', 1)[-1] in names}

    @torch.jit.ignore
    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Compute activations anew in the backward pass."""
        self.grad_checkpointing = self.backbone.with_cp = enable

    @torch.jit.ignore
    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Groups of parameters by depth, for learning rates that decay with it."""
        block = r'^backbone\.(?:stages|downsamples)\.(\d+)' if coarse else r'^backbone\.stages\.(\d+)\.(\d+)'
        return dict(
            stem=r'^backbone\.stem',
            blocks=[(block, None), (r'^backbone\.downsamples\.(\d+)', (0,)), (r'^backbone\.norm', (99999,))],
        )

    def _first(self, x: Tensor) -> Tensor:
        """Channels first."""
        return x.permute(0, 3, 1, 2).contiguous()

    def _norm(self, x: Tensor) -> Tensor:
        norm: Tensor = getattr(self.backbone, f'norm{self.backbone.out_indices[-1]}')(x)
        return norm

    def _set_norm(self, norm: nn.Module) -> None:
        setattr(self.backbone, f'norm{self.backbone.out_indices[-1]}', norm)


def settings_of(family: type[StagedBackbone], arch: str) -> dict[str, Any]:
    """The published settings of an arch."""
    return dict(family.arch_settings[arch])


def _entry(name: str, family: type[StagedBackbone], arch: str) -> Callable[..., nn.Module]:
    def build(pretrained: bool = False, **kwargs: Any) -> nn.Module:
        model: nn.Module = build_model_with_cfg(
            ClusterModel,
            name,
            pretrained,
            family=family,
            arch=arch,
            feature_cfg=dict(out_indices=(0, 1, 2, 3), feature_cls='getter'),
            **kwargs,
        )
        return model

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f'{family.__name__} {arch}.'
    return build


MODELS = {
    f'{PREFIXES[family.__name__]}_{arch.replace("-", "_")}': (family, arch)
    for family in FAMILIES
    for arch in family.arch_settings
}
default_cfgs = generate_default_cfgs(
    {
        f'{name}.untrained': dict(
            url='',
            num_classes=1000,
            input_size=(3, 32, 32) if 'cifar' in name else (3, 224, 224),
            pool_size=(4, 4) if 'cifar' in name else (7, 7),
            crop_pct=0.9,
            interpolation='bicubic',
            mean=IMAGENET_DEFAULT_MEAN,
            std=IMAGENET_DEFAULT_STD,
            first_conv='backbone.stem.proj',
            classifier='head.fc',
        )
        for name in MODELS
    }
)
for _name, (_family, _arch) in MODELS.items():
    globals()[_name] = register_model(_entry(_name, _family, _arch))
