"""Time and weigh ClusterFPN against FPN, the neck alone on random maps.

    python tools/analysis_tools/benchmark_necks.py [--size HxW] [--in-channels C ...] [--repeats N]

By default the maps of FEC-S at 800×1344. The two take turns in one process, and times are medians; memory is measured
in processes of its own, as the growth over just before the first pass. Needs mmdet.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import torch
from torch import nn

from fec_mm.cli.arguments import positive
from fec_mm.cli.run import run_cli
from fec_mm.errors import UserError
from fec_mm.evaluation.timing import in_turn, peak_growth


@dataclass(frozen=True)
class Case:
    """One neck on maps of one size. Everything a process of its own needs to repeat it."""

    type: str
    size: tuple[int, int]
    in_channels: tuple[int, ...]
    mode: str
    device: str

    def build(self) -> nn.Module:
        import mmdet.models.necks  # noqa: F401  # registers FPN
        from mmdet.registry import MODELS

        torch.manual_seed(0)
        neck = MODELS.build(dict(type=self.type, in_channels=list(self.in_channels), out_channels=256, num_outs=5))
        return neck.to(self.device).train(self.mode == 'train')

    def step(self, neck: nn.Module) -> Callable[[], None]:
        """A function that runs the neck once, forward or, in training mode, forward and backward to the maps."""
        training = self.mode == 'train'
        maps = [
            torch.randn(1, C, *(side // 2 ** (i + 2) for side in self.size), device=self.device, requires_grad=training)
            for i, C in enumerate(self.in_channels)
        ]

        def run() -> None:
            with torch.set_grad_enabled(training):
                outputs = neck(maps)
            if training:
                torch.autograd.backward(list(outputs), [torch.ones_like(o) for o in outputs])
                neck.zero_grad(set_to_none=True)
                for x in maps:
                    x.grad = None

        return run


def peak(case: Case) -> float:
    """MiB over just before the first pass."""
    return peak_growth(case.step(case.build()), case.device)


def in_own_process(case: Case) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(peak, case).result()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description='Time and weigh ClusterFPN against FPN')
    parser.add_argument(
        '--size', default='800x1344', help='HxW of the images; the maps have a 4th to a 32nd of each side'
    )
    parser.add_argument(
        '--in-channels', nargs='+', type=positive, default=[32, 64, 196, 320], help="of the maps; default: FEC-S's"
    )
    parser.add_argument('--repeats', type=positive, default=3, help='turns whose medians count')
    parser.add_argument('--device', default='cpu', help='cpu, or cuda[:i]')
    args = parser.parse_args(argv)
    sides = args.size.split('x')
    if (
        len(sides) != 2
        or not all(side.isdecimal() for side in sides)
        or min(map(int, sides)) < 2 ** (len(args.in_channels) + 1)
    ):
        raise UserError(
            f'--size {args.size} is not HxW with a position in each of {len(args.in_channels)} maps: try 800x1344'
        )
    size = int(sides[0]), int(sides[1])
    print(f'{torch.get_num_threads()} threads, torch {torch.__version__}, {args.device}, {args.size}\n')
    print('| mode | FPN s | ClusterFPN s | ratio | FPN MiB | ClusterFPN MiB | ratio |\n|---|---|---|---|---|---|---|')
    for mode in ('eval', 'train'):
        cases = [Case(name, size, tuple(args.in_channels), mode, args.device) for name in ('FPN', 'fec_mm.ClusterFPN')]
        times = in_turn([case.step(case.build()) for case in cases], args.device, args.repeats)
        mib = [in_own_process(case) for case in cases]
        print(
            f'| {mode} | {times[0]:.3g} | {times[1]:.3g} | {times[1] / times[0]:.2f} '
            f'| {mib[0]:.0f} | {mib[1]:.0f} | {mib[1] / mib[0]:.2f} |',
            flush=True,
        )


if __name__ == '__main__':
    run_cli(main)
