"""`type='fec_mm.…'` resolves from every toolbox without custom_imports, and the registries' locations exist."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from fec_mm import registry

DENSE = """
plugins = [dict(cfg=dict(type='fec_mm.ClusterEncode'), position='after_conv2')]
resnet = MODELS.build(dict(type='ResNet', depth=50, plugins=plugins))
neck = MODELS.build(dict(type='fec_mm.ClusterFPN', in_channels=[8, 16], out_channels=8, num_outs=3))
print(type(resnet.layer1[0].cluster_encode).__module__, type(neck).__module__)
"""


@pytest.mark.parametrize('scope', ['mmpretrain', 'mmdet', 'mmseg'])
def test_resolves_from_a_fresh_process(scope: str) -> None:
    """Backbone, necks and plug-ins; ClusterFPN is made of the toolbox's own FPN, without the other toolbox."""
    other = {'mmdet': 'mmseg', 'mmseg': 'mmdet'}.get(scope)
    code = (
        f'import sys; sys.modules.update({dict.fromkeys([other] if other else [])})\n'
        'from fec_mm.compat import await_torchvision; await_torchvision()\n'
        f'from {scope}.registry import MODELS\n'
        'from mmengine.registry import init_default_scope\n'
        f'init_default_scope({scope!r})\n'
        "model = MODELS.build(dict(type='fec_mm.FEC', arch='small', out_indices=(0, 1, 2, 3)))\n"
        "MODELS.build(dict(type='fec_mm.ClusterGAP', in_channels=8))\n"
        'print(type(model).__module__, sum(p.numel() for p in model.parameters()))\n' + (DENSE if other else '')
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    dense = ['fec_mm.models.plugins', 'fec_mm.models.necks.cluster_fpn'] if other else []
    assert result.stdout.split() == ['fec_mm.models.backbones.fec', '5407112', *dense], result.stderr


def test_all_scopes_in_one_process() -> None:
    from mmengine.registry import DefaultScope

    for scope in ('mmpretrain', 'mmdet', 'mmseg'):
        models = import_module(f'{scope}.registry').MODELS
        with DefaultScope.overwrite_default_scope(scope):
            assert models.build(dict(type='fec_mm.ContextCluster', arch='tiny')).weighting == 'similarity'


def test_locations_exist() -> None:
    """mmengine swallows a failing import there."""
    names = [name for name in vars(registry) if name.isupper() and not name.startswith('MMENGINE')]
    assert 'MODELS' in names
    for name in names:
        for location in getattr(registry, name)._locations:
            import_module(location)
        getattr(registry, name).import_from_location()
        assert len(getattr(registry, name)) > 0, f'{name} registers nothing'
