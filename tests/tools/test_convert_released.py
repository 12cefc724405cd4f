"""The converter: every form of an authors' checkpoint, and every way it can be wrong."""

from __future__ import annotations

import argparse
import pickle
import subprocess
import sys
from collections import OrderedDict
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
import torch

from fec_mm.checkpoints.released import convert, read_released
from fec_mm.cli.run import run_cli
from fec_mm.device.recordings import released_state
from fec_mm.models import FAMILIES, FEC

from .commands import tool

ROOT = Path(__file__).parents[2]
TOOL = 'model_converters/convert_released.py'


def run(*args: object) -> subprocess.CompletedProcess:
    """The tool as its command ends, in this process."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        run_cli(lambda: tool(TOOL).main([str(a) for a in args]))
    return subprocess.CompletedProcess(args, ended.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(scope='module')
def classifier() -> dict[str, torch.Tensor]:
    return released_state('fec_small_cls')


@pytest.fixture(scope='module')
def dense() -> dict[str, torch.Tensor]:
    return released_state('fec_small_det')


@pytest.mark.parametrize('key', [None, 'state_dict', 'model'])
def test_forms_of_a_checkpoint(classifier: dict, tmp_path: Path, key: str | None) -> None:
    checkpoint = (
        classifier
        if key is None
        else {
            key: OrderedDict((f'module.{name}', value) for name, value in classifier.items()),
            'epoch': 309,
            'args': argparse.Namespace(lr=1e-3, model='fec_small'),
            'metric': 72.7,
        }
    )
    torch.save(checkpoint, tmp_path / 'src.pth')
    converted = convert(read_released(tmp_path / 'src.pth'), FAMILIES)
    assert converted.model == 'FEC small' and converted.left_out == []
    assert torch.equal(converted.state_dict['head.fc.weight'], classifier['head.weight'])
    assert converted.state_dict['backbone.stages.0.0.mixer.f.weight'].shape == (96, 32)


def test_whole_detector(dense: dict, tmp_path: Path) -> None:
    """Its backbone is taken and the rest listed; it initialises a dense backbone the way configs do."""
    checkpoint = {'state_dict': {f'backbone.{key}': value for key, value in dense.items()}, 'meta': {'epoch': 12}}
    checkpoint['state_dict']['neck.lateral_convs.0.conv.weight'] = torch.zeros(1)
    torch.save(checkpoint, tmp_path / 'src.pth')
    result = run(tmp_path / 'src.pth', tmp_path / 'new' / 'dst.pth')
    assert result.returncode == 0, result.stderr
    assert '1 tensors outside the backbone were left out: neck.lateral_convs.0.conv.weight' in result.stdout
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'new' / 'dst.pth'), prefix='backbone.')
    backbone = FEC('small', out_indices=(0, 1, 2, 3), init_cfg=init_cfg)
    backbone.init_weights()
    assert torch.equal(backbone.norm2.weight, dense['norm4.weight'])
    assert torch.equal(backbone.downsamples[1].skip.weight, dense['network.3.conv_skip.weight'])
    assert torch.equal(backbone.stages[3][1].mixer.proj.weight, dense['network.6.1.token_mixer.proj.weight'].flatten(1))


def wrong(kind: str, state: dict[str, torch.Tensor]) -> object:
    state = dict(state)
    if kind == 'unknown':
        state['network.0.0.attention.weight'] = torch.zeros(1)
    elif kind == 'missing':
        del state['network.4.3.mlp.fc2.bias']
    elif kind == 'misshaped':
        state['network.2.1.token_mixer.sim_alpha'] = torch.zeros(7)
    elif kind == 'half a head':
        del state['head.bias']
    elif kind == 'another model':
        return {'conv1.weight': torch.zeros(64, 3, 7, 7), 'fc.bias': torch.zeros(3)}
    elif kind == 'no state dict':
        return {'epoch': 3, 'lr': 0.1}
    return state


@pytest.mark.parametrize(
    ('kind', 'says'),
    [
        ('unknown', 'unknown network.0.0.attention.weight'),
        ('missing', 'missing network.4.3.mlp.fc2.bias'),
        ('misshaped', 'network.2.1.token_mixer.sim_alpha has shape (7,) instead of (1,)'),
        ('half a head', 'missing head.bias'),
        ('another model', 'no key of a released FEC or Context Cluster model'),
        ('no state dict', 'no state dict'),
    ],
)
def test_wrong_checkpoints(classifier: dict, tmp_path: Path, kind: str, says: str) -> None:
    torch.save(wrong(kind, classifier), tmp_path / 'src.pth')
    with pytest.raises(ValueError) as error:
        convert(read_released(tmp_path / 'src.pth'), FAMILIES)
    assert says in str(error.value) and '\n' not in str(error.value)


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path('was_here'),)


def test_files_that_are_no_checkpoint(classifier: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(classifier, tmp_path / 'whole.pth')
    (tmp_path / 'cut.pth').write_bytes((tmp_path / 'whole.pth').read_bytes()[:5000])
    (tmp_path / 'text.pth').write_text('not a checkpoint')
    (tmp_path / 'evil.pth').write_bytes(pickle.dumps({'state_dict': Evil()}, protocol=2))
    for name in ('cut', 'text', 'evil'):
        with pytest.raises(ValueError, match=r'damaged or no PyTorch checkpoint|could run code'):
            read_released(tmp_path / f'{name}.pth')
    assert not (tmp_path / 'was_here').exists()


def test_command_line_errors_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / 'text.pth').write_text('not a checkpoint')
    for src in ('text.pth', 'absent.pth'):
        result = subprocess.run(
            [sys.executable, ROOT / 'tools' / TOOL, tmp_path / src, tmp_path / 'dst.pth'],
            capture_output=True,
            text=True,
        )
        assert result.returncode == 1
        assert result.stderr.startswith('error: ') and src in result.stderr and result.stderr.count('\n') == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ['text.pth']


@pytest.mark.parametrize(
    ('keys', 'options', 'taken', 'says'),
    [
        (
            ('state_dict', 'state_dict_ema'),
            (),
            'state_dict',
            'the weights are those under state_dict; not taken: state_dict_ema (with --ema)',
        ),
        (
            ('state_dict', 'state_dict_ema'),
            ('--ema',),
            'state_dict_ema',
            'the weights are those under state_dict_ema; not taken: state_dict (without --ema)',
        ),
        (('model', 'model_ema'), ('--ema',), 'model_ema', 'not taken: model (without --ema)'),
        (
            ('state_dict',),
            ('--ema',),
            None,
            'has no averaged weights, under state_dict_ema or model_ema: leave --ema out',
        ),
        ((), ('--ema',), None, 'has no averaged weights, under state_dict_ema or model_ema: leave --ema out'),
        (('model_ema',), (), None, 'has averaged weights alone, under model_ema: give --ema'),
    ],
)
def test_averaged_weights(
    classifier: dict, tmp_path: Path, keys: tuple[str, ...], options: tuple[str, ...], taken: str | None, says: str
) -> None:
    content = {
        key: {name: value + 1 if key.endswith('_ema') else value for name, value in classifier.items()} for key in keys
    }
    torch.save(content or classifier, tmp_path / 'src.pth')
    result = run(tmp_path / 'src.pth', tmp_path / 'dst.pth', *options)
    if taken is None:
        assert (result.returncode, result.stderr.count('\n')) == (1, 1)
        assert says in result.stderr and not (tmp_path / 'dst.pth').exists()
        return
    assert result.returncode == 0 and says in result.stdout, result.stderr
    head = torch.load(tmp_path / 'dst.pth', weights_only=True)['state_dict']['head.fc.bias']
    assert torch.equal(head, content[taken]['head.bias'])


def test_nothing_is_said_of_a_single_state_dict(classifier: dict, tmp_path: Path) -> None:
    torch.save({'state_dict': classifier}, tmp_path / 'src.pth')
    assert 'not taken' not in run(tmp_path / 'src.pth', tmp_path / 'dst.pth').stdout
