"""A training through CompileHook ends as one without, and says what it leaves out."""

from __future__ import annotations

from pathlib import Path

import torch

from fec_mm.device.networks import TINY
from fec_mm.models import FEC
from tests.engine.small import Model, make_runner


class Small(Model):
    """Its images are a number each."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = FEC(TINY, out_indices=(1,))

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict[str, torch.Tensor]:
        images = inputs[..., None, None] * torch.linspace(-1, 1, 32 * 32).view(32, 32).expand(len(inputs), 3, 32, 32)
        return dict(loss=self.backbone(images)[0].square().mean())


def trained(folder: Path, *hooks: dict, **kwargs: object) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    runner = make_runner(folder, *hooks, model=Small(), epochs=1, **kwargs)  # type: ignore[arg-type]
    return runner.train().state_dict()


def test_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    hook = dict(type='fec_mm.CompileHook', backend='aot_eager')
    plain, compiled = trained(tmp_path / 'plain'), trained(tmp_path / 'compiled', hook)
    torch.testing.assert_close(compiled, plain, rtol=1e-4, atol=1e-6)


def test_it_says_what_it_leaves_out(tmp_path: Path) -> None:
    hook = dict(type='fec_mm.CompileHook', backend='eager')
    wrapper = dict(optimizer=dict(type='SGD', lr=1e-3), accumulative_counts=2)
    runner, said = make_runner(tmp_path, hook, epochs=1, optim_wrapper=wrapper), []
    runner.logger.warning = said.append  # type: ignore[method-assign]
    runner.train()
    assert ['no clustering backbone in Model' in said[0], 'CUDA graphs are left out' in said[1]] == [True, True]
