"""Types of command-line arguments that the tools share."""

from __future__ import annotations

import argparse

from fec_mm.models.backbones.staged_backbone import MIN_SIZE


def image_size(text: str) -> tuple[int, int]:
    """'224' or '800x1344' → (H, W)."""
    sides = text.lower().replace('×', 'x').split('x')
    if len(sides) > 2 or not all(side.isdecimal() and int(side) >= MIN_SIZE for side in sides):
        raise argparse.ArgumentTypeError(f"'{text}' is not a side or HxW, of at least {MIN_SIZE} pixels")
    return int(sides[0]), int(sides[-1])


def positive(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


def quantity(text: str) -> float:
    """A number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float('inf'):
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return number


def nonnegative(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 0")
    return int(text)
