"""`qec realtime --program`: tables, JSON, exit codes and refusals."""

import json
from pathlib import Path

import pytest

from experiments import cli
from realtime.programs import library

_SIMULATED = ["--clock", "simulated", "--distance", "3"]


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "memory.jsonl"
    path.write_text(library.feed_forward_memory(cycles=3))
    return str(path)


def test_a_program_is_run_and_reported(
    program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.json"
    options = ["--service", "500ns", "--delay", "10us", "--shots", "40", "--json", str(file)]
    assert cli.main(["realtime", "--program", program, *_SIMULATED, *options]) == 0
    printed = capsys.readouterr().out
    for word in ("feed-forward memory", "simulated clock", "reaction", "80 of 80"):
        assert word in printed
    (run,) = json.loads(file.read_text())["runs"]
    assert (run["end"], run["shots"], run["decisions"], run["same"]) == ("DONE", 40, 40, 80)
    # The delay is ten cycles or more.
    assert run["reaction_us"]["mean"] > 10 > run["answer_us"]["mean"] > 0
    assert run["idle_mean"] >= 9


def test_a_program_with_merges_is_run_on_both_clocks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, file = tmp_path / "teleportation.jsonl", tmp_path / "run.json"
    path.write_text(library.teleportation(cycles=2, merged=3, basis="x"))
    options = ["--service", "200ns", "--shots", "30", "--json", str(file)]
    assert cli.main(["realtime", "--program", str(path), *_SIMULATED, *options]) == 0
    assert "60 of 60" in capsys.readouterr().out
    (run,) = json.loads(file.read_text())["runs"]
    assert (run["end"], run["decisions"], run["same"]) == ("DONE", 60, 60)
    real = ["--distance", "3", "--cycle_time", "20us", "--shots", "20", "--json", str(file)]
    assert cli.main(["realtime", "--program", str(path), *real]) == 0
    printed = capsys.readouterr().out
    for word in ("40 of 40", "real clock", "the clock was stopped for this"):
        assert word in printed
    (run,) = json.loads(file.read_text())["runs"]
    assert (run["end"], run["same"]) == ("DONE", 40)
    assert run["graphs"]["cut_before"] > 10
    arguments = [*_SIMULATED, "--decoder", "mwpm-correlated"]
    assert cli.main(["realtime", "--program", str(path), *arguments]) != 0
    assert "programs with merges are decoded by mwpm" in capsys.readouterr().err


def test_a_decoder_that_does_not_keep_up_is_reported(
    program: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["realtime", "--program", program, *_SIMULATED, "--service", "3us"]) == 1
    assert "The decoder did not keep up" in capsys.readouterr().out


def test_bad_programs_and_noise_with_leakage_are_refused_in_one_line(
    program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"program": "p", "version": 1, "patches": ["a"]}\n{"do": "jump"}\n')
    example = (Path(__file__).parents[3] / "data/devices/example.toml").read_text()
    leaky = tmp_path / "leaky.toml"
    leaky.write_text(f"{example}\n[leakage]\ncz = 0.001\n")
    for arguments, message in (
        (["--program", str(bad)], "line 2: field \"do\": 'jump': choose from"),
        (["--program", str(tmp_path / "none.jsonl")], "none.jsonl"),
        (["--program", program, "--streams", "2"], "--streams is for memories"),
        (["--program", program, "--out", str(tmp_path / "a.png")], "--out is for memories"),
        (["--delay", "1us"], "--clock is for programs: give --program"),
        (["--program", program, "--noise", f"device:{leaky}"], "leakage cannot be drawn layer by layer"),
    ):
        assert cli.main(["realtime", *arguments, *_SIMULATED]) != 0
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
