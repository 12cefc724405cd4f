"""The toolboxes' own tools on tiny trainings and on configs of this project, as commands."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from fec_mm import compat
from fec_mm.apis import get_model

from .commands import ROOT, run
from .tiny import TASKS, make_config

Trained = Callable[[str], tuple[Path, Path]]
pytestmark = pytest.mark.slow
QUICK = '{repository}/configs/quickstart/classification.py'
# Toolbox, its tool, the tool's command line, and what is there afterwards: a picture, a file, or words.
# {config} and {work} are those of the tiny training, {checkpoint} its last, {log} its scalars, {out} an empty folder.
CASES = [
    ('mmpretrain', 'browse_dataset', '{config} -n 2 -o {out} --not-show', '*.png'),
    ('mmpretrain', 'browse_dataset', '{config} -n 2 -o {out} --not-show -m pipeline', '*.png'),
    ('mmpretrain', 'vis_scheduler', '{amp} --not-show --save-path {out}/rates.png', 'rates.png'),
    ('mmpretrain', 'vis_scheduler', QUICK + ' -d 4000 --not-show --save-path {out}/rates.png', 'rates.png'),
    ('mmpretrain', 'print_config', QUICK, "type='fec_mm.FEC'"),
    ('mmpretrain', 'verify_dataset', '{config} --out-path {out}/log.txt', 'no broken file'),
    ('mmpretrain', 'analyze_logs', 'plot_curve {log} --keys loss --out {out}/loss.png', 'loss.png'),
    ('mmpretrain', 'analyze_logs', 'cal_train_time {log}', r'average iter time: [\d.]+ s'),
    ('mmpretrain', 'confusion_matrix', '{config} {checkpoint} --show-path {out}/matrix.png', 'matrix.png'),
    ('mmpretrain', 'publish_model', '{checkpoint} {out}/model.pth', 'model_*.pth'),
    ('mmpretrain', 'get_flops', QUICK + ' --shape 64', 'Flops: '),
    ('mmpretrain', 'vis_tsne', '{config} --checkpoint {checkpoint} --work-dir {out} --perplexity 2', '**/*.png'),
    ('mmpretrain', 'kfold-cross-valid', '{config} --num-splits 2 --work-dir {out}', '**/fold1/epoch_2.pth'),
    ('mmpretrain', 'test.py', '{config} {checkpoint} --tta --work-dir {out}', 'accuracy/top1'),
    ('mmdet', 'analysis_tools/browse_dataset', '{config} --output-dir {out} --not-show', '**/0.png'),
    ('mmdet', 'print_config', '{repository}/configs/quickstart/detection.py', "type='fec_mm.FEC'"),
    ('mmdet', 'analyze_logs', 'plot_curve {log} --keys loss --out {out}/loss.png', 'loss.png'),
    ('mmdet', 'analyze_logs', 'cal_train_time {log}', 'average iter time'),
    ('mmdet', 'publish_model', '{checkpoint} {out}/model.pth', 'model-*.pth'),
    ('mmdet', 'get_flops', '{config}', 'Flops: '),
    ('mmdet', 'test.py', '{config} {checkpoint} --tta --work-dir {out}', 'coco/bbox_mAP'),
    ('mmseg', 'analysis_tools/browse_dataset', '{config} --output-dir {out} --not-show', '**/0*.png'),
    ('mmseg', 'misc/browse_dataset', '{config} --output-dir {out} --not-show', '**/0*.png'),
    ('mmseg', 'print_config', '{repository}/configs/quickstart/segmentation.py', "type='fec_mm.FEC'"),
    ('mmseg', 'analyze_logs', '{log} --keys loss --out {out}/loss.png', 'loss.png'),
    ('mmseg', 'publish_model', '{checkpoint} {out}/model.pth', 'model-*.pth'),
    ('mmseg', 'get_flops', '{repository}/configs/quickstart/segmentation.py --shape 64', 'Flops: '),
    ('mmseg', 'benchmark', '{config} {checkpoint} --work-dir {out} --log-interval 2', 'fps: '),
    ('mmseg', 'test.py', '{tta} {checkpoint} --tta --work-dir {out}', 'mIoU'),
]


# mmseg's test.py wants it; ours does without.
TTA = """
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)], [dict(type='LoadAnnotations')],
        [dict(type='PackSegInputs')]])]
"""


def mm(*argv: object, folder: Path = ROOT) -> str:
    result = run('python', ROOT / 'tools/mm.py', *argv, folder=folder)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout + result.stderr


@pytest.mark.parametrize(('scope', 'name', 'line', 'leaves'), CASES)
def test_each(trained: Trained, root: Path, tmp_path: Path, scope: str, name: str, line: str, leaves: str) -> None:
    config, work_dir = trained(scope)
    out = tmp_path / 'out'
    out.mkdir()
    amp = make_config(root, scope, "optim_wrapper['type'] = 'AmpOptimWrapper'\n", tmp_path)
    (tmp_path / 'tta').mkdir()
    words = {
        'tta': make_config(root, scope, TTA, tmp_path / 'tta'),
        'config': config,
        'amp': amp,
        'checkpoint': work_dir / 'epoch_2.pth',
        'log': next(work_dir.glob('*/vis_data/scalars.json')),
        'out': out,
        'repository': ROOT,
    }
    # In a folder of its own, as mmseg's print_config leaves a file where it is called.
    said = mm(scope, name, *line.format(**words).split(), folder=tmp_path)
    if not leaves.endswith(('.png', '.pth')):
        assert re.search(leaves, said)
        return
    files = [path for path in out.glob(leaves) if path.is_file()]
    assert files
    for file in files:
        if file.suffix == '.png':
            assert len(Image.open(file).convert('RGB').getcolors(1 << 24) or ()) > 2
        elif name == 'publish_model':
            compat.allow_checkpoint_globals()
            assert 'optimizer' not in torch.load(file, weights_only=True)
            get_model(config, file)


@pytest.mark.parametrize('scope', TASKS)
def test_from_results_to_a_confusion_matrix(trained: Trained, tmp_path: Path, scope: str) -> None:
    config, work_dir = trained(scope)
    results = tmp_path / ('maps' if scope == 'mmseg' else 'results.pkl')
    mm(scope, 'test.py', config, work_dir / 'epoch_2.pth', '--out', results, '--work-dir', tmp_path / 'test')
    if scope == 'mmpretrain':
        said = mm(scope, 'eval_metric', results, '--metric', 'type=Accuracy', 'topk=1')
        logged = json.loads(next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()[-1])
        assert str(logged['accuracy/top1']) in said
        return
    mm(scope, 'confusion_matrix', config, results, tmp_path / 'matrix')
    assert Image.open(tmp_path / 'matrix/confusion_matrix.png').width > 100


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmseg'])
def test_class_activation(trained: Trained, root: Path, tmp_path: Path, scope: str) -> None:
    """Of the last norm, whose maps are B×H×W×C: a heat map of its H×W, and not of H×C."""
    pytest.importorskip('pytorch_grad_cam')
    config, work_dir = trained(scope)
    image, file = root / 'data/images/0.png', tmp_path / 'heat.png'
    if scope == 'mmpretrain':
        mm(scope, 'vis_cam', image, config, work_dir / 'epoch_2.pth', '--save-path', file)
    else:
        where = ['--out-file', tmp_path / 'shown.png', '--cam-file', file, '--target-layers', 'backbone.norm3']
        where += ['--category-index', '1']
        mm(scope, 'visualization_cam', image, config, work_dir / 'epoch_2.pth', *where, '--device', 'cpu')
    assert Image.open(file).size == ((32, 32) if scope == 'mmpretrain' else (64, 64))
