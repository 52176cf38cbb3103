"""Recorded streams: what is written is read; anything else is refused with the place."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.protocol.wire import Flags, WireError, parse_frame
from realtime.source.playlist import Playlist
from realtime.source.recorded_shots import Answer, ShotCollector
from realtime.source.recording import (
    RecordingWriter,
    frames_of,
    read_recording,
    write_answered,
    write_recording,
)
from tests.support.loop_shots import SESSION, untimed
from tests.support.loop_shots import shots as memory_shots


def random_playlist(
    *, shots: int, cycles: int, bits: int, last_bits: int, seed: int, known: bool = True
) -> Playlist:
    random = np.random.default_rng(seed)

    def rows(*shape: int) -> np.ndarray:
        return np.packbits(random.random(shape) < 0.3, axis=-1, bitorder="little")

    return Playlist(
        rows=rows(shots, cycles, bits),
        last=rows(shots, last_bits),
        observable_flips=rows(shots, 2) if known else None,
        kind="events" if bits == last_bits else "measurements",
        bits=bits,
        last_bits=last_bits,
    )


@settings(max_examples=40)
@given(
    shots=st.integers(1, 3),
    cycles=st.integers(1, 70),
    bits=st.integers(1, 30),
    last_bits=st.integers(1, 30),
    frame_cycles=st.integers(1, 64),
    cycle_ns=st.integers(1, 10**9),
    known=st.booleans(),
    seed=st.integers(0, 99),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    shots: int,
    cycles: int,
    bits: int,
    last_bits: int,
    frame_cycles: int,
    cycle_ns: int,
    known: bool,
    seed: int,
) -> None:
    played = random_playlist(
        shots=shots, cycles=cycles, bits=bits, last_bits=last_bits, seed=seed, known=known
    )
    path = tmp_path_factory.mktemp("streams") / "s.qecs"
    write_recording(path, played, frame_cycles=frame_cycles, cycle_ns=cycle_ns, notes={"from": "a test"})
    found = read_recording(path)
    assert (found.cycle_ns, found.notes) == (cycle_ns, {"from": "a test"})
    assert (
        found.groups[0].playlist.kind,
        found.groups[0].playlist.bits,
        found.groups[0].playlist.last_bits,
    ) == (
        played.kind,
        bits,
        last_bits,
    )
    np.testing.assert_array_equal(found.groups[0].playlist.rows, played.rows)
    np.testing.assert_array_equal(found.groups[0].playlist.last, played.last)
    assert (found.groups[0].playlist.observable_flips is None) == (not known)
    if known:
        np.testing.assert_array_equal(found.groups[0].playlist.observable_flips, played.observable_flips)


def test_frames_are_due_with_their_last_cycle() -> None:
    shots = random_playlist(shots=2, cycles=25, bits=8, last_bits=8, seed=1)
    frames = [
        parse_frame(message) for message in frames_of(shots, frame_cycles=10, cycle_ns=1100, start_ns=5000)
    ]
    due = [int(frame.header["due_ns"]) for frame in frames]
    assert due == [5000 + 1100 * cycle for cycle in (10, 20, 25, 35, 45, 50)]
    assert [int(frame.header["flags"]) for frame in frames] == [Flags.FIRST, 0, Flags.LAST] * 2
    assert [int(frame.header["sequence"]) for frame in frames] == list(range(6))
    assert [int(frame.header["first_cycle"]) for frame in frames] == [0, 10, 20] * 2


@pytest.fixture
def written(tmp_path: Path) -> Path:
    shots = random_playlist(shots=2, cycles=25, bits=12, last_bits=12, seed=1)
    return write_recording(tmp_path / "s.qecs", shots, frame_cycles=10, cycle_ns=1100)


def test_damage_is_found_and_its_place_named(written: Path) -> None:
    good = written.read_bytes()
    start = good.index(b"\n") + 1
    frame = 64 + 20
    written.write_bytes(good[:-1])
    with pytest.raises(ValueError, match="frame 5: not a frame"):
        read_recording(written)
    written.write_bytes(good[: start + frame])
    with pytest.raises(ValueError, match="the last shot is incomplete"):
        read_recording(written)
    written.write_bytes(good[: start + frame] + good[start + 2 * frame :])
    with pytest.raises(ValueError, match="frame 1 begins with cycle 20, expected 10"):
        read_recording(written)
    broken = bytearray(good)
    broken[start + frame + 70] ^= 1
    written.write_bytes(bytes(broken))
    with pytest.raises(ValueError, match="frame 1: not a frame: the checksum"):
        read_recording(written)
    written.write_bytes(good[:start])
    with pytest.raises(ValueError, match="must hold a shot"):
        read_recording(written)


def test_answers_round_trip_and_damage_is_found(tmp_path: Path) -> None:
    played = random_playlist(shots=3, cycles=25, bits=12, last_bits=12, seed=1)
    ok = Answer(status="OK", flips=b"\x02", num_observables=2, digest=5, due_ns=6, received_ns=7, done_ns=8)
    late = Answer(status="BACKLOG", flips=None, num_observables=2, syndrome_hash=9)
    path = tmp_path / "s.qecs"
    answers = [(2, ok), (0, late), (2, None)]
    write_answered(
        path, played, frame_cycles=10, cycle_ns=0, played=answers, notes={"decoder": "x"}, model="m"
    )
    found = read_recording(path)
    assert (found.cycle_ns, found.model, found.notes["decoder"]) == (0, "m", "x")
    (group,) = found.groups
    assert group.answers == (ok, late, None)
    np.testing.assert_array_equal(group.playlist.rows, played.rows[[2, 0, 2]])
    assert played.observable_flips is not None
    np.testing.assert_array_equal(group.playlist.observable_flips, played.observable_flips[[2, 0, 2]])
    good = path.read_bytes()
    for size in (len(good) - 1, len(good) - 48, len(good) // 2):
        path.write_bytes(good[:size])
        with pytest.raises(ValueError, match=r"s\.qecs: (incomplete|damaged)"):
            read_recording(path)
    for place in (len(good) // 2, len(good) - 60):
        path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        with pytest.raises(ValueError, match=r"s\.qecs: damaged"):
            read_recording(path)


def test_shots_without_all_of_their_data_are_left_out() -> None:
    data = [untimed(SESSION, count=1, first=shot, sequence=3 * shot)[0] for shot in range(5)]
    collector = ShotCollector()
    data[0][1:2] = []  # a frame is missing
    data[1][1] = data[1][1][:-1] + b"?"  # damaged
    data[2].insert(1, data[2][0])  # repeated, which harms nothing
    data[3][-1:] = []  # the end is missing
    for message in [message for shot in data for message in shot]:
        collector.take_data(memoryview(message))
    (group,) = collector.groups()
    assert (group.numbers, collector.num_incomplete) == ((2, 4), 3)
    np.testing.assert_array_equal(group.playlist.rows, memory_shots().packed[[2, 4], :-1])


@pytest.mark.parametrize(
    "head",
    [b"", b"\x00\x01", b"[1]\n", b"{}\n", b'{"format": "qec-stream", "version": 3, "cycle_ns": 1}\n']
    + [
        json.dumps({"format": "qec-stream", "version": 1, "cycle_ns": n}).encode() + b"\n"
        for n in (0, "1", True, 10**30, 1.5)
    ],
)
def test_other_files_are_refused(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(head)
    with pytest.raises(ValueError, match=r"not a recorded stream|cycle_ns is .*: must be a whole number"):
        read_recording(path)


@pytest.mark.parametrize(("bits", "last_bits"), [(12, 8), (0, 8), (8, 0)])
def test_widths_that_cannot_be(bits: int, last_bits: int, tmp_path: Path) -> None:
    shots = random_playlist(shots=1, cycles=5, bits=bits, last_bits=last_bits, seed=1)
    shots = dataclasses.replace(shots, kind="events")
    path = write_recording(tmp_path / "s.qecs", shots, frame_cycles=5, cycle_ns=1)
    with pytest.raises(ValueError, match=rf"s\.qecs: {bits} bits in a cycle and {last_bits} in the last row"):
        read_recording(path)


@pytest.mark.parametrize("flips", [["01"], ["01", ""], ["01", "0"], [1, 2], 7])
def test_observables_that_do_not_fit(flips: object, tmp_path: Path) -> None:
    shots = random_playlist(shots=2, cycles=5, bits=8, last_bits=8, seed=1)
    shots = dataclasses.replace(shots, observable_flips=None)
    path = tmp_path / "s.qecs"
    write_recording(path, shots, frame_cycles=5, cycle_ns=1, notes={"observable_flips": flips})
    with pytest.raises(ValueError, match=r"s\.qecs: .*"):
        read_recording(path)


def test_a_writer_that_fails_leaves_no_file(tmp_path: Path) -> None:
    for wrong in (0, -5, 10**15, 1.5, True):
        with pytest.raises(ValueError, match="must be a whole number, 1 to 1,000,000,000,000"):
            RecordingWriter(tmp_path / "s", cycle_ns=wrong)  # type: ignore[arg-type]
    writer = RecordingWriter(tmp_path / "s", cycle_ns=1100)
    with pytest.raises(WireError), writer:
        writer.write(b"no frame")
    assert list(tmp_path.iterdir()) == []


def test_frames_of_too_many_cycles_are_refused() -> None:
    shots = random_playlist(shots=1, cycles=5, bits=8, last_bits=8, seed=1)
    with pytest.raises(ValueError, match="65 cycles in a frame: must be between 1 and 64"):
        next(frames_of(shots, frame_cycles=65, cycle_ns=1))
