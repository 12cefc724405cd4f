"""Models by name, and inference by the toolboxes' own inferencers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from fec_mm.apis import FECInferencer, get_model, list_models
from fec_mm.apis.models import seeded_model
from fec_mm.errors import UserError
from tests.tools.tiny import TASKS, make_config, make_data

SCOPES = dict(zip(('classification', 'detection', 'segmentation'), TASKS))
CLASSES = {'classification': ['left', 'right'], 'detection': ['square'], 'segmentation': ['ground', 'square']}
EXTRA = {
    # mmpretrain's inferencer reads images in colour whatever the config says.
    'classification': "test_dataloader['dataset']['pipeline'][0].pop('color_type')\nmodel['backbone']['in_channels'] "
    '= 3\n',
    'detection': "visualizer = dict(type='DetLocalVisualizer')\n",
    'segmentation': "visualizer = dict(type='SegLocalVisualizer')\n",
}
Tiny = Callable[[str], tuple[Path, Path]]


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny data; among the images one file that is none."""
    path = tmp_path_factory.mktemp('models')
    make_data(path, images=3)
    (path / 'data/images/notes.txt').write_text('no image')
    return path


@pytest.fixture(scope='module')
def tiny(root: Path) -> Tiny:
    """Of a task: config and checkpoint of a model whose weights are random, and whose clusters matter."""

    def get(task: str) -> tuple[Path, Path]:
        config, checkpoint = root / f'{SCOPES[task]}.py', root / f'{task}.pth'
        if not checkpoint.is_file():
            make_config(root, SCOPES[task], EXTRA[task])
            torch.manual_seed(0)
            model = get_model(config)
            torch.save(
                {
                    'state_dict': model.state_dict(),
                    'meta': {
                        'dataset_meta': {
                            'classes': CLASSES[task],
                            'palette': [(9, 9, 9), (200, 0, 0)][: len(CLASSES[task])],
                            'reduce_zero_label': False,
                        }
                    },
                },
                checkpoint,
            )
        return config, checkpoint

    return get


def test_names() -> None:
    assert len(list_models()) == sum(len(list_models(task)) for task in SCOPES) > 20
    assert list_models('classification', 'fec-*') == [
        f'fec-{size}_4xb256-310e_in1k' for size in ('base', 'large', 'small')
    ]
    assert list_models('detection', 'coc-tiny*') == []


def test_model_by_name() -> None:
    model = get_model('fec-small_4xb256-310e_in1k')
    assert sum(p.numel() for p in model.parameters()) == 5_727_528
    assert not model.training
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])
    assert len(model.dataset_meta['classes']) == 1000


def test_unknown_name_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"did you mean 'fec-small_4xb256-310e_in1k'\?"):
        get_model('fec-small_in1k')


@pytest.mark.parametrize('task', SCOPES)
def test_weights_are_loaded(tiny: Tiny, task: str) -> None:
    config, checkpoint = tiny(task)
    model = get_model(config, checkpoint)
    expected = torch.load(checkpoint, weights_only=True)['state_dict']
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())
    assert model.dataset_meta['classes'] == CLASSES[task]


def test_weights_of_another_model_are_one_line(tiny: Tiny) -> None:
    with pytest.raises(UserError, match=r'is of another model: .* missing .* unknown') as raised:
        FECInferencer('segmentation', tiny('segmentation')[0], tiny('detection')[1])
    assert '\n' not in str(raised.value)


def own_inferencer(task: str, config: Path, checkpoint: Path) -> Any:
    """The toolbox's inferencer, made as its documentation says."""
    init_default_scope(SCOPES[task])
    if task == 'classification':
        from mmpretrain import ImageClassificationInferencer

        return ImageClassificationInferencer(str(config), pretrained=str(checkpoint))
    if task == 'detection':
        from mmdet.apis import DetInferencer

        return DetInferencer(str(config), str(checkpoint))
    from mmseg.apis import MMSegInferencer

    return MMSegInferencer(str(config), str(checkpoint))


def assert_same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_same(x, y)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


@pytest.mark.parametrize('task', SCOPES)
def test_results_are_the_toolboxes(
    tiny: Tiny, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], task: str
) -> None:
    """A file, a folder and arrays: the same as from the toolbox's own inferencer, and pictures."""
    inferencer = FECInferencer(task, *tiny(task))
    files = [str(root / f'data/images/{i}.png') for i in range(3)]
    own = own_inferencer(task, *tiny(task))
    folder = inferencer(root / 'data/images', out_dir=tmp_path / 'new')
    assert task == 'classification' or 'Inference' in capsys.readouterr().out  # mmpretrain's bar is for terminals only
    expected = own(files)
    if task == 'classification':
        assert_same(folder, expected)
        assert {result['pred_class'] for result in folder} <= set(CLASSES[task])
    else:
        assert_same(folder['predictions'], expected['predictions'])
    arrays = [np.array(Image.open(file))[..., ::-1] for file in files[:2]]
    assert_same(inferencer(arrays, batch_size=2), own(files[:2], batch_size=2))
    assert_same(inferencer(Path(files[0])), own(files[0]))
    pictures = sorted((tmp_path / 'new/vis').iterdir())
    assert [picture.name for picture in pictures] == ['0.png', '1.png', '2.png']
    assert Image.open(pictures[0]).size == (64, 64)


def test_bad_inputs_are_one_line(tiny: Tiny, root: Path, tmp_path: Path) -> None:
    inferencer = FECInferencer('classification', *tiny('classification'))
    (tmp_path / 'broken.png').write_bytes((root / 'data/images/0.png').read_bytes()[:40])
    (tmp_path / 'empty').mkdir()
    for given, text in (
        (tmp_path / 'none.png', 'does not exist'),
        (tmp_path / 'empty', 'has no image'),
        (tmp_path, 'not a readable image'),
        ('none.png', 'does not exist'),
    ):
        with pytest.raises(UserError, match=text):
            inferencer(given)
    with pytest.raises(UserError, match='is for classification'):
        FECInferencer('detection', *tiny('classification'))
    with pytest.raises(UserError, match='is none of classification, detection, segmentation'):
        FECInferencer('pose', *tiny('classification'))
    with pytest.raises(UserError, match='does not exist'):
        get_model(tiny('classification')[0], tmp_path / 'none.pth')


def test_classes_of_a_bare_state_dict_are_those_of_the_config(tiny: Tiny, tmp_path: Path) -> None:
    config, checkpoint = tiny('segmentation')
    torch.save(torch.load(checkpoint, weights_only=True)['state_dict'], tmp_path / 'bare.pth')
    model = get_model(Config.fromfile(config), tmp_path / 'bare.pth')
    assert list(model.dataset_meta['classes']) == CLASSES['segmentation']
    assert model.dataset_meta['palette'] == [[0, 0, 0], [255, 0, 0]]


def test_seeded_model_without_a_checkpoint_is_the_seed_s(tiny: Tiny) -> None:
    cfg = Config.fromfile(tiny('segmentation')[0])
    one, two = seeded_model(cfg, None), seeded_model(cfg, None)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values()))
    cfg.randomness = dict(seed=1)
    assert not torch.equal(next(one.backbone.parameters()), next(seeded_model(cfg, None).backbone.parameters()))
