"""Checkpoints of the papers' authors: which model they are, and their keys in our names."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from .backbones import FEC, ContextCluster
from .backbones.cluster_backbone import ClusterBackbone

RULES = [
    (r'patch_embed\.proj\.', 'stem.proj.'),
    (r'network\.([0246])\.(\d+)\.token_mixer\.sim_(alpha|beta)$', lambda m: f'stages.{int(m[1]) // 2}.{m[2]}.mixer.{m[3]}'),
    (r'network\.([0246])\.(\d+)\.token_mixer\.', lambda m: f'stages.{int(m[1]) // 2}.{m[2]}.mixer.'),
    (r'network\.([0246])\.(\d+)\.layer_scale_([12])$', lambda m: f'stages.{int(m[1]) // 2}.{m[2]}.layer_scale{m[3]}'),
    (r'network\.([0246])\.(\d+)\.', lambda m: f'stages.{int(m[1]) // 2}.{m[2]}.'),
    (r'network\.([135])\.norm2\.', lambda m: f'downsamples.{int(m[1]) // 2}.norm.'),
    (r'network\.([135])\.proj\.', lambda m: f'downsamples.{int(m[1]) // 2}.'),
    (r'network\.([135])\.conv_', lambda m: f'downsamples.{int(m[1]) // 2}.'),
    (r'norm([0246])\.', lambda m: f'norm{int(m[1]) // 2}.'),
    (r'norm\.', 'norm3.'),
]


class Converted(NamedTuple):
    """A released checkpoint in our names."""
    model: str  # such as 'FEC small'
    state_dict: dict[str, Tensor]  # `backbone.*` and, of a classifier, `head.fc.*`
    left_out: list[str]  # keys that belong to no backbone or classifier: those of a detector or segmenter


def rename(key: str) -> str | None:
    """A backbone key of the released models in our names; None where it is none of theirs."""
    for pattern, replacement in RULES:
        new, count = re.subn(f'^{pattern}', replacement, key)
        if count:
            return new
    return None


def convert(released: Mapping[str, Tensor]) -> Converted:
    """Rename the state dict of a released classifier, dense backbone, or whole detector or segmenter.

    Args:
        released: The authors' state dict.

    Raises:
        ValueError: A backbone key is unknown, missing, or of another shape than in every released model.
    """
    state = {key.removeprefix('module.'): value for key, value in released.items()}
    whole = any(key.startswith('backbone.') for key in state)
    prefix = 'backbone.' if whole else ''
    left_out = [key for key in state if not key.startswith(prefix)]
    state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    head = {} if whole else {key: state.pop(key) for key in ('head.weight', 'head.bias') if key in state}

    names = {key: rename(key) for key in state}
    unknown = [key for key, new in names.items() if new is None]
    if not names or len(unknown) == len(names):
        raise ValueError('no key of a released FEC or Context Cluster model in it, such as patch_embed.proj.weight')
    dense = any(re.match(r'norm[0246]\.', key) for key in state)
    model, problems = _closest({names[key] or key: tuple(state[key].shape) for key in state}, dense,
                               {names[key] or key: key for key in state})
    if len(head) == 1:
        problems.append(f"missing {({'head.weight', 'head.bias'} - set(head)).pop()}")
    if problems:
        more = f', and {len(problems) - 5} more' if len(problems) > 5 else ''
        raise ValueError(f'not a released model; closest to {model}: ' + ', '.join(problems[:5]) + more)

    result = {f'backbone.{names[key]}': _as_linear(f'{names[key]}', value) for key, value in state.items()}
    result.update({f'head.fc.{key.removeprefix("head.")}': value for key, value in head.items()})
    return Converted(model, result, left_out)


def _as_linear(name: str, value: Tensor) -> Tensor:
    """1×1 convolutions are linear layers here; true convolutions stay."""
    return value.flatten(1) if value.dim() == 4 and value.shape[2:] == (1, 1) else value


def _closest(shapes: dict[str, tuple[int, ...]], dense: bool, old: dict[str, str]) -> tuple[str, list[str]]:
    """The released model with the fewest differences from the given shapes, and the differences."""
    best: tuple[str, list[str]] | None = None
    families: list[type[ClusterBackbone]] = [FEC, ContextCluster]
    for family in families:
        for arch in family.arch_settings:
            with torch.device('meta'):
                expected = family(arch, out_indices=range(4) if dense else -1).state_dict()
            problems = [f'unknown {old[key]}' for key in shapes if key not in expected]
            problems += [f'missing {key} (in our names)' for key in expected if key not in shapes]
            problems += [
                f'{old[key]} has shape {shapes[key]} instead of {tuple(value.shape)}' for key, value in expected.items()
                if key in shapes and tuple(value.shape) != tuple(_squeezed(shapes[key], value.dim()))
            ]
            if best is None or len(problems) < len(best[1]):
                best = f'{family.__name__} {arch}', problems
    assert best is not None
    return best


def _squeezed(shape: tuple[int, ...], dims: int) -> tuple[int, ...]:
    """A 1×1 convolution's shape as that of a linear layer."""
    return shape[:2] if dims == 2 and shape[2:] == (1, 1) else shape
