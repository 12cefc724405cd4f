"""mmseg's heads, exported to ONNX at one size and run at others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim

from fec_mm.toolboxes.configs import import_toolbox

onnxruntime = pytest.importorskip('onnxruntime')


class Pyramid(nn.Module):
    """Of UPerNet and PSPNet."""

    def __init__(self) -> None:
        super().__init__()
        from mmseg.models.decode_heads.psp_head import PPM

        self.ppm = PPM((1, 2, 3, 6), 5, 4, conv_cfg=None, norm_cfg=None, act_cfg=dict(type='ReLU'), align_corners=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat(self.ppm(x), 1)


def doubled() -> nn.Module:
    """Of Semantic FPN."""
    from mmseg.models.utils.wrappers import Upsample

    module: nn.Module = Upsample(scale_factor=2, mode='bilinear', align_corners=False)
    return module


@pytest.mark.parametrize('make', [Pyramid, doubled])
def test_at_other_sizes(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    import_toolbox('mmseg')
    model, file = make().eval(), tmp_path / 'head.onnx'
    sides = {2: Dim('h', min=2, max=99), 3: Dim('w', min=2, max=99)}
    torch.onnx.export(
        model, (torch.randn(2, 5, 12, 18),), file, dynamo=True, verbose=False, dynamic_shapes=(sides,), opset_version=18
    )
    session = onnxruntime.InferenceSession(file)
    for size in ((12, 18), (7, 31), (4, 3)):
        x = torch.randn(2, 5, *size)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(found), model(x), rtol=1e-5, atol=1e-6)
