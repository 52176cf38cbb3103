"""Fixtures and settings for the whole suite."""

from pathlib import Path

import pytest
from hypothesis import settings

HARDWARE_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

# The same examples in every run, and no deadline: the first call of a compiled function takes seconds.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def hardware_data() -> Path:
    """Folder of recorded experiments beside the checkout; it is not part of the project."""
    if not HARDWARE_DATA.is_dir():
        pytest.skip(f"no recorded experiments in {HARDWARE_DATA}")
    return HARDWARE_DATA
