"""`qec bench streaming`: what its numbers mean, tables, files and refusals. Nothing here asserts a speed."""

import csv
import itertools
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pymatching
import pytest

from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from experiments import cli
from experiments.bench.streaming import command, figures, probe, shots
from experiments.bench.streaming.pairs import Pair, compare_buffers, compare_parallel
from experiments.bench.streaming.report import Findings
from experiments.bench.streaming.shots import Shot, ShotRun, memory_point
from experiments.bench.streaming.threads import Threads, compare_threads
from experiments.bench.streaming.windows import METHODS, PyMatchingWindows, compare_lengths
from experiments.common.machine import available_bytes, resident_bytes
from qec.statistics import per_cycle

_P = 0.004
_TINY = ["--distances", "3", "--cycles", "1000", "--passes", "2", "--repeats", "1", "--lengths", "10", "30"]
_TINY += ["--lengths_distance", "3", "--errors", "20", "--error_distances", "3", "--parallel_distances", "3"]
_TINY += ["--threads", "1", "2"]


def bench(*arguments: str, folder: Path) -> int:
    return cli.main(["bench", "streaming", *arguments, "--out", str(folder)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def quiet(_: str) -> None:
    pass


def shot_run(**changes: object) -> ShotRun:
    values: dict[str, object] = {
        "point": memory_point(5, 4000, _P),
        "frame_cycles": 10,
        "commit": 10,
        "buffer": 5,
        "segment_cycles": 200,
        "times_ns": [[100_000] * 18 + [110_000] * 2, [100_000] * 18 + [102_000] * 2],
        "grown_bytes": [[0] * 20, [0] * 19 + [4_000_000]],
        "decoder_bytes": 10_000_000,
        "flips": [0],
    }
    return ShotRun(**(values | changes))  # type: ignore[arg-type]


def pair(**changes: object) -> Pair:
    values: dict[str, object] = {
        "decoder": "mwpm-stream",
        "point": memory_point(3, 60, _P),
        "commit": 6,
        "buffer": 3,
        "both": 900,
        "only_stream": 110,
        "only_whole": 100,
        "shots": 10_000,
    }
    return Pair(**(values | changes))  # type: ignore[arg-type]


# --- the noise


def test_detection_fraction_is_that_of_sampled_shots() -> None:
    circuit = memory_point(3, 6, _P).circuit()
    inside = [at for at, place in circuit.get_detector_coordinates().items() if place[2] == 3]
    events = circuit.compile_detector_sampler(seed=3).sample(40_000)[:, inside]
    found = shots.detection_fraction(3, _P)
    # Detectors of a shot are correlated: a wide allowance, still 2 % of the value.
    assert found == pytest.approx(events.mean(), rel=0.02)


def test_calibration_finds_the_fraction_back() -> None:
    p = shots.calibrate(3, 0.05)
    assert shots.detection_fraction(3, p) == pytest.approx(0.05, abs=1e-5)


def test_calibration_refuses_what_no_noise_gives() -> None:
    with pytest.raises(ValueError, match=r"--detection_fraction 0\.49.*between"):
        shots.calibrate(3, 0.49)


# --- one long shot


@pytest.mark.parametrize("cycles", [15, 40])
def test_layers_of_a_packed_shot_are_frames(cycles: int) -> None:
    circuit = memory_point(3, cycles, _P).circuit()
    model = LayeredModel.from_dem(circuit.detector_error_model(decompose_errors=True))
    events = np.random.default_rng(1).integers(0, 2, size=(1, model.num_detectors), dtype=np.uint8)
    (expected,) = StreamingDecoder.from_circuit(circuit).to_frames(events)
    packed = np.packbits(events[0], bitorder="little")
    bounds = [0, 1, 7, model.num_layers - 1, model.num_layers]
    pieces = [probe._layers(model, packed, first, last) for first, last in itertools.pairwise(bounds)]
    assert np.array_equal(np.concatenate(pieces), expected)


def test_a_shot_is_sampled_and_pushed_in_other_processes(tmp_path: Path) -> None:
    cycles = 500
    shot = shots.sample_shot(memory_point(3, cycles, _P), tmp_path / "layers", seed=5)
    layers = shot.layers()
    assert layers.shape == (cycles + 1, shot.num_columns) == (cycles + 1, 8)
    circuit = shot.point.circuit()
    assert shot.fraction == layers.sum() / circuit.num_detectors
    assert len(shot.flips) == 1
    assert shot.peak_bytes > 1e6
    runs = shots.push_shot(shot, frames=[7, 1000], passes=2, segments=5)
    assert [run.frame_cycles for run in runs] == [7, 1000]
    decoder = StreamingDecoder.from_circuit(circuit)
    prediction = decoder.decode_frames(layers[np.newaxis])
    for run in runs:
        assert (run.commit, run.buffer) == (decoder.commit, decoder.buffer)
        assert run.segment_cycles == 100
        assert [len(times) for times in run.times_ns] == [5, 5]
        assert min(min(times) for times in run.times_ns) > 0
        assert run.flips == [int(prediction[0, 0])]
        if run.grown_bytes is not None:
            assert [len(growths) for growths in run.grown_bytes] == [5, 5]
            assert run.growth() is not None


def test_half_a_segment_is_pushed_but_not_timed(tmp_path: Path) -> None:
    point = memory_point(3, 250, _P)
    sampled = probe.sample({"circuit": str(point.circuit()), "path": str(tmp_path / "layers"), "seed": 5})
    shot = Shot(point=point, path=tmp_path / "layers", **sampled)
    request = {
        "circuit": str(point.circuit()),
        "path": str(shot.path),
        "row_bytes": shot.row_bytes,
        "cycles": 250,
        "frames": [10],
        "passes": 1,
        "segment_cycles": 100,
    }
    (run,) = probe.push(request)["runs"]
    assert len(run["times_ns"][0]) == 2
    expected = StreamingDecoder.from_circuit(point.circuit()).decode_frames(shot.layers()[np.newaxis])
    assert run["flips"] == [int(expected[0, 0])]
    with pytest.raises(ValueError, match="shorter"):
        probe.push(request | {"cycles": 300})


def test_a_process_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"sample in a new process failed.*nowhere"):
        shots.sample_shot(memory_point(3, 20, _P), tmp_path / "nowhere" / "layers")


def test_time_drift_and_growth_of_a_run() -> None:
    run = shot_run()
    assert run.microseconds() == pytest.approx(0.5)
    drift = run.drift()
    assert (drift.median, drift.low, drift.high) == pytest.approx((1.02, 1.02, 1.1))
    assert run.growth() == 4.0
    assert run.verdicts() == {"time": True, "memory": True, "constant": True}
    slower = [[100_000] * 18 + [106_000] * 2, [100_000] * 18 + [107_000] * 2]
    assert shot_run(times_ns=slower).verdicts()["constant"] is False
    slow = [[200_000] * 20]
    assert shot_run(times_ns=slow).verdicts() == {"time": False, "memory": True, "constant": True}
    assert shot_run(grown_bytes=[[6_000_000]]).verdicts()["memory"] is False
    elsewhere = shot_run(point=memory_point(3, 4000, _P), grown_bytes=None, times_ns=[[1000] * 4])
    assert (elsewhere.verdicts(), elsewhere.growth()) == ({}, None)


def test_build_times_by_length() -> None:
    times = shots.build_times(3, _P, cycles=[20, 50], repeats=2)
    assert list(times) == [20, 50]
    assert all(len(found) == 2 and min(found) > 0 for found in times.values())


# --- PyMatching beside it


@pytest.mark.parametrize(("distance", "cycles"), [(3, 40), (5, 33)])
def test_windows_around_pymatching_do_what_streaming_does(distance: int, cycles: int) -> None:
    circuit = memory_point(distance, cycles, _P).circuit()
    dem = circuit.detector_error_model(decompose_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=2).sample(400, separate_observables=True)
    model = LayeredModel.from_dem(dem)
    streaming = StreamingDecoder.from_circuit(circuit, commit=4, buffer=3)
    frames = streaming.to_frames(events)
    windows = PyMatchingWindows(model, commit=4, buffer=3)
    theirs = np.array([windows.decode(layers) for layers in frames])
    ours = np.unpackbits(streaming.decode_frames(frames), axis=1, count=1, bitorder="little")
    # Matchings of equal weight may differ; errors of such windows do not show otherwise.
    assert (ours != theirs).sum() <= 4
    assert (theirs != flips).sum() < 0.75 * min(flips.sum(), (1 - flips).sum())
    whole = PyMatchingWindows(model, commit=4, buffer=cycles)
    reference = pymatching.Matching.from_detector_error_model(dem).decode_batch(events)
    assert (np.array([whole.decode(layers) for layers in frames]) != reference).sum() <= 2


def test_windows_leave_the_caller_s_layers_alone() -> None:
    circuit = memory_point(3, 40, _P).circuit()
    dem = circuit.detector_error_model(decompose_errors=True)
    events = circuit.compile_detector_sampler(seed=2).sample(1)
    (layers,) = StreamingDecoder.from_circuit(circuit).to_frames(events)
    before = layers.copy()
    windows = PyMatchingWindows(LayeredModel.from_dem(dem), commit=4, buffer=3)
    assert np.array_equal(windows.decode(layers), windows.decode(layers))
    assert np.array_equal(layers, before)


def test_lengths_are_compared_on_the_same_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    short, long = compare_lengths(3, _P, lengths=[5, 40], cycles=100, repeats=2, show=quiet)
    assert [(found.point.rounds, found.shots) for found in (short, long)] == [(5, 20), (40, 2)]
    for found in (short, long):
        assert set(found.times_ns) == set(METHODS)
        assert all(len(times) == 2 for times in found.times_ns.values())
        assert found.differing <= 1
    whole = short.microseconds("PyMatching whole")
    assert whole == pytest.approx(sum(short.times_ns["PyMatching whole"]) / 2 / 20 / 5 / 1000)


def test_what_does_not_fit_the_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.bench.streaming.windows.available_bytes", lambda: 1000)
    (found,) = compare_lengths(3, _P, lengths=[20], cycles=20, repeats=1, show=quiet)
    assert set(found.times_ns) == set(METHODS) - {"PyMatching whole"}
    assert found.microseconds("PyMatching whole") is None


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="this system has no /proc/meminfo")
def test_memory_is_read(tmp_path: Path) -> None:
    resident, available = resident_bytes(), available_bytes()
    assert resident is not None
    assert available is not None
    assert 1e6 < resident < 1e12
    assert available > 1e6
    (tmp_path / "meminfo").write_text("MemTotal: 5 kB\nMemAvailable:    3 kB\n")
    assert available_bytes(tmp_path / "meminfo") == 3 * 1024
    assert available_bytes(tmp_path / "nowhere") is None


# --- logical errors


def test_errors_are_counted_in_pairs() -> None:
    found = pair(both=0, only_stream=0, only_whole=0, shots=0)
    found.add(np.array([True, True, False, False, True]), np.array([True, False, True, False, False]))
    assert (found.shots, found.both, found.only_stream, found.only_whole) == (5, 1, 2, 1)


def test_ratio_is_per_cycle_and_its_interval_paired() -> None:
    found = pair()
    stream, whole = (per_cycle(probability=count / 10_000, cycles=60) for count in (1010, 1000))
    assert found.per_cycle() == (stream, whole)
    ratio = found.ratio()
    assert ratio.value == pytest.approx(stream / whole)
    # Against a bootstrap over shots.
    random = np.random.default_rng(4)
    counts = random.multinomial(10_000, [0.09, 0.011, 0.01, 0.889], size=4000)
    sampled = [
        per_cycle(probability=(both + one) / 1e4, cycles=60)
        / per_cycle(probability=(both + other) / 1e4, cycles=60)
        for both, one, other, _ in counts
    ]
    low, high = np.quantile(sampled, [0.025, 0.975])
    assert (ratio.low, ratio.high) == pytest.approx((low, high), rel=2e-3)
    # An unpaired interval would be three times as wide.
    assert ratio.high - ratio.low < 0.07


def test_ratio_without_differences_or_without_errors() -> None:
    same = pair(only_stream=0, only_whole=0).ratio()
    assert (same.value, same.low < 1 < same.high) == (1.0, True)
    for changes in ({"both": 0, "only_stream": 0}, {"both": 6000}):
        nothing = pair(**changes)
        assert math.isnan(nothing.ratio().value)
        assert nothing.met() is None
    assert pair(only_stream=100).met() is True
    assert pair(only_stream=130).met() is False


def test_buffers_are_compared_on_the_same_shots() -> None:
    found = compare_buffers(3, _P, buffers=[None, 0, 2, 6], errors=30, repeats=2, show=quiet)
    default = StreamingDecoder.from_circuit(memory_point(3, 60, _P).circuit()).buffer
    assert [one.buffer for one in found] == [default, 2, 6]  # 0 is too short
    assert len({(one.shots, one.both + one.only_whole) for one in found}) == 1
    for one in found:
        assert one.both + one.only_whole >= 30
        assert one.point.rounds == 60
        assert len(one.times_ns) == 2
        assert one.microseconds() == pytest.approx(sum(one.times_ns) / 2 / one.timed_shots / 60 / 1000)
    assert found[0].only_stream + found[0].only_whole < found[0].both


def test_streaming_with_the_longest_buffer_is_the_whole_history() -> None:
    (found,) = compare_buffers(3, _P, buffers=[60], errors=30, repeats=0, show=quiet)
    assert found.only_stream + found.only_whole <= 2  # ties
    assert found.microseconds() is None


def test_parallel_windows_are_compared_too() -> None:
    found = compare_parallel(3, _P, errors=10, show=quiet)
    assert found.decoder == "parallel windows"
    assert found.both + found.only_whole >= 10
    assert found.only_stream + found.only_whole < found.both


def test_threads_decode_the_whole_shot(tmp_path: Path) -> None:
    shot = shots.sample_shot(memory_point(3, 2500, _P), tmp_path / "layers")
    found = compare_threads(shot, threads=[1, 2], repeats=2)
    assert {count: len(times) for count, times in found.times_ns.items()} == {0: 2, 1: 2, 2: 2}
    point = memory_point(9, 1000, _P)
    assert Threads(point=point, times_ns={0: [2_000_000], 1: [900_000, 1_100_000, 5_000_000]}).met()
    assert not Threads(point=point, times_ns={0: [2_000_000], 1: [1_200_000]}).met()


# --- the command


def test_tables_files_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(*_TINY, folder=tmp_path) == 0
    out = capsys.readouterr().out
    assert "SI1000, p = 0.2762 %: mean detection fraction inside the memory 8.50 % at d = 5" in out
    rows = rows_of(tmp_path / "bench_streaming.csv")
    assert [row["part"] for row in rows[:2]] == ["calibration"] * 2
    parts = ("calibration", "shots", "build", "lengths", "accuracy", "buffers", "parallel")
    assert {row["part"] for row in rows} == set(parts)
    times = rows_of(tmp_path / "bench_streaming_times.csv")
    for row in rows:
        if row["quantity"] == "us per cycle":
            # Follows from the single times.
            keys = ("part", "distance", "cycles", "variant")
            variant = row["variant"]
            if row["part"] == "buffers":
                variant = f"buffer {variant.split('+')[1]}"
            wanted = [*(row[key] for key in keys[:3]), variant]
            mine = [time for time in times if [time[key] for key in keys] == wanted]
            per_cycle_us = [int(time["ns"]) / int(time["cycles_timed"]) / 1000 for time in mine]
            assert float(row["value"]) == pytest.approx(np.median(per_cycle_us)), row
    counts = rows_of(tmp_path / "bench_streaming_counts.csv")
    assert {row["decoder"] for row in counts} == {"mwpm-stream", "parallel windows"}
    for row in counts:
        wanted = 5 if row["decoder"] == "parallel windows" else 20
        assert int(row["both_wrong"]) + int(row["only_whole_wrong"]) >= wanted
    figures = [tmp_path / f"bench_streaming_{name}.png" for name in ("buffers", "lengths", "shot")]
    assert out.splitlines()[-1] == f"Figures: {', '.join(map(str, figures))}"
    for figure in figures:
        assert figure.read_bytes().startswith(b"\x89PNG")
        assert figure.stat().st_size < 150_000


def test_parts_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(*_TINY, "--parts", "build", "--p", "0.001", folder=tmp_path) == 0
    out = capsys.readouterr().out
    assert "p = 0.1000 %" in out
    assert "Figures" not in out
    assert {row["part"] for row in rows_of(tmp_path / "bench_streaming.csv")} == {"calibration", "build"}


def test_quick_makes_smaller_what_is_not_given() -> None:
    def sizes(*arguments: str) -> Mapping[str, object]:
        import argparse

        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        args = parser.parse_args(arguments)
        command._check(args)
        return vars(args)

    full, quick = sizes(), sizes("--quick", "--errors", "7")
    assert (full["cycles"], full["errors"]) == (1_000_000, 10_000)
    assert int(str(quick["cycles"])) < 100_000
    assert quick["errors"] == 7


def test_interrupt_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shots, "compile_kernels", lambda distance, p: None)
    monkeypatch.setattr(command, "compare_lengths", stop)
    assert bench(*_TINY, "--parts", "build", "lengths", "accuracy", folder=tmp_path) == 130
    captured = capsys.readouterr()
    assert {row["part"] for row in rows_of(tmp_path / "bench_streaming.csv")} == {"calibration", "build"}
    assert "Time from a circuit" in captured.out
    assert captured.err.splitlines()[-1] == f"qec bench: stopped; {tmp_path} holds what was measured"


def test_figure_shows_limits_where_there_is_no_excess(tmp_path: Path) -> None:
    certain = figures._excess(pair(only_stream=400))
    assert certain.low > 0
    assert certain.value == pytest.approx(100 * (pair(only_stream=400).ratio().value - 1))
    none = figures._excess(pair(only_stream=100))
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(100 * (pair(only_stream=100).ratio().high - 1))
    timed = [replace(pair(buffer=buffer), times_ns=[10**9], timed_shots=10) for buffer in (2, 3)]
    found = Findings(p=_P, buffers=timed)
    assert figures.draw(found, tmp_path) == [tmp_path / "bench_streaming_buffers.png"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--distances", "0"], ["--distances", "at least 1"]),
        (["--distances", "1"], ["distance", "1"]),
        (["--cycles", "10"], ["--cycles", "at least 100"]),
        (["--passes", "0"], ["--passes", "at least 1"]),
        (["--frames", "0"], ["--frames", "at least 1"]),
        (["--threads", "0"], ["--threads", "at least 1"]),
        (["--detection_fraction", "0.6"], ["--detection_fraction", "0.5"]),
        (["--detection_fraction", "0.4"], ["--detection_fraction", "between"]),
        (["--p", "2"], ["p", "2"]),
        (["--p", "0"], ["p", "0"]),
        (["--parts", "apples"], ["apples", "shots"]),
        (["--out", "nowhere"], ["nowhere", "make it first"]),
        (["--cyles", "300"], ["--cyles", "qec bench"]),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = cli.main(["bench", "streaming", *_TINY, "--out", str(tmp_path), *arguments])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


def test_help_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["bench", "streaming", "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 70
    assert "--detection_fraction" in out
