"""`qec demo`: its numbers, its figure, its options and its one-line refusals."""

import re
from pathlib import Path

import pytest
import stim

from experiments import cli
from experiments.common import fits
from experiments.common.settings import DEFAULT_DECODER
from experiments.demo import DEFAULT_P

_QUICK = ["--distances", "3", "5", "--rounds", "4", "8", "--shots", "2000"]


def demo(*arguments: str, folder: Path) -> int:
    return cli.main(["demo", *arguments, "--out", str(folder / "figure.png")])


def table_of(out: str) -> list[list[str]]:
    """Rows of the printed table: d, cycles, shots, errors and the rest."""
    return [line.split() for line in out.splitlines() if re.match(r"^ +\d+ +\d+ +\d+ ", line)]


def test_defaults_find_lambda_near_the_published_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo("--shots", "5000", folder=tmp_path) == 0
    out = capsys.readouterr().out
    rows = table_of(out)
    assert [(row[0], row[1]) for row in rows] == [(d, r) for d in "357" for r in ("10", "30", "50")]
    assert {row[2] for row in rows} == {"10000"}
    (found,) = re.findall(r"^Lambda = ([\d.]+) \[([\d.]+), ([\d.]+)\]", out, re.MULTILINE)
    value, low, high = map(float, found)
    assert low < value < high
    assert 1.8 < value < 2.3
    assert "2.14 +- 0.02" in out
    assert "Nature 638, 920" in out
    assert f"p = {DEFAULT_P}" in out
    assert DEFAULT_DECODER in out
    figure = tmp_path / "figure.png"
    assert out.splitlines()[-1].endswith(str(figure))
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_rows_agree_with_epsilon_and_lambda(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed as epsilon is the fit of what is printed as counts (here a single number of cycles)."""
    arguments = ["--distances", "3", "5", "--rounds", "6", "--shots", "4000", "--p", "0.006"]
    assert demo(*arguments, folder=tmp_path) == 0
    out = capsys.readouterr().out
    epsilons = []
    for row in table_of(out):
        shots, errors, epsilon = int(row[2]), int(row[3]), float(row[-3])
        assert epsilon == pytest.approx((1 - (1 - 2 * errors / shots) ** (1 / 6)) / 2, rel=0.01)
        epsilons.append(epsilon)
    (value,) = re.findall(r"^Lambda = ([\d.]+)", out, re.MULTILINE)
    assert float(value) == pytest.approx(epsilons[0] / epsilons[1], rel=0.02)
    assert "preparation and readout included" in out


def test_a_seed_repeats_and_another_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = []
    for seed in ("5", "5", "6"):
        assert demo(*_QUICK, "--seed", seed, folder=tmp_path) == 0
        counts.append([row[:4] for row in table_of(capsys.readouterr().out)])
    assert counts[0] == counts[1]
    assert counts[0] != counts[2]


def test_options_reach_the_simulation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo(*_QUICK, "--noise", "uniform", "--p", "0.004", folder=tmp_path) == 0
    first = capsys.readouterr().out
    assert demo(*_QUICK, "--noise", "uniform", "--p", "0.008", folder=tmp_path) == 0
    second = capsys.readouterr().out
    assert "noise uniform, p = 0.004" in first
    assert "chosen to come near" not in first
    for weaker, stronger in zip(table_of(first), table_of(second), strict=True):
        assert int(weaker[3]) < int(stronger[3])


def test_a_device_needs_no_p(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo(*_QUICK, "--noise", "device:example", folder=tmp_path) == 0
    assert "noise device:example, decoder" in capsys.readouterr().out
    assert demo(*_QUICK, "--noise", "device:example", "--p", "0.01", folder=tmp_path) == 2
    assert "takes no p" in capsys.readouterr().err


def test_without_errors_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo("--distances", "3", "5", "--shots", "10", "--p", "0.00001", folder=tmp_path) == 0
    out = capsys.readouterr().out
    assert "too few errors" in out
    assert all(row[3] == "0" for row in table_of(out))


def test_one_distance_gives_no_lambda(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo("--distances", "3", "--shots", "100", folder=tmp_path) == 0
    assert "Lambda needs two distances" in capsys.readouterr().out


def test_every_decoder_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo(*_QUICK, "--decoder", "pymatching-correlated", folder=tmp_path) == 0
    assert "decoder pymatching-correlated" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--decoder", "guess"], "pymatching"),
        (["--noise", "pink"], "si1000"),
        (["--p", "1.5"], "p"),
        (["--distances", "1"], "distance"),
        (["--rounds", "0"], "rounds"),
        (["--shots", "0"], "--shots is 0"),
        (["--seed", "-1"], "--seed is -1"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(*arguments, folder=tmp_path) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert len(captured.err.splitlines()) == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("out", "words"), [("nowhere/f.png", "no folder"), ("figure.jpg", "ends in .png"), ("f", "ends in .png")]
)
def test_a_figure_that_cannot_be_written_is_refused_before_the_work(
    out: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("experiments.demo._measure", lambda *_, **__: pytest.fail("the work has begun"))
    assert cli.main(["demo", "--out", out]) == 2
    assert words in capsys.readouterr().err


def test_fits_average_the_bases_and_keep_them_apart() -> None:
    counts = [
        fits.Count(distance=distance, basis=basis, cycles=10, shots=10_000, errors=errors)
        for distance, basis, errors in [(3, "x", 900), (3, "z", 500), (5, "x", 300), (5, "z", 300)]
    ]
    found = fits.fit(counts)
    three, five = found.distances
    assert (three.distance, five.distance) == (3, 5)
    per_basis = {basis: one.epsilon.value for basis, one in three.by_basis.items()}
    assert per_basis["x"] > per_basis["z"]
    assert three.epsilon.value == pytest.approx((per_basis["x"] + per_basis["z"]) / 2)
    assert found.suppression is not None
    assert found.suppression.value.value == pytest.approx(three.epsilon.value / five.epsilon.value, rel=1e-3)


def test_decoding_time_and_events_are_those_of_the_shots() -> None:
    from experiments.common.points import Point
    from experiments.demo import _measure

    point = Point("surface_zxxz", "cz", 3, 5, "x", "si1000", 0.003)
    result = _measure(point, decoder_name="pymatching", shots=5000, seed=3)
    dem = point.circuit().detector_error_model(decompose_errors=True)
    assert isinstance(dem, stim.DetectorErrorModel)
    assert result.num_detectors == dem.num_detectors
    # The detection fraction from the model itself, independent of sampling.
    expected = sum(_flip_probability(dem, detector) for detector in range(dem.num_detectors))
    assert result.num_events / 5000 == pytest.approx(expected, rel=0.05)
    assert result.decode_ns > 0


def _flip_probability(dem: stim.DetectorErrorModel, detector: int) -> float:
    stays = 1.0
    for error in dem.flattened():
        if error.type == "error":
            hits = sum(t.is_relative_detector_id() and t.val == detector for t in error.targets_copy())
            if hits % 2:
                stays *= 1 - 2 * error.args_copy()[0]
    return (1 - stays) / 2
