"""Checks of values that come from users and files."""

from numbers import Real


def is_number(value: object) -> bool:
    """Whether a value is a real number; truth values are none."""
    return isinstance(value, Real) and not isinstance(value, bool)
