"""`qec gap`: its numbers are those of the decoder, its figure is drawn, and wrong use is refused."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import decoders
from experiments import cli
from experiments.common.points import Point
from experiments.plotting import gap
from experiments.plotting.series import GapSeries
from qec.statistics import soft

_QUICK = ["--distances", "3", "5", "--shots", "3000", "--p", "0.005", "--bins", "4"]


def shots_of(point: Point, *, shots: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    circuit = point.circuit()
    decoder = decoders.from_dem("pymatching", circuit.detector_error_model(decompose_errors=True))
    sampler = circuit.compile_detector_sampler(seed=seed)
    sampler.sample(100, bit_packed=True)  # as the command does, to warm up
    events, flips = sampler.sample(shots, separate_observables=True)
    predictions, gaps = decoder.decode_batch(events, return_gap=True)
    return gaps[:, 0], (predictions != flips).any(axis=1)


def test_tables_files_and_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure, data = tmp_path / "f.png", tmp_path / "g.json"
    assert cli.main(["gap", *_QUICK, "--out", str(figure), "--json", str(data)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("surface_zxxz, si1000, p = 0.005, mwpm, d cycles, basis Z\n")
    assert out.splitlines()[-1] == f"Figure: {figure}"
    assert figure.read_bytes().startswith(b"\x89PNG")
    found = json.loads(data.read_text())["results"]
    assert [one["distance"] for one in found] == [3, 5]
    seed = int(np.random.SeedSequence([1, 0]).generate_state(1)[0])
    # The command decodes in pieces of at least 1000 shots; the sampler gives the same shots in any pieces.
    point = Point("surface_zxxz", "cz", 3, 3, "z", "si1000", 0.005)
    gaps, failed = shots_of(point, shots=1000, seed=seed)
    rows = found[0]["kept"]
    assert rows[0]["shots"] == 3000 == sum(one["shots"] for one in found[0]["calibration"])
    assert rows[0]["errors"] == sum(one["errors"] for one in found[0]["calibration"])
    rate = rows[0]["errors"] / 3000
    assert abs(rate - failed.mean()) < 6 * math.sqrt(rate / 1000)
    assert found[0]["calibration"][0]["low"] <= gaps.min() + 0.1
    for one in found:
        errors = [kept["error"]["value"] for kept in one["kept"]]
        assert errors[0] > errors[-1]
        assert [kept["discarded"] for kept in one["kept"]] == sorted(
            kept["discarded"] for kept in one["kept"]
        )
        assert one["cost"] > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--decoder", "pymatching-correlated"], "gives no gaps"),
        (["--decoder", "mwmp"], "no decoder is named"),
        (["--decoder", "pymatching", "--threads", "2"], "threads=2"),
        (["--shots", "0"], "--shots: 0: must be "),
        (["--bins", "0"], "--bins: 0: must be "),
        (["--out", "a.gif"], "must end in .png"),
        (["--json", "nowhere/a.json"], "make it first"),
        (["--code", "toric"], "toric"),
        (["--noise", "device:example", "--p", "0.1"], "leave --p out"),
        (["--rounds", "x"], "--rounds"),
    ],
)
def test_wrong_use(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["gap", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def result(errors: int, *, distance: int = 3) -> GapSeries:
    gaps = np.linspace(0, 12, 1000)
    failed = np.arange(1000) < errors
    return GapSeries(
        label=f"d = {distance}",
        calibration=soft.calibration(gaps=gaps, failed=failed, bins=6),
        curve=soft.post_selection(gaps=gaps, failed=failed, fractions=[0, 0.1, 0.2]),
    )


@pytest.mark.parametrize("errors", [[0], [40], [300, 3], [1000, 0]])
def test_figures_of_few_and_many_errors(errors: list[int], tmp_path: Path) -> None:
    results = [result(count, distance=3 + 2 * index) for index, count in enumerate(errors)]
    path = gap.draw(path=tmp_path / "f.png", series=results, title="a title")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_equal_results_give_equal_bytes_and_none_is_refused(tmp_path: Path) -> None:
    first, second = (
        gap.draw(path=tmp_path / f"{name}.png", series=[result(50)]).read_bytes() for name in "ab"
    )
    assert first == second
    with pytest.raises(ValueError, match="nothing to draw"):
        gap.draw(path=tmp_path / "c.png", series=[])
