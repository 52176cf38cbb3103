"""Examples run with few shots, and print what they promise."""

import re
from importlib import import_module
from pathlib import Path

import pytest
import stim

from experiments import examples

_FOLDER = Path(examples.__file__).parent


def lines_of(name: str, arguments: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run an example; lines that it prints."""
    import_module(f"experiments.examples.{name}").main(arguments.split())
    return capsys.readouterr().out.splitlines()


def test_examples_are_short() -> None:
    sizes = {path.stem: len(path.read_text().splitlines()) for path in _FOLDER.glob("*.py")}
    assert {"threshold", "suppression", "compare_decoders", "post_selection"} < sizes.keys()
    assert max(sizes.values()) < 60


def test_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = "--family surface-phenomenological --strengths 0.02 0.026 0.034 0.042 --distances 3 5"
    *rates, last = lines_of("threshold", f"{chosen} --shots 4000 --decoder mwpm", capsys)
    assert len(rates) == 8
    assert 0.025 < float(re.findall(r"crossing at p = (\S+)", last)[0]) < 0.042
    assert (
        "no crossing"
        in lines_of("threshold", "--strengths 0.001 --distances 2 3 --shots 10 --decoder mwpm", capsys)[-1]
    )


def test_suppression(capsys: pytest.CaptureFixture[str]) -> None:
    small, large, last = lines_of("suppression", "--distances 3 5 --cycles 3 9 --shots 4000", capsys)
    errors = [sum(map(int, re.findall(r"\d+", line.partition("errors ")[2]))) for line in (small, large)]
    assert errors[0] > errors[1] > 0
    value, low, high = map(float, re.findall(r"[\d.]+", last))
    assert 1 < low < value < high


def test_compare_decoders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "own.stim"
    stim.Circuit.generated(
        "surface_code:rotated_memory_x", distance=3, rounds=3, after_clifford_depolarization=0.02
    ).to_file(path)
    chosen = "--decoders mwpm pymatching mwpm-correlated --shots 4000"
    _, *rows = lines_of("compare_decoders", f"--circuit {path} {chosen}", capsys)
    plain, pymatching, correlated = (list(map(float, row.split()[1:])) for row in rows)
    assert plain[1:4] == [0, 0, 0]
    assert abs(pymatching[3]) < 3
    assert correlated[0] == plain[0] + correlated[1] - correlated[2]
    assert correlated[0] < plain[0]


def test_post_selection(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = "--distance 3 --shots 8000 --fractions 0 0.1 --decoder mwpm"
    lines = lines_of("post_selection", chosen, capsys)
    every, kept = (float(line.split()[2]) for line in lines[1:3])
    assert kept < every / 2
    assert lines[3].split() == ["gaps", "predicted", "observed"]


def test_bursts(capsys: pytest.CaptureFixture[str]) -> None:
    head, _, *rows = lines_of("bursts", "--distances 3 11 --shots 10000", capsys)
    assert int(head.split()[0]) > 3
    for row in rows:
        _, without, with_bursts = map(int, row.split())
        assert without < with_bursts


def test_million_cycles(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of("million_cycles", "--distance 5 --cycles 3001 --frame_cycles 100 --p 0.0005", capsys)
    assert [line.split()[:2] for line in lines[1:-2]] == [["part", str(number)] for number in range(1, 6)]
    predicted, actual = re.findall(r"\[\w+\]", lines[-1])
    assert predicted == actual


def test_daemon_client(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of("daemon_client", "--shots 3 --cycles 25", capsys)
    assert len(lines) == 3
    for line in lines:
        status, flips, offline = re.findall(r": (\w+), flips (\S+), offline (\S+)", line)[0]
        assert (status, flips) == ("OK", offline)


def test_merge_failures(capsys: pytest.CaptureFixture[str]) -> None:
    rows = lines_of("merge_failures", "--distances 3 --p 0.01 --shots 2000", capsys)
    failures = {row[7:9]: float(re.findall(r"wrong: ([\d.]+) %", row)[0]) for row in rows}
    assert failures.keys() == {"ZZ", "XX"}
    assert all(15 < failed < 45 for failed in failures.values())


def test_published_merge(capsys: pytest.CaptureFixture[str]) -> None:
    rows = lines_of("published_merge", "--distances 3 --shots 4000", capsys)
    for row in rows:
        outcome, anything = map(float, re.findall(r"([\d.]+) %", row))
        assert 5 < outcome < 8.5 < anything < 15  # 6.4 and 12.2 in the publication
    assert len(rows) == 2


def test_circuit_windows(capsys: pytest.CaptureFixture[str]) -> None:
    _, *rows = lines_of("circuit_windows", "--p 0.01 --cycles 3 --errors 1 --most_shots 500", capsys)
    assert len(rows) == 12
    for row in rows:
        whole, windows = map(int, re.findall(r"([\d,]+)  +([\d,]+)  [\d.]+ \[", row.replace(",", ""))[0])
        assert 0 < windows < 1.05 * whole + 10
