"""Pure Python configs, whose types are classes, as configs whose types are names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmengine import registry
from mmengine.config import Config


def is_pure_python(cfg: Config) -> bool:
    """Whether a config was read from a file that imports what it names, as with `read_base`."""
    return bool(getattr(cfg, '_imported_names', None))


def with_names(cfg: Config, toolboxes: tuple[str, ...]) -> Config:
    """A pure Python config as others are: toolboxes, hooks and tools compare `type` with names.

    `default_scope`, which such configs leave out, becomes the toolbox of the model, or else of the test data set. A
    class that no registry has stays.

    Args:
        cfg: Read by mmengine; others are returned as they are.
        toolboxes: What `default_scope` may be.
    """
    if not is_pure_python(cfg):
        return cfg
    imported = cfg._imported_names  # variables, beside the settings
    content = {key: value for key, value in cfg.items() if key not in imported}
    if not content.get('default_scope'):
        content['default_scope'] = next((scope for scope in _packages(content) if scope in toolboxes), None)
    return Config(_named(content, content['default_scope']), filename=cfg.filename)


def _packages(content: dict[str, Any]) -> Iterator[str]:
    """The packages of the classes of the model, and then of the data."""
    for part in ('model', 'test_dataloader', 'train_dataloader'):
        for kind in _types(content.get(part)):
            yield kind.__module__.split('.')[0]


def _types(node: Any) -> Iterator[Any]:
    """The classes and functions that are a `type` in a part of a config, outer ones first."""
    if isinstance(node, dict):
        if hasattr(node.get('type'), '__module__'):
            yield node['type']
        for child in node.values():
            yield from _types(child)
    elif isinstance(node, (list, tuple)):
        for child in node:
            yield from _types(child)


def _named(node: Any, scope: str | None) -> Any:
    if isinstance(node, dict):
        return {key: _name(value, scope) if key == 'type' else _named(value, scope) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return type(node)(_named(child, scope) for child in node)
    return node


def _name(kind: Any, scope: str | None) -> Any:
    """The shortest name that a registry of the scope builds a class by; without one the class itself."""
    for root in vars(registry).values():
        if not isinstance(root, registry.Registry) or isinstance(kind, str):
            continue
        own = root.children.get(scope, root)
        for holder in (own, root, *root.children.values()):
            for name, known in holder.module_dict.items():
                if known is kind:
                    return name if own.get(name) is kind else f'{holder.scope}.{name}'
    return kind
