"""One line for settings that nothing fits: types, packages, shapes, arguments."""

from __future__ import annotations

import difflib
import re

from .explain_files import data_hint
from .tracebacks import frames, line, message

# What torch says when layers that were configured apart do not fit together.
MISFITS = (
    (
        r'mat1 and mat2 shapes cannot be multiplied.*|expected input\[.*?\] to have \d+ channels.*|running_mean '
        r'should .*',
        'does not fit what comes before it: compare in_channels, out_channels, out_indices and num_classes in the '
        'config',
    ),
    (r'takes images of at least .*', 'that is what Resize and pad_size_divisor of the config leave of them'),
    (r'Target -?\d+ is out of bounds.*', 'a label exceeds the classes of the head: correct num_classes or the labels'),
)
# Functions under which a deliberate exception is about the config: builders of the registries, hooks before the start.
SETTING_UP = re.compile(r'build_\w*from_cfg|from_cfg|build_dataloader|before_\w+|import_from_location')


def explain_settings(error: BaseException) -> str | None:
    """What went wrong, and what to do, in one line; None for another kind of exception.

    Args:
        error: A caught exception, with its traceback.
    """
    kinds = (_unknown_type, _missing_package, _misfit, _missing_setting, _bad_setting)
    return next((said for about in kinds if (said := about(error)) is not None), None)


def _unknown_type(error: BaseException) -> str | None:
    """mmengine/registry/build_functions.py; of optimizers mmengine/optim/optimizer/default_constructor.py."""
    match = re.match(r'(\S+) is not in the (?:(\w+)::)?(\w[\w ]*) registry', message(error))
    if isinstance(error, KeyError) and match is not None:
        kind, scope, name = match.groups()
    elif isinstance(error, TypeError) and message(error) == 'None is not a callable object':
        configs = [frame.f_locals['optimizer_cfg'] for frame, _ in frames(error) if 'optimizer_cfg' in frame.f_locals]
        if not configs:
            return None
        kind, scope, name = configs[0]['type'], None, 'optimizer'
    else:
        return None
    known = _registered(name, scope, kind)
    last = kind.rsplit('.', 1)[-1].lower()
    close = [n for n in known if n.rsplit('.', 1)[-1].lower() == last] or difflib.get_close_matches(kind, known, n=1)
    return f"type='{kind}' in the config is no {name} of {scope or 'mmengine'}" + (
        f": did you mean '{close[0]}'?" if close else ': correct it, or name its package in custom_imports'
    )


def _registered(name: str, scope: str | None, kind: str) -> list[str]:
    """The names a registry and its parents know; for a `kind` with a scope, also those of that scope."""
    from mmengine import registry

    names: list[str] = []
    for root in vars(registry).values():
        if not isinstance(root, registry.Registry):
            continue
        for child in root.children.values():
            if name in (root.name, child.name):
                prefix = '' if child.scope == scope else f'{child.scope}.'
                if not prefix or kind.startswith(prefix):
                    names += [prefix + key for key in child.module_dict]
        if name == root.name or any(child.name == name and child.scope == scope for child in root.children.values()):
            names += root.module_dict
    return names


def _missing_package(error: BaseException) -> str | None:
    if not isinstance(error, ModuleNotFoundError):
        return None
    if error.name == 'mmcv.ops':  # mmcv-lite
        return 'mmcv is without its operators, which detectors and segmenters need: `make setup` compiles them, once'
    if error.name == 'mmcv._ext':
        return (
            'mmcv was built without its operators: rebuild it beside the installed torch, '
            'pip install --no-build-isolation --force-reinstall --no-deps mmcv'
        )
    if error.name == 'pkg_resources':
        return "setuptools is too new for mmengine, it has no pkg_resources: pip install 'setuptools<81'"
    return None


def _misfit(error: BaseException) -> str | None:
    if not isinstance(error, (RuntimeError, IndexError, ValueError)):
        return None
    normalising = re.search('preprocessor', module_path(error), re.IGNORECASE)
    if normalising and 'must match the size of tensor' in message(error):
        return f'{module_path(error)}: {message(error)}: give mean and std one number, or one for each channel'
    for pattern, advice in MISFITS:
        match = re.search(pattern, message(error))
        where = module_path(error) if match else ''
        if match and where:
            return f'{where}: {match[0]}: {advice}'
    return None


def module_path(error: BaseException) -> str:
    """Name and settings of the innermost layer in whose forward an exception arose; empty when there was none."""
    from torch.nn import Module

    found = [frame.f_locals.get('self') for frame, _ in frames(error)]
    # One whose `__init__` has not come to `Module`'s has no parts to look into.
    modules = [module for module in found if isinstance(module, Module) and '_modules' in vars(module)]
    if not modules:
        return ''
    inner, outer = modules[0], modules[-1]
    name = next((name for name, module in outer.named_modules() if module is inner), '')
    settings = inner.extra_repr() if not any(inner.children()) else ''
    path = f'{type(outer).__name__}.{name}' if name else type(outer).__name__
    return f'{path} ({type(inner).__name__}{": " if settings else ""}{settings})'


def _missing_setting(error: BaseException) -> str | None:
    """mmengine/config/config.py, `ConfigDict.__missing__` and `__getattr__`."""
    match = re.search(r"'ConfigDict' object has no attribute '(\w+)'", message(error))
    if isinstance(error, KeyError):
        match = re.fullmatch(r"'?(\w+)'?", message(error))
        if not any(frame.f_code.co_name == '__missing__' for frame, _ in frames(error)):
            return None
    if not isinstance(error, (AttributeError, KeyError)) or match is None:
        return None
    owners = (
        type(frame.f_locals['self']).__name__
        for frame, _ in frames(error)
        if 'self' in frame.f_locals and not isinstance(frame.f_locals['self'], dict)
    )
    return f"{next(owners, 'the model')} needs '{match[1]}' from the config, which does not have it: add it"


def _bad_setting(error: BaseException) -> str | None:
    """An exception raised on purpose, or a wrong argument, while mmengine builds what the config says.

    Raised on purpose: by a `raise` or `assert` statement. Others, which just happened there, are bugs.
    """
    passed = list(frames(error))
    if not passed or not any(SETTING_UP.fullmatch(frame.f_code.co_name) for frame, _ in passed):
        return None
    frame, number = passed[0]
    kinds = (AssertionError, ValueError, TypeError, KeyError, RuntimeError)
    on_purpose = isinstance(error, kinds) and line(frame, number).startswith(('raise', 'assert'))
    # Also of a class that passes arguments on to its base.
    arguments = isinstance(error, TypeError) and (
        frame.f_code.co_name.endswith('from_cfg') or line(frame, number).startswith('super().__init__(')
    )
    if not on_purpose and not arguments:
        return None
    text = message(error) or line(frame, number)
    owner = type(frame.f_locals['self']).__name__ if 'self' in frame.f_locals else ''
    return f'{owner + ": " if owner and owner not in text else ""}{text}{data_hint(text) or " (correct the config)"}'
