"""The smallest training that mmengine runs."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner


class Model(BaseModel):
    """Two layers; the loss is the mean of what comes out of them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(1, 2), torch.nn.Linear(2, 1)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> Any:
        return dict(loss=self.second(self.first(inputs)).mean())


def collate(batch: list[Any]) -> dict[str, torch.Tensor]:
    return dict(inputs=torch.stack([sample[0] for sample in batch]))


def make_runner(
    folder: Path,
    *hooks: dict,
    epochs: int = 3,
    checkpoint: dict | None = None,
    optim_wrapper: dict | None = None,
    model: Model | None = None,
    default_hooks: dict | None = None,
    **kwargs: Any,
) -> Runner:
    """Four steps an epoch."""
    return Runner(
        model=model or Model(),
        work_dir=str(folder),
        default_scope='mmengine',
        experiment_name=uuid.uuid4().hex,
        log_level='ERROR',
        randomness=dict(seed=0),
        custom_hooks=list(hooks),
        train_dataloader=dict(
            batch_size=2,
            sampler=dict(type='DefaultSampler'),
            collate_fn=collate,
            dataset=torch.utils.data.TensorDataset(torch.ones(8, 1)),
        ),
        optim_wrapper=optim_wrapper or dict(optimizer=dict(type='SGD', lr=1e-3)),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        default_hooks=dict(
            checkpoint=dict(type='fec_mm.SafeCheckpointHook', **{'interval': 1, **(checkpoint or {})}),
            **(default_hooks or {}),
        ),
        **kwargs,
    )
