"""`qec threshold`: grouping, search, a run from the search to the figure, thresholds of other families."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sinter

from experiments import cli
from experiments.sweep import counts
from experiments.threshold import command
from experiments.threshold.scaling import scalings
from experiments.threshold.search import find_strengths
from tests.support.inline_pool import inline_pool


def synthetic(p: float, d: int) -> float:
    return min(0.5, max(1e-6, 0.1 + 8 * (p - 0.01) * d ** (1 / 1.5)))


def rows(*, rounds: Callable[[int], int] = lambda d: d, **more: Any) -> list[Any]:
    return [
        sinter.TaskStats(
            strong_id=f"{p} {d} {more}",
            decoder="mwpm",
            json_metadata={"d": d, "r": rounds(d), "p": p, "b": "z", **more},
            shots=100_000,
            errors=round(synthetic(p, d) * 100_000),
        )
        for d in (3, 5, 7)
        for p in np.linspace(0.009, 0.011, 7).tolist()
    ]


def test_groups_and_what_is_said_of_them() -> None:
    found = scalings([*rows(c="a"), *rows(c="b", rounds=lambda d: 3 * d)])
    assert [dict(one.key)["cycles"] for one in found] == ["d", "3 d"]
    for one in found:
        assert one.fit is not None
        assert one.without_smallest is not None
        assert one.fit.threshold.value == pytest.approx(0.01, rel=1e-3)
        assert one.fit.exponent.value == pytest.approx(1 / 1.5, abs=0.05)
        assert one.notes == []
    (fixed,) = scalings(rows(rounds=lambda _: 10))
    assert fixed.notes[0].startswith("all circuits have 10 cycles; finite-size scaling assumes")
    (few,) = scalings(rows()[:7])
    assert few.fit is None
    assert few.notes[0].startswith("no threshold from p = 0.009 to 0.011 at 1 distances")
    with pytest.raises(ValueError, match="two circuits have d = 3"):
        scalings([*rows(), *rows()])
    bare = sinter.TaskStats(strong_id="a", decoder="b", json_metadata={"d": 3}, shots=1, errors=0)
    with pytest.raises(ValueError, match="rows need the metadata keys d"):
        scalings([bare])


@pytest.mark.parametrize("threshold", [0.002, 0.01, 0.1])
def test_the_search_finds_strengths_around_the_threshold(threshold: float) -> None:
    rng = np.random.default_rng(2)

    def count(p: float, d: int, shots: int, first: int) -> int:
        return int(rng.binomial(shots, min(0.5, 0.05 * (p / threshold) ** (d / 2))))

    found = find_strengths(count, [3, 5, 7], low=threshold / 4, high=0.2)  # a few errors there
    assert found[0] < 0.95 * threshold
    assert found[-1] > 1.05 * threshold
    assert math.isclose(found[3], threshold, rel_tol=0.12)
    with pytest.raises(ValueError, match=r"--between 0.0001 0.001: at p = 0.001, distance 7 is not worse"):
        find_strengths(count, [3, 7], low=0.0001, high=0.001)
    with pytest.raises(ValueError, match=r"at p = 0.15, distance 7 is not better than 3"):
        find_strengths(count, [3, 7], low=0.15, high=0.2)


_QUICK = ["--code", "repetition", "--noise", "phenomenological", "--distances", "3,5,7"]
_QUICK += ["--between", "2%", "40%", "--target_precision", "5%", "--out", "c.csv"]


def test_from_the_search_to_the_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run goes on from its file; the file alone gives the same fit; the threshold is the known one."""
    monkeypatch.setattr(command, "processes", inline_pool)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["threshold", *_QUICK, "--json", "a.json", "--figure", "a.png"]) == 0
    out = capsys.readouterr().out
    assert "threshold p = " in out
    assert Path("a.png").stat().st_size > 10_000
    before = Path("c.csv").read_bytes()
    assert cli.main(["threshold", *_QUICK]) == 0
    assert Path("c.csv").read_bytes() == before
    assert cli.main(["threshold", "c.csv", "--json", "b.json"]) == 0
    assert json.loads(Path("a.json").read_text()) == json.loads(Path("b.json").read_text())
    (one,) = json.loads(Path("a.json").read_text())["thresholds"]
    # 10.3 % for flips of data and results of equal probability (Wang, Harrington, Preskill 2003); here they
    # have probability 2 p / 3 and p.
    assert 0.103 < one["p"]["value"] < 0.103 * 1.5 * 1.05
    assert (one["p"]["high"] - one["p"]["low"]) / (2 * one["p"]["value"]) <= 0.05


@pytest.mark.nightly
@pytest.mark.parametrize("decoder", ["mwpm", "pymatching"])
@pytest.mark.parametrize(
    ("code", "noise", "low", "high"),
    [
        ("repetition", "uniform", 0.05, 0.06),
        ("surface", "uniform", 0.0065, 0.0085),
        ("surface", "si1000", 0.0035, 0.0055),
    ],
)
def test_thresholds_of_families(
    code: str, noise: str, low: float, high: float, decoder: str, tmp_path: Path
) -> None:
    out = tmp_path / "a.json"
    arguments = [
        "--code",
        code,
        "--noise",
        noise,
        "--decoder",
        decoder,
        "--distances",
        "5,7,9",
        "--json",
        str(out),
    ]
    arguments += ["--target_precision", "0.03", "--processes", "2", "--out", str(tmp_path / "a.csv")]
    assert cli.main(["threshold", *arguments]) == 0
    (one,) = json.loads(out.read_text())["thresholds"]
    assert low < one["p"]["value"] < high
    assert one["deviance"] < 3 * one["degrees_of_freedom"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--distances", "5"], "a threshold needs at least two"),
        (["--noise", "device:example"], "device:example: has no strength"),
        (["--between", "0.1", "0.01"], "the first must be below the second"),
        (["--between", "0.1", "2"], "must be between 0 and 1"),
        (["--code", "steane"], "steane"),
        (["a.csv", "--seed", "1"], "leave out --seed"),
        (["a.csv"], "a.csv: no such CSV file"),
        (["--cluster", "tcp://127.0.0.1:1", "--processes", "2"], "leave --processes out"),
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
    assert cli.main(["threshold", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_shots(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.csv"
    counts.write(path, [])
    assert cli.main(["threshold", str(path)]) == 2
    assert "no shots yet" in capsys.readouterr().err
