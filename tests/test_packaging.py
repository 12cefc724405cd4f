"""What a wheel and a source distribution hold, and that both serve."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from .tools.tiny import make_config, make_data

ROOT = Path(__file__).parents[1]
PARTS = ('configs', 'docs', 'fec_mm', 'tests', 'tools')
FILES = (
    'CHANGELOG.md',
    'CITATION.cff',
    'CONTRIBUTING.md',
    'Dockerfile',
    'LICENSE',
    'MANIFEST.in',
    'Makefile',
    'README.md',
    'SECURITY.md',
    'model-index.yml',
    'pyproject.toml',
    'requirements.txt',
    'setup.py',
)


def run(*command: object, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1', **environment},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return result.stdout


@pytest.mark.slow
def test_wheel_of_the_source_distribution(tmp_path: Path) -> None:
    """From a copy of the repository, by way of the source distribution, to a training from the wheel."""
    source, out, site = tmp_path / 'source', tmp_path / 'out', tmp_path / 'site'
    for part in PARTS:
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns('__pycache__'))
    for file in FILES:
        shutil.copy(ROOT / file, source)
    files = {path.relative_to(source).as_posix() for path in source.rglob('*') if path.is_file()}
    before = {path.relative_to(source) for path in source.rglob('*')}

    run(sys.executable, '-c', f'from setuptools.build_meta import build_sdist; build_sdist({str(out)!r})', cwd=source)
    archive = next(out.glob('*.tar.gz'))
    with tarfile.open(archive) as packed:
        assert files <= {name.partition('/')[2] for name in packed.getnames()}

    run(
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '-q',
        '--no-build-isolation',
        '--no-deps',
        '-w',
        out,
        archive,
        cwd=tmp_path,
    )
    with zipfile.ZipFile(next(out.glob('*.whl'))) as wheel:
        wheel.extractall(site)
    shipped = {
        path.relative_to(site).as_posix()
        for path in site.rglob('*')
        if path.is_file() and '.dist-info' not in str(path)
    }
    moved = {file for file in files if file.startswith(('configs/', 'tools/')) or file == 'model-index.yml'}
    assert shipped == {file for file in files if file.startswith('fec_mm/')} | {f'fec_mm/.mim/{file}' for file in moved}

    ask = (
        "import fec_mm, fec_mm.apis as a; m = a.get_model('fec-small_4xb256-310e_in1k'); "
        'print(fec_mm.__file__, len(a.list_models()), sum(p.numel() for p in m.parameters()))'
    )
    answer = run(sys.executable, '-c', ask, cwd=tmp_path, PYTHONPATH=str(site)).splitlines()[-1].split()
    indexed = sum(
        len(list((ROOT / 'configs' / task).rglob('*.py'))) for task in ('classification', 'detection', 'segmentation')
    )
    assert answer == [str(site / 'fec_mm/__init__.py'), str(indexed), '5727528']

    make_data(tmp_path, images=4)
    config = make_config(tmp_path, 'mmpretrain')
    run(
        sys.executable,
        site / 'fec_mm/.mim/tools/train.py',
        config,
        '--work-dir',
        'work',
        cwd=tmp_path,
        PYTHONPATH=str(site),
    )
    assert (tmp_path / 'work/last_checkpoint').read_text().endswith('epoch_2.pth')

    # A build of the source folder itself leaves nothing in it but what setuptools calls its own.
    run(
        sys.executable, '-m', 'pip', 'wheel', '-q', '--no-build-isolation', '--no-deps', '-w', out, source, cwd=tmp_path
    )
    left = {path.relative_to(source) for path in source.rglob('*')} - before
    assert {path.parts[0] for path in left} <= {'build', 'fec_mm.egg-info'}
