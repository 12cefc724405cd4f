"""The parts of the report: functions of plain arguments that return rows."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from fec_mm.evaluation.timing import in_turn, peak_growth
from fec_mm.models import FEC, CLUENet, ClusterFPN, ContextCluster, EnFormer

from . import checks
from .cases import Case
from .networks import DENSE, DETECTION, Necks, tiny_fec
from .parts import LeftOut
from .profile import profile_pass
from .recordings import telling_weights
from .tables import Row

Size = tuple[int, int]
# Odd maps, so that regions are padded.
CHECKED: dict[str, tuple[Callable[[], nn.Module], Size]] = {
    'FEC-S': (lambda: FEC('small', out_indices=DENSE), (200, 168)),
    'FEC-S, detection': (lambda: FEC('small', out_indices=DENSE, **DETECTION), (200, 168)),
    'FEC-S, local': (lambda: FEC('small', out_indices=DENSE, pool={}), (200, 168)),
    'CoC-T': (lambda: ContextCluster('tiny', out_indices=DENSE), (200, 168)),
    'CLUENet-T': (lambda: CLUENet('tiny', out_indices=DENSE), (200, 168)),
    # Without the noise of training, which is another one on each device.
    'EnFormer-S': (lambda: EnFormer('small', out_indices=DENSE).eval(), (200, 168)),
    'EnFormer-S, detection': (lambda: EnFormer('small', 'detection', out_indices=DENSE).eval(), (200, 168)),
    'necks, near': (lambda: Necks('near'), (56, 40)),
    'necks, all': (lambda: Necks('all'), (56, 40)),
}
# What autocast may change of a neck's output, of so few channels that one other assignment is much of it.
NECKS = 0.2
COMPILED_SIZES = ((64, 64), (96, 80), (70, 101))


def network(name: str, device: str) -> tuple[nn.Module, Tensor]:
    """A network of `CHECKED` with weights that tell, on the device, and two images for it.

    Raises:
        LeftOut: It needs a toolbox that is not installed.
    """
    make, size = CHECKED[name]
    torch.manual_seed(0)
    with _installed():
        model = make()
    telling_weights(model)
    return model.to(device), torch.randn(2, 3, *size).to(device)


@contextmanager
def _installed() -> Iterator[None]:
    """Leaves a part out that asks for a package which is not there: mmpretrain for peers, mmdet or mmseg for
    ClusterFPN."""
    try:
        yield
    except ImportError as error:
        raise LeftOut(f'not installed: {error}') from error


def _verdict(check: str, on: str, figures: dict[str, float] | None) -> list[Row]:
    said = ', '.join(f'{name} {value:.2g}' for name, value in (figures or {}).items())
    return [dict(check=check, on=on, result='yes', figures=said or None, **(figures or {}))]


def check_parity(name: str, device: str) -> list[Row]:
    return _verdict('equals the recording, float64', name, checks.parity(name, device))


def check_against_cpu(name: str, device: str) -> list[Row]:
    return _verdict(
        'equals the CPU under its assignments, float32', name, checks.against_cpu(*network(name, 'cpu'), device)
    )


def check_ahead(name: str, device: str, precision: str) -> list[Row]:
    checks.runs_ahead(*network(name, device), precision)
    return _verdict(f'no host synchronisation, {precision}', name, None)


def check_deterministic(name: str, device: str) -> list[Row]:
    checks.repeats_to_the_bit(*network(name, device))
    return _verdict('deterministic to the bit', name, None)


def check_half(name: str, device: str, precision: str) -> list[Row]:
    limit = NECKS if name.startswith('necks') else checks.HALF
    return _verdict(
        f'finite and near float32, {precision}', name, checks.half_precision(*network(name, device), precision, limit)
    )


def check_scaler(name: str, device: str, precision: str) -> list[Row]:
    return _verdict(
        f'trains with a scaler, {precision}', name, checks.trains_with_a_scaler(*network(name, device), precision)
    )


def check_compiled(training: bool, sizes: Sequence[Size], device: str) -> list[Row]:
    """Two blocks through Inductor. In training it guards on more than the model does: a graph for each size."""
    model = tiny_fec().train(training)
    telling_weights(model)
    figures = checks.compiles(model, sizes, len(sizes) if training else min(3, len(sizes)), device)
    what = f'compiled, {"train" if training else "eval"}, {"one size" if len(sizes) == 1 else f"{len(sizes)} sizes"}'
    return _verdict(what, 'two blocks of FEC, float64', figures)


def _runs(case: Case, implementations: Sequence[str]) -> list[Callable[[], None]]:
    with _installed():
        return [case.step(case.build(implementation)) for implementation in implementations]


def time_case(case: Case, repeats: int, reference: bool = False) -> list[Row]:
    """One row: ms, images/s and memory; with the reference in turn if asked for. Halves a batch that does not fit."""
    while True:
        try:
            return [_timed(case, repeats, reference)]
        except torch.OutOfMemoryError:
            if case.batch == 1:
                raise
        case = replace(case, batch=case.batch // 2)
        gc.collect()
        torch.cuda.empty_cache()


def _timed(case: Case, repeats: int, reference: bool) -> Row:
    row = case.row()
    if case.launch not in ('eager', 'graph'):
        torch._dynamo.reset()  # what was compiled before counts towards its limit
    runs = _runs(case, ('fast',))
    if reference:
        runs += _runs(replace(case, launch='eager'), ('reference',))
    if case.launch != 'eager':
        start = time.perf_counter()
        captured = _held(runs[0], case.device)
        row['compile_s'] = time.perf_counter() - start
    times = in_turn(runs, case.device, repeats, warm_up=2)
    row.update(ms=times[0] * 1000, images_per_s=case.batch / times[0])
    if case.device != 'cpu':  # a graph has its memory from its first pass on
        row['mib'] = captured if 'graph' in case.launch else peak_growth(runs[0], case.device)
    if reference:
        row.update(reference_ms=times[1] * 1000, speedup=times[1] / times[0])
        if case.device != 'cpu':
            row['reference_mib'] = peak_growth(runs[1], case.device)
    return row


def _held(run: Callable[[], None], device: str) -> float:
    """MiB that a first pass leaves with the process, as a CUDA graph's does."""
    if device == 'cpu':
        run()
        return 0.0
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_reserved(device)
    run()
    torch.cuda.empty_cache()
    return (torch.cuda.memory_reserved(device) - before) / 2**20


def profile_case(case: Case, implementation: str = 'fast') -> list[Row]:
    """One row: launches and times of a pass, with the kernels and operators that take most."""
    found = profile_pass(_runs(case, (implementation,))[0], case.device)
    return [{**case.row(), 'implementation': implementation, **vars(found)}]


def weigh_neck(size: Size, batch: int, device: str) -> list[Row]:
    """ClusterFPN on FEC-S's maps, forward and backward: memory and time, and under deterministic algorithms, for which
    PyTorch
    has another kernel behind `gather`'s backward pass."""
    channels = [32, 64, 196, 320]
    rows: list[Row] = []
    for candidates in ('near', None):
        torch.manual_seed(0)
        with _installed():
            neck = ClusterFPN(channels, 256, 5, add_extra_convs='on_output', candidates=candidates).to(device)
        maps = [
            torch.randn(batch, C, *(-(-side // 2 ** (i + 2)) for side in size), device=device, requires_grad=True)
            for i, C in enumerate(channels)
        ]

        def run(neck: nn.Module = neck, maps: list[Tensor] = maps) -> None:
            outputs = neck(maps)
            torch.autograd.backward(list(outputs), [torch.ones_like(o) for o in outputs])
            neck.zero_grad(set_to_none=True)

        for deterministic in (False, True):
            torch.use_deterministic_algorithms(deterministic)
            try:
                (elapsed,) = in_turn([run], device, 3, warm_up=2)
                row: Row = dict(
                    neck='ClusterFPN' if candidates else 'FPN',
                    deterministic=str(deterministic),
                    batch=batch,
                    size='x'.join(map(str, size)),
                    ms=elapsed * 1000,
                )
                if device != 'cpu':
                    row['mib'] = peak_growth(run, device)
                rows.append(row)
            finally:
                torch.use_deterministic_algorithms(False)
    return rows
