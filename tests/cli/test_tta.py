"""Test pipelines with flips; that predictions come out right is tested with tools/test.py."""

from __future__ import annotations

import pytest
from mmengine.config import Config

from fec_mm.cli.tta import use_tta


def config(*steps: dict, **more: object) -> Config:
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(type='M'),
            test_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=dict(pipeline=list(steps)))),
            **more,
        )
    )


def test_flips_come_before_annotations_are_loaded() -> None:
    pack = dict(type='PackDetInputs', meta_keys=('img_id',))
    cfg = config(dict(type='Load'), dict(type='LoadAnnotations'), pack)
    use_tta(cfg)
    pipeline = cfg.test_dataloader.dataset.dataset.pipeline
    assert [step['type'] for step in pipeline] == ['Load', 'TestTimeAug']
    flips, *rest = pipeline[1]['transforms']
    assert [flip['prob'] for flip in flips] == [1, 0]
    assert [[step['type'] for step in steps] for steps in rest] == [['LoadAnnotations'], ['PackDetInputs']]
    assert rest[1][0]['meta_keys'] == ('img_id', 'flip', 'flip_direction')
    assert (cfg.model.type, cfg.model.module) == ('DetTTAModel', dict(type='M'))


@pytest.mark.parametrize('steps', [1, 2])
def test_last_step_packs_when_there_are_no_annotations(steps: int) -> None:
    cfg = config(*([dict(type='Load')] * (steps - 1)), dict(type='Pack'))
    use_tta(cfg)
    pipeline = cfg.test_dataloader.dataset.dataset.pipeline
    assert len(pipeline) == steps
    assert pipeline[-1]['transforms'][1:] == [[dict(type='Pack')]]


def test_config_decides() -> None:
    cfg = config(dict(type='Pack'), tta_model=dict(type='T', a=1), tta_pipeline=[dict(type='X')])
    use_tta(cfg)
    assert cfg.model == dict(type='T', a=1, module=dict(type='M'))
    assert cfg.test_dataloader.dataset.dataset.pipeline == [dict(type='X')]
