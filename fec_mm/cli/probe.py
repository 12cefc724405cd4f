"""What tools/analysis_tools/probe_clusters.py does: features of a model's layers, their scores, a report."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.dist import barrier, get_dist_info, is_main_process
from mmengine.registry import DATASETS
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader, Subset

from fec_mm import compat
from fec_mm.checkpoints.reading import check_checkpoint
from fec_mm.engine import StrictLoadHook
from fec_mm.errors import UserError, shown
from fec_mm.evaluation.feature_store import FeatureWriter, is_finished, join, read_columns
from fec_mm.evaluation.features import default_layers, record_features, to_numpy
from fec_mm.evaluation.layer_probe import probe
from fec_mm.evaluation.probe_report import comparison, conclusion, write_report
from fec_mm.fileio import whole_file, write_whole
from fec_mm.wrappers import unwrap

from .config import add_common_options, build_runner, common_options, load_config, log_notes
from .launch import process_group

LABELS = 'labels'  # the column of subclass, superclass, trained label and prediction
SAVE_EVERY = 50  # batches between two savings of the features


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of probing."""
    parser = argparse.ArgumentParser(
        description='Measure how well clusters of features recover subclasses, layer by layer'
    )
    parser.add_argument('config', help='config file, whose test_dataloader has a fec_mm.SuperclassDataset')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--layers',
        nargs='+',
        metavar='NAME',
        help='modules to probe, and `head` for what the classifier reads; default: each stage, and head',
    )
    parser.add_argument(
        '--k', nargs='+', type=int, default=[1, 2, 4], metavar='K', help='clusters per subclass; default: 1 2 4'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], help='of k-means and splits; default: 0 1 2')
    parser.add_argument('--out-dir', help='folder for features and report; default: probe in the work dir')
    parser.add_argument(
        '--compare', nargs='+', default=[], metavar='DIR', help='folders of other probes, to draw beside this one'
    )
    add_common_options(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Probe a checkpoint.

    Args:
        argv: The command line. Default: the process's.

    Returns:
        The content of `results.json`; of processes but the first nothing.

    Raises:
        fec_mm.errors.UserError: On bad input. Other exceptions may be explained by `fec_mm.cli.explain`.
    """
    args = parse_args(argv)
    if min(args.k) < 1:
        raise UserError(f'--k {" ".join(map(str, args.k))}: clusters per subclass are at least 1')
    others = {name: _former(name) for name in args.compare}
    cfg = load_config(args.config, ('model', 'test_dataloader'), **common_options(args))
    check_checkpoint(args.checkpoint)
    cfg.load_from, cfg.resume = args.checkpoint, False
    for part in ('train', 'val', 'test'):  # the runner wants all of a part or nothing
        for kind in ('dataloader', 'cfg', 'evaluator'):
            if (part, kind) != ('test', 'dataloader'):
                cfg.pop(f'{part}_{kind}', None)
    loader = cfg.pop('test_dataloader')
    for unused in ('optim_wrapper', 'param_scheduler', 'auto_scale_lr', 'custom_hooks'):
        cfg.pop(unused, None)
    notes = compat.adapt_to_device(cfg)
    folder = Path(args.out_dir or Path(cfg.work_dir, 'probe'))
    with process_group(args.launcher, **cfg.get('env_cfg', {}).get('dist_cfg', {})):
        meta, settings = _collect(cfg, loader, args, folder, notes)
        if not is_main_process():
            return {}
        results = _score(folder, meta, settings, args)
    if others:
        with whole_file(folder / 'compared.png') as picture:
            comparison({str(folder): results, **others}).savefig(picture, dpi=120)
        print(f'compared with others: {shown(folder / "compared.png")}')
    print(f'{conclusion(results)}\nreport: {shown(folder / "index.html")}')
    return results


def _former(folder: str) -> dict[str, Any]:
    """The results of another probe.

    Raises:
        UserError: There are none.
    """
    file = Path(folder, 'results.json')
    if not file.is_file():
        raise UserError(f'--compare {folder} has no results.json: give the folder of a finished probe')
    results: dict[str, Any] = json.loads(file.read_text())
    return results


def _collect(
    cfg: Config, loader: Any, args: argparse.Namespace, folder: Path, notes: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Write the features of all layers to `folder/features`, each process a share of the rows.

    Returns:
        The metainfo of the data set, and what decides the features.
    """
    runner = build_runner(cfg)
    log_notes(notes)
    dataset = DATASETS.build(loader.dataset)
    meta = getattr(dataset, 'metainfo', {})
    if 'superclass_of' not in meta:
        raise UserError(
            f'{args.config}: test_dataloader has no superclasses: wrap its data set in fec_mm.SuperclassDataset'
        )
    model = unwrap(runner.model)
    layers = args.layers or default_layers(model)
    checkpoint = Path(args.checkpoint)
    settings = {
        'model': repr(cfg.model),
        'dataset': repr(loader.dataset),
        'layers': layers,
        'checkpoint': args.checkpoint,
        'checkpoint_stamp': [checkpoint.stat().st_size, checkpoint.stat().st_mtime_ns] if checkpoint.exists() else None,
    }
    rank, world = get_dist_info()
    rows, features = len(dataset), folder / 'features'
    bounds = [rows * r // world for r in range(world + 1)]
    shards = [folder / f'shard-{r}-of-{world}' for r in range(world)] if world > 1 else [features]
    mine, length = shards[rank], bounds[rank + 1] - bounds[rank]
    if not is_finished(features, rows, settings) and not is_finished(mine, length, settings):
        runner.register_hook(StrictLoadHook(args.checkpoint))
        runner.load_or_resume()
        _extract(model, dataset, loader, bounds[rank], FeatureWriter(mine, length, settings), layers)
    barrier()
    if world > 1 and rank == 0 and not is_finished(features, rows, settings):
        join(shards, features, rows, settings)
    return meta, settings


def _extract(model: Any, dataset: Any, loader: Any, start: int, writer: Any, layers: Sequence[str]) -> None:
    """Run the model over the rows of a writer, which begin at `start` of the data set."""
    rest = Subset(dataset, range(start + writer.done, start + writer.rows))
    batches = DataLoader(rest, loader.batch_size, num_workers=loader.get('num_workers', 0), collate_fn=default_collate)
    model.eval()
    shown = track(batches, 'features', console=Console(stderr=True), disable=not is_main_process(), transient=True)
    with torch.no_grad(), record_features(model, layers) as record:
        for i, batch in enumerate(shown, 1):
            samples = model(**model.data_preprocessor(batch, False), mode='predict')
            labels = [
                [int(getattr(s, key)) for key in ('subclass', 'superclass', 'gt_label', 'pred_label')] for s in samples
            ]
            absent = [name for name in layers if name not in record]
            if absent:
                raise UserError(f'{absent[0]} did not run: choose another module with --layers')
            writer.append({LABELS: np.asarray(labels), **{name: to_numpy(record[name]) for name in layers}})
            if i % SAVE_EVERY == 0:
                writer.save()
    writer.finish()


def _score(folder: Path, meta: dict[str, Any], settings: dict[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Probe each layer, continuing where a former run with the same settings stopped, and write the report."""
    columns = read_columns(folder / 'features')
    subclasses, superclasses, truth, predicted = columns.pop(LABELS).T
    file = folder / 'results.json'
    head: dict[str, Any] = {
        'config': args.config,
        **{key: value for key, value in settings.items() if key != 'layers'},
        'k': args.k,
        'seeds': args.seeds,
        'samples': len(subclasses),
        'superclasses': list(meta['superclasses']),
        'subclasses': list(meta['subclasses']),
        'accuracy_on_trained_labels': float((truth == predicted).mean()),
    }
    results = {**head, 'layers': {}}
    if file.is_file():
        former = json.loads(file.read_text())
        if {key: value for key, value in former.items() if key != 'layers'} == head:
            results = former
    todo = [name for name in settings['layers'] if name not in results['layers']]
    for name in track(todo, 'clusters', console=Console(stderr=True), transient=True):
        try:
            results['layers'][name] = probe(columns[name], subclasses, superclasses, args.k, args.seeds)
        except UserError as error:
            raise UserError(f'layer {name}: {error}') from error
        write_whole(file, json.dumps(results, indent=1))
    results['layers'] = {name: results['layers'][name] for name in settings['layers']}
    write_report(folder, results, columns, subclasses)
    return results
