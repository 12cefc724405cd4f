"""tools/test.py on images without labels: predictions, and no traceback."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fec_mm.cli import test

from .tiny import TASKS, make_config

Trained = Callable[[str], tuple[Path, Path]]
UNLABELLED = {
    'mmpretrain': "test_dataloader['dataset'].update(data_prefix='images', with_label=False)\n",
    'mmdet': "test_dataloader['dataset']['ann_file'] = test_evaluator['ann_file'] = '{folder}/images.json'\n",
    'mmseg': "test_dataloader['dataset']['data_prefix'] = dict(img_path='images')\n",
}


@pytest.fixture
def given(trained: Trained, root: Path, tmp_path: Path) -> Callable[[str], list[str]]:
    """The first arguments of a test of a trained model on the images of its data alone."""
    for variant in ('images', 'image_info'):
        coco = json.loads((root / 'data/boxes.json').read_text())
        coco['annotations'] = []
        (tmp_path / f'{variant}.json').write_text(json.dumps(coco))

    def arguments(scope: str, extra: str = '') -> list[str]:
        apart = (
            "test_dataloader = dict(test_dataloader, dataset=dict(test_dataloader['dataset']))\n"
            'test_evaluator = dict(test_evaluator)\n'
        )
        more = apart + UNLABELLED[scope].replace('{folder}', str(tmp_path)) + extra
        config = make_config(root, scope, more, tmp_path)
        return [str(config), str(trained(scope)[1] / 'epoch_2.pth'), '--work-dir', str(tmp_path / 'test')]

    return arguments


@pytest.mark.parametrize('tta', [[], ['--tta']], ids=['plain', 'tta'])
@pytest.mark.parametrize('scope', TASKS)
def test_predictions_are_written(given: Callable, trained: Trained, tmp_path: Path, scope: str, tta: list[str]) -> None:
    """The same as on the labelled images."""
    out = {}
    config, work_dir = trained(scope)
    labelled = [str(config), str(work_dir / 'epoch_2.pth'), '--work-dir', str(tmp_path / 'test')]
    for name, argv in (('without', given(scope)), ('with', labelled)):
        out[name] = tmp_path / ('maps_' + name if scope == 'mmseg' else f'{name}.pkl')
        metrics = test.main([*argv, '--out', str(out[name]), *tta])
        if scope == 'mmdet' and name == 'without':
            assert set(metrics.values()) == {-1}  # pycocotools' word for nothing to measure
        else:
            assert bool(metrics) == (name == 'with')
    if scope == 'mmseg':
        for path in out['with'].iterdir():
            assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(out['without'] / path.name)))
        assert len(list(out['without'].iterdir())) == 8
        return
    found = {name: pickle.loads(path.read_bytes()) for name, path in out.items()}
    assert len(found['without']) == len(found['with']) == 8
    by_name = {name: {Path(p['img_path']).name: p for p in predictions} for name, predictions in found.items()}
    for image, prediction in by_name['without'].items():
        other = by_name['with'][image]
        if scope == 'mmpretrain':
            assert np.allclose(prediction['pred_score'], other['pred_score'])
        else:
            assert np.allclose(prediction['pred_instances']['bboxes'], other['pred_instances']['bboxes'])


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmseg'])
def test_without_out_one_line_says_what_to_do(given: Callable, scope: str, failure: Callable[..., str]) -> None:
    line = failure(test.main, *given(scope))
    assert 'have no labels, and nothing can be measured: give --out for the predictions' in line


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmseg'])
def test_painting_needs_no_labels(given: Callable, tmp_path: Path, scope: str) -> None:
    assert test.main([*given(scope), '--show-dir', str(tmp_path / 'shown')]) == {}
    assert len([path for path in (tmp_path / 'shown').rglob('*.png') if path.is_file()]) == 8


def test_annotations_that_the_file_has_no_list_for(given: Callable, tmp_path: Path) -> None:
    """As COCO's image_info_test-dev2017.json."""
    argv = given('mmdet')
    content = json.loads((tmp_path / 'images.json').read_text())
    del content['annotations']
    (tmp_path / 'images.json').write_text(json.dumps(content))
    test.main([*argv, '--out', str(tmp_path / 'x.pkl')])
    assert len(pickle.loads((tmp_path / 'x.pkl').read_bytes())) == 8


def test_format_only_of_the_config_is_kept(given: Callable, tmp_path: Path) -> None:
    argv = given('mmdet', f"test_evaluator.update(format_only=True, outfile_prefix='{tmp_path}/results')\n")
    test.main(argv)
    assert len({entry['image_id'] for entry in json.loads((tmp_path / 'results.bbox.json').read_text())}) == 8
