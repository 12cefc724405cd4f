"""What transforms raise names the file, where it is about one; where it is not, it passes as it is."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import mmseg.datasets.transforms  # noqa: F401
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile, Resize
from mmengine.dataset import BaseDataset, Compose
from mmengine.registry import DATASETS, TRANSFORMS
from PIL import Image
from torch.utils.data import DataLoader

from fec_mm.cli.explain import explain
from fec_mm.datasets.named_samples import NamedSamples, name_samples
from fec_mm.errors import UserError

LoadAnnotations = TRANSFORMS.get('mmseg.LoadAnnotations')


@pytest.fixture
def sample(tmp_path: Path) -> dict[str, Any]:
    """An image and its label map, whole."""
    Image.fromarray(np.zeros((8, 12, 3), np.uint8)).save(tmp_path / 'a.png')
    Image.fromarray(np.zeros((8, 12), np.uint8)).save(tmp_path / 'm.png')
    return dict(
        img_path=str(tmp_path / 'a.png'), seg_map_path=str(tmp_path / 'm.png'), reduce_zero_label=False, seg_fields=[]
    )


def message(sample: dict, *steps: Any) -> str:
    with pytest.raises(UserError) as raised:
        NamedSamples(list(steps))(dict(sample))
    return str(raised.value)


def test_good_samples_pass(sample: dict) -> None:
    result = NamedSamples([LoadImageFromFile(), LoadAnnotations()])(dict(sample))
    assert result is not None and result['img'].shape == (8, 12, 3) and result['gt_seg_map'].shape == (8, 12)
    assert NamedSamples([lambda results: None, LoadImageFromFile()])(dict(sample)) is None


@pytest.mark.parametrize(
    'content', [lambda whole: b'', lambda whole: whole[:40], lambda whole: b'<html>', lambda whole: whole[:-30]]
)
def test_the_image_or_the_label_map_is_named(sample: dict, content: Callable[[bytes], bytes]) -> None:
    for key, step in (('img_path', LoadImageFromFile(imdecode_backend='pillow')), ('seg_map_path', LoadAnnotations())):
        path = Path(sample[key])
        whole = path.read_bytes()
        path.write_bytes(content(whole))
        assert message(sample, step) == f'{path} is not a readable image: replace it'
        path.write_bytes(whole)


def test_decoder_that_returns_nothing(sample: dict) -> None:
    Path(sample['seg_map_path']).write_bytes(b'x')
    assert 'm.png is not a readable image' in message(sample, LoadAnnotations(imdecode_backend='cv2'))
    Path(sample['img_path']).write_bytes(b'x')
    assert 'a.png is not a readable image' in message(sample, LoadImageFromFile())


def test_more_pixels_than_pillow_opens(sample: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 40)
    assert (
        message(sample, LoadAnnotations())
        == f'{sample["seg_map_path"]} has more pixels than are decoded at once: cut it into tiles'
    )


def test_disk_that_fails(sample: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> bytes:
        raise OSError(5, 'Input/output error')

    monkeypatch.setattr('mmengine.fileio.get', fail)
    assert (
        message(sample, LoadImageFromFile())
        == f'{sample["img_path"]} cannot be read ([Errno 5] Input/output error): check the disk, or copy the file again'
    )


@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_resizing_to_nothing(sample: dict, backend: str) -> None:
    Image.fromarray(np.zeros((2, 400, 3), np.uint8)).save(sample['img_path'])
    line = message(sample, LoadImageFromFile(), Resize(scale=(40, 40), keep_ratio=True, backend=backend))
    assert line.startswith(f'{sample["img_path"]} has 400×2 pixels, and resizing leaves none: leave it out')


class Broken:
    """A step of a user's, with a bug or an error of ours."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, results: dict) -> dict:
        raise self.error


class LoadBroken(Broken):
    """One that loads."""


@pytest.mark.parametrize('kind', [Broken, LoadBroken])
@pytest.mark.parametrize(
    'error',
    [
        ValueError('models/loading.py'),
        KeyError('mask'),
        RuntimeError('imfrombytes'),
        TypeError('x'),
        UserError('of ours'),
        MemoryError(),
        AttributeError("'int' object has no attribute 'x'"),
        FileNotFoundError(2, 'No such file or directory', 'x.png'),
    ],
    ids=repr,
)
def test_other_errors_pass_as_they_are(sample: dict, kind: type[Broken], error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        NamedSamples([LoadImageFromFile(), kind(error)])(dict(sample))
    assert raised.value is error


def test_a_misspelt_backend_is_no_bad_image(sample: dict) -> None:
    with pytest.raises(ValueError, match='backend'):
        NamedSamples([LoadImageFromFile(imdecode_backend='pilow')])(dict(sample))


def test_other_errors_of_opencv_are_not_about_size(sample: dict) -> None:
    class Blur:
        def __call__(self, results: dict) -> dict:
            cv2.GaussianBlur(results['img'], (2, 2), 0)
            return results

    with pytest.raises(cv2.error):
        NamedSamples([LoadImageFromFile(), Blur()])(dict(sample))


class Files(BaseDataset):
    def load_data_list(self) -> list[dict]:
        return [dict(img_path=path) for path in self.ann_file.split(',')]


@pytest.mark.parametrize('workers', [0, 1])
def test_also_from_a_worker_and_in_one_line(sample: dict, tmp_path: Path, workers: int) -> None:
    """Without opening any other file: the second does not exist."""
    bad = tmp_path / 'a\nb  c.png'
    bad.write_bytes(b'')
    if not DATASETS.get('Files'):
        DATASETS.register_module(module=Files)
    dataset = Files(ann_file=f'{bad},/none.png', pipeline=[LoadImageFromFile()])
    name_samples(dataset)
    pipeline = dataset.pipeline
    name_samples(dataset)
    assert dataset.pipeline is pipeline and isinstance(pickle.loads(pickle.dumps(pipeline)), NamedSamples)
    with pytest.raises(UserError) as raised:
        next(iter(DataLoader(dataset, num_workers=workers)))
    assert explain(raised.value) == f'{tmp_path}/a\\nb  c.png is not a readable image: replace it'


def test_the_list_of_steps_stays_the_same() -> None:
    class Dataset:
        pipeline = Compose([LoadImageFromFile()])

    dataset = Dataset()
    steps = dataset.pipeline.transforms
    name_samples(dataset)
    assert isinstance(dataset.pipeline, NamedSamples) and dataset.pipeline.transforms is steps
