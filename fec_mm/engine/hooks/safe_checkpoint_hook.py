"""Checkpoints of which at least one is always whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, find_latest_checkpoint

from fec_mm.errors import UserError
from fec_mm.fileio import AtomicBackend, remove_leftovers
from fec_mm.registry import HOOKS

from .loadable_hook import LoadableHook


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """mmengine's CheckpointHook for disks that fill and processes that are killed in the middle of a write.

    A local checkpoint is written beside and renamed, and so is `last_checkpoint`; outdated ones are removed when the
    new one is on the disk, not before, so that there is room for one more than `max_keep_ckpts`. What fails to be
    written is an error that names the last whole one. What could not be loaded again is left out. Arguments are
    CheckpointHook's.
    """

    def before_train(self, runner: Runner) -> None:
        """Choose the backend, clear away what a killed training left, and know again what it knew."""
        if '://' not in str(self.out_dir or runner.work_dir) and not self.backend_args and not self.file_client_args:
            self.backend_args: dict[str, Any] = dict(backend=AtomicBackend.name)
        self._loadable = LoadableHook()
        runner.register_hook(self._loadable)
        info = runner.message_hub.runtime_info
        self._newest = runner.train_loop.epoch if self.by_epoch else runner.train_loop.iter
        if 'keep_ckpt_ids' in info:  # mmengine's hook removes those beyond `max_keep_ckpts`
            kept = sorted({step for step in _list_of(int, info['keep_ckpt_ids']) if 0 <= step <= self._newest})
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        super().before_train(runner)
        if is_main_process() and isinstance(self.file_backend, AtomicBackend):
            remove_leftovers(self.out_dir)
            remove_leftovers(runner.work_dir)
        known = info if runner.train_loop.iter else {}
        # mmengine forgets those whose removal was cut off, and the last one, in which it notes a new best score.
        self._outdated = [
            here
            for path in _list_of(str, known.get('outdated_ckpts'))
            if (here := self._here(path)) and self._may_go(here)
        ]
        self._remove_outdated()
        if self._is_own(known.get('last_ckpt')):
            self.last_ckpt = self.file_backend.join_path(self.out_dir, PurePath(known['last_ckpt']).name)
        if hasattr(self, 'best_ckpt_path'):
            self.best_ckpt_path: str | None = self._here(self.best_ckpt_path)
        for indicator, path in getattr(self, 'best_ckpt_path_dict', {}).items():
            self.best_ckpt_path_dict[indicator] = self._here(path)

    def _here(self, path: Any) -> str | None:
        """The checkpoint of that name, if one is in `out_dir`: the training may have been in another folder, or was
        moved."""
        here = self.file_backend.join_path(self.out_dir, PurePath(path).name) if self._is_own(path) else ''
        return here if here and self.file_backend.exists(here) else None

    def _is_own(self, path: Any) -> bool:
        """Whether this training may have written a checkpoint of that name, until the one that it continues from.

        What a checkpoint says may be anybody's, and is removed or written over later: only what this hook gives a name
        to.
        """
        step = r'(\d+)'.join(re.escape(part) for part in re.split(r'\{[^{}]*\}', self.filename_tmpl))
        match = re.fullmatch(rf'(best_.+_)?{step}', PurePath(path).name) if isinstance(path, str) else None
        return match is not None and all(int(number) <= self._newest for number in match.groups()[1:])

    def _may_go(self, path: str) -> bool:
        """Whether this hook would remove a checkpoint of that name at all."""
        if PurePath(path).name.startswith('best_'):
            return bool(self.save_best)
        return self.max_keep_ckpts > 0 and PurePath(path).name != self.filename_tmpl.format(self._newest)

    def _save_checkpoint(self, runner: Runner) -> None:
        super()._save_checkpoint(runner)
        self._remove_outdated()

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """Save, then point to it: the reverse of mmengine's order. What is outdated by then is in `_outdated`, and in
        the file.

        Raises:
            UserError: The disk is full, the folder not writable, ...
        """
        name = self.filename_tmpl.format(step)
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                name_of_oldest = self.filename_tmpl.format(self.keep_ckpt_ids[0])
                if name_of_oldest != name:  # as it is with a template without a number
                    self._outdated.append(self.file_backend.join_path(self.out_dir, name_of_oldest))
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.message_hub.update_info('outdated_ckpts', [PurePath(path).name for path in self._outdated])
        with _naming_the_last(runner):
            runner.save_checkpoint(
                self.out_dir,
                name,
                self.file_client_args,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                backend_args=self.backend_args,
                **self.args,
            )
            if is_main_process():
                self._loadable.check_once(str(self.last_ckpt), runner)
                AtomicBackend().put_text(str(self.last_ckpt), Path(runner.work_dir, 'last_checkpoint'))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best one, and the last one that knows of it, then remove the one that was best before.

        Raises:
            UserError: The disk is full, the folder not writable, ...
        """
        backend = self.file_backend
        self.file_backend: Any = _Keeping(backend, self._outdated)
        try:
            with _naming_the_last(runner):
                super()._save_best_checkpoint(runner, metrics)
        finally:
            self.file_backend = backend
        self._remove_outdated()

    def _publish_model(self, runner: Runner, ckpt_path: str | None) -> None:
        """Not what is in another folder, where the training was before."""
        if ckpt_path and self.file_backend.exists(ckpt_path):
            super()._publish_model(runner, ckpt_path)

    def _remove_outdated(self) -> None:
        if is_main_process():
            for path in self._outdated:
                if self.file_backend.isdir(path):  # as DeepSpeed's are
                    self.file_backend.rmtree(path)
                elif self.file_backend.isfile(path):
                    self.file_backend.remove(path)
        self._outdated = []


class _Keeping:
    """A file backend that removes nothing, and notes what it was to remove."""

    def __init__(self, backend: Any, noted: list[str]) -> None:
        self._backend, self._noted = backend, noted

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def remove(self, path: str) -> None:
        self._noted.append(path)


def _list_of(kind: type, values: Any) -> list[Any]:
    """Those of a list that are of a type, from a checkpoint that may say anything."""
    return [value for value in values if type(value) is kind] if isinstance(values, (list, tuple)) else []


@contextmanager
def _naming_the_last(runner: Runner) -> Iterator[None]:
    """Turn the failure of a write into one line."""
    try:
        yield
    except OSError as error:
        last = find_latest_checkpoint(runner.work_dir)
        raise UserError(
            f'a checkpoint cannot be written into {error.filename or runner.work_dir} ({error.strerror or error}): '
            + (f'{last} is whole; make room and continue with --resume' if last else 'make room, and start again')
        ) from error
