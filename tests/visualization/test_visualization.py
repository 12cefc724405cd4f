from __future__ import annotations

import numpy as np
import pytest
import torch

from fec_mm.errors import UserError
from fec_mm.models.backbones.context_cluster import ContextCluster
from fec_mm.models.backbones.fec import FEC
from fec_mm.visualization import cluster_levels, mean_colours, merge_clusters, outlines, record_assignments

ARCH = dict(depths=(1, 1, 1, 1), embed_dims=(8, 12, 16, 20), num_heads=(2, 2, 2, 2), head_dims=(4, 4, 4, 4),
            centers_per_side=(2, 2, 2, 2), regions_per_side=(1, 1, 1, 1))


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
    model = FEC(ARCH, out_indices=(0, 1, 2, 3), layer_scale_init_value=.5).eval()
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
    model = FEC(ARCH, layer_scale_init_value=.5).double().eval()
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


def test_merge_finds_planted_groups_largest_first():
    labels = torch.arange(16).view(1, 4, 4)
    directions = torch.eye(3)
    member = torch.tensor([0] * 3 + [1] * 8 + [2] * 5)
    features = (directions[member] * torch.arange(1, 17)[:, None]).T.view(1, 3, 4, 4)
    expected = torch.tensor([2] * 3 + [0] * 8 + [1] * 5).view(1, 4, 4)
    assert (merge_clusters(labels, features, 3) == expected).all()
    with pytest.raises(UserError, match='cannot merge 16'):
        merge_clusters(labels, features, 17)


def test_renderings():
    rng = np.random.default_rng(1)
    image, labels = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8), rng.integers(0, 4, (9, 7))
    mean, drawn = mean_colours(image, labels), outlines(image, labels, (0., 1., 0.))
    for y in range(9):
        for x in range(7):
            inside = [image[j, i].astype(float) for j in range(9) for i in range(7) if labels[j, i] == labels[y, x]]
            assert np.abs(mean[y, x] - np.mean(inside, 0)).max() <= .5 + 1e-9
            near = [labels[j, i] for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)) if 0 <= j < 9 and 0 <= i < 7]
            border = any(n != labels[y, x] for n in near)
            assert (drawn[y, x] == ([0, 255, 0] if border else image[y, x])).all()
