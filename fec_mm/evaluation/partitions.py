"""How well clusters recover classes.

Shapes: N samples; features N×C (floats), labels and clusters N (integers of at least 0).
"""

from __future__ import annotations

import numpy as np

from fec_mm.errors import UserError
from fec_mm.optional import optional

LARGE = 20_000  # samples from which k-means runs in mini-batches
MINI_BATCH = 4096
SILHOUETTE_SAMPLES = 5_000  # its time grows with their square
CHUNK = 65_536  # rows checked at a time


def check(features: np.ndarray, *labels: np.ndarray) -> None:
    """Refuse what cannot be clustered or scored.

    Raises:
        UserError: Features that are not N×C or not finite, no samples, labels of another length.
    """
    if features.ndim != 2 or len(features) == 0:
        raise UserError(f'features of shape {features.shape}: expected samples × channels, and at least one sample')
    if any(len(label) != len(features) for label in labels):
        raise UserError(f'{len(features)} samples have {[len(label) for label in labels]} labels: give each one')
    for start in range(0, len(features), CHUNK):
        finite = np.isfinite(features[start : start + CHUNK]).all(1)
        if not finite.all():
            raise UserError(
                f'the features of sample {start + int(finite.argmin())} are not finite: the model has diverged, or '
                'computes in too low a precision'
            )


def kmeans(features: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The cluster of each sample, by scikit-learn's k-means, in mini-batches where there are `LARGE` samples or more.

    Raises:
        UserError: There are fewer samples than clusters.
    """
    if not 1 <= k <= len(features):
        raise UserError(f'cannot make {k} clusters of {len(features)} samples: ask for fewer, or give more samples')
    cluster = optional('sklearn.cluster', 'probes')
    if len(features) < LARGE:
        found = cluster.KMeans(k, n_init=4, random_state=seed).fit_predict(features)
    else:
        means = cluster.MiniBatchKMeans(k, batch_size=max(MINI_BATCH, 2 * k), n_init=4, random_state=seed)
        found = means.fit_predict(features)
    return np.asarray(found, dtype=np.int64)


def contingency(labels: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """How many samples of each class (rows) are in each cluster (columns); absent numbers have rows or columns of
    zeros."""
    counts = np.zeros((labels.max() + 1, clusters.max() + 1), dtype=np.int64)
    np.add.at(counts, (labels, clusters), 1)
    return counts


def purity(counts: np.ndarray) -> float:
    """The share of samples that are of the most frequent class of their cluster, from a contingency table."""
    return float(counts.max(0).sum() / counts.sum())


def matching(counts: np.ndarray) -> np.ndarray:
    """The cluster of each class in the one-to-one matching with the most samples in common (Hungarian algorithm), or
    −1."""
    rows, columns = optional('scipy.optimize', 'probes').linear_sum_assignment(counts, maximize=True)
    found = np.full(len(counts), -1)
    found[rows] = columns
    return found


def hungarian_accuracy(counts: np.ndarray) -> float:
    """The share of samples in the cluster that `matching` gives their class."""
    matched = matching(counts)
    classes = np.flatnonzero(matched >= 0)
    return float(counts[classes, matched[classes]].sum() / counts.sum())


def silhouette(features: np.ndarray, clusters: np.ndarray, seed: int) -> float:
    """The mean silhouette, of at most `SILHOUETTE_SAMPLES` samples; 0 where there is one cluster, or only clusters of
    one."""
    if len(features) > SILHOUETTE_SAMPLES:
        chosen = np.sort(np.random.RandomState(seed).choice(len(features), SILHOUETTE_SAMPLES, replace=False))
        features, clusters = features[chosen], clusters[chosen]
    if not 2 <= len(np.unique(clusters)) < len(clusters):
        return 0.0
    return float(optional('sklearn.metrics', 'probes').silhouette_score(features, clusters))


def agreement(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    """NMI, AMI, ARI, purity and Hungarian accuracy of clusters as classes.

    Returns:
        `nmi`, `ami`, `ari`, `purity`, `accuracy`. All are 1 for clusters that are the classes; `ami` and `ari` are
        about 0 for
        clusters by chance, which `nmi` and `purity` are not: they grow with the number of clusters.
    """
    metrics = optional('sklearn.metrics', 'probes')
    counts = contingency(labels, clusters)
    return {
        'nmi': float(metrics.normalized_mutual_info_score(labels, clusters)),
        'ami': float(metrics.adjusted_mutual_info_score(labels, clusters)),
        'ari': float(metrics.adjusted_rand_score(labels, clusters)),
        'purity': purity(counts),
        'accuracy': hungarian_accuracy(counts),
    }
