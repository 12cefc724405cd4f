"""What several trainings' clusters and scores come to: means and standard deviations over seeds.

A run is a dict of `task`, `variant`, `seed`, `score` and, of a segmenter, `rows`: those of one model each
(`fec_mm.evaluation.cluster_maps.mean_rows`), with `model` ('trained' or 'untrained').
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .cluster_maps import MEASURES

Run = Mapping[str, Any]
OWN = ('clusters', 'connected')  # methods that are not baselines
COLUMNS = ('segments', 'pieces', 'pieces per segment', *MEASURES)


def over_seeds(values: Sequence[float | None]) -> tuple[float, float]:
    """Mean and standard deviation (n − 1); NaN where there is no number, or no two for a deviation."""
    numbers = [value for value in values if value is not None]
    mean = float(np.mean(numbers)) if numbers else float('nan')
    return mean, float(np.std(numbers, ddof=1)) if len(numbers) > 1 else float('nan')


def cell(values: Sequence[float | None], digits: int = 3) -> str:
    """Mean ± standard deviation, or what there is of them."""
    mean, deviation = over_seeds(values)
    shown = f'{mean:.{digits}f}' if mean == mean else ''
    return f'{shown} ± {deviation:.{digits}f}' if deviation == deviation else shown


def score_table(runs: Sequence[Run], titles: Mapping[str, str]) -> str:
    """A Markdown table: the score of each task and variant.

    Args:
        titles: What each task's score is called.
    """
    lines = ['| task | score | variant | mean | seeds |', '|---|---|---|---|---|']
    for (task, variant), group in _groups(runs, 'task', 'variant').items():
        scores = [run['score'] for run in group]
        each = ', '.join(f'{run["seed"]}: {run["score"]:.4g}' for run in group)
        lines.append(f'| {task} | {titles[task]} | {variant} | {cell(scores)} | {each} |')
    return '\n'.join(lines)


def measure_table(runs: Sequence[Run]) -> str:
    """A Markdown table of the measures of one task's runs: each level, variant, model and baseline."""
    lines = [f'| level | | {" | ".join(COLUMNS)} |', '|' + '---|' * (2 + len(COLUMNS))]
    for (level, what), rows in measured(runs).items():
        cells = [cell([row[name] for row in rows], 0) for name in COLUMNS[:2]]
        cells += [cell([row['pieces'] / row['segments'] for row in rows], 2)]
        cells += [cell([row[name] for row in rows]) for name in MEASURES]
        lines.append(f'| {level} | {what} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def measure_lines(runs: Sequence[Run]) -> dict[str, list[dict[str, Any]]]:
    """The points of `fec_mm.visualization.cluster_figures.measure_figure`, means over seeds.

    Of the baselines, those beside any variant that is trained are one line.
    """
    lines: dict[str, list[dict[str, Any]]] = {}
    for (_, what), rows in measured(runs).items():
        baseline = ', as many as ' in what
        name = what.split(', as many')[0]
        if not baseline or what.endswith(' trained'):
            means = {key: over_seeds([row[key] for row in rows])[0] for key in ('segments', *MEASURES)}
            lines.setdefault(name, []).append(means)
    return lines


def named(method: str, model: str) -> str:
    """What a row is of, in words: 'slic/pieces' beside the model 'm' is 'slic, as many as pieces of m'."""
    baseline, _, equal = method.partition('/')
    if baseline in OWN:
        return model if baseline == 'clusters' else f'{model}, connected'
    return f'{baseline}, as many as {equal or "segments"} of {model}'


def measured(runs: Sequence[Run]) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """The rows of all seeds by level and by what they are of, level by level."""
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for run in runs:
        for row in run.get('rows', ()):
            what = named(row['method'], f'{run["variant"]} {row["model"]}')
            found.setdefault((row['level'], what), []).append(row)
    return dict(sorted(found.items(), key=lambda item: item[0][0]))


def _groups(runs: Sequence[Run], *keys: str) -> dict[tuple[Any, ...], list[Run]]:
    groups: dict[tuple[Any, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(run[key] for key in keys), []).append(run)
    return groups
