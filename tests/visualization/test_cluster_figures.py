"""Plots of measures of clusters."""

from __future__ import annotations

import pytest

pytest.importorskip('matplotlib')

from fec_mm.visualization.cluster_figures import TITLES, measure_figure


def test_what_was_not_measured_is_not_drawn() -> None:
    full = [dict.fromkeys(TITLES, 0.1 * level) | {'segments': 900 // level} for level in (1, 2, 3)]
    part = [{name: value for name, value in row.items() if name != 'compactness'} for row in full[:2]]
    figure = measure_figure({'published': full, 'slic': part})
    figure.draw_without_rendering()
    panels = {(ax.get_title().split('\n')[0], ax.get_xlabel()): ax for ax in figure.axes}
    assert len(panels) == 12 and figure.get_figwidth() <= 10
    by_segments = panels['compactness', 'segments per image']
    assert [len(line.get_xdata()) for line in by_segments.lines] == [3, 0]
    assert [len(line.get_xdata()) for line in panels['boundary recall', 'contour density'].lines] == [3, 2]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['published', 'SLIC']
    (error,) = {ax.get_title() for ax in figure.axes if 'error' in ax.get_title()}
    assert error.endswith('(lower is better)')
    boxes = [ax.get_tightbbox() for ax in figure.axes] + [figure.legends[0].get_window_extent()]
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])


def test_every_line_is_told_apart() -> None:
    """As in a study: three variants, trained and untrained, connected too, and the baselines."""
    rows = [dict.fromkeys(TITLES, 0.1 * level) | {'segments': 900 // level} for level in (1, 2, 3)]
    own = [
        f'{v} {m}{c}' for v in ('published', 'local', 'loss') for m in ('trained', 'un') for c in ('', ', connected')
    ]
    figure = measure_figure(dict.fromkeys([*own, 'grid', 'slic'], rows))
    looks = [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines]
    assert len(set(looks)) == len(own) + 2
    assert looks[0][0] == looks[1][0] and looks[1][1] == '--'
