"""The loss on clusters beside the losses of each toolbox's models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.model import BaseDataPreprocessor, BaseModel, MMDistributedDataParallel
from mmengine.structures import PixelData

from fec_mm.engine import ClusterLossHook
from fec_mm.errors import UserError
from fec_mm.models import FEC
from tests.models.test_losses import ARCH

from ..small import make_runner

LABELS = dict(type='fec_mm.ClusterConsistencyLoss', num_classes=2)


class Sample:
    """What the hook asks of a data sample."""

    def __init__(self, labels: torch.Tensor | None) -> None:
        if labels is not None:
            self.gt_sem_seg = PixelData(data=labels[None])

    def __contains__(self, name: str) -> bool:
        return hasattr(self, name)


class Model(BaseModel):
    """A task whose loss is the mean of the last map."""

    def __init__(self, pool: dict | None = None, **kwargs: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = FEC(ARCH, pool=dict(candidates='near') if pool is None else pool, **kwargs)

    def forward(self, inputs: torch.Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        out = self.backbone(inputs)[-1]
        return dict(loss=out.mean()) if mode == 'loss' else dict(loss=out) if mode == 'named' else out


def batch(labels: bool = True) -> dict[str, Any]:
    torch.manual_seed(1)
    maps = torch.randint(0, 2, (2, 64, 64))
    return dict(inputs=torch.randn(2, 3, 64, 64), data_samples=[Sample(one if labels else None) for one in maps])


def attached(model: torch.nn.Module, **kwargs: Any) -> ClusterLossHook:
    hook = ClusterLossHook(**kwargs)
    hook.attach(model)
    return hook


@pytest.mark.parametrize('loss', [None, LABELS])
@pytest.mark.parametrize('with_cp', [False, True])
def test_one_more_loss_whose_gradient_reaches_the_similarity(loss: dict | None, with_cp: bool) -> None:
    model = Model(with_cp=with_cp)
    before = model(**batch(), mode='loss')
    hook = attached(model, loss=loss)
    losses = model(**batch(), mode='loss')
    assert list(losses) == ['loss', 'loss_clusters'] and torch.equal(losses['loss'], before['loss'])
    losses['loss_clusters'].backward()
    assert all(float(layer.f.weight.grad.abs().max()) > 1e-7 for layer in model.backbone.downsamples)
    hook.after_train(None)
    assert list(model(**batch(), mode='loss')) == ['loss']


def test_predictions_are_left_alone() -> None:
    model = Model()
    hook = attached(model)
    assert isinstance(model(**batch()), torch.Tensor)
    with torch.no_grad():
        model(**batch(), mode='predict')
    assert isinstance(model(batch()['inputs'], None, 'predict'), torch.Tensor)
    assert list(model(batch()['inputs'], None, 'named')) == ['loss']
    assert list(model(batch()['inputs'], None, 'loss')) == ['loss', 'loss_clusters']
    assert not hook._scores  # nothing of the last graph is kept


def test_nothing_is_computed_in_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model()
    attached(model)
    monkeypatch.setattr('fec_mm.models.layers.tap.near_scores', lambda *_: pytest.fail('computed'))
    with torch.no_grad():
        model(**batch(), mode='predict')


def test_label_maps_of_mmdet() -> None:
    """Which are `sem_seg`, of B×1×H×W too."""
    model, given = Model(), batch()
    attached(model, loss=LABELS)
    expected = model(**given, mode='loss')['loss_clusters']
    for sample in given['data_samples']:
        sample.gt_sem_seg = PixelData(sem_seg=sample.gt_sem_seg.data)
    assert torch.equal(model(**given, mode='loss')['loss_clusters'], expected)


class Views(Model):
    """As SimSiam: the images come in two views, which the backbone sees in turn."""

    def forward(self, inputs: Any, data_samples: Any = None, mode: str = 'tensor') -> Any:
        return dict(loss=sum(self.backbone(view)[-1].mean() for view in inputs))


def test_several_views() -> None:
    one, two = batch()['inputs'], batch()['inputs'].flip(3) * 2
    single = Model()
    attached(single)
    expected = sum(single(view, None, 'loss')['loss_clusters'] for view in (one, two)) / 2
    model = Views()
    attached(model)
    torch.testing.assert_close(model([one, two], None, 'loss')['loss_clusters'], expected)


class Frozen(Model):
    """A backbone without gradients."""

    def forward(self, inputs: torch.Tensor, data_samples: Any = None, mode: str = 'tensor') -> Any:
        with torch.no_grad():
            return dict(loss=self.backbone(inputs)[-1].mean())


def test_a_backbone_without_gradients_is_one_line() -> None:
    model = Frozen()
    attached(model)
    with pytest.raises(UserError, match='ran 0 times with gradients on 1 views'):
        model(**batch(), mode='loss')


def test_padding_is_known_from_the_samples() -> None:
    model, given = Model(), batch()
    attached(model)
    expected = model(**given, mode='loss')['loss_clusters']
    for sample in given['data_samples']:
        sample.metainfo = dict(img_shape=(32, 64), pad_shape=(64, 64))
    assert not torch.equal(model(**given, mode='loss')['loss_clusters'], expected)


def test_bfloat16_gives_nearly_the_same() -> None:
    model = Model()
    attached(model, loss=LABELS)
    full = model(**batch(), mode='loss')['loss_clusters']
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = model(**batch(), mode='loss')['loss_clusters']
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=0.02, atol=0)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    """Of this process alone."""
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/store', rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures('process_group')
def test_distributed_gradients_are_those_of_one_process() -> None:
    gradients = []
    for wrapped in (False, True):
        model = Model()
        attached(model, loss=LABELS)
        runs: Any = MMDistributedDataParallel(model) if wrapped else model
        sum(runs(**batch(), mode='loss').values()).backward()
        gradients.append([p.grad for p in model.parameters() if p.requires_grad])
    for one, other in zip(*gradients):
        torch.testing.assert_close(one, other)


def test_what_it_cannot_watch_is_one_line() -> None:
    with pytest.raises(UserError, match="candidates='near'"):
        attached(Model(pool=dict(candidates='all')))
    model = Model()
    attached(model, loss=LABELS)
    with pytest.raises(UserError, match="target='colours'"):
        model(**batch(labels=False), mode='loss')


class Images(BaseDataPreprocessor):
    """Images of the numbers that the runner of `small` gives."""

    def forward(self, data: Any, training: bool = False) -> Any:
        numbers = data['inputs'].view(-1, 1, 1, 1)
        return dict(inputs=numbers + torch.linspace(-2, 2, 3 * 64 * 64).view(1, 3, 64, 64).sin())


class Trained(Model):
    """As `small.Model`, of such images."""

    def __init__(self) -> None:
        super().__init__()
        self.data_preprocessor = Images()


@pytest.mark.slow
@pytest.mark.parametrize('wrapper', [dict(), dict(accumulative_counts=2)])
def test_a_stopped_training_goes_on_as_if_it_had_not(tmp_path: Path, wrapper: dict) -> None:
    """The hook has no state of its own."""
    optim = dict(optimizer=dict(type='Adam', lr=1e-2), **wrapper)
    found = []
    for folder, parts in (('whole', [2]), ('parts', [1, 2])):
        for i, epochs in enumerate(parts):
            runner = make_runner(
                tmp_path / folder,
                dict(type='fec_mm.ClusterLossHook'),
                epochs=epochs,
                model=Trained(),
                optim_wrapper=optim,
                resume=i > 0,
            )
            runner.train()
        found.append(runner.model.state_dict())
    start = Trained().state_dict()
    for name, value in found[0].items():
        assert torch.equal(value, found[1][name]), name
    assert not torch.equal(start['backbone.downsamples.0.f.weight'], found[0]['backbone.downsamples.0.f.weight'])
