"""Playing: frames as recorded ones, on schedule; what comes back; overruns; stopping."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.kernels import pacing
from realtime.kernels.ring import new_ring, ring_put, ring_take
from realtime.protocol.wire import MAGIC, RESULT, VERSION, Flags, Frame, Status, Type, parse_frame, sealed
from realtime.source.player import Link, PlayedShot, Player, play_together
from realtime.source.playlist import Playlist
from realtime.source.recording import frames_of

SESSION = 77


def random_playlist(*, shots: int, cycles: int, bits: int = 24, seed: int = 1) -> Playlist:
    random = np.random.default_rng(seed)

    def rows(*shape: int) -> Any:
        return np.packbits(random.random(shape) < 0.3, axis=-1, bitorder="little")

    return Playlist(
        rows=rows(shots, cycles, bits),
        last=rows(shots, bits),
        observable_flips=None,
        kind="events",
        bits=bits,
        last_bits=bits,
    )


def answer_to(frame: Frame, *, status: Status = Status.OK, shot: int | None = None) -> bytes:
    header = np.zeros((), dtype=RESULT)
    for name, value in (
        ("magic", MAGIC),
        ("version", VERSION),
        ("type", int(Type.RESULT)),
        ("header_length", RESULT.itemsize),
        ("session", int(frame.header["session"])),
        ("status", int(status)),
        ("num_observables", 1),
        ("shot", int(frame.header["shot"]) if shot is None else shot),
        ("received_ns", 10),
        ("done_ns", 30),
        ("max_backlog", 7),
    ):
        header[name] = value
    return sealed(header.tobytes() + b"\x01", RESULT)


class Echo:
    """A stand-in for the decoder: keeps all frames, and answers the last one of a shot."""

    def __init__(self, *, slots: int = 4096, reply: Callable[[Frame], list[bytes]] | None = None) -> None:
        self.data, self.results = new_ring(slots=slots, max_message=256), new_ring(slots=8, max_message=256)
        self.link = Link.over_rings(self.data, self.results)
        self.messages: list[bytes] = []
        self.stop = threading.Event()
        self._reply = reply or (lambda frame: [answer_to(frame)])
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Echo":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self._thread.join()

    def _run(self) -> None:
        buffer = np.zeros(256, dtype=np.uint8)
        while not self.stop.is_set():
            size = ring_take(*self.data, buffer)
            if size < 0:
                self.stop.wait(0.0005)
                continue
            self.messages.append(buffer[:size].tobytes())
            frame = parse_frame(self.messages[-1])
            if int(frame.header["flags"]) & (Flags.LAST | Flags.ABORT):
                for message in self._reply(frame):
                    ring_put(*self.results, np.frombuffer(message, dtype=np.uint8), len(message))


def player_for(echo: Echo, shots: Playlist, **more: Any) -> Player:
    return Player(link=echo.link, session=SESSION, playlist=shots, cycle_ns=1100, stop=echo.stop, **more)


def test_plays_the_frames_of_the_recording() -> None:
    shots = random_playlist(shots=2, cycles=95)
    with Echo() as echo:
        player = player_for(echo, shots)
        played = [player.play(shots, shot)[0] for shot in range(2)]
    starts = [shot.due_ns - 95 * 1100 for shot in played]
    wanted = list(frames_of(shots, frame_cycles=10, cycle_ns=1100, session=SESSION, start_ns=1))
    assert len(echo.messages) == len(wanted) == 20
    for found, model in zip(map(parse_frame, echo.messages), map(parse_frame, wanted), strict=True):
        header, like = found.header.copy(), model.header.copy()
        start = starts[int(header["shot"])]
        assert int(header["due_ns"]) == start + 1100 * int(header["first_cycle"] + header["cycles"])
        for name in ("due_ns", "checksum"):
            header[name] = like[name] = 0
        assert header == like
        np.testing.assert_array_equal(found.rows, model.rows)
        np.testing.assert_array_equal(found.final, model.final)
    assert [shot.shot for shot in played] == [0, 1]
    for shot in played:
        assert (shot.status, shot.flips, shot.cycles, shot.max_backlog) == ("OK", b"\x01", 95, 7)
        assert (shot.received_ns, shot.done_ns) == (10, 30)
        assert shot.back_ns > shot.due_ns
    assert player.lateness.num == player.frames_sent == 20
    assert player.overruns == player.strange_answers == 0


def test_a_frame_never_leaves_early() -> None:
    shots = random_playlist(shots=1, cycles=40)
    with Echo() as echo:
        player = Player(link=echo.link, session=1, playlist=shots, cycle_ns=50_000, stop=echo.stop)
        played, _ = player.play(shots, 0)
    assert played.back_ns - played.due_ns >= 0
    assert player.lateness.num == 4
    assert int(player.lateness.totals[2]) >= 0  # the least


def test_one_thread_plays_several_streams() -> None:
    """Each gets its own frames in order, on its own schedule; what goes wrong on one is not the other's."""
    shots = random_playlist(shots=3, cycles=95)
    with Echo() as one, Echo(slots=4) as two:
        players = [
            Player(link=echo.link, session=SESSION, stream=at, playlist=shots, cycle_ns=1100, stop=echo.stop)
            for at, echo in enumerate((one, two))
        ]
        both = [
            [played for played, _ in play_together(players, [shots, shots], numbers, cycle_offset=5)]
            for numbers in ((0, 1), (2, 0))
        ]
    for first, second in both:
        assert second.due_ns - first.due_ns == 5500
        assert first.status == "OK"
        assert second.status in ("OK", "OVERRUN")  # four slots are few
        assert (second.flips is None) == (second.status == "OVERRUN")
    frames = [parse_frame(message) for message in one.messages]
    assert [int(frame.header["sequence"]) for frame in frames] == list(range(20))
    assert {int(frame.header["stream"]) for frame in frames} == {0}
    np.testing.assert_array_equal(np.concatenate([f.rows for f in frames[:10]]), shots.rows[0])
    np.testing.assert_array_equal(np.concatenate([f.rows for f in frames[10:]]), shots.rows[2])
    others = [parse_frame(message) for message in two.messages]
    assert {int(frame.header["stream"]) for frame in others} == {1}
    np.testing.assert_array_equal(others[0].rows, shots.rows[1, :10])
    assert players[0].frames_sent == 20
    assert players[1].frames_sent == len(others)
    assert players[0].overruns == 0


def test_a_full_ring_is_an_overrun_and_said_so() -> None:
    shots = random_playlist(shots=2, cycles=400)
    with Echo(slots=4) as echo:
        player = player_for(echo, shots)
        statuses = [player.play(shots, shot, patience_s=5)[0].status for shot in range(2)]
    assert statuses == ["OVERRUN", "OVERRUN"]
    assert player.overruns == 2
    frames = [parse_frame(message) for message in echo.messages]
    assert [int(frame.header["sequence"]) for frame in frames] == list(range(len(frames)))
    assert player.frames_sent == len(frames)
    assert sum(bool(int(frame.header["flags"]) & Flags.ABORT) for frame in frames) == 2


def test_a_source_that_blocks_loses_nothing() -> None:
    shots = random_playlist(shots=1, cycles=400)
    with Echo(slots=4) as echo:
        player = player_for(echo, shots, blocks=True)
        played, _ = player.play(shots, 0)
    assert played.status == "OK"
    assert len(echo.messages) == 40
    assert player.overruns == 0


def test_no_answer_is_missing_and_a_late_one_belongs_to_no_other_shot() -> None:
    shots = random_playlist(shots=1, cycles=20)
    replies = iter([[], [0, 1], [9]])

    def reply(frame: Frame) -> list[bytes]:
        return [answer_to(frame, shot=number) for number in next(replies)]

    with Echo(reply=reply) as echo:
        player = player_for(echo, shots)
        played = [player.play(shots, 0, patience_s=p)[0] for p in (0.2, 5, 0.2)]
    assert [shot.status for shot in played] == ["MISSING", "OK", "MISSING"]
    assert player.strange_answers == 2
    assert played[0] == PlayedShot(shot=0, cycles=20, status="MISSING", due_ns=played[0].due_ns)


@pytest.mark.parametrize("status", [Status.GAP, Status.BACKLOG, Status.MALFORMED])
def test_flips_of_a_broken_shot_are_not_shown(status: Status) -> None:
    shots = random_playlist(shots=1, cycles=20)
    with Echo(reply=lambda frame: [answer_to(frame, status=status)]) as echo:
        played, _ = player_for(echo, shots).play(shots, 0)
    assert (played.status, played.flips) == (status.name, None)


def test_garbage_instead_of_an_answer_is_counted() -> None:
    shots = random_playlist(shots=1, cycles=20)
    with Echo(reply=lambda frame: [b"garbage", b"", b"x" * 200, answer_to(frame)]) as echo:
        player = player_for(echo, shots)
        played, _ = player.play(shots, 0)
    assert played.status == "OK"
    assert player.strange_answers + int(player._state[10]) == 3


def test_stopping_ends_a_long_shot() -> None:
    shots = random_playlist(shots=1, cycles=1000)
    with Echo() as echo:
        player = Player(link=echo.link, session=1, playlist=shots, cycle_ns=10_000_000, stop=echo.stop)
        threading.Timer(0.1, echo.stop.set).start()
        with pytest.raises(InterruptedError):
            player.play(shots, 0)


@given(
    start=st.integers(0, 1 << 50),
    cycle=st.integers(0, 10**9),
    cycle_ns=st.one_of(st.just(1100.0), st.integers(1, 10**7).map(lambda ps: ps / 1000)),
)
def test_due_times_do_not_drift(start: int, cycle: int, cycle_ns: float) -> None:
    """Whole picoseconds times cycles, rounded once: within a nanosecond of the exact time at any cycle."""
    due = int(pacing.frame_due(start, cycle + 1, round(cycle_ns * 1000)))
    exact = start + (2 * (cycle + 1) * round(cycle_ns * 1000) + 1000) // 2000
    assert due == exact
    assert abs(due - start - round((cycle + 1) * cycle_ns)) <= 1


def test_wrong_arguments_are_named() -> None:
    shots = random_playlist(shots=1, cycles=20)
    ring = new_ring(slots=2, max_message=8)
    link = Link.over_rings(ring, ring)
    with pytest.raises(ValueError, match="0 cycles in a frame: 1 to 64"):
        Player(link=link, session=1, playlist=shots, cycle_ns=1100, frame_cycles=0)
    with pytest.raises(ValueError, match="a cycle of 0 ns"):
        Player(link=link, session=1, playlist=shots, cycle_ns=0)
    other = random_playlist(shots=1, cycles=20, bits=8)
    with pytest.raises(ValueError, match="this session is of"):
        Player(link=link, session=1, playlist=shots, cycle_ns=1100).play(other, 0)
    wide = random_playlist(shots=1, cycles=2, bits=20_000)
    with pytest.raises(ValueError, match="use fewer cycles"):
        Player(link=link, session=1, playlist=wide, cycle_ns=1100, frame_cycles=64)
