"""Promises of docs/pages/reproducibility.md: the same files from other processes, threads and hash seeds."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.bench.command import BENCHMARKS
from experiments.cli import COMMANDS, main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "pages" / "reproducibility.md").read_text()

# Commands in one process, one after the other; {t}: threads, {f}: folder.
PROGRAM = """
import sys
from experiments.cli import main

if __name__ == "__main__":
    folder, threads = sys.argv[1:]
    for line in sys.stdin.read().splitlines():
        assert main(line.replace("{t}", threads).replace("{f}", folder).split()) == 0, line
"""
LINES = """\
circuit --distance 3 --cycles 12 --out {f}/memory.stim
circuit --distance 3 --cycles 12 --dem --out {f}/memory.dem
stream --distance 3 --cycles 12 --shots 200 --seed 7 --record {f}/shots.qecs
gap --code repetition --distances 3 --shots 2000 --p 0.02 --threads {t} --out {f}/gap.svg --json {f}/gap.json
rare --code repetition --distances 3 --p 0.002 --population 40 --threads {t} --seed 5 --out {f}/rare.csv
distance --code repetition --noise phenomenological --json {f}/distance.json
draw --distance 3 --shot 1 --seed 4 --view top --out {f}/shot.svg
decode --dem {f}/../shots.dem --in {f}/../shots.01 --threads {t} --out {f}/predictions.01
learn {f}/../shots.01 --start {f}/../shots.dem --out {f}/learned.dem
sweep --code repetition --distances 3 --p 0.03 --max_shots 20000 --seed 6 --processes {t} --out {f}/sweep.csv
"""
# Entries that measure time.
TIMES = {"cost", "cpu_seconds", "seconds", "time", "machine", "microseconds"}


def untimed(found: object) -> object:
    """Plain data without measured times."""
    if isinstance(found, dict):
        return {key: untimed(value) for key, value in found.items() if key not in TIMES}
    return [untimed(one) for one in found] if isinstance(found, list) else found


def content(path: Path) -> object:
    if path.suffix == ".json":
        return untimed(json.loads(path.read_text()))
    if path.name == "sweep.csv":  # shots are split over rows; the totals count
        rows = [[int(cell) for cell in row[:2]] for row in csv.reader(path.read_text().splitlines()[1:])]
        return [sum(column) for column in zip(*rows, strict=True)]
    if path.suffix == ".csv":
        return [untimed(dict(row)) for row in csv.DictReader(path.read_text().splitlines())]
    return path.read_bytes()


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two folders for results, next to a file of shots and its model."""
    rows = [f"error({0.01 + at * 1e-3}) D{at} D{at + 1}" for at in range(5)]
    rows += ["error(0.02) D0 L0", "error(0.01) D5"]
    (tmp_path / "shots.dem").write_text("\n".join(rows))
    shots = ["".join(str(int((shot * 37 + at * 11) % 9 == 0)) for at in range(6)) for shot in range(300)]
    (tmp_path / "shots.01").write_text("\n".join(shots) + "\n")
    made = [tmp_path / "one", tmp_path / "three"]
    for folder in made:
        folder.mkdir()
    return made


def assert_equal(folders: list[Path], *, count: int) -> None:
    one, other = ({path.name: content(path) for path in folder.iterdir()} for folder in folders)
    assert len(one) == count
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_neither_threads_nor_another_run_change_results(folders: list[Path]) -> None:
    lines = [line for line in LINES.splitlines() if line.split()[0] in ("decode", "learn", "rare", "stream")]
    for folder, threads in zip(folders, ("1", "3"), strict=True):
        for line in lines:
            assert main(line.replace("{t}", threads).replace("{f}", str(folder)).split()) == 0
    assert_equal(folders, count=4)


@pytest.mark.nightly
def test_neither_processes_nor_hash_seeds_change_results(folders: list[Path]) -> None:
    program = folders[0].parent / "program.py"
    program.write_text(PROGRAM)
    for folder, threads in zip(folders, ("1", "3"), strict=True):
        done = subprocess.run(
            [sys.executable, str(program), str(folder), threads],
            input=LINES,
            capture_output=True,
            text=True,
            timeout=300,
            cwd=folder.parent,
            env={**os.environ, "PYTHONHASHSEED": threads, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr
    assert_equal(folders, count=11)


def test_the_page_has_every_command() -> None:
    names = [f"qec {name}" for name in COMMANDS if name != "bench"]
    names += [f"qec bench {name}" for name in BENCHMARKS]
    assert [name for name in names if f"`{name}`" not in PAGE and f"`{name} " not in PAGE] == []
