"""On a GPU: the checks of `make gpu-report`, and NCCL. `make test-gpu` runs these."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fec_mm.device import checks, measures
from fec_mm.device.recordings import MODELS, telling_weights
from fec_mm.models import FEC
from fec_mm.models.compiling import graph_passes

os.environ.update(checks.DETERMINISTIC)  # before cuBLAS reads it
pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')]
ALL = pytest.mark.parametrize('name', measures.CHECKED)
HALF = pytest.mark.parametrize('precision', ['float16', 'bfloat16'])


@pytest.mark.parametrize('name', MODELS)
def test_parity(name: str) -> None:
    measures.check_parity(name, 'cuda')


@ALL
def test_against_cpu(name: str) -> None:
    measures.check_against_cpu(name, 'cuda')


@ALL
@pytest.mark.parametrize('precision', ['float32', 'float16'])
def test_no_synchronisation(name: str, precision: str) -> None:
    measures.check_ahead(name, 'cuda', precision)


@ALL
def test_deterministic(name: str) -> None:
    measures.check_deterministic(name, 'cuda')


@ALL
@HALF
def test_mixed_precision(name: str, precision: str) -> None:
    measures.check_half(name, 'cuda', precision)


@ALL
@HALF
def test_trains_with_a_scaler(name: str, precision: str) -> None:
    measures.check_scaler(name, 'cuda', precision)


@pytest.mark.parametrize('training', [False, True], ids=['eval', 'train'])
def test_compiled(training: bool) -> None:
    measures.check_compiled(training, measures.COMPILED_SIZES[:1], 'cuda')


@pytest.mark.parametrize('half', [False, True], ids=['float32', 'float16'])
def test_graphs_train_as_launches_do(half: bool) -> None:
    """Three steps with dropped branches and two sizes, in turn with evaluation."""
    images = [torch.randn(2, 3, *size, device='cuda') for size in ((64, 64), (96, 64), (64, 64))]

    def trained(graphs: bool) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = FEC('small', out_indices=(0, 1, 2, 3), drop_path_rate=1e-9).cuda()
        telling_weights(model)
        if graphs:
            graph_passes(model)
        optimizer, outputs = torch.optim.SGD(model.parameters(), lr=1e-3), []
        for batch in images:
            with torch.autocast('cuda', torch.float16, enabled=half):
                outputs.append(model.train()(batch)[3].float())
            outputs[-1].square().mean().backward()
            outputs[-1] = outputs[-1].detach().clone()
            optimizer.step()
            optimizer.zero_grad()
            with torch.no_grad():
                outputs.append(model.eval()(batch)[0])
        return [*outputs, *(p.detach() for p in model.parameters())]

    got, expected = trained(True), trained(False)
    assert checks.relative(got, expected) < (0.05 if half else 1e-3)


def test_nccl(tmp_path: Path) -> None:
    """A process per GPU, a backward pass, the same gradients everywhere, and no unused parameter."""
    script = tmp_path / 'step.py'
    script.write_text(
        '\n'.join(
            [
                'import os, torch, torch.distributed as dist',
                'from fec_mm.models import FEC',
                "rank = int(os.environ['LOCAL_RANK']); torch.cuda.set_device(rank); dist.init_process_group('nccl')",
                "model = torch.nn.parallel.DistributedDataParallel(FEC('small').cuda(), device_ids=[rank])",
                'for _ in range(2):',
                "    model(torch.randn(2, 3, 64, 64, device='cuda'))[0].square().mean().backward()",
                'total = sum(p.grad.double().sum() for p in model.parameters() if p.grad is not None)',
                'every = [torch.zeros_like(total) for _ in range(dist.get_world_size())]',
                'dist.all_gather(every, total); assert all(torch.equal(e, total) for e in every)',
                'dist.destroy_process_group()',
            ]
        )
    )
    result = subprocess.run(
        [
            sys.executable,
            '-m',
            'torch.distributed.run',
            '--standalone',
            f'--nproc_per_node={torch.cuda.device_count()}',
            str(script),
        ],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
