"""Imports beside packages of other versions, each against the failure that its work-around is there for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def python(code: str, *path: Path) -> str:
    """What a fresh interpreter prints, without the finder that the environment's own .pth file may have installed."""
    forget = 'import sys; sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "_Awaiting"]\n'
    done = subprocess.run(
        [sys.executable, '-c', forget + code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(map(str, path))},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_cheap() -> None:
    code = (
        'import sys, fec_mm.compat as c; c.await_torchvision()\n'
        'print({"torch", "numpy", "mmengine"} & set(sys.modules))'
    )
    assert python(code) == 'set()'


@pytest.fixture
def broken_torchvision(tmp_path: Path) -> Path:
    """A torchvision as PyPI's is beside another torch: its compiled part does not load, and importing it fails."""
    package = tmp_path / 'torchvision'
    package.mkdir()
    (package / '_C.so').write_bytes(b'not a library')
    (package / '__init__.py').write_text(
        'import torch\ntorch.library.register_fake("torchvision::nms")(lambda *a: a[1])\n'
    )
    return tmp_path


def test_plain_import_fails_and_ours_does_not(broken_torchvision: Path) -> None:
    with pytest.raises(AssertionError, match='torchvision::nms does not exist'):
        python('import torchvision', broken_torchvision)
    code = (
        'import sys, fec_mm.compat as c; c.await_torchvision(); c.await_torchvision()\n'
        'before = len(sys.meta_path); import torchvision, torch; c.declare_torchvision_ops()\n'
        'print(before - len(sys.meta_path), torch.ops.torchvision.nms.default._schema)'
    )
    assert (
        python(code, broken_torchvision)
        == '1 torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
    )


def test_line_of_the_pth_file(broken_torchvision: Path, tmp_path: Path) -> None:
    (tmp_path / 'site').mkdir()
    (tmp_path / 'site/x.pth').write_text('import fec_mm.compat; fec_mm.compat.await_torchvision()\n')
    code = (
        f'import site, sys; site.addsitedir({str(tmp_path / "site")!r})\n'
        'print("torch" in sys.modules); import torchvision'
    )
    assert python(code, broken_torchvision) == 'False'


def test_declares_nothing_where_the_compiled_part_loads(broken_torchvision: Path) -> None:
    code = (
        'import torch, fec_mm.compat as c; loaded = []; torch.ops.load_library = loaded.append\n'
        'c.declare_torchvision_ops(); print([p.name for p in loaded], hasattr(torch.ops.torchvision, "nms"))'
    )
    assert python(code, broken_torchvision) == "['_C.so'] False"


def test_mmpretrain_without_its_multimodal_models(tmp_path: Path) -> None:
    """Beside a transformers that has not what they import."""
    package, about = tmp_path / 'transformers', tmp_path / 'transformers-5.0.0.dist-info'
    for folder in (package, about):
        folder.mkdir()
    (package / '__init__.py').write_text('')
    (about / 'METADATA').write_text('Metadata-Version: 2.1\nName: transformers\nVersion: 5.0.0\n')
    ready = 'import fec_mm.compat as c; c.await_torchvision()\n'
    code = 'from mmpretrain.models import PoolFormer; print(PoolFormer.__name__)'
    with pytest.raises(AssertionError, match='transformers'):
        python(ready + code, tmp_path)
    assert python(ready + 'c.apply()\n' + code, tmp_path).splitlines()[-1] == 'PoolFormer'


def test_real_torchvision_imports() -> None:
    code = 'import fec_mm.compat as c; c.apply(); import torchvision; print(torchvision.ops.nms.__name__)'
    assert python(code) == 'nms'
