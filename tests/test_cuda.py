"""On a GPU: the checks of `make gpu-report`, and NCCL. `make test-gpu` runs these."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fec_mm.device import checks, measures
from fec_mm.device.recordings import MODELS

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
