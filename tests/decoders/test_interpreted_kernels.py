"""Kernel tests repeated interpreted and with bounds checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Small graphs without hypothesis, and a few shots and streams of small codes.
PART = [
    "tests/decoders/trellis/test_trellis.py::test_every_syndrome_gets_its_likeliest_class",
    "tests/decoders/trellis/test_trellis.py::test_without_coordinates_or_boundaries",
    "tests/decoders/trellis/test_trellis.py::test_gaps_of_sums_are_those_of_the_likelihoods",
    "tests/decoders/trellis/test_trellis_models.py::test_nothing_explains_a_shot_of_whole_errors",
    "tests/decoders/gaps/test_gap.py::test_strips[0]",
    "tests/decoders/gaps/test_gap.py::test_an_error_that_no_detector_sees_changes_the_class",
    "tests/decoders/belief_matching/test_belief_matching.py::test_copies_decode_alike",
    "tests/decoders/belief_matching/test_sum_product.py",
    "tests/decoders/test_bits_and_heap.py",
    "tests/decoders/matching/test_neighbour_lists.py",
    "tests/decoders/matching/test_alternating_tree.py",
    "tests/decoders/matching/test_optimality.py",
    "tests/decoders/reweighted/test_reweighted.py::test_weights_of_surface_codes_are_those_of_pymatching[3-40]",
    "tests/decoders/reweighted/test_reweighted_decoder.py::test_erased_edges_are_free",
    "tests/decoders/reweighted/test_reweighted.py::test_of_parallel_edges_the_lightest_of_this_shot_counts",
    "tests/decoders/correlated/test_mwpm_correlated.py::test_a_few_shots",
    "tests/decoders/correlated/test_observed_edges.py::test_without_an_observed_edge_its_ends_are_apart",
    "tests/decoders/correlated/test_observed_edges.py::test_the_second_matching_is_the_lightest",
    "tests/decoders/correlated/test_compare.py::test_three_components_of_one_error_count_once",
    "tests/decoders/matching/test_against_pymatching.py::test_a_few_shots",
    "tests/decoders/gaps/test_per_shot_gap.py::test_pymatching_agrees",
    "tests/decoders/pymatching/test_matching.py::test_a_few_syndromes",
    "tests/experiments/engine/test_engine.py::test_a_few_shots",
    "tests/decoders/streaming/test_streaming.py::test_an_event_that_only_the_cycle_before_explains",
    "tests/decoders/streaming/test_streaming.py::test_windows_are_what_a_naive_decoder_makes_of_them[chain-2-3]",
    "tests/decoders/streaming/test_invalid_input.py::test_an_odd_number_of_events_without_boundary",
]


def run_part(part: list[str], **variables: str) -> str:
    """Run part of this suite in a process of its own; returns what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    environment["NUMBA_OPT"] = "1"  # a fifth less time to compile; bounds are checked all the same
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *part]
    done = subprocess.run(
        command, env=environment | variables, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lane", "part"),
    [
        ("NUMBA_DISABLE_JIT", PART),
        pytest.param("NUMBA_BOUNDSCHECK", PART, marks=pytest.mark.nightly),
    ],
    ids=["interpreted", "checked"],
)
def test_lanes(lane: str, part: list[str], tmp_path: Path) -> None:
    printed = run_part(part, **{lane: "1", "NUMBA_CACHE_DIR": str(tmp_path)})
    assert "skipped" not in printed
    compiled = list(tmp_path.rglob("*.nbi"))
    assert bool(compiled) == (lane == "NUMBA_BOUNDSCHECK")


@pytest.mark.parametrize(
    ("lane", "index", "error"),
    [("NUMBA_DISABLE_JIT", 3, "IndexError"), ("NUMBA_BOUNDSCHECK", 3, "IndexError"), (None, 2, None)],
)
def test_the_lanes_notice_an_index_out_of_range(
    lane: str | None, index: int, error: str | None, tmp_path: Path
) -> None:
    """The pools are views of bare memory, and yet their lengths are known."""
    program = f"""
import numpy as np
from decoders.kernels import layout
from decoders.kernels.jit import kernel
from decoders.kernels.records import pool


@kernel
def look(works, index):
    return pool(works[0], "events")[index].detector

events = np.zeros(9, dtype=layout.EVENT)
work = np.zeros(1, dtype=layout.WORK)
work["events"], work["max_events"] = events.ctypes.data, 3
look(work, {index})
"""
    script = tmp_path / "look.py"  # numba keeps machine code only of what stands in a file
    script.write_text(program)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    environment |= {lane: "1", "NUMBA_OPT": "1"} if lane else {}  # as in run_part
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) == (error is not None), done.stderr
    assert error is None or error in done.stderr
