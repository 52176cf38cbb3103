"""`qec sweep`: stopped and continued runs, what is refused, and that its numbers are those of the decoder."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sinter
import stim
from scipy.stats import fisher_exact

from experiments import cli
from experiments.sweep import command, counts
from tests.support.chance import FALSE_ALARM

_GRID = ["--distances", "3", "5", "7", "--p", "0.002", "0.003", "0.004", "--rounds", "5", "--bases", "z"]


def start(*arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "sweep", "--processes", "2", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A group of its own: what a terminal's Ctrl-C reaches is this process and its workers.
        start_new_session=True,
    )


def sweep(*arguments: str) -> tuple[str, str]:
    """Run the command in this process, with one worker where the arguments do not say."""
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = cli.main(["sweep", "--processes", "1", *arguments])
    assert code == 0, error.getvalue()
    return out.getvalue(), error.getvalue()


def wait_for_rows(path: Path, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not path.exists() or path.read_bytes().count(b"\n") < 4:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_one_seed_gives_one_result(tmp_path: Path) -> None:
    """With any number of processes, with and without discards; what was stopped draws other shots."""
    arguments = ["--distances", "3", "--p", "0.004", "--rounds", "5", "--bases", "z", "--max_shots", "20000"]
    arguments += ["--decoders", "mwpm", "mwpm-gap-3", "--seed"]
    found = []
    for processes in (1, 2):
        path = tmp_path / f"{processes}.csv"
        sweep(*arguments, "5", "--processes", str(processes), "--out", str(path))
        rows = counts.read([path])[0]
        found.append(sorted((row.decoder, row.shots, row.errors, row.discards) for row in rows))
    assert found[0] == found[1]
    before = sum(row.errors for row in counts.read([path])[0])
    sweep(*[word.replace("20000", "40000") for word in arguments], "5", "--out", str(path))
    assert sum(row.errors for row in counts.read([path])[0]) != 2 * before


def test_heralded_errors_have_no_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    circuit = tmp_path / "herald.stim"
    circuit.write_text(
        "R 0\nHERALDED_ERASE(0.1) 0\nM 0\nDETECTOR rec[-2]\nDETECTOR rec[-1]\nOBSERVABLE_INCLUDE(0) rec[-1]"
    )
    assert (
        cli.main(["sweep", "--circuits", str(circuit), "--seed", "1", "--out", str(tmp_path / "a.csv")]) == 2
    )
    assert "such as heralded ones; stim draws their shots" in capsys.readouterr().err


def test_interrupted_and_resumed_gives_the_totals_of_one_run(tmp_path: Path) -> None:
    resumed, whole = tmp_path / "resumed.csv", tmp_path / "whole.csv"
    limits = [*_GRID, "--max_shots", "60000"]
    process = start(*limits, "--out", str(resumed))
    wait_for_rows(resumed, process)
    os.killpg(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == 130
    assert error.splitlines()[-1].startswith(f"qec sweep: stopped; {resumed} keeps ")
    assert "Traceback" not in error
    kept = sum(row.shots for row in sinter.read_stats_from_csv_files(resumed))
    assert 0 < kept < 9 * 60_000
    sweep(*limits, "--out", str(resumed))
    sweep(*limits, "--out", str(whole))

    first = {row.strong_id: row for row in sinter.read_stats_from_csv_files(resumed)}
    second = {row.strong_id: row for row in sinter.read_stats_from_csv_files(whole)}
    assert first.keys() == second.keys()
    assert len(first) == 9
    for strong_id, row in first.items():
        other = second[strong_id]
        assert row.shots == other.shots == 60_000
        assert row.json_metadata == other.json_metadata
        # The shots are not the same ones; their error rates must be.
        table = [[row.errors, row.shots - row.errors], [other.errors, other.shots - other.errors]]
        assert fisher_exact(table).pvalue > FALSE_ALARM / len(first)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_a_killed_sweep_leaves_whole_lines_and_no_workers(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    arguments = ["--distances", "3", "--rounds", "5", "--p", "0.004", "--bases", "z", "--out", str(path)]
    process = start(*arguments, "--max_shots", str(10**9))
    wait_for_rows(path, process)
    workers = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and f"\nPPid:\t{process.pid}\n" in _status(entry)
    ]
    assert len(workers) >= 2
    process.kill()
    process.communicate(timeout=20)
    deadline = time.monotonic() + 10
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < deadline, "workers outlive the sweep"
        time.sleep(0.02)
    (before,), notes = counts.read([path])
    assert notes == []
    with path.open("a") as file:
        file.write("    4000,")
    out, error = sweep(*arguments, "--max_shots", "10")
    assert "cut off a half-written last line" in error
    assert f"1 points, {before.shots:,} shots" in out


def _status(entry: Path) -> str:
    try:
        return (entry / "status").read_text()
    except OSError:
        return ""


def _runs(pid: int) -> bool:
    status = _status(Path(f"/proc/{pid}"))
    return bool(status) and "\nState:\tZ" not in status


def test_what_the_file_holds_counts_and_nothing_is_done_twice(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    arguments = ["--distances", "3", "--rounds", "2d", "--p", "0.005", "--bases", "Z", "--out", str(path)]
    sweep(*arguments, "--max_shots", "300")
    (first,), _ = counts.read([path])
    assert first.shots == 300
    assert first.json_metadata["d"] == 3
    assert first.json_metadata["r"] == 6
    assert first.json_metadata["p"] == 0.005
    assert set(first.json_metadata) == {"d", "p", "r", "b", "noise", "c"}
    before = path.read_bytes()
    assert cli.main(["sweep", *arguments, "--max_shots", "300"]) == 0
    assert path.read_bytes() == before
    sweep(*arguments, "--max_shots", "500")
    (second,), _ = counts.read([path])
    assert second.shots == 500
    assert second.strong_id == first.strong_id


def test_decoders_codes_and_noises_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    sweep(
        *["--codes", "repetition", "surface", "--distances", "3", "--rounds", "3", "--p", "0.01"],
        *["--noise", "uniform", "phenomenological", "--decoders", "pymatching", "pymatching-correlated"],
        *["--bases", "z", "--max_shots", "64", "--out", str(path)],
    )
    rows, _ = counts.read([path])
    names = {(row.json_metadata["c"], row.json_metadata["noise"], row.decoder) for row in rows}
    assert len(rows) == len(names) == 8
    assert all(row.shots == 64 for row in rows)


def test_max_errors_ends_a_point(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    sweep(
        *["--distances", "3", "--rounds", "10", "--p", "0.02", "--bases", "z"],
        *["--max_shots", "100000000", "--max_errors", "50", "--out", str(path)],
    )
    (row,), _ = counts.read([path])
    assert row.errors >= 50
    assert row.shots < 1_000_000


@pytest.mark.parametrize(("limits", "shots"), [([], 20_000), (["--max_errors", "500"], 10_000_000)])
def test_errors_and_not_shots_end_a_point_if_asked(
    limits: list[str], shots: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(command, "_collect", lambda args, *_: seen.append(args.max_shots) or 0)
    assert cli.main(["sweep", *limits, "--distances", "3", "--out", str(tmp_path / "a.csv")]) == 0
    assert seen == [shots]


def test_shots_until_lambda_is_precise(tmp_path: Path) -> None:
    """In processes of its own, and from a file that is precise enough already."""
    path = tmp_path / "c.csv"
    arguments = [
        "--codes",
        "repetition",
        "--distances",
        "3,5",
        "--p",
        "0.02",
        "--rounds",
        "5",
        "--bases",
        "z",
    ]
    arguments += ["--noise", "uniform", "--bases", "z", "--target_precision", "0.1", "--out", str(path)]
    out, _ = sweep(*arguments, "--processes", "1")
    assert "Lambda within 10 % (half of the 95 % interval): 1 of 1" in out
    rows, _ = counts.read([path])
    assert min(row.errors for row in rows) >= 20
    before = path.read_bytes()
    assert cli.main(["sweep", *arguments]) == 0
    assert path.read_bytes() == before


def test_circuits_of_the_user_keep_their_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for d in (3, 5):
        circuit = stim.Circuit.generated(
            "repetition_code:memory", distance=d, rounds=4, before_round_data_depolarization=0.1
        )
        circuit.to_file(f"d={d},r=4.stim")
    Path("d=5,r=4.json").write_text('{"c": "mine", "d": 5}')
    names = ["d=3,r=4.stim", "d=5,r=4.stim"]
    limits = ["--max_shots", "3000", "--decoders", "pymatching", "--processes", "1", "--out", "c.csv"]
    assert cli.main(["sweep", "--circuits", *names, "--metadata", "p=0.1", *limits]) == 0
    rows, _ = counts.read([Path("c.csv")])
    assert [row.json_metadata for row in rows] == [
        {"d": 3, "r": 4, "p": 0.1},
        {"c": "mine", "d": 5, "r": 4, "p": 0.1},
    ]
    assert [row.shots for row in rows] == [3000, 3000]
    assert all(row.errors > 0 for row in rows)
    capsys.readouterr()
    for wrong, words in (
        (["--circuits", names[0], "--p", "0.1"], "leave out --p"),
        (["--circuits", "c.csv"], "c.csv: not a circuit"),
        (["--circuits", "none.stim"], "none.stim: no such circuit"),
        (["--circuits", *names, "--metadata", "d"], "give KEY=VALUE"),
        (["--metadata", "d=3"], "--metadata is for --circuits"),
    ):
        assert cli.main(["sweep", *wrong, "--out", "new.csv"]) == 2
        assert words in capsys.readouterr().err


def test_merge_adds_up_into_a_new_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = []
    for index, shots in enumerate([10, 20]):
        part = tmp_path / f"{index}.csv"
        row = sinter.TaskStats(strong_id="a", decoder="b", json_metadata={}, shots=shots, errors=index)
        counts.write(part, [row])
        parts.append(str(part))
    out = tmp_path / "all.csv"
    assert cli.main(["sweep", "--merge", *parts, "--out", str(out)]) == 0
    assert "1 points, 30 shots, 1 errors" in capsys.readouterr().out
    assert [(row.shots, row.errors) for row in sinter.read_stats_from_csv_files(out)] == [(30, 1)]
    assert cli.main(["sweep", "--merge", *parts, "--out", str(out)]) == 2
    assert "there already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--codes", "steane"], "steane"),
        (["--distances", "1"], "distance"),
        (["--rounds", "3x"], "'3x'"),
        (["--rounds", "0"], "'0'"),
        (["--bases", "y"], "'y'"),
        (["--noise", "pink"], "pink"),
        (["--p", "2"], "2"),
        (["--decoders", "guess"], "pymatching-correlated"),
        (["--max_shots", "0"], "--max_shots: 0: must be "),
        (["--max_errors", "0"], "--max_errors: 0: must be "),
        (["--target_precision", "5"], "--target_precision: 5: must be between 0 and 1"),
        (["--target_precision", "0.1", "--max_errors", "5"], "leave one of them out"),
        (["--cluster", "tcp://127.0.0.1:1", "--processes", "5"], "leave --processes out"),
        (["--processes", "some"], "'some'"),
        (["--processes", "0"], "'0'"),
        (["--noise", "device:example", "--p", "0.1"], "leave --p out"),
        (["--merge", "a.csv", "--max_shots", "5"], "leave out --max_shots"),
        (["--merge", "a.csv"], "a.csv: no such CSV file"),
        (["--out", "nowhere/c.csv"], "nowhere: no such folder"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_no_file(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["sweep", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
