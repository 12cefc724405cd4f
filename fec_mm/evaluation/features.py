"""Pooled features of a model's layers, taken by hooks while it runs.

Shapes: B images, C channels; an output is B×C, tokens B×L×C, or a map B×C×H×W or B×H×W×C; pooled, each is B×C in
float32.

How an output is pooled:

- of several outputs (a tuple) the last tensor counts: Swin's stages also return the size of their map;
- tokens are averaged, without class and distillation tokens, which a backbone counts in `num_extra_tokens`;
- maps are averaged over their positions. The channels are the second axis, as everywhere in MM; they are the last one
  inside of this package's backbones, convolutions from images excepted, and of `nn.Linear` and `nn.LayerNorm`, which
  act on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fec_mm.errors import UserError
from fec_mm.models.backbones.staged_backbone import StagedBackbone

HEAD = 'head'  # what the classifier's last linear layer reads; of FEC: the mean of the final representatives
PARTS = 4  # a ViT has no stages: the ends of its quarters count


def default_layers(model: nn.Module) -> list[str]:
    """The stages of the backbone, or the ends of a ViT's quarters, and `head`.

    Raises:
        UserError: The backbone has neither stages nor layers.
    """
    backbone: Any = getattr(model, 'backbone', None)
    if hasattr(backbone, 'res_layers'):
        names = [f'backbone.{name}' for name in backbone.res_layers]
    elif hasattr(backbone, 'stages'):
        names = [f'backbone.stages.{i}' for i in range(len(backbone.stages))]
    elif hasattr(backbone, 'layers'):
        depth = len(backbone.layers)
        names = [
            f'backbone.layers.{i}' for i in sorted({-(-depth * part // PARTS) - 1 for part in range(1, PARTS + 1)})
        ]
    elif hasattr(backbone, 'network'):  # PoolFormer's, where layers that halve the map stand between the stages
        names = [f'backbone.network.{i}' for i, part in enumerate(backbone.network) if isinstance(part, nn.Sequential)]
    else:
        raise UserError(f'{type(backbone).__name__} has no stages to probe by default: name modules with --layers')
    return names + ([HEAD] if _classifier(model) is not None else [])


@contextmanager
def record_features(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Record pooled features of the last forward inside of the `with`; forward hooks do it, and are removed at the end.

    Args:
        model: A classifier with `backbone` and `head`.
        names: Of modules, as in `model.named_modules()`, or `head`. Of a list of modules the last one counts.

    Raises:
        UserError: There is no such module, or, while the model runs, an output that cannot be pooled.
    """
    record: dict[str, Tensor] = {}
    modules = dict(model.named_modules())
    last_axis = {
        id(inner) for m in modules.values() if isinstance(m, StagedBackbone) for inner in m.modules() if inner is not m
    }
    extra = int(getattr(getattr(model, 'backbone', None), 'num_extra_tokens', 0))
    handles = []

    def keep(name: str, channels_last: bool) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            record[name] = pool(name, output, channels_last, extra)

        return hook

    try:
        for name in names:
            if name == HEAD:
                classifier = _classifier(model)
                if classifier is None:
                    raise UserError(
                        f'{type(model).__name__} has no linear classifier to probe the input of: leave out {HEAD}'
                    )
                handles.append(classifier.register_forward_pre_hook(_keep_input(record)))
                continue
            if name not in modules:
                raise UserError(
                    f"the model has no module '{name}' to probe: choose --layers from model.named_modules()"
                )
            module = modules[name]
            while isinstance(module, (nn.Sequential, nn.ModuleList)) and len(module):
                module = module[-1]
            channels_last = type(module) in (nn.Linear, nn.LayerNorm) or (
                id(module) in last_axis and type(module) is not nn.Conv2d
            )
            handles.append(module.register_forward_hook(keep(name, channels_last)))
        yield record
    finally:
        for handle in handles:
            handle.remove()


def pool(name: str, output: Any, channels_last: bool, extra_tokens: int) -> Tensor:
    """B×C, float32, from the output of the module `name`; see the rules above.

    Raises:
        UserError: It is no tensor of two to four axes, nor a tuple that ends in one.
    """
    if isinstance(output, (tuple, list)):
        output = next((item for item in reversed(output) if isinstance(item, Tensor)), None)
    if not isinstance(output, Tensor) or not 2 <= output.dim() <= 4:
        what = f'of shape {tuple(output.shape)}' if isinstance(output, Tensor) else f'a {type(output).__name__}'
        raise UserError(f'the output of {name} is {what}, which has no channels to pool: choose another layer')
    output = output.detach().float()
    if output.dim() == 3:
        return output[:, extra_tokens:].mean(1)
    if output.dim() == 4:
        return output.mean((1, 2) if channels_last else (2, 3))
    return output


def _keep_input(record: dict[str, Tensor]) -> Callable[[nn.Module, Any], None]:
    def hook(_module: nn.Module, inputs: Any) -> None:
        record[HEAD] = pool(HEAD, inputs[0], True, 0)

    return hook


def _classifier(model: nn.Module) -> nn.Linear | None:
    """The last linear layer of the head."""
    head = getattr(model, 'head', None)
    return (
        next((m for m in reversed(list(head.modules())) if isinstance(m, nn.Linear)), None)
        if head is not None
        else None
    )


def to_numpy(features: Tensor) -> Any:
    """The array of a tensor of any device."""
    return features.to('cpu', torch.float32).numpy()
