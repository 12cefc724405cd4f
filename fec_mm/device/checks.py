"""Whether the networks compute on a device what they should. Each check returns its figure, or raises AssertionError
with it.

Shapes: images B×3×H×W.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from .cases import arithmetic, use
from .recordings import deviation, recorded_images, recorded_model, recording, released_parameters

# cuBLAS reads it when it is first used in a process, and `torch.use_deterministic_algorithms` asks for it.
DETERMINISTIC = {'CUBLAS_WORKSPACE_CONFIG': ':4096:8'}
# Where the operators choose a center.
CHOICES = (
    ('fec_mm.ops.clustering', 'assign'),
    ('fec_mm.ops.clustering', 'first_largest'),
    ('fec_mm.ops.few_forward', 'largest_rows'),
    ('fec_mm.ops.dispatch', 'assign'),
    ('fec_mm.ops.dispatch', 'nearest'),  # with what it found there, which is not used
    ('fec_mm.ops.pool_near', 'nearest'),  # which is used, but hardly differs between two that nearly tie
    ('fec_mm.ops.attention', 'assign'),
    ('fec_mm.ops.consensus', 'choice'),
)
# Relative: recorded numbers in float64; against the CPU in float32, output and gradients; autocast against float32.
PARITY, OUTPUT, GRADIENT, HALF = 1e-6, 1e-4, 1e-3, 0.05


def loss_of(outputs: Sequence[Tensor]) -> Tensor:
    """The sum of the outputs' mean squares."""
    losses = [
        output.float().square().mean() if output.dtype != torch.float64 else output.square().mean()
        for output in outputs
    ]
    return torch.stack(losses).sum()


def gradients(model: nn.Module, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs, and the gradients of their loss for all parameters that have one."""
    model.zero_grad(set_to_none=True)
    outputs = model(images)
    loss_of(outputs).backward()
    return [output.detach() for output in outputs], [p.grad for p in model.parameters() if p.grad is not None]


def relative(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """The largest ‖a − b‖ / ‖b‖; a b of less than a thousandth of the largest counts as that much, as cancelled
    gradients do."""
    assert len(a) == len(b), f'{len(a)} tensors instead of {len(b)}'
    norms = [y.double().norm().item() for y in b]
    return max(
        (x.double() - y.double()).norm().item() / max(norm, 1e-3 * max(norms)) for x, y, norm in zip(a, b, norms)
    )


def at_most(figure: float, limit: float, what: str) -> float:
    """The figure.

    Raises:
        AssertionError: It is above the limit or no number.
    """
    if not figure <= limit:
        raise AssertionError(f'{what} is {figure:.2g}, more than {limit:.2g}')
    return figure


def parity(name: str, device: str, implementation: str = 'fast') -> dict[str, float]:
    """A recorded model in float64: outputs, and the norm of every parameter's gradient."""
    recorded, model = recording(name), recorded_model(name).to(device)
    use(implementation, model)
    outputs, _ = gradients(model, recorded_images(name).to(device))
    assert len(outputs) == len(recorded['outputs']), (
        f'{len(outputs)} outputs, {len(recorded["outputs"])} in the recording'
    )
    off = max(deviation(output, expected) for output, expected in zip(outputs, recorded['outputs']))
    parameters, worst = released_parameters(model), 0.0
    for key, norm in recorded['grad_l2'].items():
        grad = parameters[key].grad
        assert (grad is None) == (norm is None), (
            f'{key} has {"no" if grad is None else "a"} gradient, unlike in the recording'
        )
        if grad is not None:
            worst = max(worst, abs(grad.norm().item() - norm) / norm)
    return {
        'outputs': at_most(off, PARITY, 'the largest deviation of an output'),
        'gradients': at_most(worst, PARITY, 'the largest deviation of a gradient'),
    }


@contextmanager
def _watched(wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    places = [(import_module(module), name) for module, name in CHOICES]
    before = [getattr(module, name) for module, name in places]
    for (module, name), choose in zip(places, before):
        setattr(module, name, wrap(choose))
    try:
        yield
    finally:
        for (module, name), choose in zip(places, before):
            setattr(module, name, choose)


def against_cpu(model: nn.Module, images: Tensor, device: str) -> dict[str, float]:
    """Outputs and gradients in float32, on the device with the assignments that the CPU chose.

    Rounding may choose another center where two are nearly alike, and from there on everything differs. So the device
    takes the CPU's choices, and its own are only counted, layer by layer on equal inputs.
    """
    chosen: list[Tensor] = []
    counts = {'own': 0, 'all': 0}

    def record(choose: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            found = choose(*args)
            chosen.append((found[0] if isinstance(found, tuple) else found).clone())
            return found

        return run

    def replay(choose: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            found, index = choose(*args), chosen.pop(0).to(device)
            own, *rest = found if isinstance(found, tuple) else (found,)
            counts['own'] += int((own != index).sum())
            counts['all'] += index.numel()
            return (index, *rest) if rest else index

        return run

    model = model.cpu()
    with _watched(record):
        expected = gradients(model, images.cpu())
    model = deepcopy(model).to(device)
    convolutions = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        with _watched(replay):
            outputs, grads = gradients(model, images.to(device))
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions
    return {
        'output': at_most(relative([o.cpu() for o in outputs], expected[0]), OUTPUT, 'the difference of the outputs'),
        'gradient': at_most(
            relative([g.cpu() for g in grads], expected[1]), GRADIENT, 'the difference of the gradients'
        ),
        'other assignments': counts['own'] / counts['all'],
    }


@contextmanager
def synchronisation_forbidden(device: str) -> Iterator[None]:
    """An error wherever the host would wait for a GPU."""
    if device == 'cpu':
        yield
        return
    torch.cuda.set_sync_debug_mode('error')
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode('default')


def runs_ahead(model: nn.Module, images: Tensor, precision: str = 'float32') -> None:
    """Forward and backward without the host waiting for the device. A first pass makes what is kept for a size."""
    device = str(images.device)
    for forbidden in (False, True):
        with synchronisation_forbidden(device if forbidden else 'cpu'), arithmetic(precision, device):
            outputs = model(images)
        model.zero_grad(set_to_none=True)
        with synchronisation_forbidden(device if forbidden else 'cpu'):
            loss_of(outputs).backward()


def repeats_to_the_bit(model: nn.Module, images: Tensor) -> None:
    """Two passes under `torch.use_deterministic_algorithms`, outputs and gradients.

    On CUDA the process must have begun with `DETERMINISTIC` in its environment.
    """
    torch.use_deterministic_algorithms(True)
    try:
        first, second = ([t.clone() for part in gradients(model, images) for t in part] for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    differ = sum(not torch.equal(a, b) for a, b in zip(first, second))
    assert not differ, f'{differ} of {len(first)} outputs and gradients differ between two passes'


def half_precision(model: nn.Module, images: Tensor, precision: str, limit: float = HALF) -> dict[str, float]:
    """Autocast: all outputs and gradients finite, and the first output near that of float32."""
    device = str(images.device)
    with torch.no_grad():
        exact = model(images)
    model.zero_grad(set_to_none=True)
    with arithmetic(precision, device):
        outputs = model(images)
    loss_of(outputs).backward()
    assert all(torch.isfinite(o).all() for o in outputs), 'an output is not finite'
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None), (
        'a gradient is not finite'
    )
    return {
        'first output': at_most(relative(outputs[:1], exact[:1]), limit, 'the difference of the first output'),
        'last output': relative(outputs[-1:], exact[-1:]),
    }


def trains_with_a_scaler(model: nn.Module, images: Tensor, precision: str, steps: int = 5) -> dict[str, float]:
    """SGD on one batch under autocast with a gradient scaler: the loss falls."""
    device = str(images.device)
    scaler = torch.amp.GradScaler(device.split(':')[0], init_scale=2.0**10, enabled=precision == 'float16')
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        with arithmetic(precision, device):
            outputs = model(images)
        loss = loss_of(outputs)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert losses[-1] < losses[0], f'the loss went from {losses[0]:.4g} to {losses[-1]:.4g}'
    return {'first loss': losses[0], 'last loss': losses[-1]}


def compiles(
    model: nn.Module,
    sizes: Sequence[tuple[int, int]],
    graphs: int,
    device: str,
    backend: str = 'inductor',
    channels: int = 3,
) -> dict[str, float]:
    """`torch.compile` with `fullgraph` in float64 equals the model run as it is, at all sizes, with so many graphs at
    most."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    model = model.double().to(device)
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    off = 0.0
    for size in sizes:
        images = torch.randn(2, channels, *size, dtype=torch.float64, device=device)
        got, expected = (_passed(run, model, images) for run in (compiled, model))
        off = max(off, at_most(relative(got, expected), PARITY, f'the difference at {size[0]}×{size[1]}'))
    made = torch._dynamo.utils.counters['stats']['unique_graphs']
    assert made <= graphs, f'{len(sizes)} sizes took {made} graphs'
    return {'difference': off, 'graphs': made}


def _passed(run: Callable[..., Any], model: nn.Module, images: Tensor) -> list[Tensor]:
    """Outputs, and in training mode gradients."""
    if not model.training:
        with torch.no_grad():
            return list(run(images))
    model.zero_grad(set_to_none=True)
    outputs = run(images)
    loss_of(outputs).backward()
    return [*(o.detach().clone() for o in outputs), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]
