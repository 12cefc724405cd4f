"""From clusters, which need not be connected, to segments, which are.

Shapes: label maps are H×W integers.
"""

from __future__ import annotations

import numpy as np

from fec_mm.optional import optional


def connect(labels: np.ndarray, smallest: float = 0.15) -> np.ndarray:
    """The connected pieces of a label map as segments; those that are too small join a neighbour.

    From the smallest on, a piece below the limit joins the one with which it shares the longest border. SLIC, too, ends
    by merging what is small. It is a way to read clusters: what a network computes with is the clusters as they are.

    Args:
        labels: The clusters of each pixel.
        smallest: The limit, in mean areas of the label map's clusters. With 0, nothing is merged. Default: 0.15.

    Returns:
        Segments from 0, each connected over 4-neighbours.
    """
    label = optional('skimage.measure', 'connected segments').label
    pieces = label(labels.astype(np.int64), connectivity=1, background=int(labels.min()) - 1) - 1
    areas = np.bincount(pieces.ravel()).tolist()
    borders = _borders(pieces, len(areas))
    joined = list(range(len(areas)))  # what each piece has joined, itself if nothing
    limit = smallest * labels.size / len(np.unique(labels))
    for piece in np.argsort(areas, kind='stable').tolist():
        # Its area may have grown since; one that has joined another is gone from the borders.
        if areas[piece] < limit and borders[piece]:
            target = max(borders[piece], key=lambda other: (borders[piece][other], -other))
            joined[piece] = target
            areas[target] += areas[piece]
            for other, length in borders[piece].items():
                del borders[other][piece]
                if other != target:
                    borders[target][other] = borders[other][target] = borders[target].get(other, 0) + length
    roots = np.array([_root(joined, piece) for piece in range(len(joined))])
    return np.unique(roots, return_inverse=True)[1].reshape(-1)[pieces]


def _borders(pieces: np.ndarray, number: int) -> list[dict[int, int]]:
    """Of each piece the length of its border with each neighbour, in sides of pixels."""
    one = np.concatenate([pieces[1:].ravel(), pieces[:, 1:].ravel()])
    other = np.concatenate([pieces[:-1].ravel(), pieces[:, :-1].ravel()])
    pairs, lengths = np.unique(np.concatenate([one * number + other, other * number + one]), return_counts=True)
    borders: list[dict[int, int]] = [{} for _ in range(number)]
    for pair, length in zip(pairs.tolist(), lengths.tolist()):
        a, b = divmod(pair, number)
        if a != b:
            borders[a][b] = length
    return borders


def _root(joined: list[int], piece: int) -> int:
    while joined[piece] != piece:
        piece = joined[piece]
    return piece
