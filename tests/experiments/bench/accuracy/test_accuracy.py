"""`qec bench accuracy`: pairs counted right, runs continued, decoders yet unknown, refusals. No speeds."""

import json
import math
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

import decoders
from decoders.base import Decoder
from experiments import cli
from experiments.bench.accuracy import peers
from experiments.bench.accuracy.report import CellScores, Score, panels, score_cell
from experiments.bench.accuracy.runs import PIECE, Run, RunFile, Shots, cell_name
from experiments.common.points import Point
from experiments.plotting import accuracy

_POINT = Point("surface", "cx", 3, 3, "z", "uniform", 0.01)


def bench(folder: Path, *arguments: str) -> int:
    return cli.main(
        [
            *("bench", "accuracy", "--cells", "3:0.01", "--shots", "3000", "--no_peers"),
            *("--data", str(folder / "a.jsonl"), "--json", str(folder / "a.json")),
            *("--out", str(folder / "a.png"), *arguments),
        ]
    )


def scores_of(folder: Path) -> dict[str, dict[str, object]]:
    (cell,) = json.loads((folder / "a.json").read_text())["cells"]
    return {score["decoder"]: score for score in cell["scores"]}


def wrong_shots(name: str, shots: int, *, seed: int = 1) -> set[int]:
    """What a decoder gets wrong, decoded here in one go."""
    circuit = _POINT.circuit()
    source = Shots(circuit, seed=seed)
    pieces = [source.piece(number) for number in range(-(-shots // PIECE))]
    events, flips = (np.concatenate(parts)[:shots] for parts in zip(*pieces, strict=True))
    decoder = decoders.from_dem(name, circuit.detector_error_model(decompose_errors=True))
    return set(np.flatnonzero((decoder.decode_batch(events, bit_packed=True) != flips).any(axis=1)).tolist())


def test_table_files_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"Figure: {tmp_path / 'a.png'}"
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    found = scores_of(tmp_path)
    assert set(found) == set(decoders.names())
    plain = wrong_shots("mwpm", 3000)
    for name in decoders.names():
        own = wrong_shots(name, 3000)
        score = found[name]
        assert score["shots"] == 3000
        assert score["both"] == len(own & plain)
        assert score["only_own"] == len(own - plain)
        assert score["only_plain"] == len(plain - own)
        assert score["relative_errors"][0] == pytest.approx(len(own) / len(plain))  # type: ignore[index]
        marks = next(line.split()[1] for line in out.splitlines() if line.split()[:1] == [name])
        assert ("+" in marks) == name.startswith("pymatching")
    assert found["pymatching-correlated"]["only_plain"] != 0


def test_a_run_is_continued_and_one_decoder_measured_anew(tmp_path: Path) -> None:
    chosen = ["--decoders", "pymatching-correlated"]
    assert bench(tmp_path, *chosen, "--shots", "1000") == 0
    first = (tmp_path / "a.jsonl").read_text()
    assert bench(tmp_path, *chosen) == 0
    assert (tmp_path / "a.jsonl").read_text().startswith(first)
    assert scores_of(tmp_path)["pymatching-correlated"]["shots"] == 3000
    whole = tmp_path / "whole"
    whole.mkdir()
    assert bench(whole, *chosen) == 0
    names = ("both", "only_own", "only_plain")
    for decoder, score in scores_of(tmp_path).items():
        assert [score[name] for name in names] == [scores_of(whole)[decoder][name] for name in names]
    assert bench(tmp_path, *chosen, "--again", "pymatching-correlated", "--shots", "500") == 0
    assert scores_of(tmp_path)["pymatching-correlated"]["shots"] == 500
    assert scores_of(tmp_path)["mwpm"]["shots"] == 3000


def test_a_half_written_line_is_measured_again(tmp_path: Path) -> None:
    assert bench(tmp_path, "--decoders", "mwpm", "--shots", "1000") == 0
    data = tmp_path / "a.jsonl"
    data.write_text(data.read_text()[:-20])
    assert bench(tmp_path, "--decoders", "mwpm", "--shots", "1000") == 0
    assert scores_of(tmp_path)["mwpm"]["shots"] == 1000
    data.write_text("nonsense\n" + data.read_text())
    assert bench(tmp_path, "--decoders", "mwpm") == 2


def test_other_shots_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(tmp_path, "--decoders", "mwpm", "--shots", "100") == 0
    capsys.readouterr()
    assert bench(tmp_path, "--decoders", "mwpm", "--seed", "2") == 2
    error = capsys.readouterr().err
    assert "holds other shots" in error
    assert len(error.splitlines()) == 1


class NeverFlips(Decoder):
    """Predicts nothing, after having refused to be slow."""

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> "NeverFlips":
        return cls(name="never", num_detectors=dem.num_detectors, num_observables=dem.num_observables)

    def _decode_packed(
        self, packed: NDArray[np.uint8], *, weights: bool, threads: int
    ) -> tuple[NDArray[np.uint8], None]:
        return np.zeros((len(packed), 1), dtype=np.uint8), None


class Refuses(NeverFlips):
    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> "Refuses":
        raise ValueError("only for codes\nthat nobody has")


def test_decoders_that_are_new_in_the_registry_take_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(decoders.registry._known(), "never", f"{__name__}:NeverFlips")
    monkeypatch.setitem(decoders.registry._known(), "refuses", f"{__name__}:Refuses")
    assert bench(tmp_path) == 0
    score = scores_of(tmp_path)["never"]
    # Its errors are the shots whose observable flipped.
    source = Shots(_POINT.circuit(), seed=1)
    flips = np.concatenate([source.piece(0)[1], source.piece(1)[1]])[:3000]
    assert score["both"] + score["only_own"] == np.count_nonzero(flips)  # type: ignore[operator]
    assert score["front"] is False or score["microseconds"] < scores_of(tmp_path)["mwpm"]["microseconds"]  # type: ignore[operator]
    assert "refuses: left out: only for codes that nobody has" in capsys.readouterr().out
    assert "refuses" not in scores_of(tmp_path)


def test_other_libraries_take_part_where_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in for one library, by its interface; the others are said to be missing."""
    module = types.ModuleType("beliefmatching")

    class BeliefMatching:
        def __init__(self, dem: stim.DetectorErrorModel, *, max_bp_iters: int) -> None:
            self._decoder = decoders.from_dem("mwpm", dem)

        def decode(self, syndrome: NDArray[np.uint8]) -> NDArray[np.uint8]:
            return self._decoder.decode(syndrome).astype(np.uint8)

    module.BeliefMatching = BeliefMatching  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "beliefmatching", module)
    monkeypatch.setattr(
        peers.importlib.util,
        "find_spec",
        lambda name: object() if name == "beliefmatching" else None,
    )
    arguments = ["--cells", "3:0.01", "--shots", "200", "--decoders", "mwpm"]
    arguments += ["--data", str(tmp_path / "d"), "--json", str(tmp_path / "a.json")]
    assert cli.main(["bench", "accuracy", *arguments, "--out", str(tmp_path / "a.png")]) == 0
    out = capsys.readouterr().out
    assert "Tesseract left out: the module tesseract_decoder is not installed" in out
    assert "ldpc BP+OSD-CS10 left out" in out
    scores = scores_of(tmp_path)
    assert scores["beliefmatching"]["shots"] == 200
    assert scores["beliefmatching"]["only_own"] == scores["beliefmatching"]["only_plain"] == 0
    assert scores["beliefmatching"]["peer"] is True


def test_time_is_shared_and_bounded(tmp_path: Path) -> None:
    assert bench(tmp_path, "--minutes", "0.02", "--shots", "100000000", "--decoders", "pymatching") == 0
    found = scores_of(tmp_path)
    assert 0 < found["pymatching"]["shots"] < 100_000_000  # type: ignore[operator]
    assert found["mwpm"]["shots"] >= found["pymatching"]["shots"]  # type: ignore[operator]


# --- the comparison


def test_pairs_and_intervals() -> None:
    plain = Run(shots=1000, failed=[1, 2, 3, 4, 900], time_ns=1_000_000)
    slow = Run(shots=100, failed=[2, 50, 99], time_ns=10_000_000)
    cell = score_cell(_POINT, {"mwpm": plain, "slow": slow, "none": Run()}, peers=set(), reference="mwpm")
    first, second = cell.scores
    assert (first.shots, first.both, first.only_own, first.only_plain) == (1000, 5, 0, 0)
    assert (second.shots, second.both, second.only_own, second.only_plain) == (100, 1, 2, 3)
    assert (second.microseconds, second.times_plain) == (100.0, 100.0)
    assert (first.front, second.front) == (True, True)
    assert second.ratio.value == 3 / 4
    assert second.ratio.low < 3 / 4 < second.ratio.high
    nothing = Score("a", False, 10, 0, 0, 0, 1.0, 1.0).ratio
    assert math.isnan(nothing.value)


def test_intervals_of_paired_ratios_cover_the_truth() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(400):
        both, own, plain = rng.poisson([60, 15, 45])
        ratio = Score("a", False, 10_000, both, own, plain, 1.0, 1.0).ratio
        inside += ratio.low <= 75 / 105 <= ratio.high
    assert 0.9 * 400 <= inside < 400


def test_run_files_refuse_gaps(tmp_path: Path) -> None:
    path = tmp_path / "runs"
    with RunFile(path) as file:
        file.check("cell", "abc")
        file.add("cell", "a", failed=[3, 5], last=10, time_ns=70)
        file.add("cell", "a", failed=[11], last=20, time_ns=30)
    with RunFile(path) as file:
        run = file.run("cell", "a")
        assert (run.shots, run.failed, run.time_ns) == (20, [3, 5, 11], 100)
        file.check("cell", "abc")
        with pytest.raises(ValueError, match="other shots"):
            file.check("cell", "abd")
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[2], lines[1]]) + "\n")
    with pytest.raises(ValueError, match="line 2"), RunFile(path):
        pass


def test_pieces_are_the_same_in_any_order() -> None:
    one, other = (Shots(_POINT.circuit(), seed=7) for _ in range(2))
    forward = [one.piece(number) for number in range(6)]
    for number in (5, 0, 3, 0):
        for part, expected in zip(other.piece(number), forward[number], strict=True):
            assert np.array_equal(part, expected)
    assert one.fingerprint() == other.fingerprint() != Shots(_POINT.circuit(), seed=8).fingerprint()
    assert json.loads(cell_name(_POINT))["distance"] == 3


@pytest.mark.parametrize("ratios", [[(5, 0, 0)], [(5, 0, 0), (3, 1, 4), (0, 0, 5)], [(0, 0, 0)]])
def test_figures(ratios: list[tuple[int, int, int]], tmp_path: Path) -> None:
    scores = [Score(f"n{k}", k > 1, 100, *row, 10.0**k, 10.0**k, True) for k, row in enumerate(ratios)]
    cells = [CellScores(_POINT, scores, [])] * 2
    path = accuracy.draw(path=tmp_path / "f.png", panels=panels(cells), title="title")
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="nothing to draw"):
        accuracy.draw(path=tmp_path / "g.png", panels=[])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cells", "seven"], "--cells 'seven'"),
        (["--cells", "0:0.01"], "distance"),
        (["--again", "mwmp"], "--again mwmp"),
        (["--decoders", "mwmp"], "unknown decoder 'mwmp'"),
        (["--shots", "0"], "--shots: 0: must be "),
        (["--minutes", "0"], "--minutes: 0: must be "),
        (["--out", "a.gif"], "must end in .png"),
        (["--data", "nowhere/a"], "make it first"),
    ],
)
def test_wrong_use(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(tmp_path, *arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"last": -1},
        {"last": 1e30},
        {"failed": [7]},
        {"failed": [2, 2]},
        {"failed": ["1"]},
        {"ns": -1},
        {"ns": None},
    ],
)
def test_counts_that_cannot_be_are_no_record(wrong: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "runs.jsonl"
    record = {"cell": "c", "decoder": "mwpm", "first": 0, "last": 5, "failed": [2], "ns": 10}
    path.write_text(json.dumps(record) + "\n")
    with RunFile(path) as file:
        assert file.run("c", "mwpm").failed == [2]
    path.write_text(json.dumps({**record, **wrong}) + "\n")
    with pytest.raises(ValueError, match="line 1: not a record"), RunFile(path):
        pass
