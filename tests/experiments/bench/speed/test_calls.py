"""Measurement of single calls of the drop-in `Matching`."""

import csv
from pathlib import Path

import pytest

from decoders.pymatching import Matching
from experiments import cli
from experiments.bench.speed import calls, command


def test_calls_of_both_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[object, str]] = []
    for kind in ("decode", "decode_batch"):
        original = getattr(Matching, kind)

        def counted(self: Matching, *args: object, kind: str = kind, original=original, **named: object):  # type: ignore[no-untyped-def]
            made.append((self, kind))
            return original(self, *args, **named)

        monkeypatch.setattr(Matching, kind, counted)
    found = list(calls.measure_calls(repeats=2, shots=5, distances=[3], rates=[0.01]))
    assert [cost.quantity.partition(",")[0] for cost in found] == ["decode", "decode_batch"]
    assert [kind for _, kind in made].count("decode_batch") == 3  # warm-up and two turns
    for cost in found:
        assert cost.reference is not None
        assert cost.ratio is not None
        assert cost.own > 0
        assert cost.met == (cost.ratio.median < 1)


def test_the_command_measures_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[dict[str, object]] = []

    def measure(**options: object):  # type: ignore[no-untyped-def]
        measured.append(options)
        yield calls.Cost(part="calls", quantity="decode", decoder="Matching", reference=4.0, own=1.0)

    monkeypatch.setattr(command, "measure_calls", measure)
    arguments = ["--parts", "calls", "--repeats", "2", "--seconds", "0.001", "--out", str(tmp_path)]
    assert cli.main(["bench", "decoders", *arguments]) == 0
    assert measured == [{"repeats": 2, "shots": 1000}]
    with (tmp_path / "bench_decoders_costs.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["part"], row["decoder"]) == ("calls", "Matching")
