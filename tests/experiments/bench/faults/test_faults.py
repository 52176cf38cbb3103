"""`qec bench faults`: its accounts can fail, and a real loop keeps its promises."""

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import cli
from experiments.bench.faults import command
from experiments.bench.faults.changes import ClockStep, Damage
from experiments.bench.faults.outcome import Outcome
from experiments.bench.faults.stage import Account, Shots
from experiments.loop.shots import Prepared
from realtime.protocol.wire import Payload, encode_frame, parse_frame
from realtime.source.playlist import Playlist

KEPT = Outcome(fault="loss", shots=3, right=2, failed=Counter(GAP=1), growth_kb=0, recoveries_ms=[1.0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"right": 1, "wrong": 1}, ["1 shots are wrong with status OK"]),
        ({"shots": 4}, ["4 shots, but 3 outcomes"]),
        ({"growth_kb": 5000}, ["memory grew by 5000 kB"]),
        ({"recoveries_ms": [1.0, float("inf")]}, ["no right answer after the fault"]),
        ({"broken": ["sockets left"]}, ["sockets left"]),
    ],
)
def test_a_broken_promise_is_named(changes: dict[str, object], words: list[str]) -> None:
    assert replace(KEPT, **changes).promises() == words  # type: ignore[arg-type]


def test_only_the_offline_answer_to_the_same_data_is_right(tmp_path: Path) -> None:
    rows = np.zeros((1, 4, 1), np.uint8)
    prepared = Prepared(
        folder=tmp_path,
        cycles=4,
        shots=1,
        offline=np.array([[1]], np.uint8),
        truth=None,
        detection_fraction=0.0,
        decoder_us=0.0,
    )
    playlist = Playlist(rows=rows, last=rows[:, 0], observable_flips=None, kind="events", bits=8, last_bits=8)
    account = Account(Shots(prepared=prepared, playlist=playlist, hashes=[7]), Outcome(fault="loss"))
    account.end_fault(100)
    for status, flips, syndrome_hash, at_ns in (
        ("OK", b"\0", 7, 200),
        ("OK", b"\1", 8, 200),
        ("GAP", None, 7, 200),
        ("OK", b"\1", 7, 50),
        ("OK", b"\1", 7, 2_000_100),
    ):
        account.add(0, status=status, flips=flips, syndrome_hash=syndrome_hash, at_ns=at_ns)
    account.end_fault(3_000_000)
    account.close()
    outcome = account.outcome
    assert (outcome.shots, outcome.right, outcome.wrong, outcome.failed) == (5, 2, 2, Counter(GAP=1))
    assert outcome.recoveries_ms == [2.0, float("inf")]


def test_messages_are_hit_as_the_fault_says() -> None:
    messages = [bytes([number]) * 9 for number in range(200)]

    def passed(kind: str) -> list[bytes]:
        damage = Damage(kind=kind, probability=0.1, rng=random.Random(3))
        found = [one for message in messages for one in damage(message, "data")]
        assert damage.num_hit > 10
        return found

    assert set(passed("loss")) < set(messages)
    moved = passed("reordering")
    assert moved != messages
    assert sorted(moved) == messages
    doubled = Counter(passed("duplication"))
    assert set(doubled.values()) == {1, 2}
    pairs = [(old, new) for old, new in zip(messages, passed("corruption"), strict=True) if old != new]
    assert all(
        int.from_bytes(bytes(np.bitwise_xor(*map(bytearray, pair)))).bit_count() == 1 for pair in pairs
    )
    step = ClockStep(step_ns=10**12)
    fields = {"session": 5, "stream": 0, "shot": 0, "sequence": 0, "first_cycle": 0, "due_ns": 0}
    rows = np.zeros((1, 1), np.uint8)
    (late,) = step(encode_frame(**fields, kind=Payload.EVENTS, rows=rows, bits_per_cycle=8), "data")
    assert int(parse_frame(late).header["due_ns"]) == 10**12
    assert step(b"a result", "results") == [b"a result"]


def test_a_loop_with_damaged_frames_keeps_its_promises(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "faults.json"
    assert cli.main(["bench", "faults", "--faults", "corruption", "--shots", "80", "--out", str(out)]) == 0
    (outcome,) = map(Outcome.from_json, json.loads(out.read_text())["outcomes"])
    assert outcome.shots == outcome.right + outcome.failed.total() == 170
    assert outcome.failed
    assert "170 shots, 0 wrong with status OK" in capsys.readouterr().out


def test_a_promise_that_is_not_kept_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> Outcome:
        raise TimeoutError("no daemon answers")

    monkeypatch.setitem(command.FAULTS, "loss", lambda _: replace(KEPT, right=1, wrong=1))
    monkeypatch.setitem(command.FAULTS, "delay", fail)
    assert cli.main(["bench", "faults", "--faults", "loss", "delay"]) == 1
    shown = capsys.readouterr().out
    assert "NOT kept: loss: 1 shots are wrong with status OK" in shown
    assert "NOT kept: delay: TimeoutError: no daemon answers" in shown


@pytest.mark.nightly
def test_a_loop_keeps_its_promises_under_all_faults() -> None:
    assert cli.main(["bench", "faults", "--shots", "60", "--repeats", "2"]) == 0
