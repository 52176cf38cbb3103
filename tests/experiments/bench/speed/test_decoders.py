"""`qec bench`: tables, files and refusals. Nothing here asserts a speed."""

import csv
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import stim

import decoders
from experiments import cli
from experiments.bench.speed import command, costs, probe
from experiments.bench.speed.cells import Cell, measure
from experiments.bench.speed.costs import Cost
from experiments.common.points import Point

_QUICK = ["--distances", "3", "5", "--repetition_distances", "5", "--p", "0.003", "0.02"]
_QUICK += ["--repeats", "3", "--seconds", "0.001"]
_POINT = Point("surface", "cx", 3, 3, "z", "uniform", 0.008)


def bench(*arguments: str, folder: Path) -> int:
    return cli.main(["bench", "decoders", *arguments, "--out", str(folder)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def cell(**changes: object) -> Cell:
    values: dict[str, object] = {
        "point": _POINT,
        "decoder": "mwpm",
        "num_detectors": 24,
        "shots": 10,
        "events": 20,
        "reference_ns": {"packed": [600, 400, 500], "bool": [400, 200, 300]},
        "own_ns": {"packed": [100, 100, 150], "bool": [900, 10, 900]},
        "mismatches": 0,
    }
    return Cell(**(values | changes))  # type: ignore[arg-type]


def test_cell_compares_the_faster_call_of_each_library() -> None:
    found = cell()
    assert (found.reference_path, found.own_path) == ("bool", "packed")
    assert (found.ratio.median, found.ratio.low, found.ratio.high) == (2.0, 2.0, 4.0)
    assert (found.reference_per_event, found.own_per_event) == (15.0, 5.0)
    assert (found.turns, found.bar, found.met) == (3, 1.7, True)
    assert found.like_for_like("packed").median == 4.0
    slow = cell(own_ns={"packed": [200, 150, 200], "bool": [900, 900, 900]})
    assert slow.met is False
    elsewhere = cell(point=Point("surface", "cx", 3, 3, "z", "uniform", 0.02))
    assert (elsewhere.bar, elsewhere.met) == (None, None)


def test_decoding_table_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(*_QUICK, "--parts", "decoding", folder=tmp_path) == 0
    out = capsys.readouterr().out
    rows = rows_of(tmp_path / "bench_decoders.csv")
    where = [(row["code"], row["distance"], row["cycles"], row["p"]) for row in rows]
    assert where == [
        *[("surface", d, d, p) for p, d in itertools.product(("0.003", "0.02"), "35")],
        *[("repetition", "5", "5", p) for p in ("0.003", "0.02")],
    ]
    times = rows_of(tmp_path / "bench_decoders_times.csv")
    for row in rows:
        assert row["decoder"] == "mwpm"
        assert row["weight_mismatches"] == "0"
        assert int(row["shots"]) >= 500
        assert 0 < float(row["events_per_shot"]) < float(row["num_detectors"])
        assert float(row["ratio_low"]) <= float(row["ratio"]) <= float(row["ratio_high"])
        assert (row["bar"], row["met"] != "") == (("2.5", True) if row["p"] == "0.003" else ("", False))
        # The table's numbers follow from the single times.
        own, reference = (
            [
                int(time["ns"])
                for time in times
                if all(time[name] == row[name] for name in ("code", "distance", "p"))
                and (time["library"], time["path"]) == chosen
            ]
            for chosen in (("mwpm", row["path"]), ("PyMatching", row["pymatching_path"]))
        )
        assert len(own) == len(reference) == int(row["turns"]) == 3
        assert float(row["ratio"]) == pytest.approx(np.median(np.divide(reference, own)), rel=1e-3, abs=1e-4)
        events = float(row["events_per_shot"]) * int(row["shots"])
        assert float(row["ns_per_event"]) == pytest.approx(np.median(own) / events, rel=1e-2)
    assert len(times) == len(rows) * 2 * 2 * 3
    assert "PyMatching" in out
    assert f"weights of 0 of {sum(int(row['shots']) for row in rows):,} shots differ" in out
    # In 80 columns the table has two parts.
    assert len([line for line in out.splitlines() if line.split()[:1] in (["surface"], ["repetition"])]) == 12
    figure = tmp_path / "bench_decoders.png"
    assert out.splitlines()[-1] == f"Figure: {figure}"
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "bench_decoders_costs.csv").exists()


def test_several_decoders_share_the_shots_and_pymatching_s_times() -> None:
    ours, adapter = measure(_POINT, names=["mwpm", "pymatching"], repeats=2, seconds=1e-6)
    assert (ours.decoder, adapter.decoder) == ("mwpm", "pymatching")
    assert ours.reference_ns is adapter.reference_ns
    assert ours.own_ns is not adapter.own_ns
    assert (ours.shots, ours.events) == (adapter.shots, adapter.events)
    assert ours.mismatches == adapter.mismatches == 0


def test_a_wrong_weight_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    original = decoders.Decoder.decode_batch

    def one_step_too_heavy(self: decoders.Decoder, events: object, **options: object) -> object:
        answer = original(self, events, **options)  # type: ignore[call-overload]
        if options.get("return_weights"):
            scale = decoders.MatchingGraph.from_dem(
                _POINT.circuit().detector_error_model(decompose_errors=True)
            ).weight_scale
            answer[1][7] += 1 / scale
        return answer

    monkeypatch.setattr(decoders.Decoder, "decode_batch", one_step_too_heavy)
    (found,) = measure(_POINT, names=["mwpm"], repeats=1, seconds=1e-6)
    assert found.mismatches == 1


def test_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--build_distance", "3", "--memory_cycles", "4", "--repeats", "2", "--seconds", "0.001"]
    assert bench("--parts", "build", "memory", "threads", *options, folder=tmp_path) == 0
    rows = rows_of(tmp_path / "bench_decoders_costs.csv")
    parts = [row["part"] for row in rows]
    assert parts[:2] == ["build", "build"]
    assert parts.count("memory") in (1, 2)
    assert all(row["decoder"] == "mwpm" and float(row["ours"]) >= 0 for row in rows)
    for row in rows[:2]:
        assert float(row["ratio_low"]) <= float(row["ratio"]) <= float(row["ratio_high"])
        assert row["met"] == ("yes" if float(row["ratio"]) <= 2 else "no")
    out = capsys.readouterr().out
    for row in rows:
        assert row["quantity"] in out
    assert "Figure" not in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench_decoders_costs.csv"]


def test_memory_counts_the_arrays_of_the_decoder() -> None:
    arrays = next(cost for cost in costs.memory(["mwpm"], cycles=3) if "arrays" in cost.quantity)
    circuit = Point("surface", "cx", 5, 3, "z", "uniform", 0.003).circuit()
    decoder = decoders.from_dem("mwpm", circuit.detector_error_model(decompose_errors=True))
    # The lists of nearest detectors alone are two bytes and more for each entry.
    assert arrays.own * 3000 > decoder.search_graph.num_bytes > 0  # type: ignore[attr-defined]
    assert arrays.met is (arrays.own <= costs.MAX_CYCLE_KILOBYTES)


def test_first_call_is_measured_without_and_with_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new processes are replaced: compiling everything anew takes a while."""
    folders = []

    def probe(measurement: str, name: str, circuit: stim.Circuit, **environment: str) -> dict[str, float]:
        assert measurement == "first_call"
        folder = environment.get("NUMBA_CACHE_DIR")
        folders.append((name, folder))
        if folder is None:
            return {"seconds": 0.25}
        known = Path(folder, "kernels").exists()
        Path(folder, "kernels").touch()
        return {"seconds": 1.0 if known else 9.0}

    monkeypatch.setattr(costs, "in_new_process", probe)
    found = list(costs.first_call(["mwpm"]))
    assert [(cost.reference, cost.own) for cost in found] == [(0.25, 9.0), (0.25, 1.0)]
    assert folders[0] == ("PyMatching", None)
    assert folders[1] == folders[2]
    assert not Path(str(folders[1][1])).exists()


@pytest.mark.parametrize("name", ["PyMatching", "mwpm"])
def test_probe_answers_from_a_new_process(name: str) -> None:
    assert probe.in_new_process("first_call", name, _POINT.circuit())["seconds"] > 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system has no /proc/self/statm")
def test_probe_of_memory_sees_a_large_decoder() -> None:
    circuit = Point("surface", "cx", 5, 100, "z", "uniform", 0.003).circuit()
    # A new process: this one has memory to spare from earlier tests.
    grown = probe.in_new_process("memory", "mwpm", circuit)["bytes"]
    assert 1e5 < grown < 1e8


def test_a_probe_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match=r"first_call nonesuch.*no decoder is named"):
        probe.in_new_process("first_call", "nonesuch", _POINT.circuit())


def test_interrupt_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop_at_the_second(point: Point, **options: object) -> list[Cell]:
        if point.distance == 5:
            raise KeyboardInterrupt
        return [cell(point=point)]

    monkeypatch.setattr(command, "measure", stop_at_the_second)
    assert bench(*_QUICK, folder=tmp_path) == 130
    (row,) = rows_of(tmp_path / "bench_decoders.csv")
    assert row["distance"] == "3"
    assert len(rows_of(tmp_path / "bench_decoders_times.csv")) == 2 * 2 * 3
    assert (tmp_path / "bench_decoders.png").exists()
    captured = capsys.readouterr()
    assert "surface" in captured.out
    assert captured.err.splitlines()[-1] == f"qec bench: stopped; {tmp_path} holds what was measured"


def test_interrupt_among_the_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def memory(names: object, *, cycles: int) -> object:
        yield Cost(part="memory", quantity="apples", decoder="mwpm", reference=None, own=float(cycles))
        raise KeyboardInterrupt

    monkeypatch.setattr(costs, "memory", memory)
    assert bench("--parts", "memory", "compile", folder=tmp_path) == 130
    assert [row["quantity"] for row in rows_of(tmp_path / "bench_decoders_costs.csv")] == ["apples"]
    assert "apples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--decoders", "mpwm"], ["'mpwm'", "did you mean mwpm?"]),
        (["--distances", "0"], ["distance", "0"]),
        (["--p", "2"], ["p", "2"]),
        (["--repeats", "0"], ["--repeats", "at least 1"]),
        (["--seconds", "0"], ["--seconds", "between 0 and 60"]),
        (["--memory_cycles", "0"], ["--memory_cycles", "at least 1"]),
        (["--build_distance", "0"], ["distance", "0"]),
        (["--out", "nowhere"], ["nowhere", "make it first"]),
        (["--codes", "color"], ["color", "surface"]),
        (["--repaets", "3"], ["--repaets", "qec bench"]),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str], words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = cli.main(["bench", "decoders", "--out", str(tmp_path), *arguments])
    except SystemExit as error:
        code = int(str(error.code))
    assert code == 2
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    for word in words:
        assert word in err
    assert list(tmp_path.iterdir()) == []


def test_noise_without_events_is_refused() -> None:
    with pytest.raises(ValueError, match="no detection events"):
        measure(Point("surface", "cx", 3, 1, "z", "uniform", 1e-12), names=["mwpm"], repeats=1, seconds=1e-6)


@pytest.mark.parametrize("benchmark", [["--help"], ["decoders", "--help"]])
def test_help_fits_a_screen(benchmark: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["bench", *benchmark])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) <= 60
    assert "decoders" in out


def test_a_new_benchmark_is_one_line_in_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import types

    from experiments.bench import command

    module = types.ModuleType("benchmark_of_a_test")
    add: Callable[..., object] = lambda parser: parser.add_argument("--apples", type=int)  # noqa: E731
    module.add_arguments = add  # type: ignore[attr-defined]
    module.run = lambda args: args.apples  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(command.BENCHMARKS, "fruit", (module.__name__, "apples against pears"))
    assert cli.main(["bench", "fruit", "--apples", "5"]) == 5
