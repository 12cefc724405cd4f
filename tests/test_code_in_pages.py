"""Python on the pages does what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from fec_mm.models.backbones import FEC

ROOT = Path(__file__).parents[1]


def blocks(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding='utf-8')
    return re.findall(r'^```python\n(.*?)^```', text, flags=re.MULTILINE | re.DOTALL)


def test_clusters_in_code() -> None:
    torch.manual_seed(0)
    images = torch.randn(1, 3, 160, 160)
    given: dict[str, Any] = {'model': SimpleNamespace(backbone=FEC('small').eval()), 'images': images}
    exec(blocks('docs/interpretability.md')[0], given)
    assert [level.shape for level in given['levels']] == [(1, 160, 160)] * 3
    assert given['groups'].unique().tolist() == list(range(6))
    assert given['heads'].shape == (1, 8, 160, 160)
