"""What `fec_mm` itself exports: the names that people use, without the cost of importing torch for who asks for none of
them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fec_mm

ROOT = Path(__file__).parents[1]
NAMES = {
    'FEC',
    'CLUENet',
    'ContextCluster',
    'EnFormer',
    'FECInferencer',
    'get_model',
    'list_models',
    'record_assignments',
}


def test_names_are_those_of_the_packages() -> None:
    from fec_mm import apis, clusters, models

    assert NAMES | {'__version__'} == set(fec_mm.__all__)
    for name in NAMES:
        home = next(package for package in (apis, clusters, models) if name in package.__all__)
        assert getattr(fec_mm, name) is getattr(home, name)


def test_other_names_are_an_error_that_says_so() -> None:
    with pytest.raises(AttributeError, match="module 'fec_mm' has no attribute 'FECC'"):
        _ = fec_mm.FECC


def test_submodules_are_still_imported_by_name() -> None:
    code = 'from fec_mm import errors; print(errors.__name__)'
    assert fresh(code) == 'fec_mm.errors'


def test_importing_imports_neither_torch_nor_a_toolbox() -> None:
    heavy = ('torch', 'numpy', 'mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmseg')
    assert fresh(f'import sys, fec_mm; print([name for name in {heavy} if name in sys.modules])') == '[]'


def test_version_is_where_setup_reads_it() -> None:
    found = re.search(r"__version__ = '(.+)'", (ROOT / 'fec_mm/__init__.py').read_text(encoding='utf-8'))
    cited = re.search(r'^version: (.+)$', (ROOT / 'CITATION.cff').read_text(encoding='utf-8'), flags=re.MULTILINE)
    assert found is not None and cited is not None
    assert found[1] == cited[1] == fec_mm.__version__


def test_python_of_the_readme() -> None:
    """Runs, and gives the shapes that its comments state."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    code = re.findall(r'^```python\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)[0]
    scope: dict[str, Any] = {}
    exec(compile(code, 'README.md', 'exec'), scope)
    stated = [tuple(map(int, shape.split('×'))) for shape in re.findall(r'\d+(?:×\d+)+', code)]
    assert stated == [*(tuple(features.shape) for features in scope['maps']), tuple(scope['levels'][0].shape)]
    assert [level.unique().numel() <= (28 >> i) ** 2 for i, level in enumerate(scope['levels'])] == [True] * 3


def fresh(code: str) -> str:
    """What a new interpreter prints."""
    run = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout.strip()
