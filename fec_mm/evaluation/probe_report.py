"""The report of a probe: a Markdown table, plots, and one HTML page with both."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fec_mm.fileio import write_whole
from fec_mm.visualization.probe_figures import confusion_figure, embedding_figure, layer_figure

from .embedding import embed
from .partitions import contingency, kmeans, matching

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EMBEDDED = 2_000  # samples in the picture

COLUMNS = [('global', name) for name in ('nmi', 'ami', 'ari', 'purity', 'accuracy', 'silhouette')] + [
    ('within', 'ami'),
    ('within', 'accuracy'),
    ('read_out', 'knn'),
    ('read_out', 'linear'),
]

GROUPS = {'global': 'all subclasses', 'within': 'within each superclass', 'read_out': 'read-outs'}  # in a figure
WORDS = {'nmi': 'NMI', 'ami': 'AMI', 'ari': 'ARI', 'knn': '20 nearest neighbours', 'linear': 'logistic regression'}


def score(layer: Mapping[str, Any], group: str, name: str, k: str = '1') -> dict[str, Any]:
    """A score of a layer: mean, std and values; `k` is not for the read-outs."""
    found: dict[str, Any] = layer[group][name] if group == 'read_out' else layer[group][k][name]
    return found


def table(results: Mapping[str, Any]) -> list[list[str]]:
    """A row per layer and number of clusters, under a row of titles; read-outs are in the first of a layer."""
    ks = [str(k) for k in results['k']]
    rows = [
        [
            'layer',
            'clusters per subclass',
            *(f'{group} {name}'.replace('global ', '').replace('read_out ', '') for group, name in COLUMNS),
        ]
    ]
    for name, layer in results['layers'].items():
        for k in ks:
            cells = [score(layer, g, n, k) if g != 'read_out' or k == ks[0] else None for g, n in COLUMNS]
            rows.append([name, k, *('' if c is None else f'{c["mean"]:.3f} ± {c["std"]:.3f}' for c in cells)])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row are the titles."""
    lines = [[cell.replace('|', '\\|') for cell in row] for row in rows]
    lines.insert(1, ['---'] * len(rows[0]))
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def write_report(
    folder: Path, results: Mapping[str, Any], features: Mapping[str, np.ndarray], subclasses: np.ndarray
) -> None:
    """Write `results.md`, `layers.png`, `confusion.png`, `embedding.png` and, last, `index.html`.

    Confusion and embedding are of the layer with the highest AMI of as many clusters as subclasses, or of the first `k`
    given.

    Args:
        results: The content of `results.json`.
        features: The features of each layer, N×C.
        subclasses: N.
    """
    best, k = best_layer(results)
    seed, names = results['seeds'][0], results['subclasses']
    clusters = kmeans(features[best], int(k) * len(np.unique(subclasses)), seed)
    counts = contingency(subclasses, clusters)
    matched = [c for c in matching(counts).tolist() if c >= 0]
    counts = counts[:, matched + [c for c in range(counts.shape[1]) if c not in matched]]
    chosen = np.arange(len(subclasses))
    if len(chosen) > EMBEDDED:
        chosen = np.sort(np.random.RandomState(seed).choice(chosen, EMBEDDED, replace=False))
    figures = {
        'layers': layer_figure(
            {
                title: {
                    WORDS.get(name, name): layer_scores(results, of, name, k) for of, name in COLUMNS if of == group
                }
                for group, title in GROUPS.items()
            }
        ),
        'confusion': confusion_figure(counts, names, f'{best}: clusters, in the order of the subclasses they match'),
        'embedding': embedding_figure(
            embed(np.asarray(features[best][chosen]), seed),
            subclasses[chosen],
            names,
            f'{best}: t-SNE of {len(chosen)} samples',
        ),
    }
    pictures = {name: _png(figure) for name, figure in figures.items()}
    for name, picture in pictures.items():
        write_whole(folder / f'{name}.png', picture)
    rows = table(results)
    write_whole(folder / 'results.md', markdown(rows))
    write_whole(folder / 'index.html', page(results, rows, pictures))


def best_layer(results: Mapping[str, Any]) -> tuple[str, str]:
    """The layer with the highest AMI of as many clusters as subclasses, or of the first `k` given; and that k."""
    k = str(1 if 1 in results['k'] else results['k'][0])
    return max(results['layers'], key=lambda name: score(results['layers'][name], 'global', 'ami', k)['mean']), k


def conclusion(results: Mapping[str, Any]) -> str:
    """The best layer and its scores, in a line."""
    name, k = best_layer(results)
    layer = results['layers'][name]
    found = {
        'AMI': score(layer, 'global', 'ami', k),
        'AMI within superclasses': score(layer, 'within', 'ami', k),
        'linear read-out': score(layer, 'read_out', 'linear'),
    }
    scores = ', '.join(f'{what} {value["mean"]:.3f} ± {value["std"]:.3f}' for what, value in found.items())
    return f'best layer {name}: {scores}; accuracy on the trained labels {results["accuracy_on_trained_labels"]:.4f}'


def comparison(models: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Scores of several probes, layer by layer, in one plot.

    Args:
        models: The content of each `results.json`, by the name of its line.
    """
    panels = {
        'all subclasses': ('AMI', 'global', 'ami'),
        'within each superclass': ('AMI', 'within', 'ami'),
        'linear read-out': ('accuracy', 'read_out', 'linear'),
    }
    return layer_figure(
        {
            f'{what}, {title}': {
                name: layer_scores(results, group, score_name, best_layer(results)[1])
                for name, results in models.items()
            }
            for title, (what, group, score_name) in panels.items()
        }
    )


def layer_scores(results: Mapping[str, Any], group: str, name: str, k: str) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of a score of each layer."""
    found = {layer: score(scores, group, name, k) for layer, scores in results['layers'].items()}
    return {layer: (value['mean'], value['std']) for layer, value in found.items()}


def page(results: Mapping[str, Any], rows: Sequence[Sequence[str]], pictures: Mapping[str, bytes]) -> str:
    """One HTML page that needs no other file."""

    def row(cells: Sequence[str], tag: str) -> str:
        return '<tr>' + ''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells) + '</tr>'

    facts = {
        'config': results['config'],
        'checkpoint': results['checkpoint'],
        'samples': results['samples'],
        'superclasses': ', '.join(results['superclasses']),
        'subclasses': ', '.join(results['subclasses']),
        'accuracy on the trained labels': f'{results["accuracy_on_trained_labels"]:.4f}',
        'seeds': ', '.join(map(str, results['seeds'])),
    }
    images = ''.join(
        f'<h2>{name}</h2><img alt="{name}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        for name, png in pictures.items()
    )
    style = (
        'body{font:15px sans-serif;margin:2em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em '
        '.6em;'
        'text-align:left}img{max-width:100%}.wide{overflow-x:auto}'
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Cluster probe</title><style>{style}</style>'
        '<h1>Clusters and hidden subclasses</h1>'
        f'<table>{"".join(row([key, str(value)], "td") for key, value in facts.items())}</table>'
        '<p>Mean ± standard deviation over the seeds of k-means and of the splits.</p>'
        f'<div class="wide"><table>{row(rows[0], "th")}{"".join(row(cells, "td") for cells in rows[1:])}</table></div>'
        f'{images}</html>\n'
    )


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format='png', dpi=120)
    return file.getvalue()
