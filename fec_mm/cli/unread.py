"""Settings of `--cfg-options` that change nothing, as nothing reads them once the config is read."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

# The top level that mmengine's runners read (mmengine/runner/runner.py and _flexible_runner.py, `from_cfg` and
# `self.cfg`).
RUNNER = frozenset(
    (
        'model',
        'work_dir',
        'train_dataloader',
        'val_dataloader',
        'test_dataloader',
        'train_cfg',
        'val_cfg',
        'test_cfg',
        'auto_scale_lr',
        'optim_wrapper',
        'param_scheduler',
        'val_evaluator',
        'test_evaluator',
        'default_hooks',
        'custom_hooks',
        'data_preprocessor',
        'load_from',
        'resume',
        'launcher',
        'env_cfg',
        'log_processor',
        'log_level',
        'visualizer',
        'default_scope',
        'randomness',
        'experiment_name',
        'runner_type',
        'strategy',
        'model_wrapper_cfg',
        'sync_bn',
        'find_unused_parameters',
        'activation_checkpointing',
        'efficient_conv_bn_eval',
        'compile',
    )
)
# And what our tools read besides.
READ = RUNNER | {'tta_model', 'tta_pipeline'}


def unread_options(cfg: Config, options: dict[str, Any]) -> list[str]:
    """A line for each override that nothing reads, with the nearest that something does.

    Variables that a config is composed with, such as `data_root`, are read while it is; and a misspelt name by nobody.
    What is below the top level is not looked at: whoever is built by it refuses what it does not know.

    Args:
        cfg: The config before the options are merged.
        options: Values by dotted key.
    """
    lines = []
    for key in options:
        top, _, rest = key.partition('.')
        if top in READ and not (top == 'data_preprocessor' and 'data_preprocessor' in (cfg.get('model') or {})):
            continue
        near = [f'{other}.{rest}' if rest else other for other in _nearest(cfg, top)]
        hint = f': did you mean {" or ".join(near)}?' if near else ': correct its name, unless code of yours reads it'
        lines.append(f'--cfg-options {key} changes nothing, as no part of the training or test reads it{hint}')
    return lines


def _nearest(cfg: Config, name: str, most: int = 3) -> list[str]:
    """Keys that are read, in place of a top-level one that is not: of its name and value, of its name, of a name like
    it."""
    below = list(_below({key: cfg.get(key) for key in cfg if key in READ and key != name}))
    named = [(key, value) for key, value in below if key.rsplit('.', 1)[-1] == name]
    same = [key for key, value in named if value == cfg.get(name)]
    composed = [key for key, value in below if value == cfg[name]] if isinstance(cfg.get(name), (dict, list)) else []
    found = same or [key for key, _ in named] or composed or difflib.get_close_matches(name, sorted(READ), n=1)
    return found[:most]


def _below(node: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """Every setting of a config by its dotted key, outer ones first."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield f'{prefix}{key}', value
        if isinstance(value, (dict, list, tuple)):
            yield from _below(value, f'{prefix}{key}.')
