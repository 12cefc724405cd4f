"""On a GPU: parity, mixed precision, determinism, NCCL. `make test-gpu` runs these."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fec_mm.models import FEC, ContextCluster
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone
from fec_mm.models.released import convert

from .models.reference import load, released_state, telling_weights
from .models.test_compile import Necks
from .models.test_parity import CASES

pytestmark = [pytest.mark.cuda, pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')]
BOTH = pytest.mark.parametrize('family', [FEC, ContextCluster])


@pytest.mark.parametrize('name', CASES)
def test_parity(name: str) -> None:
    recorded, model = load(name), CASES[name]()
    model.load_state_dict(convert(released_state(name)).state_dict)
    x = torch.from_numpy(np.random.RandomState(7).standard_normal(recorded['input'])).cuda()
    for output, expected in zip(model.double().cuda()(x), recorded['outputs']):
        values = output.detach().flatten()[expected['at']].cpu().numpy()
        scale = expected['l2'] / output.numel()**.5
        np.testing.assert_allclose(values, expected['values'], rtol=1e-6, atol=1e-6 * scale)


def build(family: type[ClusterBackbone]) -> ClusterBackbone:
    model = family('small', out_indices=(0, 1, 2, 3))
    telling_weights(model)
    return model.cuda()


def assert_equal_gradients(model: nn.Module, x: torch.Tensor) -> None:
    """The gradients of two runs under deterministic algorithms are equal to the bit."""
    torch.use_deterministic_algorithms(True)
    try:
        runs = []
        for _ in range(2):
            model.zero_grad()
            sum(o.square().mean() for o in model(x)).backward()
            runs.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(a, b) for a, b in zip(*runs))


@contextmanager
def synchronisation_forbidden() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


@BOTH
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_mixed_precision(family: type[ClusterBackbone], dtype: torch.dtype) -> None:
    model, x = build(family), torch.randn(2, 3, 224, 160, device='cuda')
    with torch.no_grad():
        exact = model(x)[0]
    with torch.autocast('cuda', dtype):
        outputs = model(x)
    sum(o.float().square().mean() for o in outputs).backward()
    assert all(torch.isfinite(o).all() for o in outputs)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert ((outputs[0].float() - exact).norm() / exact.norm()).item() < 0.05


@BOTH
def test_deterministic(family: type[ClusterBackbone], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    assert_equal_gradients(build(family), torch.randn(2, 3, 224, 160, device='cuda'))


@BOTH
def test_no_synchronisation_in_the_forward_pass(family: type[ClusterBackbone]) -> None:
    model, x = build(family), torch.randn(2, 3, 224, 160, device='cuda')
    model(x)
    with synchronisation_forbidden():
        model(x)


@pytest.mark.parametrize('candidates', ['near', 'all'])
def test_necks(candidates: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixed precision, equal gradients under deterministic algorithms, no synchronisation."""
    monkeypatch.setenv('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    model, x = Necks(candidates), torch.randn(2, 3, 56, 40, device='cuda')
    telling_weights(model)
    model.cuda()(x)
    with synchronisation_forbidden():
        model(x)
    with torch.autocast('cuda', torch.float16):
        assert all(torch.isfinite(o).all() for o in model(x))
    assert_equal_gradients(model, x)


def test_nccl(tmp_path: Path) -> None:
    """A process per GPU, a backward pass, the same gradients everywhere, and no unused parameter."""
    script = tmp_path / 'step.py'
    script.write_text('\n'.join([
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
    ]))
    result = subprocess.run([sys.executable, '-m', 'torch.distributed.run', '--standalone',
                             f'--nproc_per_node={torch.cuda.device_count()}', str(script)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
