"""Every backbone: contract, any size, gradients, freezing, checkpointing, bad settings."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.model import BaseModule

from fec_mm.device.recordings import telling_weights
from fec_mm.models import FEC, CLUENet, ContextCluster, EnFormer
from fec_mm.models.backbones.cluster_backbone import ClusterBackbone
from fec_mm.models.backbones.staged_backbone import StagedBackbone

TINY = dict(
    depths=(1, 1, 2, 1),
    embed_dims=(8, 12, 16, 20),
    num_heads=(2, 2, 2, 4),
    head_dims=(4, 4, 4, 4),
    mlp_ratios=(2, 2, 2, 2),
    centers_per_side=(3, 2, 2, 1),
    regions_per_side=(2, 2, 1, 1),
)
ALL = (0, 1, 2, 3)
ENSEMBLE = dict(
    depths=(1, 1, 2, 1),
    embed_dims=(8, 12, 16, 20),
    num_heads=(2, 2, 2, 4),
    head_dims=(4, 4, 4, 4),
    kernel_sizes=(3, 5, 7, 3),
    centers_per_side=((3, 2), (2, 3), (2, 2), (2, 3)),
    agents_per_side=(5, 0, 0, 0),
)
ARCHS: dict[type[StagedBackbone], dict] = {
    FEC: TINY,
    ContextCluster: TINY,
    CLUENet: {key: value for key, value in TINY.items() if key != 'regions_per_side'},
    EnFormer: ENSEMBLE,
}
BOTH = pytest.mark.parametrize('family', [FEC, ContextCluster])
EVERY = pytest.mark.parametrize('family', ARCHS)


def build(family: type[StagedBackbone], **kwargs: object) -> StagedBackbone:
    model = family(**{'arch': ARCHS[family], 'out_indices': ALL, **kwargs})
    telling_weights(model)
    return model


@pytest.mark.parametrize(
    ('family', 'arch', 'params'),
    [
        (FEC, 'small', 5_727_528),
        (FEC, 'base', 15_086_848),
        (FEC, 'large', 29_720_344),
        (ContextCluster, 'tiny', 5_570_584),
        (ContextCluster, 'tiny2', 5_570_584),
        (CLUENet, 'mini', 3_249_208),
        (CLUENet, 'tiny', 5_969_330),
        (CLUENet, 'small', 15_510_540),
        (CLUENet, 'base', 30_660_152),
        (EnFormer, 'small', 8_531_184),
        (EnFormer, 'base', 15_636_184),
        (EnFormer, 'large', 31_180_868),
    ],
)
def test_parameters_of_the_classifiers(family: type[StagedBackbone], arch: str, params: int) -> None:
    """The papers' counts include the linear head with 1000 classes."""
    with torch.device('meta'):
        model = family(arch)
    dim = family.arch_settings[arch]['embed_dims'][-1]
    assert sum(p.numel() for p in model.parameters()) + (dim + 1) * 1000 == params


@pytest.mark.parametrize(('H', 'W'), [(32, 32), (33, 47), (64, 36), (129, 64), (100, 35), (32, 160)])
@pytest.mark.parametrize('family', [CLUENet, EnFormer])
def test_any_size_without_regions(family: type[StagedBackbone], H: int, W: int) -> None:
    outputs = build(family).eval()(torch.randn(2, 3, H, W))
    h, w = (math.ceil(H / 4), math.ceil(W / 4)) if family is EnFormer else (H // 4, W // 4)
    for dim, output in zip(TINY['embed_dims'], outputs):
        assert output.shape == (2, dim, h, w) and output.is_contiguous() and torch.isfinite(output).all()
        h, w = math.ceil(h / 2), math.ceil(w / 2)


@BOTH
@pytest.mark.parametrize(('H', 'W'), [(32, 32), (33, 47), (64, 36), (129, 64), (100, 35), (32, 160)])
@pytest.mark.parametrize('regions', [(1, 1, 1, 1), (2, 2, 1, 1), (8, 4, 2, 1)])
def test_any_size(family: type[ClusterBackbone], H: int, W: int, regions: tuple[int, ...]) -> None:
    model = build(family, regions_per_side=regions)
    outputs = model(torch.randn(2, 3, H, W))
    h, w = H // 4, W // 4
    for dim, output in zip(TINY['embed_dims'], outputs):
        assert output.shape == (2, dim, h, w) and output.is_contiguous() and torch.isfinite(output).all()
        h, w = math.ceil(h / 2), math.ceil(w / 2)


@EVERY
def test_default_output_is_the_last_stage(family: type[StagedBackbone]) -> None:
    model, dense = build(family, out_indices=-1).eval(), build(family).eval()
    dense.load_state_dict(model.state_dict(), strict=False)
    x = torch.randn(1, 3, 64, 64)
    (output,) = model(x)
    torch.testing.assert_close(output, dense(x)[-1])
    assert [name for name, _ in model.named_children() if name.startswith('norm')] == ['norm3']


@EVERY
@pytest.mark.parametrize('out_indices', [-1, ALL, (0, 2), 1])
def test_every_trainable_parameter_gets_a_gradient(family: type[StagedBackbone], out_indices: object) -> None:
    """So that DistributedDataParallel needs no find_unused_parameters."""
    model = build(family, out_indices=out_indices).eval()
    sum(o.square().mean() for o in model(torch.randn(2, 3, 64, 64))).backward()
    for name, p in model.named_parameters():
        assert (p.grad is not None and p.grad.abs().sum() > 0) if p.requires_grad else p.grad is None, name
    frozen = {name.split('.', 2)[2] for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == ({'f.weight', 'f.bias'} if family is FEC and model.downsamples else set())


@EVERY
def test_images_do_not_mix(family: type[StagedBackbone]) -> None:
    model, x = build(family).double().eval(), torch.randn(3, 3, 70, 45, dtype=torch.float64)
    for together, alone in zip(model(x), model(x[1:2])):
        torch.testing.assert_close(together[1:2], alone)


@EVERY
def test_clustering_matters(family: type[StagedBackbone]) -> None:
    """With these weights other centers change the output: a test on them can notice a wrong clustering."""
    x = torch.randn(1, 3, 64, 64)
    a, b = (build(family, **other).eval()(x)[-1] for other in ({}, dict(centers_per_side=(1, 1, 1, 1))))
    assert (a - b).norm() / a.norm() > 0.05


@EVERY
def test_checkpointing_changes_nothing(family: type[StagedBackbone]) -> None:
    x = torch.randn(2, 3, 64, 48, dtype=torch.float64)
    grads = []
    for with_cp in (False, True):
        torch.manual_seed(0)  # of the noise in training
        model = build(family, with_cp=with_cp).double()
        model(x)[-1].square().sum().backward()
        grads.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(grads[0]) == len(grads[1])
    for p, q in zip(*grads):
        torch.testing.assert_close(p, q)


@EVERY
@pytest.mark.parametrize('frozen_stages', [0, 1, 3, 4])
def test_frozen_stages(family: type[StagedBackbone], frozen_stages: int) -> None:
    model = build(family, frozen_stages=frozen_stages, drop_path_rate=0.3).train()
    frozen = ['stem.'] + [f'stages.{i}.' for i in range(frozen_stages)] + [f'norm{i}.' for i in range(frozen_stages)]
    frozen += [f'downsamples.{i}.' for i in range(frozen_stages - 1)]
    for name, p in model.named_parameters():
        never = family is FEC and '.f.' in name and name.startswith('downsamples')
        assert p.requires_grad != (never or name.startswith(tuple(frozen))), name
    assert [stage.training for stage in model.stages] == [i >= frozen_stages for i in range(4)]


@EVERY
def test_drop_path_grows_linearly(family: type[StagedBackbone]) -> None:
    model = build(family, drop_path_rate=0.2)
    rates = [block.drop_path.drop_prob for stage in model.stages for block in stage]
    assert rates == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])


@EVERY
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast_is_finite_and_close(family: type[StagedBackbone], dtype: torch.dtype) -> None:
    """One block per output, as flipped assignments cascade: the first stage's map stays close."""
    model, x = build(family).eval(), torch.randn(2, 3, 64, 64)
    exact = model(x)
    with torch.autocast('cpu', dtype):
        half = model(x)
    sum(o.float().square().mean() for o in half).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert all(torch.isfinite(o).all() for o in half)
    assert ((half[0].float() - exact[0]).norm() / exact[0].norm()).item() < 0.05


@pytest.mark.filterwarnings('ignore:Converting a tensor')
def test_jit_trace() -> None:
    """What fvcore counts with: sizes are tensors there."""
    model, x = build(FEC).eval(), torch.randn(1, 3, 70, 45)
    with torch.no_grad():
        for got, expected in zip(torch.jit.trace(model, x, check_trace=False)(x), model(x)):
            torch.testing.assert_close(got, expected)


def test_deterministic_algorithms() -> None:
    model, x = build(FEC), torch.randn(1, 3, 64, 64)
    torch.use_deterministic_algorithms(True)
    try:
        model(x)[-1].sum().backward()
    finally:
        torch.use_deterministic_algorithms(False)


@BOTH
@pytest.mark.parametrize(
    ('settings', 'says'),
    [
        (dict(arch='huge'), "has no arch 'huge': choose one of"),
        (dict(arch={**TINY, 'depths': (1, 1)}), 'one number per stage, 2'),
        (dict(arch={k: v for k, v in TINY.items() if k != 'num_heads'}), 'num_heads'),
        (dict(arch={**TINY, 'widths': (1, 2, 3, 4)}), 'widths'),
        (dict(centers_per_side=(4, 4)), 'centers_per_side=(4, 4) must have one number per stage, 4'),
        (dict(centers_per_side=4), 'centers_per_side=4 must have one number per stage'),
        (dict(regions_per_side=(2, 0, 1, 1)), 'at least 1'),
        (dict(centers_per_side=(2.5, 1, 1, 1)), 'whole numbers'),
        (dict(out_indices=(0, 4)), 'out_indices=(0, 4)'),
        (dict(out_indices=()), 'out_indices=()'),
        (dict(frozen_stages=5), 'frozen_stages=5'),
        (dict(drop_path_rate=1.0), 'drop_path_rate=1.0'),
    ],
)
def test_contradicting_settings(family: type[ClusterBackbone], settings: dict, says: str) -> None:
    with pytest.raises(ValueError) as error:
        build(family, **settings)
    assert says in str(error.value) and '\n' not in str(error.value)


@EVERY
def test_too_small_an_image(family: type[StagedBackbone]) -> None:
    with pytest.raises(ValueError, match='at least 32×32 pixels, got 64×31'):
        build(family)(torch.randn(1, 3, 64, 31))


def test_backbones_are_mmengine_modules() -> None:
    assert issubclass(FEC, BaseModule) and issubclass(ContextCluster, BaseModule)


@BOTH
def test_taps_see_every_assignment(family: type[ClusterBackbone]) -> None:
    """Hooks on the taps see the ids of every layer: B×heads×H×W, below the number of centers."""
    model, seen = build(family), {}
    for name, module in model.named_modules():
        if name.endswith('tap'):
            module.register_forward_hook(lambda m, i, o, name=name: seen.update({name: o}))
    model(torch.randn(2, 3, 100, 68))
    sides = [(25, 17), (13, 9), (7, 5), (4, 3)]
    for i, (h, w) in enumerate(sides):
        for k in range(TINY['depths'][i]):
            ids = seen[f'stages.{i}.{k}.mixer.tap']
            assert ids.shape == (2, TINY['num_heads'][i], h, w) and ids.dtype == torch.int64
            assert ids.min() >= 0 and ids.max() < (TINY['centers_per_side'][i] * TINY['regions_per_side'][i]) ** 2
        if family is FEC and i < 3:
            ids = seen[f'downsamples.{i}.tap']
            assert ids.shape == (2, 1, h, w) and ids.max() < sides[i + 1][0] * sides[i + 1][1]
    assert len(seen) == 5 + (3 if family is FEC else 0)
