"""A stream of frames becomes answers. Pure: bytes and the time go in, bytes come out."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders import StreamingDecoder
from decoders.matching.workspace import read_only
from decoders.streaming.frames import Kind
from realtime.kernels import loop
from realtime.kernels.histogram import COUNT, NUM_BUCKETS
from realtime.latency import Histogram
from realtime.protocol import session_record, wire

Policy = Literal["drop-shot", "block"]
_TRACE_ROWS = 4096
_FOREVER = 1 << 62


@dataclass(frozen=True, kw_only=True)
class SessionLimits:
    """What a session puts up with.

    Attributes:
        policy: "drop-shot" fails a shot whose frames come more than `hard_ns` after they were due; "block"
            decodes late frames too, for sources that wait.
        soft_ns: frames later than this are counted as late.
        hard_ns: see policy.
        timeout_ns: how long an open shot may go without a frame.
        max_cycles: cycles of the longest shot.
    """

    policy: Policy = "drop-shot"
    soft_ns: int = 1_000_000
    hard_ns: int = 50_000_000
    timeout_ns: int = 1_000_000_000
    max_cycles: int = 1_000_000_000

    def __post_init__(self) -> None:
        if self.policy not in ("drop-shot", "block"):
            raise ValueError(f"no policy is named '{self.policy}': choose from drop-shot, block")
        for name in ("soft_ns", "hard_ns", "timeout_ns", "max_cycles"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: at least 1")


class LoopArrays(NamedTuple):
    """What kernels of realtime.kernels.loop share, in the order in which they take it."""

    sessions: NDArray[Any]
    streams: NDArray[Any]
    windows: NDArray[Any]
    endings: NDArray[Any]
    works: NDArray[Any]
    parities: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]
    history: NDArray[np.uint8]
    rows: tuple[NDArray[np.uint8], NDArray[np.uint8]]


class Session:
    """One stream's sessions, one after the other, each begun by `begin`.

    Takes over the decoder: do not push to it. One object serves one thread.
    """

    def __init__(
        self, *, decoder: StreamingDecoder, stream: int = 0, limits: SessionLimits | None = None
    ) -> None:
        self.limits = limits or SessionLimits()
        self.decoder = decoder  # owns the memory that the parts point to
        self._parts = decoder.parts()
        self._work = self._parts.work
        self.stream = stream
        self.num_observables = decoder.num_observables
        self.num_columns = self._parts.num_columns
        self.commit, self.buffer_cycles = decoder.commit, decoder.buffer
        #: First eight bytes of the digest of model and windows, as in results.
        self.digest = int.from_bytes(self._parts.digest[:8], "little") >> 1
        measured = self._parts.measurements
        parities: Any
        if measured is None:
            nothing = np.zeros(1, dtype=np.int64)
            parities = (nothing, nothing, nothing, np.zeros((1, self.num_columns), dtype=np.uint8))
            history = np.zeros(1, dtype=np.uint8)
        else:
            parities = tuple(measured.parities())
            history = np.zeros(max(1, (measured.reach + 1) * measured.per_cycle), dtype=np.uint8)
        row = np.zeros(max(1, self.num_columns), dtype=np.uint8)
        self.arrays = LoopArrays(
            sessions=np.zeros(1, dtype=session_record.SESSION),
            streams=self._parts.stream,
            windows=self._parts.windows,
            endings=self._parts.endings,
            works=self._work.record,
            parities=parities,
            history=history,
            rows=(row, read_only(row)),
        )
        buffer = np.zeros(wire.MAX_MESSAGE, dtype=np.uint8)
        self.buffers = (buffer, read_only(buffer))
        self.answers = np.zeros(
            (session_record.NUM_ANSWERS, session_record.answer_size(self.num_observables)), dtype=np.uint8
        )
        self.counts = np.zeros((len(loop.HISTOGRAMS), NUM_BUCKETS), dtype=np.int64)
        self.totals = np.zeros((len(loop.HISTOGRAMS), 4), dtype=np.int64)
        self.trend = np.zeros(6, dtype=np.float64)
        self.trace = np.zeros((_TRACE_ROWS + 1, len(loop.TRACE)), dtype=np.int64)
        # Growing the workspace in the middle of a shot costs milliseconds: start where few shots get.
        self._work.grow()
        self._work.grow()

    @property
    def record(self) -> Any:
        """The session's record, see realtime.protocol.session_record."""
        return self.arrays.sessions[0]

    def widths(self, kind: Kind) -> tuple[int, int]:
        """Bits of a cycle and of the data readout's row.

        Raises:
            ValueError: this decoder does not take such frames.
        """
        if kind == "events":
            return self.num_columns, self.num_columns
        measured = self._parts.measurements
        if kind != "measurements":
            raise ValueError(f"no kind of frame is named '{kind}': choose from events, measurements")
        if measured is None:
            raise ValueError(
                "this decoder takes detection events only: serve a circuit of two or more cycles whose "
                "measurements are the same in every cycle"
            )
        return measured.per_cycle, measured.at_end

    def begin(
        self,
        *,
        session: int,
        kind: Kind = "events",
        cycle_ns: int = 0,
        commits: bool = False,
        commit_gap_ns: int = 0,
        policy: Policy | None = None,
    ) -> None:
        """Begin a session; the one before must have been ended with `end`.

        Args:
            session: its number, positive.
            kind: what the source sends.
            cycle_ns: time between cycles, for the backlog; 0 if the source has none.
            commits: whether to report what is final in the middle of shots.
            commit_gap_ns: least time between two such reports; 0: one for every window.
            policy: see SessionLimits; default: that of the limits.

        Raises:
            ValueError: an argument out of range, or frames that the decoder does not take.
        """
        bits, final_bits = self.widths(kind)
        if not 0 < session < _FOREVER * 2:
            raise ValueError(f"session {session}: expected 1 to 2^63 - 1")
        if not 0 <= cycle_ns <= 10**12:
            raise ValueError(f"cycle_ns={cycle_ns}: expected 0 to 10^12")
        if not 0 <= commit_gap_ns <= 10**12:
            raise ValueError(f"commit_interval_ns={commit_gap_ns}: expected 0 to 10^12")
        policy = SessionLimits(policy=policy or self.limits.policy).policy
        max_cycles = self.limits.max_cycles
        measured = self._parts.measurements
        if kind == "measurements" and measured is not None and not measured.period:
            max_cycles = min(max_cycles, measured.num_first)  # no repeating cycle
        record = self.arrays.sessions
        kept = {name: int(record[name][0]) for name in (*session_record.COUNTERS, "max_backlog")}
        record[:] = 0
        values = dict(
            session=session,
            stream=self.stream,
            kind=int(wire.Payload.EVENTS if kind == "events" else wire.Payload.MEASUREMENTS),
            bits=bits,
            final_bits=final_bits,
            num_columns=self.num_columns,
            num_observables=self.num_observables,
            fewest_layers=self._parts.fewest_layers,
            most_layers=self._parts.most_layers,
            repeats=int(self._parts.repeats),
            period=self._parts.period,
            max_cycles=max_cycles,
            cycle_ns=cycle_ns,
            soft_ns=self.limits.soft_ns,
            hard_ns=self.limits.hard_ns if policy == "drop-shot" else 0,
            timeout_ns=self.limits.timeout_ns,
            commits=int(commits),
            commit_gap_ns=commit_gap_ns,
            digest=self.digest,
            num_first=measured.num_first if measured else 0,
            parity_period=max(1, measured.period) if measured else 1,
            last_shot=-1,
            **kept,
        )
        for name, value in values.items():
            record[name] = value

    def receive(self, message: bytes, *, now_ns: int, clock: Callable[[], int] | None = None) -> list[bytes]:
        """Take in one message; the answers that it leads to.

        Args:
            message: what came, anything.
            now_ns: when.
            clock: tells when the answers were ready; default: at once.
        """
        size = min(len(message), wire.MAX_MESSAGE)
        self.buffers[0][:size] = np.frombuffer(message, dtype=np.uint8, count=size)
        arrays = self.arrays
        accepted = int(self.record["accepted"])
        fits = loop.take_message(
            *arrays, self.buffers[1], np.int64(len(message)), np.int64(now_ns), self.answers
        )
        while not fits:
            self.grow()
            fits = loop.resume_message(*arrays, self.buffers[1], self.answers)
        done = clock() if clock else now_ns
        if int(self.record["accepted"]) > accepted:
            loop.account_message(
                arrays.sessions,
                arrays.streams,
                self.counts,
                self.totals,
                self.trend,
                self.trace,
                np.int64(done),
            )
        return self._take_answers(done)

    def tick(self, *, now_ns: int) -> list[bytes]:
        """Let time pass: an open shot that waits too long for its next frame is given up."""
        loop.tick_message(self.arrays.sessions, self.arrays.streams, np.int64(now_ns), self.answers)
        return self._take_answers(now_ns)

    def end(self, *, now_ns: int) -> list[bytes]:
        """End the session; an open shot is answered as RESTARTED."""
        loop.end_message(self.arrays.sessions, self.arrays.streams, self.answers)
        answers = self._take_answers(now_ns)
        self.arrays.sessions["session"] = 0
        return answers

    def grow(self) -> None:
        """Enlarge the decoder's workspace."""
        self._work.grow()

    def counters(self) -> dict[str, int]:
        """What happened since the beginning, over all sessions."""
        return {name: int(self.record[name]) for name in (*session_record.COUNTERS, "max_backlog")}

    def histograms(self) -> dict[str, Histogram]:
        """Latencies since the last `reset_latencies`, by name; see realtime.kernels.loop.HISTOGRAMS."""
        found = {}
        for row, name in enumerate(loop.HISTOGRAMS):
            histogram = Histogram(counts=self.counts[row].copy(), totals=self.totals[row].copy())
            # The loop may have counted on between the two copies: what is in the buckets is what counts.
            histogram.totals[COUNT] = histogram.counts.sum()
            found[name] = histogram
        return found

    def window_slope(self) -> tuple[float, float]:
        """Slope of window latency against cycle number, us per million cycles, and its standard error."""
        n, x, y, xx, xy, yy = (float(value) for value in self.trend)
        spread = xx - x * x / n if n else 0.0
        if n < 3 or spread <= 0:
            return float("nan"), float("nan")
        slope = (xy - x * y / n) / spread
        residual = max(0.0, yy - y * y / n - slope * slope * spread)
        return slope, float(np.sqrt(residual / (n - 2) / spread))

    def trace_rows(self) -> NDArray[np.int64]:
        """The latest frames, oldest first, int64 (n, 7); columns as in realtime.kernels.loop.TRACE."""
        trace = self.trace.copy()
        count, size = int(trace[0, 0]), len(trace) - 1
        if count <= size:
            return trace[1 : 1 + count]
        return np.roll(trace[1:], -(count % size), axis=0)

    def reset_latencies(self) -> None:
        """Forget histograms, trend, trace and the greatest backlog."""
        self.arrays.sessions["max_backlog"] = 0
        for array in (self.counts, self.totals, self.trend, self.trace):
            array[:] = 0

    def warm_up(self, *, take: Callable[[bytes], object] | None = None) -> None:
        """Compile what is needed, or load it from the cache, and decode a shot; counts nothing.

        Args:
            take: what takes in messages; default `receive`.
        """
        before = self.arrays.sessions.copy()
        for kind in ("events", "measurements") if self._parts.measurements else ("events",):
            self._play_zeros(kind, take or partial(self.receive, now_ns=2))
        self.reset_latencies()
        self.arrays.sessions[:] = before

    def _play_zeros(self, kind: Kind, take: Callable[[bytes], object]) -> None:
        self.begin(session=1, kind=kind, commits=True, policy="block")
        bits, final_bits = self.widths(kind)
        cycles = self._parts.fewest_layers - 1
        if self._parts.repeats:  # a window and more, of a length that the memory can have
            more, period = self._parts.most_layers + 3 - self._parts.fewest_layers, self._parts.period
            cycles += -(-more // period) * period
        width = wire.row_bytes(bits)
        for cycle in range(cycles + 1):
            message = wire.encode_frame(
                session=1,
                stream=self.stream,
                shot=0,
                sequence=cycle,
                first_cycle=cycle,
                due_ns=1,
                kind=wire.Payload(int(self.record["kind"])),
                rows=np.zeros((int(cycle < cycles), width), dtype=np.uint8),
                bits_per_cycle=bits,
                final=np.zeros(wire.row_bytes(final_bits), dtype=np.uint8) if cycle == cycles else None,
                final_bits=final_bits if cycle == cycles else 0,
                flags=wire.Flags.FIRST if cycle == 0 else 0,
            )
            take(message)
        self.tick(now_ns=3)
        self.end(now_ns=4)

    def _take_answers(self, done_ns: int) -> list[bytes]:
        count = int(self.record["num_answers"])
        if not count:
            return []
        loop.seal_answers(self.arrays.sessions, self.answers, np.int64(done_ns))
        self.arrays.sessions["num_answers"] = 0
        return [self.answers[at].tobytes() for at in range(count)]
