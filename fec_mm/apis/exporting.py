"""ONNX files of models, compared with the models.

Shapes: B images of H×W.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fec_mm.errors import UserError
from fec_mm.evaluation.timing import in_turn
from fec_mm.fileio import whole_file
from fec_mm.models.backbones.staged_backbone import MIN_SIZE
from fec_mm.optional import optional

from .exportable import Exportable

TOLERANCE = 1e-3  # of the norm of the difference, relative
AGREEMENT = 0.995  # share of the class ids
IMAGES = (
    3  # tried at a size: rounding decides between centers once in a hundred images, and changes its maps by percents
)
LARGEST = 8192  # side of an image, pixels


def write_onnx(network: Exportable, file: Path, size: tuple[int, int], dynamic: bool, notes: dict[str, str]) -> None:
    """Write a network as an ONNX file, its input `images`, its weights inside.

    Args:
        network: In evaluation mode, on the CPU.
        file: Where, for instance within `whole_file`.
        size: (H, W) to trace it with.
        dynamic: Whether it takes any number of images of any size from 32×32; else one image of `size`.
        notes: Metadata of the file.

    Raises:
        UserError: onnx or onnxscript is missing, or the network uses something that cannot be written.
    """
    onnx = optional('onnx', 'exports')
    optional('onnxscript', 'exports')
    images = torch.randn(2 if dynamic else 1, network.channels, *size)
    with torch.no_grad():
        names = network.names(network(images))
    sides = {side: torch.export.Dim(name, min=MIN_SIZE, max=LARGEST) for side, name in ((2, 'height'), (3, 'width'))}
    with _quiet():
        try:
            torch.onnx.export(
                network,
                (images,),
                file,
                dynamo=True,
                input_names=['images'],
                output_names=names,
                dynamic_shapes=({0: torch.export.Dim('batch', max=4096), **sides},) if dynamic else None,
                external_data=False,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[0]
            raise UserError(f'{type(network.model).__name__} cannot be written as ONNX: {reason}') from error
    model = onnx.load(file)
    onnx.helper.set_model_props(model, notes)
    onnx.save(model, file)


def compare(network: Exportable, session: Any, shape: Sequence[int]) -> float:
    """How far the results of a file are from those of the network, for the nearest of `IMAGES` random batches.

    A file that is wrong is so for all.

    Args:
        network: In evaluation mode, on the CPU.
        session: Of onnxruntime.
        shape: B, C, H, W.

    Returns:
        The largest relative norm of a difference; of class ids, the share that differs, on the scale of `TOLERANCE`.
    """
    nearest = float('inf')
    for seed in range(IMAGES):
        images = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            expected = network(images)
        got = session.run(None, {'images': images.numpy()})
        nearest = min(nearest, max(_difference(torch.from_numpy(g), e) for g, e in zip(got, expected)))
        if nearest < TOLERANCE:
            break
    return nearest


def _difference(got: Tensor, expected: Tensor) -> float:
    if got.shape != expected.shape:
        return float('inf')
    if not expected.is_floating_point():
        return float((got != expected).float().mean()) * TOLERANCE / (1 - AGREEMENT)
    return float((got - expected).norm() / expected.norm().clamp(min=1e-12))


def checked_shapes(channels: int, size: tuple[int, int], dynamic: bool) -> list[tuple[int, int, int, int]]:
    """B, C, H, W to compare at: the size of the export and, of a file for any size, smaller, larger and odd ones."""
    H, W = size
    if not dynamic:
        return [(1, channels, H, W)]
    others = [(1, max(MIN_SIZE, H * 3 // 4 + 1), W + 37), (3, H + 23, max(MIN_SIZE, W // 2 + 3))]
    return [(1, channels, H, W), *((B, channels, h, w) for B, h, w in others)]


def export(
    network: Exportable,
    file: str | Path,
    size: tuple[int, int],
    dynamic: bool = False,
    notes: dict[str, str] | None = None,
) -> Iterator[tuple[tuple[int, int, int, int], float]]:
    """Write a network as an ONNX file, which is there in the end only if it computes what the network does.

    Args:
        network: In evaluation mode, on the CPU.
        file: Where.
        size: (H, W) to trace it with.
        dynamic: Whether it takes any number of images of any size from 32×32. Default: one image of `size`.
        notes: Metadata of the file. Default: none.

    Yields:
        Each shape that was compared, and the difference there.

    Raises:
        UserError: A package is missing, the network cannot be written, or the file differs.
    """
    runtime = optional('onnxruntime', 'exports')
    with whole_file(file) as part:
        write_onnx(network, part, size, dynamic, notes or {})
        session = open_session(runtime, part)
        for shape in checked_shapes(network.channels, size, dynamic):
            difference = compare(network, session, shape)
            yield shape, difference
            if not difference < TOLERANCE:
                raise UserError(
                    f'the exported model differs from the model by {difference:.1e} at {shape[2]}×{shape[3]}, where '
                    f'{TOLERANCE} is allowed, so {file} is not kept: '
                    + ('export it without --dynamic' if dynamic else 'report it, with the config')
                )


def speeds(network: Exportable, file: str | Path, size: tuple[int, int], repeats: int = 5) -> list[float]:
    """Seconds for one image, of PyTorch and of onnxruntime, with as many threads: medians."""
    session = open_session(optional('onnxruntime', 'exports'), file)
    images = torch.randn(1, network.channels, *size)

    def torchs() -> None:
        with torch.no_grad():
            network(images)

    return in_turn([torchs, lambda: session.run(None, {'images': images.numpy()})], 'cpu', repeats)


def open_session(runtime: Any, file: str | Path) -> Any:
    """onnxruntime's, on the CPU, with the threads that PyTorch has."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    return runtime.InferenceSession(str(file), options, providers=['CPUExecutionProvider'])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on its own insides."""
    logger = logging.getLogger('torch.onnx')
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(level)
