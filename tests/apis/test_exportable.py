"""What is exported of a model: class ids as mmseg finds them, sizes that stay symbolic, and a line for the rest."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fec_mm.apis import get_model
from fec_mm.apis.exportable import _scanned_labels, exportable, labels
from fec_mm.errors import UserError
from fec_mm.ops.assign import _plain, _scanned
from fec_mm.toolboxes.configs import import_toolbox


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(2, 9), st.integers(2, 9), st.integers(1, 3), st.booleans())
def test_labels_are_the_argmax_of_all_scores(K: int, h: int, w: int, factor: int, align_corners: bool) -> None:
    logits = torch.randint(-3, 4, (2, K, h, w)).float()  # with ties
    size = (h * factor, w * factor + 1)
    scores = nn.functional.interpolate(logits, size, mode='bilinear', align_corners=align_corners)
    assert (labels(logits, size, align_corners) == scores.argmax(1)).all()


@pytest.mark.parametrize('K', [1, 16, 20])
def test_the_exported_labels_are_the_same(K: int) -> None:
    logits = torch.randn(2, K, 5, 3)
    best, found = torch.full((2, 9, 8), -torch.inf), torch.zeros(2, 9, 8, dtype=torch.int64)
    assert (_scanned_labels(logits, best, found, False) == labels(logits, (9, 8), False)).all()


@pytest.mark.parametrize('positions', [1, 256, 700])
def test_the_exported_argmax_takes_tiles(positions: int) -> None:
    x, queries, bias = torch.randn(3, positions, 8), torch.randn(3, 2, 20, 8), torch.randn(3, 2, 20)
    queries[:, :, 11] = queries[:, :, 4]
    bias[:, :, 11] = bias[:, :, 4]
    assert (_scanned(x, queries, bias) == _plain(x, queries, bias)).all()


def test_upsampling_stays_symbolic() -> None:
    import_toolbox('mmseg')
    from mmseg.models.utils import Upsample

    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up = Upsample(scale_factor=2, mode='bilinear', align_corners=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.up(x.relu())

    sides = {2: torch.export.Dim('height', min=2, max=64), 3: torch.export.Dim('width', min=2, max=64)}
    program = torch.export.export(Doubling(), (torch.randn(1, 3, 8, 6),), dynamic_shapes=(sides,)).module()
    x = torch.randn(1, 3, 5, 9)
    torch.testing.assert_close(program(x), nn.functional.interpolate(x.relu(), scale_factor=2.0, mode='bilinear'))
    halved = Upsample(scale_factor=1.5)(torch.randn(1, 3, 5, 9))  # as mmseg does it
    assert halved.shape == (1, 3, 7, 13)


def test_a_segmenter_labels_as_mmseg_does() -> None:
    model = get_model('configs/quickstart/segmentation.py', device='cpu')
    images = torch.randn(2, 3, 70, 45)
    with torch.no_grad():
        logits, ids = exportable(model, 'mmseg')(images)
        scores = model.encode_decode(images, [dict(img_shape=(70, 45))] * 2)
    assert logits.shape == (2, 11, 17, 11)
    assert (ids == scores.argmax(1)).all()


@pytest.mark.parametrize(
    ('name', 'part', 'says'),
    [
        ('mask-rcnn_fec-small_fpn_4xb4-1x_coco', 'whole', 'MaskRCNN chooses boxes within the network'),
        ('fec-small_fpn_4xb4-80k_ade20k-512x512', 'auxiliary', 'has no auxiliary'),
    ],
)
def test_what_is_not_exported(name: str, part: str, says: str) -> None:
    model = get_model(name, device='cpu')
    with pytest.raises(UserError, match=says):
        exportable(model, model.cfg.default_scope, part)


def test_a_one_stage_detector_gives_its_heads_maps() -> None:
    network = exportable(get_model('retinanet_fec-small_fpn_4xb4-1x_coco', device='cpu'), 'mmdet')
    with torch.no_grad():
        outputs = network(torch.randn(1, 3, 64, 96))
    names = network.names(outputs)
    assert names == [f'{kind}_{level}' for kind in ('cls_score', 'bbox_pred') for level in range(1, 6)]
    assert outputs[names.index('bbox_pred_1')].shape[1] == 9 * 4
    assert outputs[names.index('cls_score_5')].shape[1] == 9 * 80
