"""The runs of tools/benchmark_backbones.py: a small backbone trained by the quick start's recipe, tested, looked into.

A run is of a model, a seed and a part: 'classes' trains on the classes, 'superclasses' on what unites them.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from fec_mm.apis.models import project_folder
from fec_mm.errors import UserError
from fec_mm.evaluation.probe_report import score
from fec_mm.fileio import write_whole

from .study import run_step

PARTS = ('classes', 'superclasses')
CONFIGS = project_folder() / 'configs'
IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def mini_models() -> dict[str, dict[str, Any]]:
    """The small models by name: config of the `backbone`, and `channels` of its last map."""
    found: dict[str, dict[str, Any]] = Config.fromfile(CONFIGS / '_base_' / 'models' / 'minis.py').minis.to_dict()
    return found


@dataclass(frozen=True)
class Bench:
    """What all runs have in common.

    Args:
        data: Folder of `train/<class>/` and `val/<class>/`. Default: the quick start's digits.
        size: Side of the square that images are resized to. Default: 48.
        epochs: Of training. Default: 12, the quick start's.
        superclasses: What `SuperclassDataset` takes. Default: look-alike pairs of digits, or pairs of neighbours in the
            order of the names.
        models: Those of `mini_models`.

    Raises:
        UserError: There are no images, or fewer than two classes.
    """

    data: Path | None = None
    size: int = 48
    epochs: int = 12
    superclasses: list[dict[str, Any]] | None = None
    models: dict[str, dict[str, Any]] = field(default_factory=mini_models)

    @property
    def classes(self) -> list[str]:
        """Their names, in order."""
        if self.data is None:
            return [str(digit) for digit in range(10)]
        splits = [sorted(p.name for p in (self.data / s).glob('*') if p.is_dir()) for s in ('train', 'val')]
        if len(splits[0]) < 2 or splits[0] != splits[1]:
            raise UserError(
                f'--data {self.data}: expected the same two or more folders of classes in train and in val, '
                f'and found {len(splits[0])} and {len(splits[1])}'
            )
        return splits[0]

    def united(self) -> list[dict[str, Any]]:
        """The superclasses."""
        if self.superclasses is not None:
            return self.superclasses
        if self.data is None:
            task = Config.fromfile(CONFIGS / 'probing' / '_base_' / 'tasks' / 'digits.py')
            return [dict(pair) for pair in task.natural]
        names = self.classes
        members = [list(range(i, min(i + 2, len(names)))) for i in range(0, len(names), 2)]
        if len(members[-1]) == 1 and len(members) > 1:  # of an odd number the last three go together
            members[-2:] = [members[-2] + members[-1]]
        return [dict(name='-'.join(names[c] for c in pair), subclasses=pair) for pair in members]

    def config(self, name: str, part: str, seed: int) -> Config:
        """The config of a run: the quick start's classifier with another backbone, and on other data."""
        cfg = Config.fromfile(CONFIGS / 'quickstart' / 'classification.py')
        model = self.models[name]
        labels = len(self.classes) if part == 'classes' else len(self.united())
        cfg.model.backbone = model['backbone']
        cfg.model.head.update(in_channels=model['channels'], num_classes=labels)
        cfg.data_preprocessor.num_classes = labels
        cfg.randomness = dict(seed=seed)
        cfg.max_epochs = cfg.train_cfg.max_epochs = cfg.train_cfg.val_interval = self.epochs
        cfg.param_scheduler.total_steps = self.epochs
        cfg.default_hooks.checkpoint.max_keep_ckpts = 1
        if self.data is not None:
            cfg.data_preprocessor.update(IMAGENET)
        for split in ('train', 'val', 'test'):
            loader = cfg[f'{split}_dataloader']
            loader.update(num_workers=0, persistent_workers=False)  # a run has one core
            dataset = loader.dataset
            steps = [{**step, 'scale': self.size} if step['type'] == 'Resize' else step for step in dataset.pipeline]
            if self.data is not None:
                dataset.data_root = str(self.data.resolve())
                if split == 'train':
                    steps.insert(-1, dict(type='RandomFlip', prob=0.5))
            dataset.pipeline = steps
            if part == 'superclasses':
                loader.dataset = dict(type='fec_mm.SuperclassDataset', superclasses=self.united(), dataset=dataset)
        return cfg


def run(file: Path, cfg: Config, model: str, part: str, seed: int) -> dict[str, Any]:
    """Train and measure in the folder of the config `file`, or what is left of that.

    Returns:
        `model`, `part`, `seed`, `accuracy` (%) on held-out images, and `minutes` of training since its last start. Of
        'classes' also `clusters`, the rows of cluster_health.py, none of a backbone that does not cluster. Of
        'superclasses' also `probe`, scores of what the classifier reads, and the best of any layer.

    Raises:
        UserError: A tool failed; what it said is in `folder/log`.
    """
    folder = file.parent
    result = folder / 'result.json'
    if result.is_file():
        return json.loads(result.read_text())
    trained, begin = folder / 'trained.json', time.monotonic()
    if not trained.is_file():
        run_step(folder, 'train.py', file, '--work-dir', folder / 'train', '--resume')
        write_whole(trained, json.dumps(dict(minutes=(time.monotonic() - begin) / 60)))
    checkpoint = (folder / 'train' / 'last_checkpoint').read_text().strip()
    measured = _test(folder, file, checkpoint, cfg) if part == 'classes' else _probe(folder, file, checkpoint)
    found = dict(model=model, part=part, seed=seed, **json.loads(trained.read_text()), **measured)
    write_whole(result, json.dumps(found, indent=1))
    print(f'{folder.name}: {found["accuracy"]:.2f} %', flush=True)
    return found


def _test(folder: Path, file: Path, checkpoint: str, cfg: Config) -> dict[str, Any]:
    metrics, rows = folder / 'metrics.json', folder / 'clusters.json'
    out = ('--out', metrics, '--out-item', 'metrics')
    run_step(folder, 'test.py', file, checkpoint, '--work-dir', folder / 'test', *out)
    clusters = []
    if cfg.model.backbone.type.startswith('fec_mm.'):
        run_step(folder, 'analysis_tools/cluster_health.py', file, checkpoint, '--json', rows)
        clusters = json.loads(rows.read_text())
    return dict(accuracy=json.loads(metrics.read_text())['accuracy/top1'], clusters=clusters)


def _probe(folder: Path, file: Path, checkpoint: str) -> dict[str, Any]:
    where = ('--work-dir', folder / 'test', '--out-dir', folder / 'probe')
    run_step(folder, 'analysis_tools/probe_clusters.py', file, checkpoint, '--k', 1, *where)
    results = json.loads((folder / 'probe' / 'results.json').read_text())
    layers = results['layers']
    scores = {key: {name: score(each, *key.split())['mean'] for name, each in layers.items()} for key in PROBED}
    probe = {key: dict(head=each['head'], best=max(each.values())) for key, each in scores.items()}
    return dict(accuracy=100 * results['accuracy_on_trained_labels'], probe=probe)


# Groups and names of scores, see `fec_mm.evaluation.layer_probe.probe`.
PROBED = ('within ami', 'within accuracy', 'global ami', 'read_out linear')
