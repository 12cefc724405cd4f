"""What makes hundreds of tiny trainings quick."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from unittest.mock import patch

import pytest
import torch

from fec_mm.toolboxes.configs import import_toolbox


@pytest.fixture(scope='session', autouse=True)
def _quick() -> Iterator[None]:
    # On a busy machine the threads of a tiny model wait for each other ten times as long as they compute.
    torch.set_num_threads(1)
    # mmengine collects garbage for every data set, and walks over all that the imports of the toolboxes left.
    for scope in ('mmpretrain', 'mmdet', 'mmseg'):
        import_toolbox(scope)
    gc.collect()
    gc.freeze()
    # It formats the whole config with yapf five times a run, which takes longer than these trainings.
    with patch('mmengine.config.config.FormatCode', lambda text, **_: (text, False)):
        yield
