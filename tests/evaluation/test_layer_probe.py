"""The probe of a layer on features whose structure is known."""

from __future__ import annotations

import numpy as np
import pytest

from fec_mm.errors import UserError
from fec_mm.evaluation import layer_probe as module
from fec_mm.evaluation.embedding import embed
from fec_mm.evaluation.layer_probe import probe, read_out, spread


def nested(gap: float, per_class: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three superclasses far apart, of two subclasses each whose means are `gap` standard deviations apart."""
    subclasses = np.repeat(np.arange(6), per_class)
    superclasses = subclasses // 2
    means = np.concatenate([50 * np.eye(3)[np.arange(6) // 2], gap * (np.arange(6) % 2)[:, None]], 1)
    return np.random.default_rng(0).normal(size=(len(subclasses), 4)) + means[subclasses], subclasses, superclasses


def test_subclasses_that_are_there() -> None:
    result = probe(*nested(20.0), per_subclass=(1, 2), seeds=(0, 1, 2))
    for group in ('global', 'within'):
        assert result[group]['1']['ari'] == {
            'mean': pytest.approx(1.0),
            'std': pytest.approx(0.0),
            'values': [1.0, 1.0, 1.0],
        }
        assert result[group]['2']['purity']['mean'] == pytest.approx(1.0)
        assert result[group]['2']['ari']['mean'] < 0.9, 'more clusters than subclasses split them'
    assert result['read_out']['knn']['mean'] == result['read_out']['linear']['mean'] == 1.0


def test_subclasses_that_are_not_there() -> None:
    """Global scores see the superclasses; those within superclasses do not, and are chance."""
    result = probe(*nested(0.0), seeds=(0, 1, 2))
    assert result['global']['1']['ami']['mean'] > 0.6
    assert abs(result['within']['1']['ami']['mean']) < 0.05
    assert result['read_out']['linear']['mean'] < 0.65


def test_within_weighs_superclasses_by_samples() -> None:
    """One superclass of 30 samples is found wholly, one of 10 consists of one point and scores 0."""
    features = (
        np.r_[np.zeros(15), np.full(15, 9.0), np.full(10, 99.0)][:, None]
        + np.r_[np.random.default_rng(0).normal(size=30) * 0.01, np.zeros(10)][:, None]
    )
    subclasses = np.r_[np.zeros(15, int), np.ones(15, int), np.full(5, 2), np.full(5, 3)]
    with pytest.warns(match='distinct clusters'):
        result = probe(features, subclasses, subclasses // 2)
    assert result['within']['1']['ari']['mean'] == pytest.approx(0.75)


def test_read_out_of_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'READ_OUT_SAMPLES', 60)
    features, subclasses, _ = nested(20.0)
    assert read_out(features, subclasses, 0) == {'knn': 1.0, 'linear': 1.0}


def test_spread_is_of_the_sample() -> None:
    assert spread([{'a': 1.0}, {'a': 3.0}]) == {'a': {'mean': 2.0, 'std': pytest.approx(2**0.5), 'values': [1.0, 3.0]}}
    assert spread([{'a': 1.0}])['a']['std'] == 0


def test_bad_input() -> None:
    features, subclasses, superclasses = nested(1.0)
    with pytest.raises(UserError, match='cannot make 480 clusters of 240 samples'):
        probe(features, subclasses, superclasses, per_subclass=(80,))
    with pytest.raises(UserError, match='in two superclasses'):
        probe(features, subclasses, np.arange(240) % 2)
    with pytest.raises(UserError, match='subclass 6 has one sample'):
        read_out(features, np.r_[6, subclasses[1:]], 0)
    features[3] = np.inf
    with pytest.raises(UserError, match='sample 3 are not finite'):
        probe(features, subclasses, superclasses)


def test_an_absent_subclass_is_not_counted() -> None:
    features, subclasses, superclasses = nested(20.0)
    kept = subclasses != 2
    result = probe(features[kept], subclasses[kept], superclasses[kept])
    assert result['global']['1']['ari']['mean'] == pytest.approx(1.0)


@pytest.mark.parametrize('shape', [(20, 5), (3, 1), (1, 4), (100, 60)])
def test_embedding(shape: tuple[int, int]) -> None:
    points = embed(np.random.default_rng(0).normal(size=shape), 0)
    assert points.shape == (shape[0], 2) and np.isfinite(points).all()
