"""Plots of probes."""

from __future__ import annotations

import pytest

pytest.importorskip('matplotlib')

from fec_mm.visualization.probe_figures import layer_figure, layer_in_words


def test_each_panel_names_its_own_layers() -> None:
    panels = {
        'FEC': {
            'a': {'backbone.stages.0': (0.1, 0.0), 'head': (0.2, 0.0)},
            'b': {'backbone.stages.0': (0.4, 0.0), 'head': (0.5, 0.0)},
        },
        'ViT': {'a': {'backbone.layers.3': (0.3, 0.1)}, 'b': {'backbone.layers.3': (0.2, 0.1)}},
    }
    figure = layer_figure(panels, 'AMI', {'a': 0.25})
    left, right = figure.axes
    assert [t.get_text() for t in left.get_xticklabels()] == ['stage 1', 'head']
    assert [t.get_text() for t in right.get_xticklabels()] == ['block 4']
    dashed = [line for line in left.lines if line.get_linestyle() == '--']
    assert [list(line.get_ydata()) for line in dashed] == [[0.25, 0.25]]
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ['a', 'b', 'the pixels, without a model']


def test_layers_of_several_models_are_numbered() -> None:
    lines = {'fec': {'stages.0': (0.1, 0.0), 'head': (0.2, 0.0)}, 'vit': {'layers.3': (0.3, 0.1)}}
    (ax,) = layer_figure({'AMI': lines}).axes
    assert [t.get_text() for t in ax.get_xticklabels()] == ['1', '2']
    assert len(ax.containers) == 2 and ax.get_title() == 'AMI'


@pytest.mark.parametrize('panels', [1, 2, 3, 5])
def test_panels_fit_a_page(panels: int) -> None:
    """None is less than a third as wide as the picture, nor wider than 9 inches, nor lies over another."""
    figure = layer_figure({str(i): {'a': {'head': (0.1, 0.0)}} for i in range(panels)})
    figure.draw_without_rendering()
    assert len(figure.axes) == panels and figure.get_figwidth() <= 9
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    assert all(ax.get_position().width > 0.33 for ax in figure.axes)
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])
    assert all(figure.bbox.containsx(box.x1) and figure.bbox.containsy(box.y0) for box in boxes)


@pytest.mark.parametrize(
    ('name', 'words'),
    [('backbone.layer3', 'stage 3'), ('backbone.stages.2', 'stage 3'), ('layers.2', 'block 3'), ('neck', 'neck')],
)
def test_layers_in_words(name: str, words: str) -> None:
    assert layer_in_words(name) == words
