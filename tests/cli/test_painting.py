"""Pictures of images of any bands; with the toolboxes' hooks in tests/catalogue."""

from __future__ import annotations

import logging
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import mmcv
import numpy as np
import pytest
import torch

from fec_mm.cli import painting
from fec_mm.cli.painting import forget_training, paint_any_image
from fec_mm.toolboxes.bands import three_bands

RNG = np.random.default_rng(0)


@pytest.mark.parametrize('shape', [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 6)])
@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.float32])
def test_three_bands(shape: tuple[int, ...], kind: type) -> None:
    image = (RNG.random(shape) * 200).astype(kind)
    bands = three_bands(image)
    assert (bands.shape, bands.dtype) == ((4, 5, 3), np.uint8)
    first = image if image.ndim == 2 else image[..., 0]
    if kind is np.uint8:
        assert np.array_equal(bands[..., 0], first)
    else:
        order = np.argsort(first, axis=None)
        assert (np.diff(bands[..., 0].astype(int).ravel()[order]) >= 0).all()
        assert (bands.min(), bands.max()) == (0, 255)
    if len(shape) < 3 or shape[-1] < 3:
        assert np.ptp(bands, axis=-1).max() == 0


def test_values_that_are_not_finite() -> None:
    assert three_bands(np.array([[np.nan, 1.0, np.inf]])).dtype == np.uint8
    assert three_bands(np.full((2, 2, 3), 7.0)).max() == 0


class VisualizationHook:
    """Has the name of mmpretrain's."""

    def __init__(self) -> None:
        self.painted: list[Any] = []
        self.fails: dict[str, Exception] = {}

    def after_test_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Any) -> None:
        (output,) = outputs
        if output['img_path'] in self.fails:
            raise self.fails[output['img_path']]
        self.painted.append(
            (batch_idx, output['img_path'], data_batch['inputs'][0], mmcv.imfrombytes(output['content']))
        )


def encoded(image: np.ndarray, **options: Any) -> bytes:
    tifffile = pytest.importorskip('tifffile')
    file = BytesIO()
    tifffile.imwrite(file, image, photometric='rgb', **options)
    return file.getvalue()


def test_each_image_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    six = (RNG.random((4, 5, 6)) * 255).astype(np.uint8)
    plain = encoded(six[..., :3], planarconfig='contig')
    contents = [encoded(six, planarconfig='contig'), encoded(np.moveaxis(six, -1, 0), planarconfig='separate'), plain]
    outputs = [dict(img_path=name, content=content) for name, content in zip('abc', contents)]
    hook, other = VisualizationHook(), SimpleNamespace()
    paint_any_image(SimpleNamespace(hooks=[other, hook]))
    inputs = torch.from_numpy(six).permute(2, 0, 1)
    for batch_idx in (0, 1):
        hook.after_test_iter(None, batch_idx, dict(inputs=[inputs, inputs[:3], inputs[:1]]), outputs)
    assert [number for number, *_ in hook.painted] == [0, 1, 2, 3, 4, 5]
    assert all(shown.shape == (3, 4, 5) for _, _, shown, _ in hook.painted)
    for _, name, shown, picture in hook.painted:
        assert np.array_equal(picture, six[..., :3] if name != 'c' else six[..., 2::-1])  # OpenCV's order of colours
        assert torch.equal(shown[0], inputs[0])
    with painting.three_band_pictures():
        loaded = [mmcv.imfrombytes(content, flag='unchanged', backend='tifffile') for content in contents]
    assert [image.shape for image in loaded] == [
        (4, 5, 6),
        (6, 4, 5),
        (4, 5, 3),
    ]  # a pipeline gets all that it asks for

    lines: list[tuple] = []
    monkeypatch.setattr(painting, 'print_log', lambda *args: lines.append(args))
    hook.painted.clear()
    hook.fails = {'b': ValueError('cannot')}
    hook.after_test_iter(None, 0, dict(inputs=[inputs] * 3), outputs)
    assert [name for _, name, *_ in hook.painted] == ['a', 'c']
    hook.fails = {'b': OSError('full')}
    with pytest.raises(OSError, match='full'):
        hook.after_test_iter(None, 0, dict(inputs=[inputs] * 3), outputs)
    assert lines == [('b cannot be painted (ValueError: cannot)', 'current', logging.WARNING)]


def test_a_test_needs_nothing_of_the_training() -> None:
    cfg = dict(train_dataloader=1, train_cfg=2, optim_wrapper=3, param_scheduler=4, test_cfg=5)
    forget_training(cfg)
    assert cfg == dict(test_cfg=5)
