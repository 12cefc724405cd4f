"""Clustering scores against scikit-learn, brute force and cases whose answer is known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from fec_mm.errors import UserError
from fec_mm.evaluation import partitions
from fec_mm.evaluation.partitions import (
    agreement,
    check,
    contingency,
    hungarian_accuracy,
    kmeans,
    matching,
    purity,
    silhouette,
)


def blobs(per_class: int = 30, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Far apart groups of points: N×5 and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    return (rng.normal(size=(len(labels), 5)) + 40 * np.eye(5)[labels]).astype(np.float32), labels


labelings = st.integers(1, 60).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(0, 4), min_size=n, max_size=n).map(np.asarray)] * 2)
)


@settings(max_examples=60, deadline=None)
@given(labelings)
def test_against_brute_force(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Classes and clusters may be absent, and there may be more of one than of the other."""
    labels, clusters = pair
    counts = contingency(labels, clusters)
    present = counts[np.ix_(np.unique(labels), np.unique(clusters))]
    assert np.array_equal(present, metrics.cluster.contingency_matrix(labels, clusters))
    best = max(
        np.concatenate(
            [np.flatnonzero((labels == row) & (clusters == column)) for row, column in enumerate(order)]
        ).size
        for order in permutations(range(5))
    )
    assert hungarian_accuracy(counts) == pytest.approx(best / len(labels))
    majority = sum(np.bincount(labels[clusters == c]).max() for c in np.unique(clusters))
    assert purity(counts) == pytest.approx(majority / len(labels))
    scores = agreement(labels, clusters)
    assert scores['nmi'] == pytest.approx(metrics.v_measure_score(labels, clusters), abs=1e-9)
    assert scores['purity'] >= scores['accuracy'] - 1e-12


def test_perfect_whatever_the_numbers() -> None:
    labels = np.asarray([0, 0, 1, 1, 2, 2, 2])
    scores = agreement(labels, np.asarray([5, 2, 0])[labels])
    assert scores == pytest.approx(dict.fromkeys(('nmi', 'ami', 'ari', 'purity', 'accuracy'), 1.0))
    assert matching(contingency(labels, np.asarray([5, 2, 0])[labels])).tolist() == [5, 2, 0]


def test_shuffled_clusters_are_chance() -> None:
    labels = np.repeat(np.arange(10), 200)
    scores = agreement(labels, np.random.default_rng(0).permutation(labels))
    assert abs(scores['ami']) < 0.01 and abs(scores['ari']) < 0.01
    assert scores['accuracy'] < 0.15 and scores['purity'] < 0.15


def test_one_cluster() -> None:
    labels = np.repeat(np.arange(4), [5, 5, 5, 10])
    scores = agreement(labels, np.zeros(25, int))
    assert scores == pytest.approx({'nmi': 0.0, 'ami': 0.0, 'ari': 0.0, 'purity': 0.4, 'accuracy': 0.4})
    assert silhouette(np.zeros((25, 2)), np.zeros(25, int), 0) == silhouette(np.zeros((25, 2)), np.arange(25), 0) == 0


def test_kmeans_finds_what_is_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs()
    assert agreement(labels, kmeans(features, 4, 0))['ari'] == 1
    monkeypatch.setattr(partitions, 'LARGE', 100)  # mini-batches
    assert agreement(labels, kmeans(features, 4, 0))['ari'] == 1


def test_silhouette_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs()
    assert silhouette(features, labels, 0) == pytest.approx(metrics.silhouette_score(features, labels))
    whole = silhouette(features, labels, 0)
    monkeypatch.setattr(partitions, 'SILHOUETTE_SAMPLES', 60)
    assert silhouette(features, labels, 0) == pytest.approx(whole, abs=0.02)


def test_bad_input() -> None:
    features, labels = blobs()
    with pytest.raises(UserError, match='cannot make 121 clusters of 120 samples'):
        kmeans(features, 121, 0)
    features[77, 3] = np.nan
    with pytest.raises(UserError, match='sample 77 are not finite'):
        check(features, labels)
    with pytest.raises(UserError, match='expected samples × channels'):
        check(features[:0], labels[:0])
    with pytest.raises(UserError, match='give each one'):
        check(features, labels[1:])
