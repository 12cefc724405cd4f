"""Curves of a training: what was logged, where it was, whoever continued it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fec_mm.errors import UserError
from fec_mm.visualization.curves import curves_figure, read_curves, seeds_figure


def log(folder: Path, run: str, records: list[dict]) -> None:
    file = folder / run / 'vis_data/scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text('\n'.join(map(json.dumps, records)) + '\n{"loss": 0.')  # cut short


def test_a_run_that_continues_replaces_what_it_repeats(tmp_path: Path) -> None:
    log(
        tmp_path,
        '20260101_000000',
        [
            {'loss': 3.0, 'lr': 1.0, 'step': 10},
            {'loss': 2.0, 'lr': 1.0, 'step': 20},
            {'mIoU': 40.0, 'aAcc': 50.0, 'time': 1.0, 'step': 20},
            {'loss': float('nan'), 'step': 30},
            {'mIoU': 1.0, 'step': 30},
        ],
    )
    log(tmp_path, '20260102_000000', [{'loss': 1.0, 'step': 30}, {'own': 0.5, 'step': 30, 'data_time': 1.0}])
    curves = read_curves(tmp_path)
    assert curves.losses == {10: 3.0, 20: 2.0, 30: 1.0}
    assert curves.scores == {'mIoU': {20: 40.0}, 'aAcc': {20: 50.0}, 'own': {30: 0.5}}
    figure = curves_figure({'a $x_$ name': curves, 'another': curves})
    loss, score = figure.axes
    assert len(loss.lines) == 2 and len(score.lines) == 6
    assert list(loss.lines[0].get_xdata()) == [10, 20, 30]
    assert 'lower' in loss.get_ylabel() and 'higher' in score.get_ylabel()
    figure.savefig(tmp_path / 'drawn.png')  # names are text


def test_a_validation_by_epochs_stands_behind_its_training(tmp_path: Path) -> None:
    log(tmp_path, 'run', [{'loss': 3.0, 'epoch': 1, 'step': 63}, {'accuracy/top1': 90.0, 'step': 1}])
    assert read_curves(tmp_path).scores == {'accuracy/top1': {63: 90.0}}


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='LocalVisBackend'):
        read_curves(tmp_path)


def test_seeds_are_thin_and_their_mean_is_thick() -> None:
    runs = [
        dict(
            experiment=f'e{i}', variant=variant, metric='accuracy/top1', curve=[(1, 10.0 + seed), (2, 20.0 + 3 * seed)]
        )
        for i in range(5)
        for variant in ('old', 'new')
        for seed in range(2)
    ]
    figure = seeds_figure(runs)
    figure.draw_without_rendering()
    assert len(figure.axes) == 5 and figure.get_figwidth() <= 9
    assert all(ax.get_position().width > 0.33 for ax in figure.axes)
    first = figure.axes[0]
    assert first.get_ylabel() == 'top-1 accuracy, %\n(higher is better)' and first.get_xlabel() == 'epoch'
    thick = {line.get_label(): list(line.get_ydata()) for line in first.lines if line.get_marker() == 'o'}
    assert thick == {'old': [10.5, 21.5], 'new': [10.5, 21.5]} and len(first.lines) == 6
