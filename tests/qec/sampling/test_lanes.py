"""The samplers' kernels uncompiled, and with bounds checks: no warning, no index out of range."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PART = [
    "tests/qec/sampling/test_chain.py::test_a_sub_chain_is_what_the_code_says",
    "tests/qec/sampling/test_chain.py::test_cuts_at_every_width",
    "tests/qec/sampling/test_chain.py::test_windows_are_counted",
    "tests/qec/sampling/test_chain.py::test_bursts_do_not_change_what_else_happens",
    "tests/qec/sampling/test_detectors.py::test_any_shot_can_be_drawn_again_alone",
    "tests/qec/sampling/test_leakage.py::test_any_shot_can_be_drawn_again_alone",
    "tests/qec/sampling/test_splitting.py::test_a_few_moves",
]


@pytest.mark.slow
@pytest.mark.parametrize(
    "lane", ["NUMBA_DISABLE_JIT", pytest.param("NUMBA_BOUNDSCHECK", marks=pytest.mark.nightly)]
)
def test_lanes(lane: str, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *PART],
        env=environment | {lane: "1", "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_OPT": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    compiled = list(tmp_path.rglob("*.nbi"))
    assert bool(compiled) == (lane == "NUMBA_BOUNDSCHECK")
