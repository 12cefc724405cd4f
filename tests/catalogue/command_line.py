"""The command line: paths, options, launchers."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import torch

from fec_mm.device.recordings import released_state

from .case import Case, Place

FILE = 'Give another path, or move what is there.'


def busy_port(place: Place) -> None:
    """Listen on a port, and ask for it as a launcher would."""
    listener = socket.socket()
    listener.bind(('127.0.0.1', 0))
    listener.listen()
    port = str(listener.getsockname()[1])
    place.given.update(
        listener=listener,
        environment={
            'RANK': '0',
            'LOCAL_RANK': '0',
            'WORLD_SIZE': '1',
            'MASTER_ADDR': '127.0.0.1',
            'MASTER_PORT': port,
        },
    )


HOLDER = """
import sys
from fec_mm.cli.occupied import occupied
with occupied(sys.argv[1]):
    print('ready', flush=True)
    sys.stdin.read()
"""


def occupy(place: Place) -> None:
    """Have another process train in the folder, until nobody refers to it any more."""
    command = [sys.executable, '-c', HOLDER, f'{place.folder}/work']
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b'ready\n'
    place.given.update(other=other)


def was_replaced(place: Place) -> None:
    assert Path(place.folder, 'result.json').read_bytes().startswith(b'{')


def released(place: Place) -> None:
    """A checkpoint as the authors write them."""
    torch.save(released_state('fec_small_cls'), place.folder / 'released.pth')


NO_CONFIG = Case(
    'A missing config',
    'The path is wrong.',
    'Correct the path.',
    'config … does not exist: give one such as configs/quickstart/classification.py',
    damage=lambda place: place.config.unlink(),
    tools=('train', 'test', 'infer', 'visualize'),
)
CASES = [
    NO_CONFIG,
    Case(
        'A missing image',
        'The path is wrong.',
        'Correct the path.',
        'image …0.png does not exist: correct the path',
        tools=('infer',),
        damage=lambda place: place.image.unlink(),
    ),
    Case(
        'A folder without images',
        'The path is wrong.',
        'Give a folder with images.',
        'folder … has no image: give one with …',
        tools=('infer',),
        damage=lambda place: place.given.update(input=place.folder / 'work'),
    ),
    Case(
        'An existing result',
        'The command ran before.',
        handled='It is replaced, when the new one is whole.',
        tools=('test',),
        argv=('--out', '{folder}/result.json', '--out-item', 'metrics'),
        damage=lambda place: place.given.update(replaced=['result.json']),
        check=was_replaced,
    ),
    Case(
        'An existing result, and a run that fails',
        'The command ran before.',
        'Mend what the line says: the earlier result is as it was.',
        'checkpoint … does not exist: correct the path',
        tools=('test',),
        argv=('--out', '{folder}/result.pkl'),
        damage=lambda place: place.given.update(checkpoint=place.folder / 'none.pth'),
    ),
    Case(
        'A folder where a file is to be written',
        'The path is wrong.',
        FILE,
        '--out …work.json is a folder: give the name of a file',
        tools=('test',),
        argv=('--out', '{folder}/work.json', '--out-item', 'metrics'),
        damage=lambda place: (place.folder / 'work.json').mkdir(),
    ),
    Case(
        'A file where a folder is wanted',
        'The path is wrong.',
        FILE,
        '…afile is a file, not a folder: correct the path',
        argv=('--work-dir', '{folder}/afile'),
    ),
    Case(
        'A file where the folder of pictures is wanted',
        'The path is wrong.',
        FILE,
        '…afile: cannot be made (…); choose another --out-dir',
        tools=('visualize',),
        argv=('--out-dir', '{folder}/afile'),
    ),
    Case(
        'A file where painted images are to go',
        'The path is wrong.',
        FILE,
        '…afile is a file, not a folder: correct the path',
        tools=('test',),
        argv=('--show-dir', '{folder}/afile'),
    ),
    Case(
        'A folder that cannot be written',
        'It is read-only, or belongs to another user.',
        'Give another `--work-dir`.',
        '/sys/none must not be read or written: correct the path',
        argv=('--work-dir', '/sys/none'),
    ),
    Case(
        'A folder that another training writes into',
        'A job was started twice, or with the options of another one.',
        'Wait for the other one, or give another `--work-dir`. The lock goes when its process does.',
        '…work is in use by another training (process … of …, since …): wait for it, or choose another '
        '--work-dir; if there is none, remove …work/.in_use',
        damage=occupy,
    ),
    Case(
        'A result in a folder that cannot be written',
        'It is read-only, or belongs to another user.',
        'Give another `--out`.',
        '/sys/none must not be read or written: correct the path',
        tools=('test',),
        argv=('--out', '/sys/none/result.pkl'),
    ),
    Case(
        'A converted checkpoint below a file',
        'The path is wrong.',
        FILE,
        '…afile/x.pth: cannot be written (…); choose another place or make room',
        tools=('convert',),
        damage=released,
        argv=('{folder}/released.pth', '{folder}/afile/x.pth'),
    ),
    Case(
        'Two images of one name',
        'They are in different folders, and their results go to one.',
        'Give the images different names.',
        '--show-dir …out: …left/0.png and …right/0.png would both be written as 0.png: give them different names',
        tools=('test',),
        damage=lambda place: shutil.copy(place.image, place.data / 'classes/right/0.png'),
        argv=('--show-dir', '{folder}/out'),
    ),
    Case(
        'A result of an unknown format',
        'The file name has another ending.',
        'Give one of those that are named.',
        '--out …result.txt: metrics are written as .json, .yaml or .pkl',
        tools=('test',),
        argv=('--out', '{folder}/result.txt', '--out-item', 'metrics'),
    ),
    Case(
        'A port that is in use',
        'Another training of the same machine has it.',
        'Give a free one: `PORT=29501 bash tools/dist_train.sh …`.',
        'port … of this machine is taken, perhaps by another training: give a free one, PORT=29501 bash '
        'tools/dist_train.sh ...',
        damage=busy_port,
        argv=('--launcher', 'pytorch'),
    ),
    Case(
        'An unknown launcher',
        'It was mistyped.',
        'Choose one that is named.',
        "argument --launcher: invalid choice: 'torch'…",
        argv=('--launcher', 'torch'),
        code=2,
    ),
    Case(
        'A launcher that did not start the process',
        '`--launcher` was given to `train.py` by hand.',
        'Use `tools/dist_train.sh`.',
        '--launcher slurm is for processes that tools/slurm_train.sh or srun starts, and SLURM_PROCID is not set: '
        'start them so',
        argv=('--launcher', 'slurm'),
    ),
    Case(
        'An unknown option',
        'It was mistyped.',
        'See `--help`.',
        'unrecognized arguments: --resum-from',
        argv=('--resum-from',),
        code=2,
    ),
    Case(
        'An override without a value',
        'There is a space beside the `=`.',
        'Write KEY=VALUE.',
        '--cfg-options takes key=value pairs, not …',
        argv=('--cfg-options', 'train_cfg.max_epochs'),
        code=2,
    ),
    Case(
        'An override that is Python',
        'The value has a dict within a list, as a config may.',
        'Set it key by key, or write a config of your own.',
        '--cfg-options takes numbers, words, and lists or tuples of them, not …: set a dict key by key (a.b=1), '
        'or write it into a config',
        argv=('--cfg-options', "custom_hooks=[dict(type='EMAHook',momentum=0.1)]"),
        code=2,
    ),
    Case(
        'An override of what there is not',
        'The index is beyond the list.',
        'Correct the key.',
        '--cfg-options do not fit …: …',
        argv=('--cfg-options', 'param_scheduler.7.type=Adam'),
    ),
    Case(
        'An override that nothing reads',
        'The key is misspelt, or is a variable that the config is composed with, such as `data_root`.',
        handled='A warning names the nearest key that something reads: `train_cfg.max_epochs` for `max_epochs`.',
        argv=('--cfg-options', 'max_epochs=7'),
    ),
    Case(
        'Images without labels to test',
        "The test set's annotations are not given out.",
        'Give `--out FILE`, which writes the predictions, or `--show-dir`. Or correct the annotations.',
        '…0.png and the other test images have no labels, and nothing can be measured: give --out for the '
        'predictions, or correct the annotations of test_dataloader',
        tools=('test',),
        config="test_dataloader['dataset']['with_label'] = False\n",
    ),
    Case(
        'Images without labels, and predictions asked for',
        "The test set's annotations are not given out.",
        handled='The predictions are written, and nothing is measured.',
        tools=('test',),
        argv=('--out', '{folder}/new.pkl'),
        config="test_dataloader['dataset']['with_label'] = False\n",
        check=lambda place: _written(place.folder / 'new.pkl'),
    ),
    Case(
        'Averaged weights that a checkpoint does not have',
        '`--ema` was given with a checkpoint that holds no average.',
        'Leave `--ema` out.',
        '…released.pth: has no averaged weights, under state_dict_ema or model_ema: leave --ema out',
        tools=('convert',),
        damage=released,
        argv=('{folder}/released.pth', '{folder}/x.pth', '--ema'),
    ),
    Case(
        'Mixed precision without a GPU',
        '`--amp` needs a GPU.',
        'Leave `--amp` out.',
        '--amp needs an accelerator and there is none: leave it out, training is in float32',
        argv=('--amp',),
    ),
    Case(
        'A head to draw that there is not',
        'Stages, blocks and heads count from 0.',
        'Choose one that is named.',
        '--heads 9.0:0: the model has …',
        tools=('visualize',),
        argv=('--out-dir', '{folder}/out', '--heads', '9.0:0'),
    ),
]


def _written(path: Path) -> None:
    assert path.stat().st_size > 0
