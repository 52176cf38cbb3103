"""Noise chosen on the command line: bias, and devices that leak; simulated, or refused in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import sinter
from scipy.stats import fisher_exact

import decoders
from experiments import cli
from experiments.common.noise_options import noise_names
from experiments.common.points import Point
from experiments.common.sampling import MemorySampler
from qec.sampling import LeakageSampler
from realtime.source.recording import read_recording
from tests.support.chance import FALSE_ALARM

_DEVICE = """\
name = "{name}"
[rates]
two_qubit = 3e-3
readout = 5e-3
[bias]
two_qubit = 5
[coherence]
t1_us = 68
t2_us = 89
[durations]
one_qubit_ns = 25
two_qubit_ns = 42
measurement_ns = 500
reset_ns = 160
"""
_LEAKAGE = "[leakage]\ncz = 8e-3\nmeasurement = 2e-3\ndecay = 0.05\n"


@pytest.fixture
def leaky(tmp_path: Path) -> str:
    """A device that leaks much."""
    path = tmp_path / "leaky.toml"
    path.write_text(_DEVICE.format(name="leaky") + _LEAKAGE)
    return f"device:{path}"


@pytest.fixture
def tight(tmp_path: Path) -> str:
    """The same device without leakage."""
    path = tmp_path / "tight.toml"
    path.write_text(_DEVICE.format(name="tight"))
    return f"device:{path}"


def point(noise: str, *, rounds: int = 20) -> Point:
    return Point("surface_zxxz", "cz", 3, rounds, "z", noise, None)


def counted(noise: str, *, shots: int) -> int:
    """Errors by the sampler and the decoder themselves."""
    circuit = point(noise).circuit()
    dem = circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    leakage = point(noise).leakage
    if leakage is None:
        events, flips = circuit.compile_detector_sampler(seed=9).sample(
            shots, separate_observables=True, bit_packed=True
        )
    else:
        events, flips, _ = LeakageSampler(circuit, model=leakage).sample(shots=shots, seed=9)
    return int((decoders.from_dem("mwpm", dem).decode_batch(events, bit_packed=True) != flips).sum())


def test_a_sweep_simulates_leakage(
    leaky: str, tight: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots, out = 4000, tmp_path / "out.csv"
    arguments = ["sweep", "--noise", leaky, tight, "--distances", "3", "--rounds", "20", "--bases", "z"]
    arguments += ["--max_shots", str(shots), "--decoders", "mwpm", "--processes", "1", "--out", str(out)]
    assert cli.main(arguments) == 0
    rows = {row.json_metadata["noise"]: row for row in sinter.read_stats_from_csv_files(out)}
    assert rows["device:leaky"].json_metadata["leakage"] == "cz=0.008 measurement=0.002 decay=0.05"
    assert "leakage" not in rows["device:tight"].json_metadata
    for name, noise in (("device:leaky", leaky), ("device:tight", tight)):
        row = rows[name]
        assert row.shots >= shots
        assert row.discards == 0
        table = [[row.errors, row.shots - row.errors], [(e := counted(noise, shots=shots)), shots - e]]
        assert fisher_exact(table).pvalue > FALSE_ALARM / 2
    assert rows["device:leaky"].errors > 3 * rows["device:tight"].errors
    # Samples of a leaking device are found again, and its rates keep them apart.
    assert cli.main(arguments) == 0
    assert len(sinter.read_stats_from_csv_files(out)) == 2
    assert "2 points" in capsys.readouterr().out
    Path(leaky.removeprefix("device:")).write_text(
        _DEVICE.format(name="leaky") + _LEAKAGE.replace("8e-3", "9e-3")
    )
    assert cli.main(arguments) == 0
    assert len(sinter.read_stats_from_csv_files(out)) == 3


def test_a_sweep_discards_shots_of_a_leaking_device(leaky: str, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    arguments = [
        "sweep",
        "--noise",
        leaky,
        "--distances",
        "3",
        "--rounds",
        "20",
        "--bases",
        "z",
        "--max_shots",
    ]
    arguments += ["1000", "--decoders", "mwpm-gap-3", "--processes", "1", "--out", str(out)]
    assert cli.main(arguments) == 0
    (row,) = sinter.read_stats_from_csv_files(out)
    assert 0 < row.discards < row.shots
    assert 0 < row.errors < row.shots - row.discards


def test_the_sampler_goes_on_where_it_was(leaky: str) -> None:
    circuit, leakage = point(leaky).circuit(), point(leaky).leakage
    one = MemorySampler(circuit, leakage=leakage, seed=3)
    parts = [one.sample(shots) for shots in (40, 60)]
    whole = MemorySampler(circuit, leakage=leakage, seed=3).sample(100)
    other = MemorySampler(circuit, leakage=leakage, seed=4).sample(100)
    for which in (0, 1):
        assert np.array_equal(np.concatenate([part[which] for part in parts]), whole[which])
    assert not np.array_equal(whole[0], other[0])


def test_demo_and_gap_simulate_leakage(
    leaky: str, tight: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    errors = {}
    for noise in (leaky, tight):
        common = ["--noise", noise, "--distances", "3", "--shots", "2000", "--rounds", "20"]
        assert cli.main(["demo", *common, "--out", str(tmp_path / "a.png")]) == 0
        out = capsys.readouterr().out
        assert ("leakage cz=0.008" in out) == (noise == leaky)
        row = next(line.split() for line in out.splitlines() if line.split()[:2] == ["3", "20"])
        data = tmp_path / "gap.json"
        assert cli.main(["gap", *common, "--out", str(tmp_path / "b.png"), "--json", str(data)]) == 0
        assert ("leakage cz=0.008" in capsys.readouterr().out) == (noise == leaky)
        kept = json.loads(data.read_text())["results"][0]["kept"][0]
        errors[noise] = int(row[3]), kept["errors"]
    assert errors[leaky][0] > 2 * errors[tight][0] > 0
    assert errors[leaky][1] > 2 * errors[tight][1] > 0


def test_a_stream_plays_leakage(leaky: str, tight: str, tmp_path: Path) -> None:
    fractions = {}
    for noise in (leaky, tight):
        file = tmp_path / "stream"
        arguments = [
            "--noise",
            noise,
            "--distance",
            "3",
            "--cycles",
            "40",
            "--shots",
            "300",
            "--record",
            str(file),
            "--force",
        ]
        assert cli.main(["stream", *arguments]) == 0
        playlist = read_recording(file).groups[0].playlist
        fractions[noise] = sum(int(np.bitwise_count(rows).sum()) for rows in playlist.rows) / (300 * 40 * 8)
    circuit = point(leaky, rounds=40).circuit()
    leakage = point(leaky, rounds=40).leakage
    assert leakage is not None
    events = LeakageSampler(circuit, model=leakage).sample(shots=300, seed=5).events
    # Nearly all detectors are those of the cycles.
    assert fractions[leaky] == pytest.approx(
        np.bitwise_count(events).sum() / (300 * circuit.num_detectors), rel=0.1
    )
    assert fractions[leaky] > 1.5 * fractions[tight]


@pytest.mark.parametrize("command", ["demo", "gap", "sweep"])
def test_a_bias_is_part_of_the_name(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    limit = "--max_shots" if command == "sweep" else "--shots"
    assert cli.main([command, "--bias", "30", "--distances", "3", "--rounds", "4", limit, "200"]) == 0
    if command == "sweep":
        (name,) = {r.json_metadata["noise"] for r in sinter.read_stats_from_csv_files(tmp_path / "sweep.csv")}
        assert name == "si1000:bias=30"
    else:
        assert "si1000:bias=30" in capsys.readouterr().out


def test_all_models_with_all_biases() -> None:
    assert noise_names(["si1000", "device:example"], []) == ["si1000", "device:example"]
    assert noise_names(["si1000", "device:example"], [1.0, float("inf")]) == [
        "si1000:bias=1",
        "si1000:bias=inf",
        "device:example",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--noise", "device:example", "--bias", "3"], "--bias with a device: leave --bias out"),
        (["sweep", "--noise", "device:example", "--bias", "3"], "--bias with a device: leave --bias out"),
        (["gap", "--noise", "si1000:bias=3", "--bias", "3"], "the bias is given twice"),
        (["realtime", "--noise", "device:example", "--bias", "3"], "--bias with a device"),
        (["soak", "--bias", "-3"], "bias '-3': must be a number, 0 or more"),
        (["stream", "--record", "x", "--bias", "nan"], "--bias: nan: must be a number"),
        (["stream", "y", "--record", "x", "--bias", "3"], "--bias with recorded shots"),
        (["serve", "--model", "x.dem", "--bias", "3"], "--bias with --model"),
        (["serve", "--distance", "3", "--noise", "device:example", "--bias", "3"], "--bias with a device"),
        (["sweep", "--merge", "a.csv", "--bias", "3"], "leave out --bias"),
        (["stream", "--record", "x", "--kind", "measurements", "--noise", "LEAKY"], "take --kind events"),
        (
            ["sweep", "--noise", "LEAKY", "--rounds", "100000", "--distances", "3"],
            "at most 262,144 measurements",
        ),
        (
            ["realtime", "--distance", "3", "--cycles", "100000", "--noise", "LEAKY"],
            "at most 262,144 measure",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    arguments: list[str],
    words: str,
    leaky: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([leaky if one == "LEAKY" else one for one in arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
