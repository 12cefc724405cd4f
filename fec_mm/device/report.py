"""One report: whether the networks are right on a device, and how fast. The parts stand in the order of their
importance."""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from mmengine.utils import get_git_hash

from . import measures as m
from .cases import PEERS, Case
from .measures import CHECKED, COMPILED_SIZES
from .parts import Outcome, Part
from .recordings import MODELS
from .tables import Row, table

RIGHT, FAST, LAUNCHES, NECKS = 'Is it right?', 'How fast?', 'Launches', 'Necks'
COLUMNS = {
    RIGHT: {'check': 'check', 'on': 'on', 'result': 'holds', 'figures': 'figures'},
    FAST: {
        'task': 'task',
        'arch': 'arch',
        'mode': 'mode',
        'precision': 'precision',
        'launch': 'launch',
        'batch': 'batch',
        'size': 'size',
        'ms': 'ms',
        'reference_ms': 'reference ms',
        'speedup': 'speed-up',
        'images_per_s': 'images/s',
        'mib': 'MiB',
        'reference_mib': 'reference MiB',
        'compile_s': 'compiling s',
    },
    LAUNCHES: {
        'task': 'task',
        'arch': 'arch',
        'implementation': 'implementation',
        'mode': 'mode',
        'precision': 'precision',
        'batch': 'batch',
        'size': 'size',
        'kernels': 'kernels',
        'copies': 'copies',
        'device_ms': 'device ms',
        'host_ms': 'host ms',
        'wall_ms': 'wall ms',
    },
    NECKS: {
        'neck': 'neck',
        'deterministic': 'deterministic',
        'batch': 'batch',
        'size': 'size',
        'ms': 'ms',
        'mib': 'MiB',
    },
}
# Of a GPU, and of a rehearsal on a CPU, whose figures mean nothing.
CASES = {
    'gpu': (
        Case('classification', 'small', (224, 224), 128, 'train'),
        Case('segmentation', 'small', (512, 512), 4, 'train'),
        Case('detection', 'small', (800, 1344), 4, 'train'),
    ),
    'cpu': (
        Case('classification', 'small', (64, 32), 2, 'train'),
        Case('segmentation', 'small', (64, 64), 1, 'train'),
        Case('detection', 'small', (64, 96), 1, 'train'),
    ),
}
# Clustering backbones beside FEC-S as published.
OTHERS: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = (
    ('small', (('pool', {}),)),
    ('coc-tiny', ()),
    ('enformer-small', ()),
    ('cluenet-tiny', ()),
)
REPEATS = {'gpu': 7, 'cpu': 1}


def plan(device: str) -> list[Part]:
    """All parts, the most important first; their seconds are those of a data centre's GPU."""
    kind = 'cpu' if device == 'cpu' else 'gpu'
    cls, seg, det = (replace(case, device=device) for case in CASES[kind])
    repeats = REPEATS[kind]
    sizes = COMPILED_SIZES if kind == 'gpu' else COMPILED_SIZES[:2]

    def check(title: str, run: Any, seconds: float = 3, **arguments: Any) -> Part:
        return Part(RIGHT, title, run, {**arguments, 'device': device}, seconds)

    def speed(case: Case, seconds: float = 5, reference: bool = True, **changes: Any) -> Part:
        case = replace(case, **changes)
        name = ' '.join(map(str, case.row().values()))
        return Part(FAST, name, m.time_case, dict(case=case, repeats=repeats, reference=reference), seconds)

    def launches(case: Case, implementation: str = 'fast', **changes: Any) -> Part:
        case = replace(case, **changes)
        name = ' '.join(map(str, (implementation, *case.row().values())))
        return Part(LAUNCHES, name, m.profile_case, dict(case=case, implementation=implementation), 5)

    def both(case: Case, **changes: Any) -> list[Part]:
        return [speed(case, mode=mode, **changes) for mode in ('train', 'eval')]

    def others(case: Case) -> Iterator[Part]:
        for arch, options in OTHERS:
            # The transcription of near candidates holds scores of all pairs: not for large maps.
            reference = case is cls or not options
            yield from both(case, arch=arch, options=options, reference=reference)
            if kind == 'gpu':
                yield speed(case, arch=arch, options=options, reference=False, launch='graph', precision='float16')

    graphs = [speed(case, launch='graph', precision=p) for case in (cls, det) for p in ('float32', 'float16')]
    half = [(name, precision) for precision in ('float16', 'bfloat16') for name in CHECKED]
    parts = [
        *(check(f'parity of {name}', m.check_parity, 8, name=name) for name in MODELS),
        *(check(f'{name} against the CPU', m.check_against_cpu, 5, name=name) for name in CHECKED),
        *(check(f'synchronisation of {name}', m.check_ahead, name=name, precision='float32') for name in CHECKED),
        *(check(f'determinism of {name}', m.check_deterministic, name=name) for name in CHECKED),
        *(check(f'{precision} of {name}', m.check_half, name=name, precision=precision) for name, precision in half),
        *(
            check(f'{precision} steps of {name}', m.check_scaler, name=name, precision=precision)
            for name, precision in half
        ),
        check('synchronisation under autocast', m.check_ahead, name='FEC-S, detection', precision='float16'),
        *both(cls),
        *both(det),
        *both(seg),
        *both(cls, precision='float16'),
        *both(det, precision='float16'),
        *(graphs if kind == 'gpu' else []),
        *(part for case in (cls, det) for part in others(case)),
        *(speed(cls, arch=peer, reference=False, precision=p) for p in ('float32', 'float16') for peer in PEERS),
        launches(cls),
        launches(det),
        launches(det, precision='float16'),
        launches(det, 'reference'),
        check('compiling, one size', m.check_compiled, 35, training=True, sizes=sizes[:1]),
        speed(cls, batch=1, mode='eval'),
        speed(cls, batch=1, mode='eval', precision='float16'),
        *(speed(cls, arch=peer, batch=1, mode='eval', reference=False) for peer in PEERS),
        Part(NECKS, 'ClusterFPN', m.weigh_neck, dict(size=det.size, batch=1 if kind == 'cpu' else 2, device=device), 5),
        *(speed(det, arch=peer, reference=False, precision='float16') for peer in PEERS),
        *(launches(det, arch=peer, precision='float16') for peer in PEERS),
        *both(cls, precision='bfloat16'),
        *both(cls, precision='tf32'),
        *both(seg, precision='float16'),
        *(part for arch in ('base', 'large') for case in (cls, det) for part in both(case, arch=arch)),
        *(
            speed(cls, arch=peer, mode='eval', reference=False, precision=p)
            for p in ('float32', 'float16')
            for peer in PEERS
        ),
        *(part for arch in ('base', 'large') for part in both(cls, arch=arch, precision='float16')),
        *(part for arch in ('base', 'large') for part in both(seg, arch=arch)),
        check('compiling, several sizes', m.check_compiled, 120, training=False, sizes=sizes),
    ]
    if kind == 'gpu':  # on two cores compiling takes a quarter of an hour
        compiling = (('blocks+graph', 100), ('blocks', 30), ('compiled', 300))  # blocks once compiled are kept on disk
        parts += [
            speed(case, s, launch=launch, precision=p)
            for launch, s in compiling
            for p in ('float16', 'float32')
            for case in (cls, det)
        ]
        parts.append(check('compiling for training, several sizes', m.check_compiled, 180, training=True, sizes=sizes))
    return parts


def machine(device: str) -> Row:
    """What it ran on."""
    row: Row = dict(
        device=device,
        torch=torch.__version__,
        cuda=torch.version.cuda,
        python=platform.python_version(),
        system=platform.platform(),
        threads=torch.get_num_threads(),
        commit=get_git_hash(digits=12),
    )
    if device != 'cpu':
        properties = torch.cuda.get_device_properties(device)
        row.update(
            gpu=properties.name,
            memory_gib=round(properties.total_memory / 2**30, 1),
            capability=f'{properties.major}.{properties.minor}',
            driver=_driver(),
        )
    return row


def _driver() -> str | None:
    if shutil.which('nvidia-smi') is None:
        return None
    done = subprocess.run(
        ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader'], capture_output=True, text=True
    )
    return done.stdout.split('\n')[0] or None


def markdown(about: Row, outcomes: Sequence[Outcome]) -> str:
    """The whole report."""
    lines = ['# GPU report', '', table([about], {key: key.replace('_', ' ') for key in about}), '']
    for section, columns in COLUMNS.items():
        rows = [row for outcome in outcomes if outcome.part.section == section for row in outcome.rows]
        if section == RIGHT:
            rows += [
                dict(check=o.part.name, result='**no**', figures=o.error)
                for o in outcomes
                if o.error is not None and o.part.section == RIGHT
            ]
        if rows:
            lines += [f'## {section}', '', table(rows, columns), '']
        if section == LAUNCHES:
            lines += [line for row in rows for line in _kernels(row)]
    lines += list(_gaps(outcomes))
    return '\n'.join(lines) + '\n'


def _kernels(row: Row) -> Iterator[str]:
    what = ', '.join(str(row[key]) for key in ('task', 'arch', 'implementation', 'mode', 'precision'))
    tops = [dict(kernel=f'`{name[:100]}`', count=count, ms=ms) for name, count, ms in row['top']]
    yield from (
        f'### The kernels that take most: {what}',
        '',
        table(tops, {'kernel': 'kernel', 'count': 'launched', 'ms': 'ms'}),
        '',
    )


def _gaps(outcomes: Sequence[Outcome]) -> Iterator[str]:
    gaps: dict[str, list[str]] = {}
    for outcome in outcomes:
        reason = f'failed: {outcome.error}' if outcome.error else outcome.left_out
        if reason:
            gaps.setdefault(reason, []).append(outcome.part.name)
    rows = [dict(why=why, parts='; '.join(names)) for why, names in gaps.items()]
    yield from ('## What is not in it', '')
    yield table(rows, {'why': 'why', 'parts': 'parts'}) if rows else 'Nothing was left out, and nothing failed.'


def as_json(about: Row, outcomes: Sequence[Outcome]) -> Row:
    """The same for programs, with the seconds of each part."""
    return dict(
        machine=about,
        parts=[
            dict(
                section=o.part.section,
                name=o.part.name,
                rows=list(o.rows),
                left_out=o.left_out,
                error=o.error,
                seconds=round(o.seconds, 2),
            )
            for o in outcomes
        ],
    )
