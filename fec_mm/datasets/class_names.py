"""Whether two lists of classes give a name the same number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Difference(NamedTuple):
    """The first difference of two lists; `contradicts`: a class that both have is another number in each."""

    text: str
    contradicts: bool


def difference(first: Sequence[str], second: Sequence[str], first_is: str, second_is: str) -> Difference | None:
    """How two lists of classes differ.

    Args:
        first: Names, in the order of their numbers.
        second: The others.
        first_is: What has the one list, for the text.
        second_is: What has the other.

    Returns:
        None where they are the same, or one of them is empty and names nothing.
    """
    if not first or not second or list(first) == list(second):
        return None
    numbers = {name: number for number, name in enumerate(second)}
    for number, name in enumerate(first):
        if numbers.get(name, number) != number:
            return Difference(
                f"'{name}' is class {number} of {first_is} and class {numbers[name]} of {second_is}", True
            )
    for number, (name, other) in enumerate(zip(first, second)):
        if name != other:
            return Difference(f"class {number} is '{name}' in {first_is} and '{other}' in {second_is}", False)
    longer, shorter = ((first, first_is), (second, second_is))[:: 1 if len(first) > len(second) else -1]
    return Difference(
        f'{longer[1]} has {len(longer[0])} classes and {shorter[1]} {len(shorter[0])}, '
        f"without '{longer[0][len(shorter[0])]}'",
        False,
    )
