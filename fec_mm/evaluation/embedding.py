"""Features in the plane."""

from __future__ import annotations

import numpy as np

from fec_mm.optional import optional

COMPONENTS = 50  # principal ones, which t-SNE starts from
PERPLEXITY = 30.0


def embed(features: np.ndarray, seed: int) -> np.ndarray:
    """N×C → N×2 by t-SNE of the first principal components; by these alone where there are too few samples for it."""
    decomposition = optional('sklearn.decomposition', 'probes')
    N, C = features.shape
    if N <= 3 * PERPLEXITY:
        points = decomposition.PCA(min(2, N, C)).fit_transform(features) if N > 1 else np.zeros((1, 1))
        return np.asarray(np.pad(points, ((0, 0), (0, 2 - points.shape[1]))))
    reduced = decomposition.PCA(min(COMPONENTS, N, C), random_state=seed).fit_transform(features)
    start = 'random' if C < 2 else 'pca'
    tsne = optional('sklearn.manifold', 'probes').TSNE(2, perplexity=PERPLEXITY, init=start, random_state=seed)
    return np.asarray(tsne.fit_transform(reduced))
