"""The clusters of an image merged to a few groups.

Shapes: B images, H×W pixels; label maps are B×H×W, int64; representatives of C channels, h×w of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fec_mm.errors import UserError
from fec_mm.optional import optional

# What counts beside directions of representatives, which are up to 2 apart: colours in CIELAB, and places in sides of
# the image.
COLOUR, PLACE = 1 / 75, 1 / 6


def merge_clusters(labels: Tensor, features: Tensor, groups: int, seed: int = 0) -> Tensor:
    """Merge the clusters of each image to a few groups, by k-means over the directions of their representatives, as the
    paper does.

    Only clusters with pixels take part.

    Args:
        labels: B×H×W, of the last level.
        features: The representatives that the labels are raster positions of, B×C×h×w: the backbone's last output.
        groups: K, how many groups.
        seed: Of k-means.

    Returns:
        B×H×W, the group of each pixel, from 0 for the group of most pixels to k − 1.

    Raises:
        UserError: An image has fewer clusters than `groups`, or scikit-learn is not installed.
    """
    cluster = optional('sklearn.cluster', 'merged clusters')

    def group(image: int, used: Tensor, inverse: Tensor) -> np.ndarray:
        means = cluster.KMeans(groups, n_init=10, random_state=seed)
        return means.fit_predict(_directions(features[image])[used.cpu().numpy()])

    return _merged(labels, groups, group)


def merge_regions(labels: Tensor, features: Tensor, images: np.ndarray, groups: int) -> Tensor:
    """Merge the clusters of each image to a few connected groups, as a person would name things: only neighbours are
    merged, those first that are most alike in colour, representative and place (Ward's criterion).

    Groups are nested: those of a smaller number are unions of those of a larger one. Clusters that are not connected,
    as published ones, have groups that are not connected either.

    Args:
        labels, features, groups: As of `merge_clusters`.
        images: B×H×W×3, RGB, uint8.

    Returns:
        As `merge_clusters`.

    Raises:
        UserError: An image has fewer clusters than `groups`, or scikit-learn or scikit-image is not installed.
    """
    cluster, color = optional('sklearn.cluster', 'merged clusters'), optional('skimage.color', 'merged clusters')

    def group(image: int, used: Tensor, inverse: Tensor) -> np.ndarray:
        member = inverse.cpu().numpy()
        height, width = member.shape
        place = np.moveaxis(np.indices((height, width)), 0, -1) / max(height, width)
        about = np.concatenate([COLOUR * color.rgb2lab(images[image]), PLACE * place], -1)
        vectors = np.concatenate([_means(about, member), _directions(features[image])[used.cpu().numpy()]], 1)
        ward = cluster.AgglomerativeClustering(groups, connectivity=_neighbours(member))
        return ward.fit_predict(vectors)

    return _merged(labels, groups, group)


def _merged(labels: Tensor, groups: int, group: Callable[[int, Tensor, Tensor], np.ndarray]) -> Tensor:
    """The groups of all images, the largest first.

    Args:
        group: Of an image's number, its clusters, and the index of each pixel's cluster in them, H×W: their groups.
    """
    merged = []
    for image, own in enumerate(labels):
        used, inverse, pixels = own.unique(return_inverse=True, return_counts=True)
        if not 1 <= groups <= len(used):
            raise UserError(f'cannot merge {len(used)} clusters to {groups} groups: ask for 1 to {len(used)} groups')
        # As many groups as clusters are those: of one, scikit-learn takes none.
        apart = groups == len(used)
        found = torch.arange(groups) if apart else torch.as_tensor(group(image, used, inverse)).long()
        found = found.to(labels.device)
        sizes = torch.zeros(groups, dtype=torch.long, device=labels.device).index_add(0, found, pixels)
        rank = sizes.argsort(descending=True, stable=True).argsort()
        merged.append(rank[found][inverse])
    return torch.stack(merged)


def _directions(features: Tensor) -> np.ndarray:
    """C×h×w → (h·w)×C, of length 1."""
    return F.normalize(features.detach().flatten(1).t(), dim=-1).double().cpu().numpy()


def _means(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Of each cluster's pixels: H×W×K and H×W → clusters×K."""
    sizes = np.bincount(member.ravel())
    return np.stack([np.bincount(member.ravel(), channel.ravel()) / sizes for channel in values.transpose(2, 0, 1)], 1)


def _neighbours(member: np.ndarray) -> np.ndarray:
    """Which clusters touch: H×W → a sparse matrix, clusters×clusters."""
    sparse = optional('scipy.sparse', 'merged clusters')
    pairs = [
        np.stack([one[one != other], other[one != other]])
        for one, other in ((member[1:], member[:-1]), (member[:, 1:], member[:, :-1]))
    ]
    rows, cols = np.concatenate(pairs, 1)
    number = int(member.max()) + 1
    touching = sparse.coo_matrix((np.ones(len(rows)), (rows, cols)), shape=(number, number)).tocsr()
    return touching + touching.T
