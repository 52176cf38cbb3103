"""Checks of values from users and files."""

from numbers import Real


def is_number(value: object) -> bool:
    """Return whether a value is a real number; bools are not."""
    return isinstance(value, Real) and not isinstance(value, bool)
