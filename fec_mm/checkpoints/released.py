"""Checkpoints of the papers' authors: which model they are, and their keys in our names."""

from __future__ import annotations

import argparse
import contextlib
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .released_rules import released_keys

# How many batches a batch norm saw, which nothing here depends on.
COUNTER = 'num_batches_tracked'
# Where checkpoints have their weights, and the running averages of them.
PLAIN = ('state_dict', 'model')
EMA = ('state_dict_ema', 'model_ema')


class Converted(NamedTuple):
    """A released checkpoint in our names."""

    model: str  # such as 'FEC small'
    state_dict: dict[str, Tensor]  # `backbone.*` and, of a classifier, `head.fc.*`
    left_out: list[str]  # keys that belong to no backbone or classifier: those of a detector or segmenter
    others: list[str]  # the other models that have these keys and shapes, and cannot be told from it


class Weights(NamedTuple):
    """A state dict of a checkpoint."""

    state_dict: dict[str, Tensor]
    key: str | None  # what it is under; None: the checkpoint is the state dict
    others: list[str]  # the keys of averaged weights, which could have been taken; or of those that are not


def read_released(path: Path, ema: bool = False) -> dict[str, Tensor]:
    """The state dict of an authors' checkpoint; arguments and errors as of `read_weights`."""
    return read_weights(path, ema).state_dict


def read_weights(path: Path, ema: bool = False) -> Weights:
    """The weights of an authors' checkpoint: a plain state dict, or one under `state_dict` or `model`.

    It is loaded weights-only; the training scripts' `argparse.Namespace`, which real ones carry, is the only class
    allowed.

    Args:
        path: The checkpoint.
        ema: Whether to take the running average of the weights, which is under the same name and `_ema`.

    Raises:
        ValueError: It is no checkpoint, has no such weights, or holds objects that could run code.
    """
    checkpoint = _load(path)
    there = [
        key for key in (*PLAIN, *EMA) if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping)
    ]
    others = [key for key in there if (key in EMA) != ema]
    key = next((key for key in there if key not in others), None)
    if ema and key is None:
        raise ValueError(f'has no averaged weights, under {" or ".join(EMA)}: leave --ema out')
    if key is None and others:
        raise ValueError(f'has averaged weights alone, under {others[0]}: give --ema')
    state = checkpoint if key is None else checkpoint[key]
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError('has no state dict, neither plain nor under `state_dict` or `model`')
    return Weights(dict(state), key, others)


def _load(path: Path) -> Any:
    """The content of a checkpoint; raises as `read_weights`."""
    allow = getattr(torch.serialization, 'safe_globals', lambda names: contextlib.nullcontext())
    try:
        with allow([argparse.Namespace]):
            return torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        unsafe = re.search(r'(?:GLOBAL|global) (\S+)', str(error))
        what = f'holds {unsafe[1]}, which could run code' if unsafe else 'is damaged or no PyTorch checkpoint'
        raise ValueError(f'{what}; nothing but tensors and plain values is loaded') from error
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (RuntimeError, EOFError, OSError) as error:
        raise ValueError('is damaged or no PyTorch checkpoint; download it again') from error


def convert(released: Mapping[str, Tensor], families: Sequence[Any], model: str | None = None) -> Converted:
    """Rename the state dict of a released classifier, dense backbone, or whole detector or segmenter.

    Args:
        released: The authors' state dict.
        model: Which released model it is, such as 'ContextCluster tiny2', where its shapes are those of several.
            Default: the first that fits.
        families: The classes of backbones it may be of, such as `fec_mm.models.FAMILIES`.

    Raises:
        ValueError: A backbone key is unknown, missing, or of another shape than in every released model.
    """
    state = {key.removeprefix('module.'): value for key, value in released.items()}
    whole = any(key.startswith('backbone.') for key in state)
    prefix = 'backbone.' if whole else ''
    left_out = [key for key in state if not key.startswith(prefix)]
    state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    head = {} if whole else {key: state.pop(key) for key in ('head.weight', 'head.bias') if key in state}
    known = 'patch_embed.proj.weight', 'network.', 'stem.aggregate', 'stages.0.blocks.0.cluster.'
    if not any(key.startswith(known) for key in state):
        raise ValueError(
            'has no key of a released FEC or Context Cluster model, such as patch_embed.proj.weight, '
            'nor of EnFormer or CLUENet'
        )

    (name, keys, shapes, problems), others = _closest(state, families, model)
    if len(head) == 1:
        problems.append('missing ' + ({'head.weight', 'head.bias'} - set(head)).pop())
    if problems:
        more = f', and {len(problems) - 5} more' if len(problems) > 5 else ''
        raise ValueError(
            f'is no released model; differences from {name}, the closest: ' + ', '.join(problems[:5]) + more
        )
    result = {f'backbone.{keys[key]}': _as_linear(value, shapes[keys[key]]) for key, value in state.items()}
    counters = [name for key, name in keys.items() if key.endswith(COUNTER) and key not in state]
    result.update({f'backbone.{name}': torch.tensor(0) for name in counters})
    result.update({key.replace('head.', 'head.fc.'): value for key, value in head.items()})
    return Converted(name, result, left_out, others)


class _Candidate(NamedTuple):
    model: str
    keys: dict[str, str]  # our names by the released ones
    shapes: dict[str, torch.Size]  # by our names
    problems: list[str]


def _closest(state: Mapping[str, Tensor], families: Sequence[Any], wanted: str | None) -> tuple[_Candidate, list[str]]:
    """The released model with the fewest differences from a state dict, or the wanted one; and others as close to it.

    Raises:
        ValueError: No model is called as the wanted one.
    """
    candidates = []
    for model, backbone in _candidates(families, any(re.match(r'(post_)?norm\d\.', key) for key in state)):
        keys, shapes = released_keys(backbone), {name: value.shape for name, value in backbone.state_dict().items()}
        problems = [f'unknown {key}' for key in state if key not in keys]
        problems += [f'missing {key}' for key in keys if key not in state and not key.endswith(COUNTER)]
        problems += [
            f'{key} has shape {tuple(state[key].shape)} instead of {tuple(shapes[name])}'
            for key, name in keys.items()
            if key in state and _as_linear(state[key], shapes[name]).shape != shapes[name]
        ]
        candidates.append(_Candidate(model, keys, shapes, problems))
    if wanted is not None and wanted not in [candidate.model for candidate in candidates]:
        known = ', '.join(candidate.model for candidate in candidates)
        raise ValueError(f"fits no model '{wanted}': give one of {known}")
    named = [candidate for candidate in candidates if wanted in (None, candidate.model)]
    best = min(named, key=lambda candidate: len(candidate.problems))
    alike = [c.model for c in candidates if c is not best and not c.problems and not best.problems]
    return best, alike


def _candidates(families: Sequence[Any], dense: bool) -> Iterator[tuple[str, nn.Module]]:
    """Every released model, without its weights."""
    for family, arch in [(each, arch) for each in families for arch in each.arch_settings]:
        name, settings = f'{family.__name__} {arch}', dict(out_indices=range(4) if dense else -1)
        with torch.device('meta'):
            if not hasattr(family, 'tasks'):
                yield name, family(arch, **settings)
                continue
            for task in family.tasks:
                if dense == (task != 'classification'):
                    yield f'{name} for {task}', family(arch, task=task, **settings)


def _as_linear(value: Tensor, shape: torch.Size) -> Tensor:
    """A 1×1 convolution where the shape is a linear layer's; all else stays."""
    return value.flatten(1) if value.shape == (*shape, 1, 1) else value
