"""`qec bench programs`: its files, and PyMatching as the decoder. Nothing here asserts a speed."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import cli
from experiments.bench.programs import command, merges
from experiments.bench.programs.pymatching_server import PyMatchingServer
from realtime.programs.kernels.records import End
from realtime.programs.run import RunSettings
from realtime.protocol import wire
from realtime.protocol.wire import Flags
from tests.support.programs import patch_model


def test_pymatching_in_windows_answers_like_the_compiled_decoder() -> None:
    server, decoder = PyMatchingServer(patch_model(), patches=1), patch_model().make_decoder()
    same = 0
    for shot in range(40):
        readout = shot % 2
        layers = decoder.of_readout(readout).typical_rows(60, seed=shot)  # several windows
        packed = np.packbits(layers, axis=1, bitorder="little")
        answer = None
        for first in range(0, len(layers) - 1, 7):
            last = first + 7 >= len(layers) - 1
            message = wire.encode_frame(
                session=1,
                stream=0,
                shot=shot,
                sequence=first,
                first_cycle=first,
                due_ns=0,
                kind=wire.Payload.EVENTS,
                rows=packed[first : min(first + 7, len(layers) - 1)],
                bits_per_cycle=layers.shape[1],
                final=packed[-1] if last else None,
                final_bits=layers.shape[1] if last else 0,
                flags=(Flags.FIRST if first == 0 else 0) | (Flags.SECOND_READOUT if last and readout else 0),
            )
            answer = server.answer(message)
        assert answer is not None
        flips = np.frombuffer(answer, dtype=np.uint8, offset=wire.RESULT.itemsize)[0]
        same += int(flips >> readout & 1) == int(decoder.decode(layers, readout=readout)[readout])
    assert same >= 38  # ties in weight may be broken in either way


def test_programs_with_merges_are_compared_with_whole_shots() -> None:
    settings = RunSettings(cycle_ns=1100)
    runs = merges.merge_runs(3, p=0.002, settings=settings, shots=20, cycles=2, say=lambda _: None)
    row = next(runs)  # the others are tested with the programs
    assert (row.part, row.found.run.num_shots, row.found.same, row.found.checked) == ("merges", 20, 60, 60)
    text = merges.compare_with_whole_shots([row], seed=1, say=lambda _: None)
    for word in ("parity by a merge", "first", "second", "wrong in whole shots"):
        assert word in text


def test_reaction_times_of_programs_with_merges_are_measured_on_both_clocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    program, *_ = merges.reaction_programs(distance=3, cycles=2)
    settings = RunSettings(cycle_ns=20_000, frame_cycles=2)
    rows = merges.reaction_runs(program, distance=3, p=0.002, settings=settings, shots=20, say=said.append)
    for clock, row in zip(("simulated", "real"), rows, strict=True):
        assert (row.part, row.clock) == ("reaction", clock)
        assert (row.found.run.end, row.found.same, row.found.checked) == (End.DONE, 40, 40)
    # A decoder that needs longer than the cycles: the run is given up, and so are shorter ones.
    monkeypatch.setattr(merges, "ATTEMPTS", 2)
    monkeypatch.setattr(merges, "LONGEST_WAIT", 20)
    slow = replace(settings, service_ns=10**6)
    rows = merges.reaction_runs(program, distance=3, p=0.002, settings=slow, shots=20, say=said.append)
    assert [row.found.run.end for row in rows] == [End.UNANSWERED] * 2
    assert said[-1] == f"{program.name}, real clock, 1 shots, attempt 2"


def test_every_run_has_a_row_and_a_figure_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_LENGTHS", (1, 3))
    monkeypatch.setattr(command, "_DELAYS_NS", (0, 20_000))
    monkeypatch.setattr(command, "_SERVICES_NS", (400, 2000))
    monkeypatch.setattr(command, "_GAPS", (4.0,))
    sizes = ["--distance", "3", "--slow_shots", "60", "--chain_shots", "30", "--gap_shots", "60"]
    assert cli.main(["bench", "programs", "--parts", "slow,chain,gaps", *sizes, "--out", str(tmp_path)]) == 0
    with (tmp_path / "bench_programs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["part"] for row in rows] == ["slow"] * 2 + ["chain"] * 4 + ["gaps"] * 4
    assert [row["end"] for row in rows] == ["DONE", "UNANSWERED", *["DONE"] * 8]
    assert [row["discarded"] == "0" for row in rows[6:]] == [True, False, False, True]
    assert all(row["same"] == row["checked"] != "0" for row in rows)
    quick, slow = (float(row["reaction_mean_us"]) for row in rows[:2])
    assert slow > 10 * quick
    assert [row["delay_ns"] for row in rows[2:6]] == ["0", "0", "20000", "20000"]
    assert (tmp_path / "bench_programs.png").stat().st_size > 10_000
