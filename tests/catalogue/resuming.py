"""Checkpoints to resume from: hostile, of another model, or of other settings."""

from __future__ import annotations

from .case import Case, Place, command, write_config
from .checkpoints import UNSAFE, USE, hostile, log_says, more_classes, replaced, with_state


def trained(place: Place) -> None:
    """A training of one epoch with the tiny config in a folder of its own, to be continued with the config of the
    case."""
    config = place.config.read_text()
    write_config(place)
    command('train', place, ('--work-dir', '{folder}/first'))()
    place.config.write_text(config)


RESUME = ('--resume', '{checkpoint}')
CONTINUE = ('--resume', '{folder}/first/epoch_1.pth')
CASES = [
    Case(
        'Code in a checkpoint to resume',
        'A checkpoint is a pickle, which can run any command when it is read.',
        'Do not use it.',
        UNSAFE,
        damage=replaced(hostile),
        argv=RESUME,
    ),
    Case(
        'A checkpoint of another model to resume',
        'The config was changed meanwhile.',
        USE,
        'checkpoint … is of another model: 2 of another shape (head.fc.weight: (5, 20) instead of (2, 20), ...): '
        'use the config that it was trained with',
        damage=with_state(more_classes),
        argv=RESUME,
    ),
    Case(
        'Another optimizer to resume',
        'The config was changed meanwhile. The state of one optimizer is of no use to another.',
        'Continue with the optimizer of before, or start from the weights: `load_from`, without `--resume`.',
        "checkpoint …first/epoch_1.pth has the state of another optimizer, without 'momentum' for the SGD of the "
        'config: resume with the config that it was trained with, or start from its weights: --cfg-options '
        'load_from=…first/epoch_1.pth, without --resume',
        damage=trained,
        argv=CONTINUE,
        config="optim_wrapper['optimizer'] = dict(type='SGD', lr=0.1, momentum=0.9)\n",
    ),
    Case(
        'Another `paramwise_cfg` to resume',
        'The setting, or other frozen layers, makes other groups of parameters.',
        'Continue with the config of before, or start from the weights: `load_from`, without `--resume`.',
        'checkpoint …first/epoch_1.pth has … parameters in 1 groups for its optimizer, and the config makes … in '
        '…, by another paramwise_cfg or other frozen layers: resume with the config that it was trained with, or '
        'start from its weights: --cfg-options load_from=…first/epoch_1.pth, without --resume',
        damage=trained,
        argv=CONTINUE,
        config="optim_wrapper['optimizer']['weight_decay'] = 0.01\noptim_wrapper['paramwise_cfg'] = "
        'dict(norm_decay_mult=0.)\n',
    ),
    Case(
        'Other settings to resume',
        'mmengine takes the settings of the optimizer and the schedule from the checkpoint.',
        handled='One warning names each setting, what the checkpoint and the config say, and what is used.',
        damage=trained,
        argv=CONTINUE,
        config="optim_wrapper['optimizer']['weight_decay'] = 0.3\nparam_scheduler[0]['total_steps'] = 3\n",
        check=lambda place: log_says(
            place, 'used as in the checkpoint: weight_decay 0.01 (config: 0.3), OneCycleLR.total_steps 4 (config: 6)'
        ),
    ),
    Case(
        'Another schedule to resume',
        'mmengine would mix the two, by their places in the list.',
        handled="The config's is used, as if from the start of the training. A warning says so.",
        damage=trained,
        argv=CONTINUE,
        config="param_scheduler = [dict(type='PolyLR', power=1.)]\n",
        check=lambda place: log_says(
            place, 'its 1 param_scheduler do not fit those of the config (PolyLR), which are used'
        ),
    ),
    Case(
        'Something in a checkpoint that could not be loaded again',
        "The data set's metainfo has a `range`, or a hook keeps a `datetime`, a `Path` or another object in the "
        'message hub.',
        handled='It is left out, and a warning names it before the first checkpoint is written.',
        config="train_dataloader['dataset']['metainfo'] = dict(pages=range(3))\n",
        check=lambda place: log_says(
            place, 'checkpoints are written without what could not be loaded again: meta.dataset_meta.pages (range)'
        ),
    ),
]
