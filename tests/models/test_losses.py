"""The loss on clusters against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from fec_mm.models import FEC, ClusterConsistencyLoss
from fec_mm.models.layers.tap import ScoreTap
from fec_mm.models.losses.cluster_consistency import label_shares
from tests.ops.test_soft import own_cells

ARCH = dict(
    depths=(1, 1, 1, 1),
    embed_dims=(8, 12, 16, 20),
    num_heads=(2, 2, 2, 2),
    head_dims=(4, 4, 4, 4),
    mlp_ratios=(2, 2, 2, 2),
    centers_per_side=(2, 2, 2, 1),
    regions_per_side=(1, 1, 1, 1),
)
# The mean squared distance to the middle of a block of 2×2 and of 4×4, in blocks: (1 − 1/n²)/6.
SPREAD = (0.125, 0.15625)


def stripes(period: int) -> torch.Tensor:
    """Labels of 32×32 pixels: columns of stem positions of class 0 and 1, so many each in turn."""
    return (torch.arange(32) // 4 // period % 2).expand(1, 32, 32)


def levels() -> list[torch.Tensor]:
    return [own_cells(8, 8), own_cells(4, 4)]


def test_labels_in_blocks() -> None:
    """Stripes of two positions are those of the first level's blocks; the second level's are half and half."""
    loss = ClusterConsistencyLoss(num_classes=2, position_weight=0)
    found = loss(levels(), torch.zeros(1, 3, 32, 32), stripes(2))
    assert float(found) == pytest.approx(math.log(2) / 2)
    assert float(loss(levels(), torch.zeros(1, 3, 32, 32), stripes(1))) == pytest.approx(math.log(2))
    assert float(loss(levels(), torch.zeros(1, 3, 32, 32), stripes(4))) == pytest.approx(0, abs=1e-6)


def test_places_in_blocks() -> None:
    loss = ClusterConsistencyLoss(num_classes=2, position_weight=0.5)
    found = loss(levels(), torch.zeros(1, 3, 32, 32), stripes(4))
    assert float(found) == pytest.approx(0.5 * sum(SPREAD) / 2)


def test_colours_in_blocks() -> None:
    """Columns of −1 and 1 in turn have variance 1 in every block; one of three channels has them."""
    images = torch.zeros(2, 3, 32, 32)
    images[:, 1] = 2 * stripes(1) - 1
    loss = ClusterConsistencyLoss('colours', position_weight=0, loss_weight=3)
    assert float(loss([own_cells(8, 8, 2), own_cells(4, 4, 2)], images)) == pytest.approx(3 * 1 / 3)


def test_padding_has_no_colour() -> None:
    """Stripes above and below; the second image's lower half is padding, where other stripes must not count."""
    images = torch.zeros(2, 3, 32, 32)
    images[:, 1] = 2 * stripes(4) - 1  # alike within every block
    images[1, 1, 16:] = 2 * stripes(1)[0, 16:] - 1
    loss = ClusterConsistencyLoss('colours', position_weight=0)
    scores = [own_cells(8, 8, 2), own_cells(4, 4, 2)]
    assert float(loss(scores, images, sizes=[(32, 32), (16, 32)])) == pytest.approx(0, abs=1e-6)
    assert float(loss(scores, images)) == pytest.approx(1 / 3 / 4)  # a quarter of all positions


@pytest.mark.parametrize('size', [(8, 8), (7, 6)])
def test_shares_are_means_of_maps_of_the_classes(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    labels = torch.randint(0, 6, (2, 34, 32))
    labels[0, :9, :9] = 255
    maps = torch.stack([labels == k for k in range(5)], 1).double()  # class 5 is one too many
    h, w = 34 // size[0], 32 // size[1]
    expected = torch.nn.functional.avg_pool2d(maps, (h, w))[:, :, : size[0], : size[1]]
    found = label_shares(labels, 5, 255, size).permute(0, 3, 1, 2)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=1e-6)


def test_void_pixels_do_not_count() -> None:
    """Half of the positions are void, a quarter of a position's pixels are: shares are of what is left."""
    labels = stripes(4).clone()
    labels[:, ::4, ::4] = 255
    labels[:, 16:] = 255
    loss = ClusterConsistencyLoss(num_classes=2, position_weight=0)
    assert float(loss(levels(), torch.zeros(1, 3, 32, 32), labels)) == pytest.approx(0, abs=1e-6)
    labels[:, :16] = torch.where(labels[:, :16] == 255, 255, stripes(1)[:, :16])
    assert float(loss(levels(), torch.zeros(1, 3, 32, 32), labels)) == pytest.approx(math.log(2), rel=1e-5)
    nothing = loss(levels(), torch.zeros(1, 3, 32, 32), torch.full_like(labels, 255))
    assert float(nothing) == 0


@pytest.mark.parametrize('target', ['labels', 'colours'])
@pytest.mark.parametrize('size', [(64, 64), (70, 99)])
def test_gradient_reaches_every_similarity_projection(target: str, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    backbone = FEC(ARCH, pool=dict(candidates='near'), layer_scale_init_value=1.0, with_cp=True)
    scores: list[torch.Tensor] = []
    for module in backbone.modules():
        if isinstance(module, ScoreTap):
            module.register_forward_hook(lambda _module, _inputs, output: scores.append(output[0]))
    images = torch.randn(2, 3, *size)
    backbone(images)
    loss = ClusterConsistencyLoss(target, num_classes=3 if target == 'labels' else None)
    value = loss(scores, images, torch.randint(0, 3, (2, *size)) if target == 'labels' else None)
    value.backward()
    assert len(scores) == 3 and value.isfinite()
    for layer in backbone.downsamples:
        assert float(layer.f.weight.grad.abs().max()) > 1e-6
    assert float(backbone.stem.proj.weight.grad.abs().max()) > 1e-6


def test_it_can_be_learnt() -> None:
    """Descent on the scores themselves finds a border that runs through the cells."""
    labels = (torch.arange(32) >= 12).long().expand(1, 32, 32)  # three positions of class 0, in cells of two
    loss = ClusterConsistencyLoss(num_classes=2, temperature=1.0)
    scores = torch.zeros(1, 8, 8, 9, requires_grad=True)
    optimizer = torch.optim.Adam([scores], 0.3)
    first = float(loss([scores.detach()], torch.zeros(1, 3, 32, 32), labels))
    for _ in range(100):
        optimizer.zero_grad()
        loss([scores], torch.zeros(1, 3, 32, 32), labels).backward()
        optimizer.step()
    assert float(loss([scores.detach()], torch.zeros(1, 3, 32, 32), labels)) < 0.1 * first


@pytest.mark.parametrize(
    ('settings', 'says'),
    [
        (dict(target='edges'), 'labels, colours'),
        (dict(), 'num_classes'),
        (dict(target='colours', num_classes=3), 'num_classes'),
        (dict(target='colours', temperature=0), 'must be positive'),
    ],
)
def test_settings_that_make_no_sense(settings: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ClusterConsistencyLoss(**settings)
