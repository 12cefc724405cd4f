"""Renderings against what they mean, pixel by pixel."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from fec_mm.visualization import cluster_figure, mean_colours, outlines
from fec_mm.visualization.figures import (
    MIN_PIXELS,
    bare_figure,
    distinct_colours,
    enlarge,
    fine_outlines,
    panels,
    rows_figure,
)


def test_renderings():
    rng = np.random.default_rng(1)
    image, labels = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8), rng.integers(0, 4, (9, 7))
    mean, drawn = mean_colours(image, labels), outlines(image, labels, (0.0, 1.0, 0.0))
    for y in range(9):
        for x in range(7):
            inside = [image[j, i].astype(float) for j in range(9) for i in range(7) if labels[j, i] == labels[y, x]]
            assert np.abs(mean[y, x] - np.mean(inside, 0)).max() <= 0.5 + 1e-9
            near = [
                labels[j, i] for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)) if 0 <= j < 9 and 0 <= i < 7
            ]
            border = any(n != labels[y, x] for n in near)
            assert (drawn[y, x] == ([0, 255, 0] if border else image[y, x])).all()


def test_soft_maps_are_as_opaque_as_they_are_sure() -> None:
    rng = np.random.default_rng(1)
    image, labels = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8), rng.integers(0, 4, (9, 7))
    sure = rng.random((9, 7)) / 10
    hard, white = mean_colours(image, labels, np.ones((9, 7))), mean_colours(image, labels, np.zeros((9, 7)))
    assert (hard == mean_colours(image, labels)).all() and (white == 255).all()
    half = mean_colours(image, labels, np.full((9, 7), 0.5)).astype(int)
    assert np.abs(2 * half - hard - 255).max() <= 2
    figure = cluster_figure(image, dict(soft=labels, plain=labels), confidences=dict(soft=sure))
    soft, plain = (ax for ax in figure.axes if ax.get_title().startswith(('soft', 'plain')))
    assert f'largest membership {sure.max():.2g}' in soft.get_title() and 'membership' not in plain.get_title()
    assert (soft.images[0].get_array() == enlarge(mean_colours(image, labels, sure / sure.max()))).all()
    assert (plain.images[0].get_array() == enlarge(hard)).all()


def test_outlines_of_many_clusters_leave_the_image_visible() -> None:
    image = np.full((75, 75, 3), 100, np.uint8)
    many, few = np.arange(75 * 75).reshape(75, 75), np.arange(75 * 75).reshape(75, 75) // (75 * 38)
    drawn = fine_outlines(image, many)
    assert drawn.shape[0] >= 10 * 75  # ten pixels for a cluster of one
    kept = (drawn == 100).all(-1).mean()
    assert 0.5 < kept < 0.95
    assert drawn.max() < 200  # faint
    strong = fine_outlines(image, few)
    assert strong.shape[0] == 450 and (strong == [255, 255, 0]).all(-1).any()


def test_groups_have_colours_of_their_own() -> None:
    image, labels = np.full((8, 12, 3), 90, np.uint8), np.arange(12) // 2 * np.ones((8, 1), int)
    drawn = distinct_colours(image, labels)
    colours = [drawn[0, 2 * i].astype(int) for i in range(6)]
    assert all((drawn[:, 2 * i] == colours[i]).all() for i in range(6))
    assert min(np.abs(a - b).max() for i, a in enumerate(colours) for b in colours[:i]) > 60
    faded = distinct_colours(image, labels, np.zeros((8, 12)))
    assert (faded == 255).all()


def test_panels_by_name_and_in_rows() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for size in ((10, 20), (30, 15)):
        image = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
        maps = {'level 1': rng.integers(0, 9, size), 'groups': rng.integers(0, 2, size)}
        rows.append(panels(image, maps, colours={'groups': 'categorical'}))
        assert list(rows[-1]) == ['input', 'level 1', 'level 1, outlines', 'groups', 'groups, outlines']
        assert max(rows[-1]['input'].shape) >= MIN_PIXELS
    figure = rows_figure(rows)
    assert len(figure.axes) == 10 and figure.axes[1].get_title() == 'level 1' and not figure.axes[6].get_title()
    file = BytesIO()
    bare_figure(rows[0]['input'], 100).savefig(file, format='png', dpi=100)
    assert (np.asarray(Image.open(file).convert('RGB')) == rows[0]['input']).all()
