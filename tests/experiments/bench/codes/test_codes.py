"""`qec bench codes`: pairs counted right, exact rates right, refusals counted, wrong use. No speeds."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stim

import decoders
from decoders.base import Decoder
from experiments import cli
from experiments.bench.accuracy.runs import PIECE, Shots
from experiments.bench.codes import command, exact_rates, runs
from experiments.bench.codes.exact_model import ExactModel
from experiments.bench.codes.exact_rates import Outcome, exact_error
from experiments.bench.codes.random_models import random_model
from experiments.bench.codes.report import Pair, Score, score_cell, text
from experiments.bench.codes.runs import Cell, Run
from qec import families

_CELL = ("toric:2:0.02", "surface-erasure:3:0.05")


def bench(folder: Path, *arguments: str) -> int:
    return cli.main(["bench", "codes", "--json", str(folder / "a.json"), *arguments])


def run_of(wrong: list[int], shots: int) -> Run:
    flags = np.isin(np.arange(shots), wrong)
    return Run(wrong=[flags], shots=shots, errors=len(wrong), time_ns=1000 * shots)


def test_table_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["mwpm", "mwpm-correlated", "pymatching-correlated"]
    chosen = ["--families", *_CELL, "--decoders", *names, "--errors", "60"]
    assert bench(tmp_path, *chosen) == 0
    out = capsys.readouterr().out
    cells = json.loads((tmp_path / "a.json").read_text())["cells"]
    assert [score["decoder"] for score in cells] == names * 2
    for score in cells:
        plain, own = wrong_shots(score, "mwpm"), wrong_shots(score, score["decoder"])
        assert score["pairs"]["mwpm"]["shots"] % PIECE <= len(plain)
        assert score["pairs"]["mwpm"] | {"z": 0} == {
            "shots": len(plain),
            "errors": own.sum(),
            "others": plain.sum(),
            "only_own": (own & ~plain).sum(),
            "only_other": (plain & ~own).sum(),
            "z": 0,
        }
        assert plain.sum() >= 60
        assert score["microseconds"] > 0
        assert score["refused"] == 0
    assert set(cells[1]["pairs"]) == {"mwpm", "pymatching-correlated"}
    assert cells[0]["verdict"] == ""
    assert "toric, d = 2" in out
    assert "of 2 bars met" in out


def test_models_without_decomposition(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--families", "toric:2:0.02", "colour-xyz:5:0.01", "--decoders", "trellis", "--shots", "10"]
    assert bench(tmp_path, *chosen, "--hyperedges", "decompose") == 0
    err = capsys.readouterr().err
    assert re.search(r"qec bench: mwpm: \d+ error components .* 0 dropped", err)
    data = json.loads((tmp_path / "a.json").read_text())
    assert data["hyperedges"] == "decompose"
    notes = {(score["family"], score["decoder"]): score["note"] for score in data["cells"]}
    assert "cannot be made of edges" in notes["colour-xyz", "mwpm"]
    assert [notes[family, "trellis"] for family in ("toric", "colour-xyz")] == ["", ""]


def wrong_shots(score: dict[str, Any], name: str) -> np.ndarray:
    """What a decoder gets wrong, decoded here in one go."""
    circuit = families.circuit(score["family"], distance=score["distance"], p=score["p"])
    shots = score["pairs"]["mwpm"]["shots"]
    source = Shots(circuit, seed=1)
    pieces = [source.piece(number) for number in range(-(-shots // PIECE))]
    events, flips = (np.concatenate(parts)[:shots] for parts in zip(*pieces, strict=True))
    decoder = decoders.from_dem(name, families.error_model(circuit))
    wrong: np.ndarray = (decoder.decode_batch(events, bit_packed=True) != flips).any(axis=1)
    return wrong


def test_all_families_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--decoders", "mwpm", "--shots", "10", "--minutes", "10"]
    assert bench(tmp_path, *arguments) == 0
    cells = json.loads((tmp_path / "a.json").read_text())["cells"]
    assert {score["family"] for score in cells} == set(families.names())
    assert all(score["pairs"]["mwpm"]["shots"] == 10 for score in cells)
    assert "0 of 0 bars met" in capsys.readouterr().out


def test_time_is_shared_and_bounded(tmp_path: Path) -> None:
    arguments = ["--families", _CELL[0], "--minutes", "0.01", "--errors", "1000000"]
    assert bench(tmp_path, *arguments, "--shots", "100000000", "--decoders", "pymatching") == 0
    plain, other = json.loads((tmp_path / "a.json").read_text())["cells"]
    assert 0 < other["pairs"]["mwpm"]["shots"] <= plain["pairs"]["mwpm"]["shots"] < 100_000_000


def test_what_was_measured_before_ctrl_c_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = []

    def stopped(cell: Cell, names: list[str], runs: dict[str, Run], *_: Any, **__: Any) -> float:
        if measured:
            raise KeyboardInterrupt
        measured.append(cell)
        runs["mwpm"] = run_of([1, 2], 10)
        return 1.0

    monkeypatch.setattr(command, "measure", stopped)
    assert bench(tmp_path, "--families", *_CELL) == 130
    printed = capsys.readouterr()
    assert "stopped" in printed.err
    (score,) = json.loads((tmp_path / "a.json").read_text())["cells"]
    assert score["pairs"]["mwpm"]["errors"] == 2
    assert "toric" in printed.out

    def never(*_: Any) -> Outcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(exact_rates, "measure", never)
    assert bench(tmp_path, "--random_models", "3") == 130
    assert json.loads((tmp_path / "a.json").read_text())["random_models"] == []


def test_preparing_takes_no_time_from_the_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell leaves what its decoding did not use; a cell without errors is no met bar."""
    shares = []

    def measured(cell: Cell, names: list[str], runs: dict[str, Run], *_: Any, **options: Any) -> float:
        shares.append(options["seconds"])
        runs |= {name: run_of([1] * (len(shares) == 1), 10) for name in names}
        return 10.0

    monkeypatch.setattr(command, "measure", measured)
    chosen = ["--families", *_CELL, "--decoders", "mwpm", "--minutes", "1"]
    assert bench(tmp_path, *chosen) == 0
    assert shares == [30.0, 50.0]
    assert "1 of 2 cells show nothing, without an error of plain matching" in capsys.readouterr().out


# --- the comparison


def test_pairs_are_compared_on_common_shots() -> None:
    pair = Pair.of(run_of([0, 2, 3], 4), run_of([1, 2, 7, 9], 10))
    assert pair == Pair(shots=4, errors=3, others=2, only_own=2, only_other=1)
    assert pair.z == pytest.approx(1 / math.sqrt(3))
    assert Pair.of(run_of([1], 4), run_of([1], 4)).z == 0
    assert not Pair.of(Run(), run_of([1], 4)).worse


def test_verdicts() -> None:
    cell = Cell("toric", 3, 0.01)
    runs = {
        "mwpm": run_of(list(range(10)), 100),
        "mwpm-correlated": run_of(list(range(5, 12)), 100),
        "belief-matching": run_of(list(range(20)), 100),
        "trellis": Run(note="refuses the model: why"),
        "pymatching-correlated": run_of([5], 100),
    }
    scores = score_cell(cell, runs)
    assert [score.verdict for score in scores] == [
        "",
        "missed: pymatching-correlated",
        "missed: plain",
        "no shots",
        "",
    ]
    assert scores[1].pairs["mwpm"].z == pytest.approx(-3 / math.sqrt(7))
    words = text(scores, errors=1000)
    assert "0 of 2 bars met, missed:" in words
    assert "belief-matching: 20 errors, mwpm 10, on 100 shots, z = +3.2" in words
    summary = next(
        line.split() for line in words.splitlines() if line.split()[:4] == ["toric", "3", "0.01", "10"]
    )
    assert summary[4:] == ["(0.70!)", "(2.0!)", "-", "(0.10)"]
    assert "toric, d = 3, p = 0.01, trellis: refuses the model: why" in words
    assert "1 of 1 cells have a decoder that is compared on fewer than 1000 errors" in words
    refusing = Score(cell, "mwpm", 3, 1.0, scores[0].pairs, "")
    assert "mwpm: refused 3 shots (counted as errors)" in text([refusing], errors=5)


class _Picky(Decoder):
    """Refuses shots with an event at D0, and predicts no flips otherwise."""

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> "_Picky":
        return cls(name="picky", num_detectors=dem.num_detectors, num_observables=dem.num_observables)

    def _decode_packed(self, packed: Any, *, weights: bool, threads: int) -> tuple[Any, None]:
        if (packed[:, 0] & 1).any():
            raise ValueError("no D0, please")
        return np.zeros((len(packed), (self.num_observables + 7) // 8), dtype=np.uint8), None


def test_refused_shots_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    dem = stim.DetectorErrorModel("error(0.1) D0\nerror(0.2) D1 L0")
    events = np.array([[0], [1], [2], [3]], dtype=np.uint8)
    predictions, refused = runs.decode_or_refuse(_Picky.from_dem(dem), events)
    assert refused.tolist() == [False, True, False, True]
    assert not predictions.any()

    monkeypatch.setattr(exact_rates.decoders, "from_dem", lambda name, dem: _Picky.from_dem(dem))
    rate, num_refused = exact_error(dem, ExactModel.of(dem), "picky")
    assert num_refused == 2
    assert rate == pytest.approx(0.1 + 0.9 * 0.2)

    def refuse(name: str, dem: stim.DetectorErrorModel) -> Decoder:
        raise ValueError("not this model")

    monkeypatch.setattr(exact_rates.decoders, "from_dem", refuse)
    rate, num_refused = exact_error(dem, ExactModel.of(dem), "picky")
    assert num_refused == 4
    assert rate == pytest.approx(1)


# --- random models


def test_random_models(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["mwpm", "trellis"]
    assert bench(tmp_path, "--random_models", "6", "--seed", "3", "--decoders", *names) == 0
    out = capsys.readouterr().out
    assert "Exact logical error rates on 6 random models, seeds 3 to 8" in out
    found = json.loads((tmp_path / "a.json").read_text())["random_models"]
    assert [one["seed"] for one in found] == [3, 4, 5, 6, 7, 8]
    for one in found:
        exact = ExactModel.of(random_model(one["seed"]))
        assert one["optimum"] == exact.optimum()
        decoder = decoders.from_dem("mwpm", random_model(one["seed"]))
        assert one["rates"]["mwpm"] == exact.errors(decoder.decode_batch(exact.events())).sum()
        assert all(rate >= one["optimum"] * (1 - 1e-12) for rate in one["rates"].values())


def test_table_of_outcomes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    outcomes = [
        Outcome(1, 0.1, {"mwpm": 0.1, "trellis": 0.2}, {"mwpm": 0, "trellis": 0}),
        Outcome(2, 0.3, {"mwpm": 0.6, "trellis": 0.3}, {"mwpm": 4, "trellis": 0}),
        Outcome(3, 0.0, {"mwpm": 0.0, "trellis": 0.2}, {"mwpm": 1, "trellis": 0}),
    ]
    lines = exact_rates.text(outcomes).splitlines()
    plain, trellis = (
        next(line.split() for line in lines if line.split()[:1] == [n]) for n in outcomes[0].rates
    )
    # mean / mean, median, 99th percentile, worst, its seed, above the optimum, above 0, above mwpm, refused
    assert plain == ["mwpm", "1.750000", "2.000", "2.000", "2.000", "2", "1", "0", "5", "in", "2", "models"]
    assert trellis == ["trellis", "1.750000", "2.000", "2.000", "2.000", "1", "2", "1", "2", "0"]


def test_one_model_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "codes", "--model", "5", "--decoders", "mwpm"]) == 0
    out = capsys.readouterr().out
    model = random_model(5)
    assert out.startswith(str(model))
    assert f"{ExactModel.of(model).optimum():.6e}" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--families", "torus"], "unknown family 'torus'"),
        (["--families", "toric:3"], "name:distance:p"),
        (["--families", "toric:three:0.1"], "name:distance:p"),
        (["--families", "honeycomb:3:0.1"], "distance=3"),
        (["--decoders", "mwmp"], "no decoder is named 'mwmp': did you mean mwpm?"),
        (["--shots", "0"], "--shots: 0: must be "),
        (["--errors", "0"], "--errors: 0: must be "),
        (["--minutes", "0"], "--minutes: 0: must be "),
        (["--random_models", "0"], "--random_models: 0: must be "),
        (["--random_models", "5", "--families", "toric"], "--families is for circuits"),
        (["--model", "5", "--random_models", "5"], "give one of them"),
        (["--model", "5"], "leave out --json"),
        (["--seed", "-1"], "--seed: -1: must be "),
        (["--json", "nowhere/a"], "make it first"),
    ],
)
def test_wrong_use(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
