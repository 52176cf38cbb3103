"""Wait for a state that another process or thread brings about."""

import time
from collections.abc import Callable

import pytest


def until(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    """Poll until a condition holds; fail after a time that no machine should need."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("it never came to pass")
        time.sleep(0.002)
