"""What the runs of a bench of backbones come to: tables of means and standard deviations over seeds.

A run is a dict of `model`, `part` ('classes' or 'superclasses'), `seed`, and what `fec_mm.cli.backbone_bench.run`
returns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .cluster_rows import MEASURES
from .cluster_summary import cell, over_seeds
from .probe_report import markdown

Run = Mapping[str, Any]
Costs = Mapping[str, Mapping[str, float]]
HEALTH = MEASURES[:4]
KINDS = {'encode layers': 'stages.', 'pooling layers': 'downsamples.'}  # by the beginnings of their names


def of(runs: Sequence[Run], model: str, part: str) -> list[Run]:
    """The runs of a model and part."""
    return [run for run in runs if (run['model'], run['part']) == (model, part)]


def accuracies(runs: Sequence[Run], model: str) -> tuple[float, float]:
    """Mean and standard deviation of the accuracy on classes; NaN where there is none."""
    return over_seeds([run['accuracy'] for run in of(runs, model, 'classes')])


def score_table(runs: Sequence[Run], costs: Costs) -> str:
    """A row per model: its size, its accuracy on classes and, trained on superclasses, what it knows of classes."""
    titles = ['', 'parameters', '10⁶ multiply-adds', 'top-1 (%)', 'seeds', 'superclasses (%)']
    titles += ['within AMI', 'its best layer', 'within accuracy', 'all AMI', 'linear read-out']
    rows = [titles]
    for model, cost in costs.items():
        own, hidden = of(runs, model, 'classes'), of(runs, model, 'superclasses')

        def probed(key: str, where: str = 'head', hidden: Sequence[Run] = hidden) -> str:
            return cell([run['probe'][key][where] for run in hidden])

        rows.append(
            [
                model,
                f'{cost["parameters"]:,}',
                f'{cost["multiply_adds"] / 1e6:.1f}',
                cell([run['accuracy'] for run in own], 2),
                ', '.join(f'{run["accuracy"]:.2f}' for run in own),
                cell([run['accuracy'] for run in hidden], 2),
                probed('within ami'),
                probed('within ami', 'best'),
                *(probed(key) for key in ('within accuracy', 'global ami', 'read_out linear')),
            ]
        )
    return markdown(rows)


def speed_table(speeds: Mapping[str, Costs]) -> str:
    """A row per model and device."""
    rows = [['', 'device', 'images/s forward', 'images/s forward and backward', 'MiB of the latter']]
    for device, models in speeds.items():
        for model, found in models.items():
            cells = [f'{found["eval"]:.0f}', f'{found["train"]:.0f}', f'{found["peak_mib"]:.0f}']
            rows.append([model, device, *cells])
    return markdown(rows)


def health_table(runs: Sequence[Run], costs: Costs) -> str:
    """A row per model and kind of layer: the mean over layers of what makes clusters healthy."""
    rows = [['', 'layers', *HEALTH]]
    for model in costs:
        for kind, beginning in KINDS.items():
            own = [
                [row for row in run['clusters'] if row['layer'].startswith(beginning)]
                for run in _clustered(runs, model)
            ]
            if any(own):
                means = ([over_seeds([row[m] for row in layers])[0] for layers in own] for m in HEALTH)
                rows.append([model, kind, *(cell(values) for values in means)])
    return markdown(rows)


def layer_table(runs: Sequence[Run], costs: Costs) -> str:
    """A row per model and layer: every measure."""
    rows = [['', 'layer', *(measure.replace('_', ' ') for measure in MEASURES)]]
    for model in costs:
        found: dict[str, list[Run]] = {}
        for run in _clustered(runs, model):
            for row in run['clusters']:
                found.setdefault(row['layer'], []).append(row)
        for layer, same in found.items():
            rows.append([model, layer, *(cell([row[m] for row in same]) for m in MEASURES)])
    return markdown(rows)


def _clustered(runs: Sequence[Run], model: str) -> list[Run]:
    return [run for run in of(runs, model, 'classes') if run['clusters']]
