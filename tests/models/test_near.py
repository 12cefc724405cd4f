"""FEC whose pooling chooses among nine candidates: the backbone's contract, its settings, and what a loss can see."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fec_mm.device.recordings import telling_weights
from fec_mm.models import FEC, ClusterFPN, ClusterPool
from fec_mm.models.layers import ScoreTap
from fec_mm.registry import MODELS
from fec_mm.visualization import cluster_levels, record_assignments

from .test_backbones import ALL, TINY

NEAR = [dict(), dict(learn_similarity=False, iterations=1), dict(compactness=0, iterations=3)]
SETTINGS = pytest.mark.parametrize('pool', NEAR, ids=['default', 'counted', 'free'])


def build(pool: dict[str, Any] | None, **kwargs: Any) -> FEC:
    model = FEC(TINY, out_indices=ALL, pool=pool, **kwargs)
    telling_weights(model)
    return model


@SETTINGS
@pytest.mark.parametrize(('H', 'W'), [(32, 32), (33, 47), (129, 64), (100, 35)])
def test_any_size_equals_its_transcription(pool: dict, H: int, W: int) -> None:
    """Outputs and the gradients of all parameters, in float64."""
    results = []
    for implementation in ('fast', 'reference'):
        model = build(pool).double()
        for layer in model.downsamples:
            layer.implementation = implementation
        outputs = model(torch.randn(2, 3, H, W, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
        sum(o.square().mean() for o in outputs).backward()
        results.append([*outputs, *(p.grad for p in model.parameters() if p.grad is not None)])
    h, w = H // 4, W // 4
    for output in results[0][:4]:
        assert output.shape[2:] == (h, w) and output.is_contiguous()
        h, w = math.ceil(h / 2), math.ceil(w / 2)
    assert len(results[0]) == len(results[1])
    for fast, reference in zip(*results):
        torch.testing.assert_close(fast, reference, rtol=1e-6, atol=1e-9)


@SETTINGS
def test_every_trainable_parameter_gets_a_gradient(pool: dict) -> None:
    model = build(pool)
    sum(o.square().mean() for o in model(torch.randn(2, 3, 64, 64))).backward()
    for name, p in model.named_parameters():
        assert (p.grad is not None and p.grad.abs().sum() > 0) if p.requires_grad else p.grad is None, name
    frozen = {name.split('.', 2)[2] for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == (set() if pool.get('learn_similarity', True) else {'f.weight', 'f.bias'})


def test_images_do_not_mix() -> None:
    model, x = build({}).double().eval(), torch.randn(3, 3, 70, 45, dtype=torch.float64)
    for together, alone in zip(model(x), model(x[1:2])):
        torch.testing.assert_close(together[1:2], alone)


def test_checkpointing_and_determinism_change_nothing() -> None:
    grads, x = [], torch.randn(2, 3, 64, 48, dtype=torch.float64)
    for with_cp, deterministic in ((False, False), (True, False), (False, True), (False, True)):
        torch.use_deterministic_algorithms(deterministic)
        try:
            model = build({}, with_cp=with_cp).double()
            model(x)[-1].square().sum().backward()
        finally:
            torch.use_deterministic_algorithms(False)
        grads.append([p.grad for p in model.parameters() if p.grad is not None])
    for p, q, r, s in zip(*grads):
        torch.testing.assert_close(p, q)
        assert torch.equal(r, s)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_is_finite(dtype: torch.dtype) -> None:
    model, x = build({}), torch.randn(2, 3, 64, 64)
    exact = model(x)[1]
    with torch.autocast('cpu', dtype):
        half = model(x)
    sum(o.float().square().mean() for o in half).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    # Assignments flip where two candidates are nearly alike; one level below the first.
    assert (half[1].float() - exact).norm() / exact.norm() < 0.3


def test_clusters_stay_near() -> None:
    """Each position's center is at most one cell away, at every level; settings and regions decide as they say."""
    x = torch.randn(1, 3, 96, 128)
    ids = {}
    for name, pool, regions in (('default', {}, 1), ('regions', {}, 2), ('grid', dict(compactness=100), 1)):
        model = build(pool, regions_per_side=(1, regions, 1, 1)).eval()
        with record_assignments(model) as record, torch.no_grad():
            model(x)
        ids[name] = record.pools
        for level in record.pools:
            H, W = level.shape[2:]
            w = math.ceil(W / 2)
            down = (level[0, 0] // w - torch.arange(H)[:, None] // 2).abs().max()
            right = (level[0, 0] % w - torch.arange(W) // 2).abs().max()
            assert max(down, right) == (0 if name == 'grid' else 1)
    assert all(torch.equal(*pair) for pair in zip(ids['default'][:1], ids['regions'][:1]))
    levels = cluster_levels(record.pools, record.image_size)
    assert [len(level.unique()) for level in levels] == [12 * 16, 6 * 8, 3 * 4]


def test_a_loss_sees_soft_assignments() -> None:
    """Through a forward hook of the tap, in training, with gradients of the similarity; and nothing costs without."""
    model = build({}, with_cp=True)
    taps = [module for module in model.modules() if isinstance(module, ScoreTap)]
    seen: list[tuple[Tensor, Tensor]] = []
    x = torch.randn(2, 3, 66, 52)
    with record_assignments(model) as record:
        model(x)
        assert not seen
        handles = [tap.register_forward_hook(lambda _, __, out: seen.append(out)) for tap in taps]
        model(x)
    assert [scores.shape for scores, _ in seen] == [(2, 16, 13, 9), (2, 8, 7, 9), (2, 4, 4, 9)]
    for (scores, candidates), ids in zip(seen, record.pools):
        chosen = candidates.expand(2, -1, -1, -1).gather(3, scores.argmax(-1, keepdim=True))[..., 0]
        assert (chosen == ids[:, 0]).float().mean() > 0.99
    sum((scores / 0.1).softmax(-1).square().mean() for scores, _ in seen).backward()
    assert all(layer.f.weight.grad.abs().sum() > 0 for layer in model.downsamples)
    for handle in handles:
        handle.remove()
    model(x)
    assert len(seen) == 3


def test_learn_similarity_by_itself_is_what_it_was() -> None:
    """And parameters have the same names, whatever the candidates."""
    x = torch.randn(1, 3, 64, 64)
    bare, said, near = FEC(TINY, learn_similarity=True), FEC(TINY, pool=dict(candidates='all')), FEC(TINY, pool={})
    telling_weights(bare)
    said.load_state_dict(bare.state_dict())
    near.load_state_dict(bare.state_dict())
    assert torch.equal(bare(x)[0], said(x)[0]) and not torch.equal(bare(x)[0], near(x)[0])
    assert FEC(TINY).downsamples[0].alpha is None and FEC(TINY).downsamples[0].scores is None


def test_layers_of_others() -> None:
    """`pool` of a layer, and of a neck's extra levels."""
    layer = MODELS.build(dict(type='fec_mm.ClusterPool', in_channels=5, out_channels=6, pool=dict(iterations=1)))
    assert isinstance(layer, ClusterPool) and layer(torch.randn(2, 5, 9, 6)).shape == (2, 6, 5, 3)
    neck = ClusterFPN([4, 4], 6, 4, add_extra_convs='on_output', pool=dict(compactness=1.0))
    neck([torch.randn(1, 4, 12, 8), torch.randn(1, 4, 6, 4)])
    assert [pool.settings.compactness for pool in neck.pools] == [1.0, 1.0]
    with pytest.raises(ValueError, match=r'ClusterFPN: pool=.* has no effect without .*extra levels: leave it out'):
        ClusterFPN([4, 4], 6, 2, add_extra_convs='on_output', pool={})


def test_registered_names_are_those_of_the_classes() -> None:
    for name in ('FEC', 'ContextCluster', 'ClusterFPN', 'ClusterGAP', 'ClusterEncode', 'ClusterPool'):
        assert MODELS.get(f'fec_mm.{name}').__name__ == name


@pytest.mark.parametrize(
    ('pool', 'says'),
    [
        (dict(candidates='some'), "candidates='some' must be 'near' or 'all'"),
        (dict(compactness=-1), 'compactness=-1 must be at least 0'),
        (dict(compactness='learnt'), "compactness='learnt' must be a number"),
        (dict(iterations=0), 'iterations=0 must be a whole number of at least 1'),
        (dict(learn_similarity='yes'), "learn_similarity='yes' must be True or False"),
        (dict(candidate='near'), 'no setting candidate: there are candidates, learn_similarity'),
        (dict(candidates='all', iterations=2), "iterations has an effect only with candidates='near'"),
    ],
)
def test_impossible_settings(pool: dict, says: str) -> None:
    with pytest.raises(ValueError, match=f'pool: {says}'):
        FEC(TINY, pool=pool)
    with pytest.raises(ValueError, match=f'pool: {says}'):
        ClusterPool(4, 4, pool=pool)


def test_contradiction() -> None:
    with pytest.raises(ValueError, match='pool: learn_similarity is both True and False'):
        FEC(TINY, learn_similarity=True, pool=dict(learn_similarity=False))
