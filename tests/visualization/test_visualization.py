"""Renderings against what they mean, pixel by pixel."""

from __future__ import annotations

import numpy as np

from fec_mm.visualization import cluster_figure, mean_colours, outlines
from fec_mm.visualization.figures import enlarge


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
