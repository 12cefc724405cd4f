"""Checkpoints: damaged, of another model, or hostile."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .case import Case, Place

USE = 'Use the config that the checkpoint was trained with, or another checkpoint.'
DAMAGED = 'checkpoint … is damaged or cut short: use another one, or copy it again'
UNSAFE = 'checkpoint … holds more than weights and is not loaded: …'
READERS = ('test', 'infer', 'visualize')
EVERY_READER = (*READERS, 'probe')


class Attack:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def replaced(make: Callable[[Place], object]) -> Callable[[Place], None]:
    """Give the tool a checkpoint of this content instead."""

    def damage(place: Place) -> None:
        path = place.folder / 'given.pth'
        found = make(place)
        if isinstance(found, bytes):
            path.write_bytes(found)
        else:
            torch.save(found, path)
        place.given['checkpoint'] = path

    return damage


def hostile(place: Place) -> dict:
    return {
        'meta': {},
        'state_dict': torch.load(place.checkpoint, weights_only=True)['state_dict'],
        'optimizer': Attack(place.folder / 'attacked'),
    }


def with_state(change: Callable[[dict], object]) -> Callable[[Place], None]:
    """Change the weights of a good one."""

    def make(place: Place) -> dict:
        content: dict = {'optimizer': {}, 'message_hub': {}, **torch.load(place.checkpoint, weights_only=True)}
        change(content['state_dict'])
        return content

    return replaced(make)


def other_arch(state: dict) -> None:
    for key in [key for key in state if key.startswith('backbone.stages.3.')]:
        state[key.replace('stages.3.0', 'stages.3.1')] = state.pop(key)


def other_toolbox(state: dict) -> None:
    for key in [key for key in state if key.startswith('head.')]:
        state[f'decode_{key}'] = state.pop(key)


def wrapped(state: dict) -> None:
    for key in list(state):
        state[f'module.{key}'] = state.pop(key)


def more_classes(state: dict) -> None:
    state.update({'head.fc.weight': torch.zeros(5, 20), 'head.fc.bias': torch.zeros(5)})


ATTACK = Case(
    'A checkpoint with code',
    'A checkpoint is a pickle, which can run any command when it is read. One from elsewhere may do so.',
    'Do not use it. If it is your own and has objects in it, save its `state_dict` alone.',
    UNSAFE,
    tools=EVERY_READER,
    damage=replaced(hostile),
)
LOAD = {
    'load_from': "load_from = '{folder}/given.pth'\n",
    'init_cfg': "model['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='{folder}/given.pth', "
    "prefix='backbone.')\n",
}


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(x ^ 255 for x in content[middle : middle + 64]) + content[middle + 64 :]


def log_says(place: Place, text: str) -> None:
    assert text in place.log()


CASES = [
    Case(
        'A missing checkpoint',
        'The path is wrong.',
        'Correct the path.',
        'checkpoint … does not exist: correct the path',
        tools=READERS,
        damage=lambda place: place.given.update(checkpoint=place.folder / 'none.pth'),
    ),
    Case(
        'A truncated checkpoint',
        'A copy stopped, or the disk was full.',
        'Copy it again, or use the one before.',
        DAMAGED,
        tools=READERS,
        damage=replaced(lambda place: place.checkpoint.read_bytes()[:-3000]),
    ),
    Case(
        'A checkpoint with flipped bits',
        'A disk or the memory had a fault. A check sum finds it.',
        'Copy it again, or use the one before.',
        DAMAGED,
        tools=READERS,
        damage=replaced(lambda place: _flipped(place.checkpoint.read_bytes())),
    ),
    Case(
        'An empty checkpoint',
        'The disk was full.',
        'Copy it again, or use the one before.',
        DAMAGED,
        tools=('test',),
        damage=replaced(lambda place: b''),
    ),
    Case(
        'A page instead of a checkpoint',
        'The server answered a download with a page.',
        'Download it again.',
        DAMAGED,
        tools=('test',),
        damage=replaced(lambda place: b'<html>404 not found</html>'),
    ),
    ATTACK,
    Case(
        'A checkpoint with code, in the old format',
        'A checkpoint is a pickle, which can run any command when it is read. This is the format that torch wrote '
        'before 1.6.',
        'Do not use it.',
        UNSAFE,
        tools=('test',),
        damage=replaced(lambda place: pickle.dumps({'state_dict': Attack(place.folder / 'attacked')}, protocol=2)),
    ),
    Case(
        'Code in `load_from`',
        'A checkpoint is a pickle, which can run any command when it is read.',
        'Do not use it.',
        UNSAFE,
        damage=replaced(hostile),
        config=LOAD['load_from'],
    ),
    Case(
        'Code in an `init_cfg`',
        'A checkpoint is a pickle, which can run any command when it is read.',
        'Do not use it.',
        UNSAFE,
        damage=replaced(hostile),
        config=LOAD['init_cfg'],
    ),
    Case(
        "Code in an authors' checkpoint",
        'A checkpoint is a pickle, which can run any command when it is read.',
        'Do not use it.',
        '…: holds …, which could run code; nothing but tensors and plain values is loaded',
        damage=replaced(hostile),
        tools=('convert',),
    ),
    Case(
        'A checkpoint of another arch',
        'The config is not the one of the training.',
        USE,
        'checkpoint … is of another model: … missing (backbone.stages.3.0…); … unknown (backbone.stages.3.1…): '
        'use the config that it was trained with',
        damage=with_state(other_arch),
        tools=READERS,
    ),
    Case(
        'A checkpoint of another class count',
        'The data set is not the one of the training.',
        USE,
        'checkpoint … is of another model: 2 of another shape (head.fc.weight: (5, 20) instead of (2, 20), ...): '
        'use the config that it was trained with',
        damage=with_state(more_classes),
        tools=READERS,
    ),
    Case(
        'A checkpoint of another toolbox',
        'The checkpoint is of a segmenter and the config of a classifier, for instance.',
        USE,
        'checkpoint … is of another model: 2 missing (head.fc.weight, ...); 2 unknown (decode_head.fc.weight, '
        '...): use the config that it was trained with',
        damage=with_state(other_toolbox),
        tools=READERS,
    ),
    Case(
        'A checkpoint without `state_dict`',
        'Another program wrote it.',
        "Convert an authors' checkpoint. Give others the form `{'state_dict': …}`.",
        "checkpoint … has no state_dict of tensors: use another one, or convert an authors' checkpoint with "
        'tools/model_converters/convert_released.py first',
        damage=replaced(lambda place: {'epoch': 3, 'model': {}}),
        tools=READERS,
    ),
    Case(
        'A checkpoint that is a tensor',
        'Another program wrote it.',
        'Use another one.',
        'checkpoint … holds a Tensor and no state_dict: use another one',
        damage=replaced(lambda place: torch.zeros(3)),
        tools=('test',),
    ),
    Case(
        '`load_from` with nothing for the model',
        'The checkpoint is of another model. mmengine would warn and train from scratch.',
        USE,
        'checkpoint … has nothing for this model: …: …',
        damage=replaced(lambda place: {'state_dict': {'conv1.weight': torch.zeros(3)}}),
        config=LOAD['load_from'],
    ),
    Case(
        '`load_from` with another head',
        'The training fine-tunes to other classes.',
        handled='What fits is loaded, and the log names the rest.',
        damage=with_state(more_classes),
        config=LOAD['load_from'],
        check=lambda place: log_says(place, 'not for this model: 2 of another shape (head.fc.weight'),
    ),
    Case(
        'An `init_cfg` with a wrong prefix',
        "The backbone's keys start otherwise.",
        "Give the prefix of the backbone's keys.",
        "checkpoint … does not initialise this FEC: no key starts with 'neck.': give prefix='backbone.'",
        damage=with_state(lambda state: None),
        config=LOAD['init_cfg'].replace("='backbone.'", "='neck.'"),
    ),
    Case(
        'An `init_cfg` of a model that was wrapped',
        'Every key starts with `module.`, as DistributedDataParallel has them.',
        "Give `prefix='module.backbone.'`.",
        "checkpoint … does not initialise this FEC: no key starts with 'backbone.': its keys start with module; "
        'correct the prefix, or leave it out',
        damage=with_state(wrapped),
        config=LOAD['init_cfg'],
    ),
    Case(
        "An authors' checkpoint without a backbone",
        'The file belongs to another project.',
        'Give a checkpoint of FEC or Context Cluster.',
        '…: has no key of a released FEC or Context Cluster model, such as patch_embed.proj.weight, nor of EnFormer or '
        'CLUENet',
        tools=('convert',),
        damage=replaced(lambda place: {'conv1.weight': torch.zeros(3)}),
    ),
]
