"""The settings of a backbone's stages: an arch with what overrides it, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Arch = Mapping[str, Any]


def stage_settings(
    name: str,
    arch: str | Arch,
    archs: Mapping[str, Arch],
    per_stage: Sequence[str],
    defaults: Mapping[str, Any],
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    """The settings of each stage.

    Args:
        name: Of the backbone, for messages.
        arch: One of `archs` by its name, or a dict.
        archs: The published ones.
        per_stage: The settings that an arch has, one number per stage each, or one tuple of numbers.
        defaults: Settings that an arch may leave out; those that are not in `per_stage` are one for all stages.
        overrides: What replaces the arch's; None: nothing.

    Raises:
        ValueError: The arch is unknown, has too little or too much, or a setting is no such numbers.
    """
    if isinstance(arch, str):
        if arch not in archs:
            raise ValueError(f"{name} has no arch '{arch}': choose one of {', '.join(archs)}, or give a dict")
        arch = archs[arch]
    settings = {**defaults, **arch, **{key: value for key, value in overrides.items() if value is not None}}
    needed = {*per_stage, *defaults}
    if needed != set(settings):
        wrong = sorted(needed.symmetric_difference(settings))
        raise ValueError(f'{name}: an arch has {", ".join(sorted(needed))}; missing or unknown: {", ".join(wrong)}')
    total = len(settings['depths'])
    for key in sorted(per_stage):
        values = settings[key]
        if isinstance(values, (int, float, str)) or len(values) != total:
            raise ValueError(
                f'{name}: {key}={values} must have one number per stage, {total} as in '
                f'depths={list(settings["depths"])}'
            )
        numbers = [number for value in values for number in (value if isinstance(value, (tuple, list)) else (value,))]
        if any(number < 1 or (number != int(number) and key != 'mlp_ratios') for number in numbers):
            raise ValueError(f'{name}: {key}={list(values)} must be whole numbers of at least 1')
    return settings
