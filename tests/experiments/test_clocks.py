"""No command counts compiling or building as decoding time. No test here looks at real times."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stim

import decoders
from decoders import StreamingDecoder
from decoders.base import Decoder
from experiments import cli
from experiments.bench.codes.runs import Cell, Limits, Run, measure
from experiments.common import preparation
from experiments.common.points import Point
from experiments.common.terminal import Progress
from experiments.loop.shots import prepare, simulate
from tests.support.compilations import JUMP, CompilationClock, compiled, forget
from tests.support.streams import compiled_only

_DEMO = ("demo", "--distances", "3", "--rounds", "2", "3", "--shots", "100")


def decode_arguments(folder: Path, decoder: str) -> list[str]:
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z", distance=3, rounds=3, after_clifford_depolarization=0.001
    )
    circuit.detector_error_model(decompose_errors=True).to_file(folder / "m.dem")
    circuit.compile_detector_sampler(seed=1).sample_write(
        100, filepath=str(folder / "s.b8"), format="b8", append_observables=True
    )
    files = ("--dem", str(folder / "m.dem"), "--in", str(folder / "s.b8"))
    return ["decode", *files, "--in_includes_appended_observables", "--decoder", decoder]


def decode_us(folder: Path, decoder: str, capsys: pytest.CaptureFixture[str]) -> list[float]:
    assert cli.main(decode_arguments(folder, decoder)) == 0
    return [float(found) for found in re.findall(r", (\S+) us a shot", capsys.readouterr().out)]


def demo_us(folder: Path, decoder: str, capsys: pytest.CaptureFixture[str]) -> list[float]:
    assert cli.main([*_DEMO, "--decoder", decoder, "--out", str(folder / "f.png")]) == 0
    rows = re.findall(r"^ +3 +\d+ +200 .*", capsys.readouterr().out, re.MULTILINE)
    return [float(row.split()[6]) for row in rows]


def gap_us(folder: Path, decoder: str, capsys: pytest.CaptureFixture[str]) -> list[float]:
    """The ratio of the times with and without gaps."""
    options = ("--distances", "3", "--shots", "2000", "--bins", "2", "--decoder", decoder)
    data = folder / "g.json"
    assert cli.main(["gap", *options, "--out", str(folder / "f.png"), "--json", str(data)]) == 0
    capsys.readouterr()
    return [one["cost"] for one in json.loads(data.read_text())["results"]]


def accuracy_us(folder: Path, decoder: str, capsys: pytest.CaptureFixture[str]) -> list[float]:
    options = ("--cells", "3:0.0001", "--shots", "200", "--no_peers", "--decoders", decoder)
    files = (
        "--data",
        str(folder / "a.jsonl"),
        "--json",
        str(folder / "a.json"),
        "--out",
        str(folder / "a.png"),
    )
    assert cli.main(["bench", "accuracy", *options, *files]) == 0
    capsys.readouterr()
    (cell,) = json.loads((folder / "a.json").read_text())["cells"]
    return [score["microseconds"] for score in cell["scores"]]


def codes_us(folder: Path, decoder: str, capsys: pytest.CaptureFixture[str]) -> list[float]:
    runs: dict[str, Run] = {}
    measure(
        Cell("surface-uniform", 3, 0.0001),
        ["mwpm", decoder],
        runs,
        Limits(errors=10**9, shots=200, seconds=600),
        seconds=600,
        seed=1,
        progress=Progress(),
    )
    assert all(run.shots == 200 for run in runs.values())
    return [run.microseconds for run in runs.values()]


@compiled_only
@pytest.mark.parametrize("decoder", ["mwpm-correlated", "belief-matching", "trellis"])
@pytest.mark.parametrize("reported_us", [decode_us, demo_us, gap_us, accuracy_us, codes_us])
def test_no_reported_time_includes_a_compilation(
    reported_us: Callable[..., list[float]],
    decoder: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By a clock that compilations move; in most shots nothing happens, so that they compile nothing."""
    for module in ("decode", "demo", "gap.command", "bench.accuracy.command", "bench.codes.runs"):
        monkeypatch.setattr(f"experiments.{module}.time", CompilationClock())
    forget()
    times = reported_us(tmp_path, decoder, capsys)
    assert compiled()
    assert times
    assert max(times) < 1000 < JUMP / 1000 / 80_000


@compiled_only
def test_the_offline_decoder_of_the_loop_is_timed_without_compiling_and_building(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shots of another length than the decoder's circuit have another ending."""
    point = Point("surface_zxxz", "cz", 3, 33, "z", "si1000", 0.004)
    playlist = simulate(point, shots=2, seed=1, progress=lambda _: None)
    circuit = Point("surface_zxxz", "cz", 3, 30, "z", "si1000", 0.004).circuit()
    decoder = StreamingDecoder.from_circuit(circuit)
    endings = decoder._endings.known
    clock = CompilationClock()
    monkeypatch.setattr("experiments.loop.shots.time", clock)
    look = clock.perf_counter_ns
    monkeypatch.setattr(clock, "perf_counter_ns", lambda: look() + JUMP * len(decoder._endings.known))
    forget()
    before = len(endings)
    prepared = prepare(playlist, decoder=decoder, folder=tmp_path / "s", progress=lambda _: None)
    assert len(decoder._endings.known) > before
    assert 0 < prepared.decoder_us < 1


class Events:
    """What happens to decoders, in order: ("warm up" | "decode", decoder) and ("clock", None)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, module: str) -> None:
        self.seen: list[tuple[str, Decoder | None]] = []
        kind = type(decoders.from_dem("mwpm", stim.DetectorErrorModel("error(0.1) D0 L0")))
        monkeypatch.setattr(kind, "warm_up", lambda one, *, gaps=False: self.seen.append(("warm up", one)))
        decode = kind.decode_batch

        def spy(one: Decoder, *args: Any, **options: Any) -> Any:
            self.seen.append(("decode", one))
            return decode(one, *args, **options)

        monkeypatch.setattr(kind, "decode_batch", spy)
        clock = CompilationClock()
        monkeypatch.setattr(clock, "perf_counter_ns", lambda: self.seen.append(("clock", None)) or 0)
        monkeypatch.setattr(f"experiments.{module}.time", clock)


@pytest.mark.parametrize("command", ["decode", "demo"])
def test_decoders_are_warm_before_the_clock_starts(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {
        "decode": decode_arguments(tmp_path, "mwpm"),
        "demo": [*_DEMO, "--out", str(tmp_path / "f.png")],
    }
    events = Events(monkeypatch, module=command)
    assert cli.main(arguments[command]) == 0
    warm: list[Decoder | None] = []
    num_looks = num_decoded = 0
    for event, decoder in events.seen:
        num_looks += event == "clock"
        if event == "warm up":
            assert num_looks % 2 == 0, "warmed up while the clock was running"
            warm.append(decoder)
        if event == "decode":
            num_decoded += 1
            assert num_looks % 2 == 1, "decoded while no clock was running"
            assert any(decoder is one for one in warm)
    assert num_decoded == num_looks // 2 == {"decode": 1, "demo": 4}[command]


@pytest.mark.parametrize(("seconds", "line"), [(2.9, ""), (61.26, "qec decode: preparing mwpm took 61.3 s ")])
def test_long_preparations_are_reported_in_one_line(
    seconds: float, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([100.0, 100.0 + seconds])
    clock = CompilationClock()
    monkeypatch.setattr(clock, "monotonic", lambda: next(times))
    monkeypatch.setattr(preparation, "time", clock)
    with Progress(period=0) as progress, preparation.preparation("qec decode", "mwpm", progress=progress):
        pass
    captured = capsys.readouterr()
    assert captured.out == ""
    shown, *after = captured.err.splitlines()
    assert shown.endswith("  preparing mwpm; the first use compiles its kernels")
    assert [text[: len(line)] for text in after] == ([line] if line else [])
    assert all(len(text) < 80 for text in (shown, *after))


@compiled_only
def test_kernels_for_gaps_are_compiled_where_a_sweep_needs_them() -> None:
    def compile_for(**options: Any) -> set[tuple[str, str]]:
        forget()
        with Progress() as progress:
            preparation.compile_kernels("qec sweep", ["mwpm"], progress=progress, **options)
        return compiled()

    plain = compile_for()
    assert plain
    assert "decode_with_gaps" in {
        name.rpartition(".")[2] for name, _ in compile_for(with_gaps=["mwpm"]) - plain
    }
