"""`qec bench programs`: its files, and PyMatching as the decoder. Nothing here asserts a speed."""

import csv
from pathlib import Path

import pytest

from experiments import cli
from experiments.bench.programs import command
from experiments.bench.programs.pymatching_server import PyMatchingServer
from realtime.programs import library
from realtime.programs.kernels.records import End
from realtime.programs.program import Program
from realtime.programs.run import ProgramSource, RunSettings
from tests.support.programs import patch_model


def test_pymatching_in_windows_answers_like_the_compiled_decoder() -> None:
    # Patches live through several windows.
    program = Program.parse(library.feed_forward_memory(cycles=30))
    settings = RunSettings(cycle_ns=20_000)
    with PyMatchingServer(patch_model(), patches=2) as server:
        run = ProgramSource(program, model=patch_model(), settings=settings, server=server, shots=60).play()
    assert run.end == End.DONE
    same, checked = run.check(patch_model().make_decoder())
    assert checked == 120
    assert same >= 115  # ties in weight may be broken in either way


def test_every_run_has_a_row_and_a_figure_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_LENGTHS", (1, 3))
    monkeypatch.setattr(command, "_DELAYS_NS", (0, 20_000))
    monkeypatch.setattr(command, "_SERVICES_NS", (400, 2000))
    sizes = ["--distance", "3", "--slow_shots", "60", "--chain_shots", "30"]
    assert cli.main(["bench", "programs", "--parts", "slow,chain", *sizes, "--out", str(tmp_path)]) == 0
    with (tmp_path / "bench_programs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == ["slow"] * 2 + ["chain"] * 4
    assert [row["end"] for row in rows] == ["DONE", "UNANSWERED", *["DONE"] * 4]
    assert all(row["same"] == row["checked"] != "0" for row in rows)
    quick, slow = (float(row["reaction_mean_us"]) for row in rows[:2])
    assert slow > 10 * quick
    assert [row["delay_ns"] for row in rows[2:]] == ["0", "0", "20000", "20000"]
    assert (tmp_path / "bench_programs.png").stat().st_size > 10_000
