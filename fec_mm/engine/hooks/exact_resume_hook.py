"""A training that was interrupted and resumed ends where it would have ended without."""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import broadcast
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import BatchSampler

from fec_mm.registry import HOOKS

from ..seeding import STEP, VALIDATION, NumberedSampler, seed_all, seed_batches


@HOOKS.register_module()
class ExactResumeHook(Hook):
    """Makes `--resume` exact: the same weights, optimizer state and metrics, to the last bit where operators are
    deterministic.

    mmengine's checkpoints have the weights, the optimizer and the schedules, and its samplers depend on seed and epoch.
    What is missing:

    - Random numbers. They are not saved, and could not be: the workers have read ahead. So they are a function of the
      seed, the process and the iteration (drop path, Mixup, sampling of boxes), or the place of the batch
      (augmentation).
    - Loops by iterations load all batches that were trained on again, only to drop them; here the sampler skips them.
    - A validation that was due and did not happen, as it comes after the checkpoint, happens first.
    - The statistics of BN that other processes than the first have gathered. They are validated with, and in no
    checkpoint;
      so all validate with the first one's, that is the model that was saved.

    What is drawn by other hooks in their `before_train_iter` is not covered, nor are gradients accumulated across a
    checkpoint. Its priority is the lowest: other hooks have prepared the samplers and themselves.
    """

    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Number the batches, and validate what is due."""
        loop: Any = runner.train_loop
        sampler = seed_batches(loop.dataloader, runner.seed, runner.rank)
        if not runner._randomness_cfg.get('diff_rank_seed'):
            sampler.sampler.seed = runner.seed  # the checkpoint's, when the config has none
        if loop.iter and runner.val_loop is not None:
            step, last = (
                (loop.epoch, loop.max_epochs) if isinstance(loop, EpochBasedTrainLoop) else (loop.iter, loop.max_iters)
            )
            loop._decide_current_val_interval()
            due = step >= loop.val_begin and (step % loop.val_interval == 0 or step == last)
            if due and runner.message_hub.runtime_info.get('last_validation') != loop.iter:
                # As they are when a validation follows a step.
                runner.message_hub.update_info('iter', loop.iter - 1)
                if isinstance(loop, EpochBasedTrainLoop):
                    runner.message_hub.update_info('epoch', loop.epoch - 1)
                runner.val_loop.run()

    def before_train_epoch(self, runner: Runner) -> None:
        """Of a loop by iterations, which began to read before it knew of its checkpoint: begin again, at the right
        batch."""
        loop = runner.train_loop
        if isinstance(loop, IterBasedTrainLoop):
            _restart(loop)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Seed the step."""
        seed_all(runner.seed, runner.rank, STEP, runner.iter)

    def before_val_epoch(self, runner: Runner) -> None:
        """Seed the validation, and note that it happened: for a checkpoint that is saved once more after it."""
        for module in runner.model.modules():
            if isinstance(module, _BatchNorm) and module.track_running_stats:
                broadcast(module.running_mean)
                broadcast(module.running_var)
        seed_all(runner.seed, runner.rank, VALIDATION, runner.iter)
        runner.message_hub.update_info('last_validation', runner.iter)


def _restart(loop: Any) -> None:
    """Make the loop's iterator of batches anew; its first `loop.iter` items, which mmengine drops, are None if
    possible.

    Not with samplers that cannot be set back, by their epoch, such as mmdet's MultiSourceSampler: there mmengine loads
    all of
    them again, and workers, which have begun already, draw augmentation without seeds.
    """
    loader = loop.dataloader
    numbered: NumberedSampler = loader.batch_sampler.sampler
    sampler, done = numbered.sampler, loop.iter
    if not isinstance(sampler, InfiniteSampler) and not hasattr(sampler, 'epoch'):
        return
    loop.dataloader_iterator = loader._iterator = None  # its workers end, also persistent ones: they know of no seeds
    epoch = 0
    if isinstance(sampler, InfiniteSampler):
        sampler.indices = sampler._indices_of_rank()  # from the start: they have been drawn from
    # Other batch samplers group images by their shape: which indices N batches take is known only by loading them.
    for name in (
        '_aspect_ratio_buckets',
        '_buckets',
    ):  # mmdet/datasets/samplers/batch_sampler.py; they have been filled
        for bucket in getattr(loader.batch_sampler, name, ()):
            bucket.clear()
    skipping = done > 0 and type(loader.batch_sampler) is BatchSampler
    if skipping:
        batches = done
        if not isinstance(sampler, InfiniteSampler):
            epoch, batches = divmod(done, len(loader))
            sampler.set_epoch(epoch)
        numbered.skip = batches * loader.batch_sampler.batch_size
    iterator = _InfiniteDataloaderIterator(loader)
    iterator._epoch = epoch
    loop.dataloader_iterator = chain(repeat(None, done), iterator) if skipping else iterator
