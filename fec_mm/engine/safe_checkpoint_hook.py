"""Checkpoints of which at least one is always whole."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, find_latest_checkpoint

from fec_mm.errors import UserError
from fec_mm.fileio import AtomicBackend, remove_leftovers
from fec_mm.registry import HOOKS


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook for disks that fill and processes that are killed in the middle of a write.

    A local checkpoint is written beside and renamed, and so is `last_checkpoint`; outdated ones are removed when the new
    one is on the disk, not before, so that there is room for one more than `max_keep_ckpts`. What fails to be written is
    an error that names the last whole one. Arguments are CheckpointHook's.
    """

    def before_train(self, runner: Runner) -> None:
        """Choose the backend, and clear away what a killed training left half-written."""
        if '://' not in str(self.out_dir or runner.work_dir) and not self.backend_args and not self.file_client_args:
            self.backend_args: dict[str, Any] = dict(backend=AtomicBackend.name)
        super().before_train(runner)
        if is_main_process() and isinstance(self.file_backend, AtomicBackend):
            remove_leftovers(self.out_dir)
            remove_leftovers(runner.work_dir)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """Save, then point to it, then remove: the reverse of mmengine's order.

        Raises:
            UserError: the disk is full, the folder not writable, ...
        """
        name = self.filename_tmpl.format(step)
        outdated = None
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                outdated = self.filename_tmpl.format(self.keep_ckpt_ids[0])
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        with _naming_the_last(runner):
            runner.save_checkpoint(
                self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
                backend_args=self.backend_args, **self.args)
            if is_main_process():
                AtomicBackend().put_text(str(self.last_ckpt), Path(runner.work_dir, 'last_checkpoint'))
        if outdated is not None and is_main_process():
            path = self.file_backend.join_path(self.out_dir, outdated)
            if self.file_backend.isdir(path):  # as DeepSpeed's are
                self.file_backend.rmtree(path)
            elif self.file_backend.isfile(path):
                self.file_backend.remove(path)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best one, and the last one that knows of it, then remove the one that was best before.

        Raises:
            UserError: the disk is full, the folder not writable, ...
        """
        outdated: list[str] = []
        with _naming_the_last(runner), patch.object(self.file_backend, 'remove', outdated.append):
            super()._save_best_checkpoint(runner, metrics)
        for path in outdated:
            self.file_backend.remove(path)


@contextmanager
def _naming_the_last(runner: Runner) -> Iterator[None]:
    """Turn the failure of a write into one line."""
    try:
        yield
    except OSError as error:
        last = find_latest_checkpoint(runner.work_dir)
        raise UserError(
            f'a checkpoint cannot be written into {error.filename or runner.work_dir} ({error.strerror or error}): '
            + (f'{last} is whole; make room and continue with --resume' if last else 'make room, and start again')) from error
