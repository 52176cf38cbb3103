"""Checks of arguments that have PyMatching's forms."""

from collections.abc import Iterable, Mapping
from operator import index
from typing import Any

import numpy as np

_NONE: frozenset[int] = frozenset()
_ATTRIBUTES = ("fault_ids", "qubit_id", "weight", "error_probability")


def node(value: int) -> int:
    """Check the number of a node.

    Raises:
        TypeError: it is no integer.
        ValueError: it is negative.
    """
    number = index(value)
    if number < 0:
        raise ValueError(f"node {number}: nodes are numbered from 0")
    return number


def number(value: Any, *, name: str) -> float:
    """Check a number.

    Raises:
        TypeError: it is none.
        ValueError: it is NaN.
    """
    if type(value) is not float and not isinstance(value, int | float | np.number | np.bool_):
        raise TypeError(f"{name}={value!r}: must be a number")
    result = float(value)
    if result != result:
        raise ValueError(f"{name}={value!r}: must be a number, not NaN")
    return result


def fault_ids(value: int | Iterable[int] | None) -> frozenset[int]:
    """Check fault ids: an integer, several integers, or none; -1 alone is none, as before PyMatching 2.0.

    Raises:
        TypeError: they are anything else, or negative.
    """
    if value is None:
        return _NONE
    if type(value) is int and value >= 0:  # most are
        return frozenset((value,))
    try:
        if isinstance(value, Iterable):
            found = frozenset(map(index, value))
        else:
            single = index(value)
            found = frozenset([single]) if single != -1 else _NONE
    except TypeError:
        raise TypeError(f"fault_ids={value!r}: must be an integer or a set of integers") from None
    if found and min(found) < 0:
        raise TypeError(f"fault_ids={value!r}: must not be negative")
    return found


def one_of(**values: Any) -> Any:
    """Choose the one that is given of an argument and its former name.

    Raises:
        ValueError: both are given.
    """
    (name, value), (former, old) = values.items()
    if value is not None and old is not None:
        raise ValueError(f"{name} and {former} are both given: leave out {former}, the former name of {name}")
    return old if value is None else value


def edge_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the arguments of `add_edge` among the attributes of a graph's edge; others are ignored."""
    chosen = {name: attributes[name] for name in _ATTRIBUTES if name in attributes}
    return chosen | {"merge_strategy": "smallest-weight"}
