"""Recorded assignments against the definition, composed levels against a walk per pixel."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from torch import nn

from fec_mm.clusters import cluster_levels, layer_labels, merge_clusters, record_assignments
from fec_mm.errors import UserError
from fec_mm.models import FEC, ContextCluster

ARCH = dict(
    depths=(1, 1, 1, 1),
    embed_dims=(8, 12, 16, 20),
    num_heads=(2, 2, 2, 2),
    head_dims=(4, 4, 4, 4),
    centers_per_side=(2, 2, 2, 2),
    regions_per_side=(1, 1, 1, 1),
)


@pytest.mark.parametrize('size', [(32, 32), (45, 70), (64, 33)])
def test_levels_equal_a_walk_per_pixel(size):
    rng = np.random.default_rng(0)
    h, w = size[0] // 4, size[1] // 4
    pools, shapes = [], [(h, w)]
    for _ in range(3):
        a, b = shapes[-1]
        c, d = -(-a // 2), -(-b // 2)
        pools.append(rng.integers(0, c * d, (2, 1, a, b)))
        shapes.append((c, d))
    got = cluster_levels([torch.as_tensor(p) for p in pools], size)
    for b in range(2):
        for y in range(size[0]):
            for x in range(size[1]):
                r, c = min(y // 4, h - 1), min(x // 4, w - 1)
                for k in range(3):
                    r, c = divmod(int(pools[k][b, 0, r, c]), shapes[k + 1][1])
                    assert int(got[k][b, y, x]) == r * shapes[k + 1][1] + c


@pytest.mark.parametrize('size', [(64, 96), (75, 101)])
def test_recorder_sees_every_layer_in_order_and_leaves_nothing(size):
    model = FEC(ARCH, out_indices=(0, 1, 2, 3), layer_scale_init_value=0.5).eval()
    x = torch.randn(2, 3, *size)
    with torch.no_grad(), record_assignments(model) as record:
        model(x)
    assert [n.split('.')[0] for n in record.layers] == ['stages', 'downsamples'] * 3 + ['stages']
    assert len(cluster_levels(record.pools, size)) == 3
    before = dict(record.layers)
    model(torch.randn(2, 3, *size))
    assert all(record.layers[n] is ids for n, ids in before.items())
    with pytest.raises(KeyError), record_assignments(model):
        raise KeyError
    assert not any(m._forward_hooks for m in model.modules())


def test_recorded_pool_is_argmax_cosine():
    model = FEC(ARCH, layer_scale_init_value=0.5).double().eval()
    pool, seen = model.downsamples[0], []
    handle = pool.register_forward_pre_hook(lambda m, args: seen.append(args[0]))
    with torch.no_grad(), record_assignments(model) as record:
        model(torch.randn(1, 3, 64, 64).double())
    handle.remove()
    f = (seen[0] @ pool.f.weight.T + pool.f.bias)[0].detach().numpy()
    h, w, c = f.shape
    centers = f.reshape(h // 2, 2, w // 2, 2, c).mean((1, 3)).reshape(-1, c)
    cos = np.einsum('mc,hwc->hwm', centers / np.linalg.norm(centers, axis=-1, keepdims=True), f)
    assert (record.pools[0][0, 0].numpy() == cos.argmax(-1)).all()


def test_no_pooling_and_no_clustering():
    coc = ContextCluster(ARCH).eval()
    with torch.no_grad(), record_assignments(coc) as record:
        coc(torch.randn(1, 3, 64, 64))
    with pytest.raises(UserError, match='no clustering-based pooling'):
        cluster_levels(record.pools, (64, 64))
    with pytest.raises(UserError, match='no clustering layer'), record_assignments(torch.nn.Linear(1, 1)):
        pass


def test_layer_labels_follow_the_positions_of_the_layer():
    size = (45, 70)
    model = FEC(ARCH, out_indices=(0, 1, 2, 3), layer_scale_init_value=0.5).eval()
    with torch.no_grad(), record_assignments(model) as record:
        model(torch.randn(2, 3, *size))
    assert record.image_size == size and len(record.encodes) == 4
    levels = cluster_levels(record.pools, size)
    stem = torch.tensor([[min(y // 4, 10) * 17 + min(x // 4, 16) for x in range(70)] for y in range(45)]).expand(
        2, -1, -1
    )
    for positions, ids in zip([stem, *levels], record.encodes.values()):
        got = layer_labels(ids, record.pools, size)
        for b in range(2):
            for head in range(ids.shape[1]):
                assert (got[b, head] == ids[b, head].flatten()[positions[b]]).all()
    with pytest.raises(ValueError, match='no stage'):
        layer_labels(ids[..., :-1], record.pools, size)


def test_layer_labels_of_strided_convolutions_are_a_grid():
    size = (45, 70)
    model = ContextCluster(ARCH, out_indices=(0, 1, 2, 3), layer_scale_init_value=0.5).eval()
    with torch.no_grad(), record_assignments(model) as record:
        model(torch.randn(1, 3, *size))
    for stage, ids in enumerate(record.encodes.values()):
        got = layer_labels(ids, [], size)
        for y, x in [(0, 0), (44, 69), (13, 40), (31, 8)]:
            assert got[0, 1, y, x] == ids[0, 1, min(y // 4, 10) // 2**stage, min(x // 4, 16) // 2**stage]


def test_recorder_inside_of_a_larger_model_with_regions():
    """Inside of any module, batched, with regions: the same assignments as of the backbone alone."""
    torch.manual_seed(0)
    backbone = FEC({**ARCH, 'regions_per_side': (2, 2, 1, 1)}, out_indices=(0, 3), layer_scale_init_value=0.5).eval()
    outer = nn.ModuleDict(dict(neck=nn.Identity(), backbone=backbone))
    x = torch.randn(2, 3, 60, 52)
    with torch.no_grad(), record_assignments(outer) as record:
        backbone(x)
    with torch.no_grad(), record_assignments(backbone) as alone:
        backbone(x)
    assert list(record.layers) == [f'backbone.{name}' for name in alone.layers]
    assert all((a == b).all() for a, b in zip(record.layers.values(), alone.layers.values()))
    assert [tuple(ids.shape) for ids in record.pools] == [(2, 1, 15, 13), (2, 1, 8, 7), (2, 1, 4, 4)]


@pytest.mark.slow
def test_levels_and_groups_of_a_large_image_take_less_than_a_second():
    pytest.importorskip('sklearn.cluster')  # a second or two, once in a process
    torch.manual_seed(0)
    pools = [torch.randint(0, -(-h // 2) * -(-w // 2), (1, 1, h, w)) for h, w in ((200, 336), (100, 168), (50, 84))]
    features = torch.randn(1, 320, 25, 42)
    start = time.perf_counter()
    merge_clusters(cluster_levels(pools, (800, 1344))[-1], features, 6)
    assert time.perf_counter() - start < 1
