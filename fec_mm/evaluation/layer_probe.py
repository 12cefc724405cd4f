"""The probe of one layer: how well its features give away subclasses that the model was not told.

Shapes: features N×C; subclasses and superclasses N, integers from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fec_mm.errors import UserError
from fec_mm.optional import optional

from .partitions import agreement, check, kmeans, silhouette

READ_OUT_SAMPLES = 20_000  # at most, for k-NN and the linear probe
NEIGHBOURS = 20  # at most

Scores = dict[str, float]


def probe(
    features: np.ndarray,
    subclasses: np.ndarray,
    superclasses: np.ndarray,
    per_subclass: Sequence[int] = (1,),
    seeds: Sequence[int] = (0,),
) -> dict[str, Any]:
    """Score the features of a layer against the subclasses.

    Args:
        features: N×C, finite; may be a memory map.
        subclasses: N.
        superclasses: N; those of one subclass are the same.
        per_subclass: Numbers of clusters per subclass: 1, and more to over-cluster.
        seeds: Of k-means and of the splits for the read-outs.

    Returns:
        `global` and `within` (superclasses): for each number of clusters per subclass, as a string, the scores of
        `agreement` and `silhouette`; `within` is the mean over the superclasses, each weighted by its samples.
        `read_out`: `knn` and `linear` accuracy on the half of the samples that they were not fitted to. Each score is
        `{'mean', 'std', 'values'}` over the seeds; `std` is of the sample (n − 1), 0 for one seed.

    Raises:
        UserError: See `check` and `kmeans`; a subclass that is in two superclasses.
    """
    check(features, subclasses, superclasses)
    members = [np.flatnonzero(superclasses == s) for s in np.unique(superclasses)]
    if sum(len(np.unique(subclasses[m])) for m in members) != len(np.unique(subclasses)):
        raise UserError('a subclass has samples in two superclasses: correct the superclass labels')
    return {
        'global': {str(k): spread([clustered(features, subclasses, k, seed) for seed in seeds]) for k in per_subclass},
        'within': {
            str(k): spread([_within(features, subclasses, members, k, seed) for seed in seeds]) for k in per_subclass
        },
        'read_out': spread([read_out(features, subclasses, seed) for seed in seeds]),
    }


def clustered(features: np.ndarray, labels: np.ndarray, per_label: int, seed: int) -> Scores:
    """Scores of k-means with `per_label` clusters for each label that has samples."""
    clusters = kmeans(features, per_label * len(np.unique(labels)), seed)
    return {**agreement(labels, clusters), 'silhouette': silhouette(features, clusters, seed)}


def _within(
    features: np.ndarray, subclasses: np.ndarray, members: Sequence[np.ndarray], per_subclass: int, seed: int
) -> Scores:
    """The mean scores of clustering each superclass, which are the samples `members`, on its own."""
    scores = [clustered(np.asarray(features[m]), subclasses[m], per_subclass, seed) for m in members]
    sizes = [len(m) for m in members]
    return {name: float(np.average([s[name] for s in scores], weights=sizes)) for name in scores[0]}


def read_out(features: np.ndarray, labels: np.ndarray, seed: int) -> Scores:
    """Accuracy of k nearest neighbours and of a logistic regression, fitted to half of the samples and tested on the
    others.

    At most `READ_OUT_SAMPLES` samples take part. Features are standardised by the fitted half.

    Raises:
        UserError: A class has fewer than two samples.
    """
    selection, linear = optional('sklearn.model_selection', 'probes'), optional('sklearn.linear_model', 'probes')
    counts = np.bincount(labels)
    if (counts == 1).any():
        raise UserError(f'subclass {int((counts == 1).argmax())} has one sample; two are needed to fit and to test')
    rows = np.arange(len(labels))
    if len(rows) > READ_OUT_SAMPLES:
        rows = selection.train_test_split(rows, train_size=READ_OUT_SAMPLES, stratify=labels, random_state=seed)[0]
    fit, test = selection.train_test_split(rows, train_size=0.5, stratify=labels[rows], random_state=seed)
    scaler = optional('sklearn.preprocessing', 'probes').StandardScaler().fit(features[fit])
    x, y = scaler.transform(features[fit]), scaler.transform(features[test])
    neighbours = min(NEIGHBOURS, *np.unique(labels[fit], return_counts=True)[1])  # not more than the smallest class has
    knn = optional('sklearn.neighbors', 'probes').KNeighborsClassifier(neighbours)
    models = {'knn': knn, 'linear': linear.LogisticRegression(max_iter=1000)}
    return {
        name: float((model.fit(x, labels[fit]).predict(y) == labels[test]).mean()) for name, model in models.items()
    }


def spread(scores: Sequence[Scores]) -> dict[str, Any]:
    """Mean, standard deviation of the sample, and values of each score over runs."""
    found = {}
    for name in scores[0]:
        values = [s[name] for s in scores]
        std = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        found[name] = {'mean': float(np.mean(values)), 'std': std, 'values': values}
    return found
