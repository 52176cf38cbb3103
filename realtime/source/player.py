"""Play shots to a decoder on an absolute schedule, and collect the answers."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.matching.workspace import Pools
from realtime.kernels import pacing
from realtime.kernels import play as kernels
from realtime.kernels.clock import now_ns
from realtime.kernels.link import Link
from realtime.kernels.records import PLAYER
from realtime.kernels.ring import Ring
from realtime.latency import Histogram
from realtime.protocol.wire import (
    HEADER,
    MAGIC,
    MAX_CYCLES,
    MAX_MESSAGE,
    RESULT,
    VERSION,
    Payload,
    Result,
    Status,
    Type,
    WireError,
    parse_result,
    payload_bytes,
    row_bytes,
)
from realtime.source.playlist import Playlist
from realtime.transport import Pair, register_functions

#: Parts of a shot for which the largest backlog is recorded.
BACKLOG_PARTS = 200
# Time between two returns to Python, to check whether to stop.
_LOOK_NS = 50_000_000
# Answers between two returns: all but one are late answers to earlier shots.
_INBOX = 64
# Bytes of the longest answer, in headers.
_ANSWER_STRIDE = 10


def link_to(pair: Pair) -> Link:
    """Connect to a session through its sockets, or through the rings in shared memory that it has.

    The pair must stay open as long as the link is used, and only the thread that made it may use it.

    Raises:
        RuntimeError: compiled code cannot reach libzmq on this platform.
    """
    if pair.rings is not None:
        return Link(outgoing=pair.rings.outgoing, incoming=pair.rings.incoming)
    if not register_functions():
        raise RuntimeError("compiled code cannot reach libzmq on this platform: run the loop in one process")
    return Link.over_sockets(pair.addresses())


@dataclass(frozen=True, kw_only=True)
class PlayedShot:
    """Outcome of a shot; times in ns of the monotonic clock.

    Attributes:
        shot: number in the session.
        cycles: length.
        status: name of the result's status; "OVERRUN" if the source aborted it, "MISSING" without an answer.
        flips: the correction, one bit per observable, least significant first; None unless status is "OK".
        due_ns: when its last cycle was due.
        received_ns, done_ns: when the decoder received the last frame and had the correction ready; 0 without
            answer.
        back_ns: when the answer was received; 0 without answer.
        max_backlog: largest backlog of the decoder, cycles.
        syndrome_hash: CRC-32 of the data that the decoder received.
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
    """Source of one session: plays shots of playlists that have the same kind and bits. One thread only.

    Args:
        link: to the decoder.
        session: number of the session.
        stream: number of the logical qubit.
        playlist: an example of those that will be played.
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame, 1 to 64.
        blocks: wait when the decoder has no room for a frame, instead of aborting the shot. The schedule is
            not kept then, and latencies have no meaning.
        flags: further flags of the frames, for example REPLAY.
        stop: when set, playing ends within 50 ms.

    Raises:
        ValueError: numbers that do not fit in a frame, or a time between cycles that is not positive.
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
            raise ValueError(f"{frame_cycles} cycles in a frame: must be between 1 and {MAX_CYCLES}")
        if not 0 < cycle_ns < 1e10:
            raise ValueError(f"a cycle of {cycle_ns:g} ns: must be more than 0 and less than 10 s")
        register_functions()
        self._form = _form(playlist)
        size = HEADER.itemsize + payload_bytes(
            cycles=frame_cycles, bits_per_cycle=playlist.bits, final_bits=playlist.last_bits
        )
        if size > MAX_MESSAGE:
            raise ValueError(
                f"frames of {frame_cycles} cycles have {size} bytes, at most {MAX_MESSAGE}: use fewer cycles"
            )
        self._link = link  # the record's address
        self._stop = stop or threading.Event()
        self._pools = Pools(PLAYER)
        self._inbox = np.zeros((_INBOX, _ANSWER_STRIDE * RESULT.itemsize), dtype=np.uint8)
        self._times = np.zeros(_INBOX, dtype=np.int64)
        self._sizes = np.zeros(_INBOX, dtype=np.int64)
        frame = _new_frame(size, session=session, stream=stream, playlist=playlist)
        self._pools.own(
            frame=frame,
            frame_header=frame,
            inbox=self._inbox,
            inbox_headers=self._inbox,
            inbox_sizes=self._sizes,
            inbox_times=self._times,
            link=link.record,
        )
        self._pools.set(
            frame_bytes=size,
            inbox_places=_INBOX,
            inbox_stride=_ANSWER_STRIDE,
            cycle_ps=round(cycle_ns * 1000),
            frame_cycles=frame_cycles,
            final_bits=playlist.last_bits,
            frame_flags=flags,
            blocks=int(blocks),
        )
        self._record = self._pools.record[0]
        self._next_shot = 0
        self._warm_for = 0
        self.frame_cycles, self.blocks = frame_cycles, blocks
        #: Time from due to sent, of every frame, ns.
        self.lateness = Histogram()
        #: Time from the last cycle due to the commit received, ns.
        self.commits = Histogram()
        #: Messages received that are no answer to the shot being played.
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
            playlist: with the kind and bits of the example.
            shot: number of the shot in it.
            delay_ns: time until the first cycle begins.
            patience_s: time to wait for the answer after the last cycle.

        Returns:
            The outcome, and int64 (BACKLOG_PARTS,): in each part of the shot, the largest number of cycles
            sent but not final when a commit was received.

        Raises:
            ValueError: a playlist with other kind or bits.
            InterruptedError: `stop` was set.
        """
        return play_together(
            [self], [playlist], [shot], cycle_offset=0.0, delay_ns=delay_ns, patience_s=patience_s
        )[0]

    def continue_counts(self, before: "Player") -> None:
        """Continue the counts and latencies of a player whose session was lost."""
        self.lateness, self.commits = before.lateness, before.commits
        self.strange_answers, self.frames_sent = before.strange_answers, before.frames_sent
        self.overruns, self._next_shot = before.overruns, before._next_shot

    def missing_shot(self) -> PlayedShot:
        """Return the outcome of the latest shot if its answer cannot come any more."""
        record = self._record
        due = int(pacing.frame_due(record.start_ns, record.num_cycles, record.cycle_ps))
        return self._outcome(due, None, 0)

    def _begin(self, playlist: Playlist, shot: int) -> None:
        """Set everything for a shot but its schedule."""
        if _form(playlist) != self._form:
            raise ValueError(
                f"a playlist of {_form(playlist)} (kind, bits, bits of the readout): this session is of "
                f"{self._form}"
            )
        # Copies: reading a file in the middle of a shot would cost a page fault.
        self._load(playlist.rows[shot].copy(), playlist.last[shot].copy())
        self._record.shot, self._next_shot = self._next_shot, self._next_shot + 1

    def _load(self, rows: NDArray[np.uint8], readout: NDArray[np.uint8]) -> None:
        """Set the data of a shot, and reset its state."""
        self._backlog = np.zeros(BACKLOG_PARTS, dtype=np.int64)
        self._pools.own(
            rows=rows,
            readout=readout,
            lateness_counts=self.lateness.counts,
            lateness_totals=self.lateness.totals,
            commit_counts=self.commits.counts,
            commit_totals=self.commits.totals,
            backlog=self._backlog,
        )
        self._pools.set(
            num_cycles=len(rows),
            row_bytes=rows.shape[1],
            readout_bytes=len(readout),
            backlog_parts=BACKLOG_PARTS,
            next_cycle=0,
            is_overrun=0,
            message_size=0,
            num_answers=0,
        )

    def _end(self, *, frames_before: int, patience_s: float) -> tuple[PlayedShot, NDArray[np.int64]]:
        """Wait for the answer to a shot whose frames have been sent."""
        record = self._record
        due = int(pacing.frame_due(record.start_ns, record.num_cycles, record.cycle_ps))
        if record.is_overrun:
            self.overruns += 1
            self._give_up()
        self.frames_sent += int(record.sequence) - frames_before
        return self._outcome(due, *self._wait(patience_s)), self._backlog

    def warm_up(self, *, streams: int = 1) -> None:
        """Compile the kernels for this number of streams played together; otherwise the first shot does."""
        self._warm_for = streams
        before = self._pools.record.copy()
        _, bits, last_bits = self._form
        self._load(np.zeros((0, row_bytes(bits)), np.uint8), np.zeros(row_bytes(last_bits), np.uint8))
        ring = Ring(slots=1, max_message=8)
        link = Link(outgoing=ring, incoming=ring)
        self._record.link = link.record.ctypes.data
        kernels.play((self._record,) * streams, np.int64(0))
        kernels.listen(self._record, np.int64(1), np.int64(0))
        kernels.abort_shot(self._record)
        self._pools.record[:] = before

    def _give_up(self) -> None:
        """Abort the shot, as soon as there is room again."""
        until = now_ns() + 1_000_000_000
        while not kernels.abort_shot(self._record):
            if now_ns() > until or self._stop.wait(0.001):
                return

    def _wait(self, patience_s: float) -> tuple[Result | None, int]:
        """Return the answer to the shot and when it came; (None, 0) if it does not come in time."""
        record = self._record
        until = now_ns() + round(patience_s * 1e9)
        seen = 0
        while True:
            now = now_ns()
            look = min(now + _LOOK_NS, max(until, now))
            wanted = min(seen + 1, _INBOX - 1)
            kernels.listen(record, np.int64(wanted), np.int64(look))
            count = int(record.num_answers)
            for at in range(seen, count):
                answer = self._read(at)
                if answer is not None and int(answer.header["shot"]) == record.shot:
                    return answer, int(self._times[at])
                self.strange_answers += 1
            seen = count
            if seen >= _INBOX - 1:
                seen = record.num_answers = 0
            if self._stop.is_set():
                raise InterruptedError("stopped while waiting for an answer")
            if now_ns() >= until:
                return None, 0

    def _read(self, at: int) -> Result | None:
        try:
            return parse_result(self._inbox[at, : self._sizes[at]].tobytes())
        except WireError:
            return None

    def _outcome(self, due: int, answer: Result | None, back: int) -> PlayedShot:
        number, cycles = int(self._record.shot), int(self._record.num_cycles)
        overrun = bool(self._record.is_overrun)
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


def play_together(
    players: Sequence[Player],
    playlists: Sequence[Playlist],
    shots: Sequence[int],
    *,
    cycle_offset: float,
    delay_ns: int = 200_000,
    patience_s: float = 2.0,
) -> list[tuple[PlayedShot, NDArray[np.int64]]]:
    """Play a shot of each stream at the same time, and wait for the answers; see `Player.play`.

    Args:
        players: one for each stream; all are used by the calling thread.
        playlists, shots: of each player.
        cycle_offset: cycles by which each stream begins later than the stream before it.
        delay_ns, patience_s: as for `Player.play`.

    Returns:
        For each stream the outcome and the backlog, as `Player.play` returns them.
    """
    if players[0]._warm_for != len(players):
        players[0].warm_up(streams=len(players))
    for player, playlist, shot in zip(players, playlists, shots, strict=True):
        player._begin(playlist, shot)
    records = tuple(player._record for player in players)
    frames_before = [int(record.sequence) for record in records]
    start = now_ns() + delay_ns
    for at, record in enumerate(records):
        record.start_ns = start + round(at * cycle_offset * int(record.cycle_ps) / 1000)
    while kernels.play(records, np.int64(now_ns() + _LOOK_NS)) == kernels.RUNNING:
        if any(player._stop.is_set() for player in players):
            raise InterruptedError("stopped in the middle of a shot")
    return [
        player._end(frames_before=before, patience_s=patience_s)
        for player, before in zip(players, frames_before, strict=True)
    ]


def _form(playlist: Playlist) -> tuple[str, int, int]:
    return playlist.kind, playlist.bits, playlist.last_bits


def _new_frame(size: int, *, session: int, stream: int, playlist: Playlist) -> NDArray[np.uint8]:
    """Make a frame whose header holds the fields that are the same in all frames of a session."""
    frame = np.zeros(size, dtype=np.uint8)
    header = frame[: HEADER.itemsize].view(HEADER)
    kind = Payload.EVENTS if playlist.kind == "events" else Payload.MEASUREMENTS
    for name, value in (
        ("magic", MAGIC),
        ("version", VERSION),
        ("type", Type.DATA),
        ("header_length", HEADER.itemsize),
        ("session", session),
        ("stream", stream),
        ("kind", kind),
        ("bits_per_cycle", playlist.bits),
    ):
        header[name] = value
    return frame
