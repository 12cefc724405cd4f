"""Hooks of a config that mmengine would refuse, and the one that is replaced."""

from __future__ import annotations

from typing import Any

CHECKPOINT_HOOKS = (
    'CheckpointHook',
    'mmengine.CheckpointHook',
    'mmengine.hooks.CheckpointHook',
    'mmengine.hooks.checkpoint_hook.CheckpointHook',
)


def leave_out_hooks(cfg: Any) -> None:
    """Leave out the default hooks that are None, which is how one switches off a hook that a config inherits.

    mmengine does so with those that it would add itself, which must stay there, and asserts that there are no others
    (mmengine/runner/runner.py, `register_default_hooks`).

    Args:
        cfg: A full mmengine config, changed in place.
    """
    added = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')
    for name, hook in list((cfg.get('default_hooks') or {}).items()):
        if hook is None and name not in added:
            del cfg.default_hooks[name]


def keep_checkpoints_safe(cfg: Any) -> None:
    """Replace mmengine's `CheckpointHook` by one that no interruption leaves without a whole checkpoint.

    mmengine's deletes the oldest checkpoint before it writes the new one, so that `max_keep_ckpts=1` may leave none;
    and it writes in place, and writes the newest one a second time when that is also the best
    (mmengine/hooks/checkpoint_hook.py, `_save_checkpoint_with_step`, `_save_best_checkpoint`).

    Args:
        cfg: A full mmengine config, changed in place.
    """
    hooks = cfg.get('default_hooks') or {}
    hook = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))  # what mmengine takes when there is none
    kind = hook.get('type') if hook else None
    if isinstance(kind, type):  # as in pure Python configs
        kind = f'{kind.__module__}.{kind.__name__}'
    if kind in CHECKPOINT_HOOKS:
        cfg.default_hooks = {**hooks, 'checkpoint': {**hook, 'type': 'fec_mm.SafeCheckpointHook'}}
