"""The coverage of intervals: honest ones pass, short ones are named."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from experiments.bench.coverage import counted
from experiments.bench.coverage.cases import Case, measure
from experiments.cli import main
from qec.statistics import Estimate


def normal(width: float) -> Case:
    """Intervals of `width` standard deviations that are said to cover 95 %."""

    def draw(rng: np.random.Generator) -> list[Estimate]:
        value = 1 + 0.1 * rng.normal()
        return [Estimate(value, value - 0.1 * width, value + 0.1 * width)]

    return Case(quantity="normal", conditions="known", draw=draw)


def test_short_intervals_are_found_out() -> None:
    honest, short = (measure(normal(width), repetitions=2000, seed=1) for width in (1.96, 1.6))
    assert honest.holds
    assert not short.holds
    assert short.covered == pytest.approx(0.89, abs=0.03)
    assert short.covered + short.too_high + short.too_low == pytest.approx(1)
    assert short.median == pytest.approx(1, abs=0.02)


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "coverage.csv"
    arguments = ["bench", "coverage", "--only", "Ratio of two", "--repetitions", "200", "--csv", str(path)]
    assert main(arguments) == 0
    assert "100 and 100 expected" in capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) == 4
    assert all(float(row["covered"].split("(")[0]) > 90 for row in rows)
    monkeypatch.setattr(counted, "cases", lambda: [normal(1.0)])
    assert main(["bench", "coverage", "--only", "normal"]) == 1
    assert "1 of 1 intervals cover less often than stated" in capsys.readouterr().out


def test_names_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "coverage", "--only", "nothing"]) == 2
    assert "--only nothing: no such interval" in capsys.readouterr().err


@pytest.mark.nightly
def test_every_interval_covers() -> None:
    assert main(["bench", "coverage", "--repetitions", "1000"]) == 0
