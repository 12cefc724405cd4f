"""What a case of bad input is, and the folder that it is tried in."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fec_mm.cli import probe, test, train
from tests.tools.commands import tool
from tests.tools.tiny import make_config

TASKS = {'mmpretrain': 'classification', 'mmdet': 'detection', 'mmseg': 'segmentation'}
FIRST = {'mmpretrain': 'classes/left/0.png', 'mmdet': 'images/0.png', 'mmseg': 'images/0.png'}
# In colour, so that every tool can show it; one epoch; and FEC, which has clusters to show.
SHORT = """train_cfg['max_epochs'] = 1
default_hooks['checkpoint']['save_best'] = None
model['backbone']['type'] = 'fec_mm.FEC'
"""
COLOUR = """
model['backbone']['in_channels'] = 3
model['data_preprocessor'] = dict(num_classes=2, mean=[127.] * 3, std=[127.] * 3, to_rgb=True)
train_pipeline[0]['color_type'] = 'color'
"""


@dataclass
class Place:
    """A folder of a case's own: `data`, an earlier checkpoint in `work`, and what the commands are given."""

    folder: Path
    scope: str
    checkpoint: Path
    given: dict[str, Any] = field(
        default_factory=dict
    )  # what a damage says of itself, for the command line and the check

    @property
    def data(self) -> Path:
        return self.folder / 'data'

    @property
    def image(self) -> Path:
        """The image that is damaged."""
        return self.data / FIRST[self.scope]

    @property
    def config(self) -> Path:
        return self.folder / f'{self.scope}.py'

    def boxes(self, change: Callable[[dict], object]) -> None:
        """Change the annotations of detection."""
        content = json.loads((self.data / 'boxes.json').read_text())
        change(content)
        (self.data / 'boxes.json').write_text(json.dumps(content))

    def log(self) -> str:
        """What the tool wrote into its log."""
        return ''.join(path.read_text() for path in self.folder.glob('work/*/*.log'))

    def loaded(self) -> np.ndarray:
        """The damaged image as the pipelines load it: H×W×3, BGR."""
        from mmcv.transforms import LoadImageFromFile

        image: np.ndarray = LoadImageFromFile()(dict(img_path=str(self.image)))['img']
        return image


@dataclass(frozen=True)
class Case:
    """Bad input, what becomes of it, and what `docs/errors.md` says of it.

    Attributes:
        name: what is wrong, in the title of the document.
        cause: why that happens.
        cure: what to do.
        says: the line behind `error: `, with … for what differs from run to run; empty: the input is handled.
        handled: what is done about it, where it is.
        damage: does it.
        scope: whose task it is tried with.
        config: the end of the config.
        tools: the commands that it is tried with; the first of them by default, the others among the `faults`.
        argv: more arguments.
        code: the exit code.
        check: asserts what `handled` says.
    """

    name: str
    cause: str
    cure: str = ''
    says: str = ''
    handled: str = ''
    damage: Callable[[Place], object] = lambda place: None
    scope: str = 'mmpretrain'
    config: str = ''
    tools: tuple[str, ...] = ('train',)
    argv: tuple[str, ...] = ()
    code: int = 1
    check: Callable[[Place], object] = lambda place: None

    def matches(self, line: str) -> bool:
        """Whether this is what the tool was to say."""
        return re.fullmatch('.+'.join(re.escape(part) for part in self.says.split('…')), line) is not None


def prepare(case: Case, root: Path, folder: Path, checkpoint: Path) -> Place:
    """The folder of a case, its damage done."""
    shutil.copytree(root / 'data', folder / 'data')
    (folder / 'work').mkdir()
    for name in ('work/epoch_9.pth', 'result.pkl', 'result.json', 'afile'):
        (folder / name).write_bytes(b'of an earlier run')
    place = Place(folder, case.scope, checkpoint)
    write_config(place, case.config)
    case.damage(place)
    return place


def write_config(place: Place, extra: str = '') -> None:
    """The config of a place, ended by the text `extra`, in which {folder} and {checkpoint} are filled in."""
    extra = extra.replace('{folder}', str(place.folder)).replace('{checkpoint}', str(place.checkpoint))
    make_config(
        place.folder, place.scope, SHORT + (COLOUR if place.scope == 'mmpretrain' else '') + extra, place.folder
    )


def command(name: str, place: Place, argv: tuple[str, ...]) -> Callable[[], object]:
    """A tool with its arguments, to be called."""
    given = {'folder': place.folder, 'checkpoint': place.checkpoint, **place.given}
    more = [word.format(**given) for word in argv]
    config, checkpoint = (
        str(place.given.get('config', place.config)),
        str(place.given.get('checkpoint', place.checkpoint)),
    )
    work, out = ['--work-dir', str(place.folder / 'work')], str(place.folder / 'out')

    def infer() -> object:
        from fec_mm.apis import FECInferencer

        inferencer = FECInferencer(TASKS[place.scope], config, checkpoint, device='cpu')
        return inferencer(place.given.get('input', place.image), out_dir=out)

    tools: dict[str, Callable[[], object]] = {
        'train': lambda: train.main([config, *work, *more]),
        'test': lambda: test.main([config, checkpoint, *work, *more]),
        'probe': lambda: probe.main([config, checkpoint, *work, '--out-dir', out, *more]),
        'infer': infer,
        'visualize': lambda: tool('visualization/visualize_clusters.py').main(
            [
                config,
                str(place.given.get('input', place.image)),
                '--checkpoint',
                checkpoint,
                *(more or ['--out-dir', out, '--html']),
            ]
        ),
        'eval_cluster_maps': lambda: tool('analysis_tools/eval_cluster_maps.py').main(
            [config, '--checkpoint', checkpoint, '--out-dir', out, *more]
        ),
        'convert': lambda: tool('model_converters/convert_released.py').main(
            more or [checkpoint, f'{place.folder}/result.pkl']
        ),
        'fuse': lambda: tool('model_converters/fuse.py').main([config, checkpoint, f'{place.folder}/result.pkl']),
    }
    return tools[name]
