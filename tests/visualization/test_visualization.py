"""Renderings against what they mean, pixel by pixel."""

from __future__ import annotations

import numpy as np

from fec_mm.visualization import mean_colours, outlines


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
