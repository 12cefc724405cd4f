"""From a tiny training that shows and measures its clusters to the tools that do so afterwards."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from fec_mm.cli import train
from fec_mm.evaluation.baselines import BASELINES
from fec_mm.evaluation.cluster_maps import MEASURES

from .commands import tool
from .tiny import make_config

Failure = Callable[..., str]
FEC = "model['backbone']['type'] = 'fec_mm.FEC'\n"
WATCHED = (
    FEC
    + """
model['backbone']['out_indices'] = (3, )
train_cfg['max_epochs'] = 1
val_evaluator = test_evaluator = [dict(type='IoUMetric'), dict(type='fec_mm.ClusterMapMetric',
    baselines=['grid', 'slic', 'felzenszwalb'], equal=['segments', 'pieces', 'connected'])]
custom_hooks = [dict(type='fec_mm.ClusterMapHook'),
                dict(type='fec_mm.ClusterVisualizationHook', images=['{root}/data/images/1.png',
                '{root}/data/images/2.png'])]
"""
)


@pytest.fixture
def fresh_scope(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process of its own, where no training has made its toolbox the default."""
    monkeypatch.setattr(DefaultScope, '_instance_dict', OrderedDict())


@pytest.fixture(scope='module')
def watched(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Config and work dir of a training with the hooks and the metric."""
    folder = tmp_path_factory.mktemp('watched')
    config = make_config(root, 'mmseg', WATCHED.replace('{root}', str(root)), folder)
    train.main([str(config), '--work-dir', str(folder / 'work')])
    return config, folder / 'work'


def last_metrics(work_dir: Path) -> dict[str, float]:
    lines = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return [json.loads(line) for line in lines if 'mIoU' in line][-1]


def test_hook_shows_clusters_and_the_film_has_them(watched: tuple[Path, Path], tmp_path: Path) -> None:
    _, work_dir = watched
    frames = sorted(work_dir.glob('*/vis_data/vis_image/*.png'))
    assert [path.name for path in frames] == [f'clusters_{i}_{step}.png' for i in (1, 2) for step in (0, 1)]
    pictures = [np.asarray(Image.open(path)) for path in frames]
    assert all(picture.shape == (448, 4 * 448, 3) for picture in pictures)
    assert (pictures[0][:, :448] == pictures[1][:, :448]).all()  # the input
    tool('visualization/clusters_gif.py').main([str(work_dir), '--out-dir', str(tmp_path), '--seconds', '.2'])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['clusters_1.gif', 'clusters_2.gif']
    with Image.open(tmp_path / 'clusters_1.gif') as film:
        assert (film.n_frames, film.info['duration']) == (2, 200)
    for kind in ('webp', 'png'):
        tool('visualization/clusters_gif.py').main([str(work_dir), '--out-dir', str(tmp_path), '--format', kind])
        with Image.open(tmp_path / f'clusters_1.{kind}') as film:
            title = np.asarray(film.convert('RGB'))[:28]
            assert film.n_frames == 2 and film.size == (4 * 448, 448 + 28)
        assert all((title[:, i * 448 : i * 448 + 100] < 100).any() for i in range(4))  # a name above each panel


@pytest.mark.usefixtures('fresh_scope')
def test_models_are_compared_on_one_image(
    watched: tuple[Path, Path], root: Path, tmp_path: Path, failure: Failure, capsys: pytest.CaptureFixture[str]
) -> None:
    """A trained model and the same as initialised: the panels of the image are alike, those of the clusters are not."""
    config, work_dir = watched
    image, out = root / 'data/images/1.png', tmp_path / 'new/rows.png'
    models = [f'trained={config}:{work_dir / "epoch_1.pth"}', f'untrained={config}']
    run = tool('visualization/compare_clusters.py').main
    run([str(image), '--models', *models, '--out', str(out), '--levels', '1'])
    assert 'groups, not 12' in capsys.readouterr().out  # of four clusters
    picture = np.asarray(Image.open(out).convert('RGB')).astype(int)
    upper, lower = picture[: len(picture) // 2 * 2].reshape(2, -1, *picture.shape[1:])
    different = (upper != lower).any((0, 2)).nonzero()[0]
    first = picture.shape[1] // 4
    assert (different > first).any() and out.stat().st_size > 1000
    said = failure(run, image, '--models', *models, '--out', out, '--levels', 7)
    assert said == '--levels 7: trained has the levels 1 to 3'
    page = tmp_path / 'page.html'
    run([str(image), str(root / 'data/images/2.png'), '--models', *models, '--out', str(page)])
    assert page.read_text().count('<iframe') == 2
    said = failure(run, image, image, '--models', *models, '--out', out)
    assert said == f'{out}: a picture is of one image, and 2 were given; give one, or an .html'


@pytest.mark.usefixtures('fresh_scope')
def test_tool_measures_what_the_metric_did(watched: tuple[Path, Path], root: Path, tmp_path: Path) -> None:
    config, work_dir = watched
    logged = last_metrics(work_dir)
    maps = tmp_path / 'maps'
    maps.mkdir()
    for file in (root / 'data/maps').glob('*.png'):
        np.save(maps / f'{file.stem}.npy', np.asarray(Image.open(file)))
    tool('analysis_tools/eval_cluster_maps.py').main(
        [
            str(config),
            '--checkpoint',
            str(work_dir / 'epoch_1.pth'),
            '--untrained',
            '--maps',
            f'truth={maps}',
            '--out-dir',
            str(tmp_path / 'new/out'),
        ]
    )
    rows = json.loads((tmp_path / 'new/out/cluster_maps.json').read_text())['rows']
    expected = [
        (model, method, level)
        for model in ('trained', 'untrained')
        for level in (1, 2, 3)
        for method in (
            'clusters',
            'connected',
            *(name + of for of in ('', '/pieces', '/connected') for name in BASELINES),
        )
    ]
    assert [(row['model'], row['method'], row['level']) for row in rows] == [*expected, ('', 'truth', 0)]
    for row in rows[:33]:
        prefix = f'clusters/{"" if row["method"] == "clusters" else row["method"] + "/"}level{row["level"]}'
        for name in (*MEASURES, 'segments', 'pieces'):
            assert row[name] == pytest.approx(logged[f'{prefix}/{name}'], abs=1e-6)
    truth = rows[-1]
    assert [truth[name] for name in (*MEASURES[:4], 'segments', 'images')] == [1, 1, 1, 0, 2, 8]
    assert '| trained | 1 |' in (tmp_path / 'new/out/cluster_maps.md').read_text()
    assert Image.open(tmp_path / 'new/out/cluster_maps.png').size[0] > 1000


def test_broken_images_are_named_and_skipped(
    watched: tuple[Path, Path], root: Path, tmp_path: Path, failure: Failure, capsys: pytest.CaptureFixture[str]
) -> None:
    config, work_dir = watched
    (tmp_path / 'bad.png').write_text('no image')
    line = failure(
        tool('visualization/visualize_clusters.py').main,
        config,
        tmp_path / 'bad.png',
        root / 'data/images/0.png',
        tmp_path / 'gone.png',
        '--checkpoint',
        work_dir / 'epoch_1.pth',
        '--out-dir',
        tmp_path / 'out',
        '--html',
        '--groups',
        2,
        '--heads',
        '3.0:1',
    )
    assert '2 of 3 images could not be read' in line and 'bad.png' in line and 'gone.png' in line
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['0.png', 'clusters.html']
    assert 'gone.png does not exist' in capsys.readouterr().out


def test_pictures_for_a_paper(
    watched: tuple[Path, Path], root: Path, tmp_path: Path, failure: Failure, capsys: pytest.CaptureFixture[str]
) -> None:
    config, work_dir = watched
    main = tool('visualization/visualize_clusters.py').main
    images = [root / f'data/images/{i}.png' for i in range(2)]
    common = [str(a) for a in (config, *images, '--checkpoint', work_dir / 'epoch_1.pth', '--out-dir', tmp_path)]
    main([*common, '--panels', '--levels', '1', '3', '--groups', '999', '--colour', 'categorical'])
    names = [
        'input',
        *(f'{n}{o}' for n in ('level_1_clusters', 'level_3_clusters', 'merged_groups') for o in ('', '_outlines')),
    ]
    assert sorted(path.name for path in (tmp_path / '1').iterdir()) == sorted(f'{name}.png' for name in names)
    assert Image.open(tmp_path / '0/input.png').size == (448, 448)
    said = capsys.readouterr().out
    assert 'groups, not 999' in said and 'pictures of 2 images' in said
    main([*common, '--together', '--format', 'svg', '--dpi', '50'])
    assert (tmp_path / 'clusters.svg').read_text().startswith('<?xml') and not (tmp_path / '0.svg').exists()
    main([*common, '--format', 'pdf'])
    assert (tmp_path / '0.pdf').read_bytes().startswith(b'%PDF')
    assert 'the levels 1 to 3' in failure(main, *common, '--levels', 4)


@pytest.mark.slow
def test_context_cluster_shows_heads(
    trained: Callable[[str], tuple[Path, Path]], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _ = trained('mmseg')
    tool('visualization/visualize_clusters.py').main(
        [str(config), str(root / 'data/images/0.png'), '--out-dir', str(tmp_path), '--html']
    )
    assert 'no clustering-based pooling' in capsys.readouterr().out
    assert (tmp_path / '0.png').exists() and (tmp_path / 'clusters.html').exists()


@pytest.mark.parametrize(
    ('extra', 'options', 'says'),
    [
        ('', [], 'no clustering-based pooling'),
        (FEC, ['--maps', 'x=/nowhere'], 'give NAME=DIR'),
        (FEC, ['--maps', 'x={root}/data/classes/right'], 'no label map of 0'),
        (FEC, ['--maps', 'x={root}/data/images'], 'save integers of its size'),
        (
            FEC,
            ['--ignore-index', '0', '--cfg-options', 'test_dataloader.dataset.data_prefix.seg_map_path=empty'],
            'check --ignore-index',
        ),
        (
            FEC
            + "model['backbone'] = dict(type='mmseg.ResNetV1c', depth=18)\nmodel['decode_head']['in_channels'] = 512\n"
            "model['decode_head']['in_index'] = 3\n",
            [],
            'has no clustering layer',
        ),
        (FEC + "model['test_cfg'] = dict(mode='slide', crop_size=(32, 32), stride=(32, 32))\n", [], "mode='whole'"),
    ],
)
def test_what_cannot_be_measured(
    root: Path, tmp_path: Path, failure: Failure, extra: str, options: list[str], says: str
) -> None:
    (root / 'data/empty').mkdir(exist_ok=True)
    for i in range(8):
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(root / f'data/empty/{i}.png')
    config = make_config(root, 'mmseg', extra, tmp_path)
    line = failure(
        tool('analysis_tools/eval_cluster_maps.py').main,
        config,
        '--out-dir',
        tmp_path / 'out',
        *[option.replace('{root}', str(root)) for option in options],
    )
    assert says in line
    assert not (tmp_path / 'out').exists()


def test_film_of_nothing(tmp_path: Path, failure: Failure) -> None:
    assert 'ClusterVisualizationHook' in failure(tool('visualization/clusters_gif.py').main, tmp_path)


@pytest.mark.usefixtures('fresh_scope')
def test_void_is_the_decode_heads(watched: tuple[Path, Path], tmp_path: Path) -> None:
    """Where the command line does not say: with the label 1 void, no image has a border that counts."""
    config, _ = watched
    run = tool('analysis_tools/eval_cluster_maps.py').main
    run([str(config), '--baselines', '--out-dir', str(tmp_path), '--cfg-options', 'model.decode_head.ignore_index=1'])
    rows = json.loads((tmp_path / 'cluster_maps.json').read_text())['rows']
    assert all(row['asa'] == 1 and row['boundary_recall'] is None for row in rows)
    with pytest.raises(SystemExit):
        run([str(config), '--tolerance', '-1', '--out-dir', str(tmp_path)])
