"""The tasks of BREEDS (Santurkar et al., arXiv 2008.04859): superclasses of ImageNet-1K from its class hierarchy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fec_mm.errors import UserError
from fec_mm.optional import optional

if TYPE_CHECKING:
    import networkx

ROOT = 'n00001740'
SEED = 2  # with which BREEDS draws subclasses
FILES = ('class_hierarchy.txt', 'node_names.txt', 'dataset_class_info.json')
GET_THEM = (
    f'get {", ".join(FILES)} from github.com/MadryLab/BREEDS-Benchmarks, folder imagenet_class_hierarchy/modified, '
    'into one folder'
)


class Superclass(NamedTuple):
    """Classes under one label; `wnid` is the WordNet id of BREEDS, `subclasses` are class indices of the data set."""

    wnid: str | None
    name: str
    subclasses: tuple[int, ...]


class Task(NamedTuple):
    """The nodes at a level below the root, perhaps only those under one node, with at least so many ImageNet classes
    each.

    `superclasses` is how many that are in the hierarchy of BREEDS.
    """

    name: str
    level: int
    under: str | None
    subclasses: int
    superclasses: int


TASKS = {
    task.name: task
    for task in (
        Task('entity13', 3, None, 20, 13),
        Task('entity30', 4, None, 8, 30),
        Task('living17', 5, 'n00004258', 4, 17),
        Task('nonliving26', 5, 'n00021939', 4, 26),
    )
}


class Hierarchy(NamedTuple):
    """What the three files say: edges from parent to child, the nodes' names, and the class index of each wnid."""

    graph: networkx.DiGraph
    names: dict[str, str]
    classes: dict[str, int]


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        UserError: There is none.
    """
    if name not in TASKS:
        raise UserError(f"BREEDS has no task '{name}': choose one of {', '.join(TASKS)}")
    return TASKS[name]


def read_hierarchy(folder: str | Path) -> Hierarchy:
    """Read the three files of BREEDS.

    Args:
        folder: With `class_hierarchy.txt` (parent child, a line each), `node_names.txt` (id, tab, name) and
            `dataset_class_info.json` ([class index, wnid, name] of each class).

    Raises:
        UserError: One is missing or damaged; the text says where to get it.
    """
    nx = optional('networkx', 'tasks of BREEDS')
    edges_file, names_file, classes_file = (Path(folder, name) for name in FILES)
    edges = [line.split() for line in _text(edges_file).splitlines() if line.strip()]
    if not edges or any(len(edge) != 2 for edge in edges):
        raise _damaged(edges_file, 'a line is not `parent child`')
    graph = nx.DiGraph(edges)
    if ROOT not in graph or not nx.is_directed_acyclic_graph(graph):
        raise _damaged(edges_file, f'{ROOT} is not the root of an acyclic graph')
    names = dict(line.split('\t', 1) for line in _text(names_file).splitlines() if '\t' in line)
    if names.keys() ^ set(graph):
        odd = min(names.keys() ^ set(graph))
        raise UserError(
            f'{names_file} and {edges_file.name} do not list the same nodes, such as {odd}: one is damaged; {GET_THEM}'
        )
    try:
        classes = {str(wnid): int(index) for index, wnid, _ in json.loads(_text(classes_file))}
    except (ValueError, TypeError) as error:
        raise _damaged(classes_file, 'it is no list of [class index, wnid, name]') from error
    # Not every class is in the hierarchy: BREEDS leaves some out.
    lost = {node for node, children in graph.out_degree() if not children} - classes.keys()
    if lost:
        raise _damaged(classes_file, f'it has no class {min(lost)}')
    return Hierarchy(graph, names, classes)


def derive(task: Task, hierarchy: Hierarchy) -> list[Superclass]:
    """The superclasses of a task, sorted by wnid, with the subclasses that BREEDS draws for each.

    Raises:
        UserError: There are not as many superclasses as the task has.
    """
    nx = optional('networkx', 'tasks of BREEDS')
    classes = hierarchy.classes.keys() & set(hierarchy.graph)
    graph = hierarchy.graph.subgraph(classes.union(*(nx.ancestors(hierarchy.graph, wnid) for wnid in classes)))
    levels = {ROOT: 0}  # of each node below the root: its longest path from there
    for node in nx.topological_sort(graph.subgraph(nx.descendants(graph, ROOT))):
        levels[node] = 1 + max(levels[parent] for parent in graph.predecessors(node) if parent in levels)
    below = nx.descendants(graph, task.under) if task.under in graph else set() if task.under else set(levels)

    draw = np.random.RandomState(SEED)
    superclasses = []
    for node in sorted(node for node, level in levels.items() if level == task.level and node in below):
        leaves = sorted(nx.descendants(graph, node) & classes)
        if len(leaves) >= task.subclasses:
            drawn = draw.choice(leaves, task.subclasses, replace=False)
            subclasses = tuple(hierarchy.classes[str(wnid)] for wnid in drawn)
            superclasses.append(Superclass(node, hierarchy.names[node], subclasses))
    if len(superclasses) != task.superclasses:
        raise UserError(
            f'the hierarchy gives {task.name} {len(superclasses)} superclasses instead of {task.superclasses}: '
            f'it is damaged, or not that of BREEDS; {GET_THEM}'
        )
    return superclasses


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except FileNotFoundError as error:
        raise UserError(f'{path} does not exist: {GET_THEM}') from error
    except (OSError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f'{path} is damaged ({why}): {GET_THEM}')
