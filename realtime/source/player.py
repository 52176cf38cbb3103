"""Plays shots to a decoder on an absolute schedule, and keeps what comes back."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.kernels import pacing
from realtime.kernels import play as kernels
from realtime.kernels.clock import now_ns
from realtime.kernels.histogram import NUM_BUCKETS
from realtime.kernels.link import RING, SOCKETS
from realtime.kernels.ring import new_ring
from realtime.latency import Histogram
from realtime.protocol.wire import (
    HEADER,
    MAGIC,
    MAX_CYCLES,
    MAX_MESSAGE,
    RESULT,
    VERSION,
    Payload,
    Status,
    Type,
    WireError,
    parse_result,
    payload_bytes,
)
from realtime.source.playlist import Playlist
from realtime.transport import Pair, register_functions

#: Parts of a shot for which the largest backlog is kept.
BACKLOG_PARTS = 200
# Back to Python so often, to see whether to stop.
_LOOK_NS = 50_000_000
# Answers kept between two looks: more than one is an answer that came too late.
_INBOX = 64
_LONGEST_ANSWER = 1024


@dataclass(frozen=True, eq=False)
class Link:
    """Where frames go and answers come from; see `realtime.kernels.link`.

    Attributes:
        numbers: int64 (3,), the kernels' `link`.
        rings: (ends, slots) there and back.
        keep: what must live as long as the link, for example sockets.
    """

    numbers: NDArray[np.int64]
    rings: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8]]
    keep: Any = field(default=None)

    @classmethod
    def over_rings(
        cls,
        data: tuple[NDArray[np.int64], NDArray[np.uint8]],
        results: tuple[NDArray[np.int64], NDArray[np.uint8]],
    ) -> "Link":
        """Between threads of one process."""
        return cls(np.array([RING, 0, 0], dtype=np.int64), (*data, *results))

    @classmethod
    def over_sockets(cls, pair: Pair) -> "Link":
        """Between processes; only the thread that made the sockets may use them.

        Raises:
            RuntimeError: compiled code cannot reach libzmq here.
        """
        if not register_functions():
            raise RuntimeError(
                "compiled code cannot reach libzmq on this platform: run the loop in one process"
            )
        unused = (*new_ring(slots=1, max_message=8), *new_ring(slots=1, max_message=8))
        receive_from, send_to = pair.addresses()
        return cls(np.array([SOCKETS, send_to, receive_from], dtype=np.int64), unused, pair)


@dataclass(frozen=True, kw_only=True)
class PlayedShot:
    """What came of a shot; times in ns of the monotonic clock.

    Attributes:
        shot: its number in the session.
        cycles: its length.
        status: name of the result's status; "OVERRUN" if the source gave up, "MISSING" without an answer.
        flips: the correction, one bit per observable, least significant first; None unless status is "OK".
        due_ns: when its last cycle was due.
        received_ns, done_ns: as the decoder says: last frame received, correction ready; 0 without answer.
        back_ns: when the answer was back here; 0 without answer.
        max_backlog: cycles, as the decoder says.
        syndrome_hash: of the data that the decoder saw.
    """

    shot: int
    cycles: int
    status: str
    flips: bytes | None = None
    due_ns: int = 0
    received_ns: int = 0
    done_ns: int = 0
    back_ns: int = 0
    max_backlog: int = 0
    syndrome_hash: int = 0


class Player:
    """Plays the shots of playlists of one form in one session. One thread only.

    Args:
        link: where to.
        session: number of the session.
        stream: number of the logical qubit.
        playlist: one with the form (kind, bits) of those that will be played.
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame, 1 to 64.
        blocks: wait when the other side does not take data, instead of giving the shot up. Then the
            schedule is not kept, and latencies mean nothing.
        flags: more flags of the frames, for example REPLAY.
        stop: when set, playing ends within 50 ms.

    Raises:
        ValueError: numbers that no frame can hold, or a time between cycles that is not positive.
    """

    def __init__(
        self,
        *,
        link: Link,
        session: int,
        stream: int = 0,
        playlist: Playlist,
        cycle_ns: float,
        frame_cycles: int = 10,
        blocks: bool = False,
        flags: int = 0,
        stop: threading.Event | None = None,
    ) -> None:
        if not 1 <= frame_cycles <= MAX_CYCLES:
            raise ValueError(f"{frame_cycles} cycles in a frame: 1 to {MAX_CYCLES}")
        if not 0 < cycle_ns < 1e10:
            raise ValueError(f"a cycle of {cycle_ns:g} ns: more than 0, less than 10 s")
        register_functions()
        self._form = _form(playlist)
        size = HEADER.itemsize + payload_bytes(
            cycles=frame_cycles, bits_per_cycle=playlist.bits, final_bits=playlist.last_bits
        )
        if size > MAX_MESSAGE:
            raise ValueError(
                f"frames of {frame_cycles} cycles have {size} bytes, at most {MAX_MESSAGE}: use fewer cycles"
            )
        self._link = link
        self._stop = stop or threading.Event()
        self._message = _template(size, session=session, stream=stream, playlist=playlist)
        self._state = np.zeros(kernels.STATE_SIZE, dtype=np.int64)
        self._state[kernels.CYCLE_PS] = round(cycle_ns * 1000)
        self._state[kernels.FRAME_CYCLES] = frame_cycles
        self._state[kernels.FINAL_BITS] = playlist.last_bits
        self._state[kernels.FLAGS] = flags
        self._state[kernels.BLOCKS] = int(blocks)
        self._inbox = np.zeros((_INBOX, 2 + _LONGEST_ANSWER), dtype=np.uint8)
        self._times = np.zeros(_INBOX, dtype=np.int64)
        self._next_shot = 0
        self._warm_for = 0
        self.frame_cycles = frame_cycles
        #: Due -> sent, of every frame.
        self.lateness = Histogram()
        #: Last cycle due -> commit back here, of every commit in the middle of a shot.
        self.commits = Histogram()
        #: Answers that fit no shot, or no form.
        self.strange_answers = 0
        self.frames_sent = 0
        self.overruns = 0

    def play(
        self,
        playlist: Playlist,
        shot: int,
        *,
        delay_ns: int = 200_000,
        patience_s: float = 2.0,
    ) -> tuple[PlayedShot, NDArray[np.int64]]:
        """Play one shot and wait for its answer.

        Args:
            playlist: of the form given at the start.
            shot: which of its shots.
            delay_ns: from now to the beginning of the first cycle.
            patience_s: how long to wait for the answer behind the last cycle.

        Returns:
            The shot, and int64 (BACKLOG_PARTS,): the most cycles that were sent but not final in each part
            of it, as far as commits tell.

        Raises:
            ValueError: a playlist of another form.
            InterruptedError: `stop` was set.
        """
        return play_together(
            [self], [playlist], [shot], cycle_offset=0.0, delay_ns=delay_ns, patience_s=patience_s
        )[0]

    def _begin(self, playlist: Playlist, shot: int) -> "_Playing":
        """Get ready for a shot, but for its schedule."""
        if _form(playlist) != self._form:
            raise ValueError(f"a playlist of {_form(playlist)}, this session is of {self._form}")
        number, self._next_shot = self._next_shot, self._next_shot + 1
        state = self._state
        state[kernels.NUM_ANSWERS] = 0
        kernels.start_play(state, number, 0)
        # Copies: no page of a file is missing in the middle of a shot.
        rows, last = playlist.rows[shot].copy(), playlist.last[shot].copy()
        backlog = np.zeros(BACKLOG_PARTS, dtype=np.int64)
        part = (
            state,
            rows,
            last,
            self._message,
            self._link.numbers,
            self._link.rings,
            self._inbox,
            self._times,
            (self.lateness.counts, self.lateness.totals),
            (self.commits.counts, self.commits.totals),
            backlog,
        )
        return _Playing(number=number, part=part, backlog=backlog, frames=int(state[kernels.SEQUENCE]))

    def _end(self, playing: "_Playing", *, patience_s: float) -> tuple[PlayedShot, NDArray[np.int64]]:
        """What came of a shot whose frames have been sent."""
        state, total = self._state, len(playing.part[1])
        due = _due(state, total)
        overrun = bool(state[kernels.OVERRUN])
        if overrun:
            self.overruns += 1
            self._give_up()
        self.frames_sent += int(state[kernels.SEQUENCE]) - playing.frames
        answer, back = self._wait(playing.number, playing.part[9], playing.backlog, total, patience_s)
        return self._outcome(playing.number, total, due, overrun, answer, back), playing.backlog

    def warm_up(self, *, streams: int = 1) -> None:
        """Compile everything; `streams` will be played together. Otherwise the first shot does it."""
        self._warm_for = streams
        state = np.zeros_like(self._state)
        state[kernels.FRAME_CYCLES] = 1
        ring = new_ring(slots=1, max_message=8)
        link = Link.over_rings(ring, ring)
        numbers = link.numbers if self._link.numbers[0] == RING else self._link.numbers * 0
        empty = np.zeros((0, (self._form[1] + 7) // 8), dtype=np.uint8)
        pair = (np.zeros(NUM_BUCKETS, dtype=np.int64), np.zeros(4, dtype=np.int64))
        backlog = np.zeros(BACKLOG_PARTS, dtype=np.int64)
        where = (numbers, link.rings, self._inbox, self._times)
        last = np.zeros((self._form[2] + 7) // 8, dtype=np.uint8)
        kernels.start_play(state, 0, 0)
        part = (state, empty, last, self._message.copy(), *where, pair, pair, backlog)
        kernels.play((part,) * streams, 0)
        kernels.listen(state, *where, pair, backlog, 0, 1, 0)
        kernels.give_up(state, self._message.copy(), numbers, link.rings)

    def _give_up(self) -> None:
        """Say that the shot ends here, as soon as there is room again."""
        until = now_ns() + 1_000_000_000
        while not kernels.give_up(self._state, self._message, self._link.numbers, self._link.rings):
            if now_ns() > until or self._stop.wait(0.001):
                return

    def _wait(
        self, number: int, commits: Any, backlog: NDArray[np.int64], total: int, patience_s: float
    ) -> tuple[Any, int]:
        """The answer to a shot and when it came; (None, 0) if it does not come in time."""
        until = now_ns() + round(patience_s * 1e9)
        where = (self._link.numbers, self._link.rings, self._inbox, self._times)
        seen = 0
        while True:
            now = now_ns()
            look = min(now + _LOOK_NS, max(until, now))
            wanted = min(seen + 1, _INBOX - 1)
            kernels.listen(self._state, *where, commits, backlog, total, wanted, look)
            count = int(self._state[kernels.NUM_ANSWERS])
            for at in range(seen, count):
                answer = self._read(at)
                if answer is not None and int(answer.header["shot"]) == number:
                    return answer, int(self._times[at])
                self.strange_answers += 1
            seen = count
            if seen >= _INBOX - 1:
                seen = self._state[kernels.NUM_ANSWERS] = 0
            if self._stop.is_set():
                raise InterruptedError("stopped while waiting for an answer")
            if now_ns() >= until:
                return None, 0

    def _read(self, at: int) -> Any:
        size = int(self._inbox[at, 0]) | int(self._inbox[at, 1]) << 8
        try:
            return parse_result(self._inbox[at, 2 : 2 + size].tobytes())
        except WireError:
            return None

    def _outcome(
        self, number: int, cycles: int, due: int, overrun: bool, answer: Any, back: int
    ) -> PlayedShot:
        if answer is None:
            return PlayedShot(
                shot=number, cycles=cycles, status="OVERRUN" if overrun else "MISSING", due_ns=due
            )
        header = answer.header
        fine = answer.status == Status.OK and not overrun
        return PlayedShot(
            shot=number,
            cycles=cycles,
            status="OVERRUN" if overrun else answer.status.name,
            flips=answer.flips.tobytes() if fine else None,
            due_ns=due,
            received_ns=int(header["received_ns"]),
            done_ns=int(header["done_ns"]),
            back_ns=back,
            max_backlog=int(header["max_backlog"]),
            syndrome_hash=int(header["syndrome_hash"]),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class _Playing:
    """A shot that is under way: its number, what kernels take, and the frames sent before it."""

    number: int
    part: tuple[Any, ...]
    backlog: NDArray[np.int64]
    frames: int


def play_together(
    players: Sequence[Player],
    playlists: Sequence[Playlist],
    shots: Sequence[int],
    *,
    cycle_offset: float,
    delay_ns: int = 200_000,
    patience_s: float = 2.0,
) -> list[tuple[PlayedShot, NDArray[np.int64]]]:
    """Play a shot of each stream at the same time, and wait for their answers. See `Player.play`.

    Args:
        players: one for each stream, all used by the thread that calls.
        playlists, shots: what each plays.
        cycle_offset: cycles by which the shot of each stream begins after that of the one before.
        delay_ns, patience_s: as for `Player.play`.
    """
    playing = [
        player._begin(playlist, shot)
        for player, playlist, shot in zip(players, playlists, shots, strict=True)
    ]
    if players[0]._warm_for != len(players):
        players[0].warm_up(streams=len(players))
    start = now_ns() + delay_ns
    for at, player in enumerate(players):
        later = round(at * cycle_offset * int(player._state[kernels.CYCLE_PS]) / 1000)
        player._state[kernels.START_NS] = start + later
    parts = tuple(each.part for each in playing)
    while kernels.play(parts, now_ns() + _LOOK_NS) == kernels.RUNNING:
        if any(player._stop.is_set() for player in players):
            raise InterruptedError("stopped in the middle of a shot")
    return [player._end(each, patience_s=patience_s) for player, each in zip(players, playing, strict=True)]


def _form(playlist: Playlist) -> tuple[str, int, int]:
    return playlist.kind, playlist.bits, playlist.last_bits


def _due(state: NDArray[np.int64], cycles: int) -> int:
    return int(pacing.frame_due(state[kernels.START_NS], cycles, state[kernels.CYCLE_PS]))


def _template(size: int, *, session: int, stream: int, playlist: Playlist) -> NDArray[np.uint8]:
    """A frame with everything that is the same in all frames of a session."""
    header = np.zeros((), dtype=HEADER)
    kind = Payload.EVENTS if playlist.kind == "events" else Payload.MEASUREMENTS
    for name, value in (
        ("magic", MAGIC),
        ("version", VERSION),
        ("type", int(Type.DATA)),
        ("header_length", HEADER.itemsize),
        ("session", session),
        ("stream", stream),
        ("kind", int(kind)),
        ("bits_per_cycle", playlist.bits),
    ):
        header[name] = value
    message = np.zeros(size, dtype=np.uint8)
    message[: HEADER.itemsize] = np.frombuffer(header.tobytes(), dtype=np.uint8)
    return message


assert RESULT.itemsize <= _LONGEST_ANSWER
