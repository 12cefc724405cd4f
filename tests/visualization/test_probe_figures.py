"""Plots of probes."""

from __future__ import annotations

import pytest

pytest.importorskip('matplotlib')

from fec_mm.visualization.probe_figures import layer_figure


def test_each_panel_names_its_own_layers() -> None:
    scores = {
        'fec a': {'backbone.stages.0': (0.1, 0.0), 'head': (0.2, 0.0)},
        'vit a': {'backbone.layers.3': (0.3, 0.1)},
        'fec b': {'backbone.stages.0': (0.4, 0.0), 'head': (0.5, 0.0)},
    }
    left, right = layer_figure(scores, 'AMI', {'a': 0.25}).axes
    assert [t.get_text() for t in left.get_xticklabels()] == ['stages.0', 'head']
    assert [t.get_text() for t in right.get_xticklabels()] == ['layers.3']
    dashed = [line for line in left.lines if line.get_linestyle() == '--']
    assert [list(line.get_ydata()) for line in dashed] == [[0.25, 0.25]]


def test_layers_of_several_models_are_numbered() -> None:
    (ax,) = layer_figure(
        {'ami fec': {'stages.0': (0.1, 0.0), 'head': (0.2, 0.0)}, 'ami vit': {'layers.3': (0.3, 0.1)}}
    ).axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ['1', '2']
    assert len(ax.containers) == 2 and ax.get_title() == 'AMI, all subclasses'
