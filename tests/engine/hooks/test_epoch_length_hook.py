"""Resuming with epochs of another length, through mmengine's own loading."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner

from fec_mm.engine import EpochLengthHook


class Model(BaseModel):
    """One weight."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict[str, torch.Tensor]:
        return dict(loss=self.layer(inputs).sum())


def train(folder: Path, batch_size: int, epochs: int, by_epoch: bool = True, resume: bool = False) -> str:
    """Train on 8 samples; returns the log."""
    runner = Runner(
        model=Model(),
        work_dir=str(folder),
        default_scope='mmengine',
        experiment_name=f'{folder}_{epochs}',
        resume=resume,
        train_dataloader=dict(
            batch_size=batch_size,
            sampler=dict(type='DefaultSampler'),
            dataset=torch.utils.data.TensorDataset(torch.ones(8, 1)),
            collate_fn=lambda batch: dict(inputs=torch.stack([b[0] for b in batch])),
        ),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-3)),
        train_cfg=dict(by_epoch=True, max_epochs=epochs) if by_epoch else dict(by_epoch=False, max_iters=4 * epochs),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1 if by_epoch else 4, by_epoch=by_epoch)),
    )
    runner.register_hook(EpochLengthHook())
    runner.train()
    return next(folder.glob(f'{runner.timestamp}/*.log')).read_text()


@pytest.mark.parametrize(('batch_size', 'warned'), [(2, False), (1, True), (4, True)])
def test_another_total_batch_is_a_warning(tmp_path: Path, batch_size: int, warned: bool) -> None:
    assert 'epochs have' not in train(tmp_path, 2, epochs=1)
    log = train(tmp_path, batch_size, epochs=2, resume=True)
    assert ('at iteration 4 after 1 epochs, and here epochs have' in log) == warned


def test_loops_without_epochs_are_left_alone(tmp_path: Path) -> None:
    train(tmp_path, 2, epochs=1, by_epoch=False)
    assert 'epochs have' not in train(tmp_path, 1, epochs=2, by_epoch=False, resume=True)


def test_a_checkpoint_in_the_middle_of_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is said of processes."""
    original = Runner.__init__

    def saving(self: Runner, *args: object, default_hooks: dict, **kwargs: object) -> None:
        default_hooks['checkpoint'] = dict(type='CheckpointHook', interval=6, by_epoch=False, save_last=False)
        original(self, *args, default_hooks=default_hooks, **kwargs)

    monkeypatch.setattr(Runner, '__init__', saving)
    train(tmp_path, 2, epochs=2)
    assert (tmp_path / 'iter_6.pth').is_file()
    log = train(tmp_path, 2, epochs=3, resume=True)
    assert 'is 2 iterations ahead of its 1 epochs of 4: it was saved in the middle of an epoch' in log
    assert 'processes' not in log
    assert 'number of processes' in train(tmp_path, 1, epochs=3, resume=True)
