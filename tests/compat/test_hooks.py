"""Which hook writes checkpoints."""

from __future__ import annotations

from mmengine.config import Config

from fec_mm import compat


def test_checkpoints_are_written_safely() -> None:
    for hooks, expected in (
        (None, dict(interval=1)),
        ({}, dict(interval=1)),
        (dict(checkpoint=dict(type='CheckpointHook', max_keep_ckpts=1)), dict(max_keep_ckpts=1)),
    ):
        cfg = Config(dict(default_hooks=hooks))
        compat.keep_checkpoints_safe(cfg)
        assert cfg.default_hooks.checkpoint == dict(type='fec_mm.SafeCheckpointHook', **expected)
    for hook in (None, dict(type='mine.Hook')):
        cfg = Config(dict(default_hooks=dict(checkpoint=hook)))
        compat.keep_checkpoints_safe(cfg)
        assert cfg.default_hooks.checkpoint == hook
