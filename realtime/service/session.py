"""Sessions of one stream: frames and times in, answers out, without sockets, threads or clocks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.matching.workspace import Pools
from decoders.streaming.frames import Kind
from decoders.streaming.kernels.layout import CLOSED_WINDOW, STREAM_GAPS
from decoders.streaming.measurements import Parities
from decoders.streaming.readouts import ReadoutChoiceDecoder
from realtime.kernels import session as kernels
from realtime.kernels.frames import RESULT_BYTES
from realtime.kernels.histogram import COUNT, NUM_BUCKETS, NUM_TOTALS
from realtime.kernels.loop import record_latencies
from realtime.kernels.other_windows import address_of
from realtime.kernels.records import (
    COUNTERS,
    HISTOGRAMS,
    LATENCIES,
    MAX_ANSWERS,
    SESSION,
    SETTINGS,
    STATE,
    TRACE,
    TRACE_FIELDS,
    TREND_FIELDS,
)
from realtime.latency import Histogram
from realtime.protocol import wire
from realtime.service.block_threads import BlockThreads

Policy = Literal["drop-shot", "block"]
_TRACE_ROWS = 4096
_FOREVER = 1 << 62
_NO_PARITIES = Parities(
    start=np.zeros(1, dtype=np.int64),
    column=np.zeros(0, dtype=np.int64),
    offset=np.zeros(0, dtype=np.int64),
    expected=np.zeros((0, 0), dtype=np.uint8),
)


@dataclass(frozen=True, kw_only=True)
class SessionLimits:
    """Limits of a session.

    Attributes:
        policy: "drop-shot" fails a shot with a frame received more than `hard_ns` after it was due; "block"
            decodes late frames too, for sources that wait.
        soft_ns: frames received later than this after they were due are counted as late.
        hard_ns: see policy.
        timeout_ns: longest time without a frame in an open shot.
        max_cycles: cycles of the longest shot.

    Raises:
        ValueError: an unknown policy, or a limit below 1.
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
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")


class Session:
    """Sessions of one stream, one at a time; each starts with `begin`. Only one thread may use it.

    Args:
        decoder: used by the sessions from now on; do not push to it.
        stream: number of the logical qubit.
        limits: of the sessions.
    """

    def __init__(
        self,
        *,
        decoder: StreamingDecoder | ParallelStreamingDecoder | ReadoutChoiceDecoder,
        stream: int = 0,
        limits: SessionLimits | None = None,
    ) -> None:
        self.limits = limits or SessionLimits()
        self._owner = decoder  # of the memory of the parts
        #: For measurements of its speed, between sessions.
        self.decoder = decoder.of_readout(0) if isinstance(decoder, ReadoutChoiceDecoder) else decoder
        self._parts = decoder.parts()
        #: Threads of parallel windows; none but for a ParallelStreamingDecoder.
        self.block_threads = BlockThreads(self._parts)
        self._work = self._parts.work
        self.stream = stream
        self.num_observables = decoder.num_observables
        self.num_columns = self._parts.num_columns
        self.commit, self.buffer_cycles = decoder.commit, decoder.buffer
        #: Record STREAM (1,) of the decoder, and its uncommitted layers, uint8 (rows, columns); read only.
        self.decoder_state, self.layers = self._parts.stream, self._parts.rows
        #: First eight bytes of the digest of model and windows, as in results.
        self.digest = int.from_bytes(self._parts.digest[:8], "little") >> 1
        parts, measured = self._parts, self._parts.measurements
        parities = measured.parities() if measured else _NO_PARITIES
        history_size = (measured.reach + 1) * measured.per_cycle if measured else 1
        answer_bytes = RESULT_BYTES + wire.row_bytes(self.num_observables)
        gaps = self._parts.gaps
        gap_bytes = wire.GAP_BYTES * self.num_observables if gaps else 0
        #: Bytes of the longest answer.
        self.longest_answer = answer_bytes + gap_bytes
        stride = -(-self.longest_answer // RESULT_BYTES)
        self._frame = np.zeros(wire.MAX_MESSAGE, dtype=np.uint8)
        self._answers = np.zeros((MAX_ANSWERS * stride, RESULT_BYTES), dtype=np.uint8)
        self._latencies = Pools(LATENCIES)
        self._session = Pools(SESSION)
        self._session.own(
            frame=self._frame,
            frame_header=self._frame,
            answers=self._answers,
            answer_headers=self._answers,
            decoder=parts.stream,
            windows=parts.windows,
            endings=parts.endings,
            work=self._work.record,
            blocks=self.block_threads.record,
            stream_gaps=gaps.stream if gaps else np.zeros(0, dtype=STREAM_GAPS),
            closed_endings=gaps.endings if gaps else np.zeros(0, dtype=CLOSED_WINDOW),
            row=np.zeros(self.num_columns, dtype=np.uint8),
            history=np.zeros(max(1, history_size), dtype=np.uint8),
            parity_starts=parities.start,
            parity_columns=parities.column,
            parity_offsets=parities.offset,
            parity_expected=parities.expected,
            faults=np.zeros(len(wire.Fault), dtype=np.int64),
            statuses=np.zeros(len(wire.Status), dtype=np.int64),
        )
        self._session.set(
            answer_bytes=answer_bytes,
            answer_stride=stride,
            num_columns=self.num_columns,
            history_size=max(1, history_size),
            num_window_graphs=len(parts.windows),
            num_parity_layers=len(parities.expected),
            num_parity_terms=len(parities.column),
            num_first_layers=measured.num_first if measured else 0,
            parity_period=max(1, measured.period) if measured else 1,
            stream=stream,
            fewest_layers=parts.fewest_layers,
            most_layers=parts.most_layers,
            repeats=int(parts.repeats),
            layer_period=parts.period,
            num_readouts=parts.num_readouts,
            own_address=self._session.record.ctypes.data,
            windows_at=address_of("parallel" if parts.blocks else "gaps") if parts.blocks or gaps else 0,
            finds_gaps=int(gaps is not None),
            gap_bytes=gap_bytes,
            num_closed_endings=len(gaps.endings) if gaps else 0,
        )
        self._latencies.own(
            counts=np.zeros((len(HISTOGRAMS), NUM_BUCKETS), dtype=np.int64),
            totals=np.zeros((len(HISTOGRAMS), NUM_TOTALS), dtype=np.int64),
            trace=np.zeros(_TRACE_ROWS, dtype=TRACE),
        )
        self._latencies.set(trace_rows=_TRACE_ROWS)
        #: Records SESSION and LATENCIES for the kernels, valid as long as this object.
        self.record, self.latencies = self._session.record[0], self._latencies.record[0]
        #: Reaction times that the source of a program reported.
        self.reactions = Histogram()
        #: Readouts that shots may end with.
        self.num_readouts = self._parts.num_readouts
        #: Whether outcomes may have gaps, see `send_gaps`.
        self.finds_gaps = gaps is not None
        #: Addresses of these records.
        self.addresses = self._session.record.ctypes.data, self._latencies.record.ctypes.data
        for header in self._answers.reshape(-1).view(wire.RESULT):
            for name, value in (
                ("magic", wire.MAGIC),
                ("version", wire.VERSION),
                ("header_length", RESULT_BYTES),
                ("stream", stream),
                ("num_observables", self.num_observables),
                ("digest", self.digest),
            ):
                header[name] = value
        # Growing the workspace in the middle of a shot costs milliseconds: start with a size that suffices
        # for most.
        self.grow()
        self.grow()

    def widths(self, kind: Kind) -> tuple[int, int]:
        """Return the bits of a cycle, and of the row of the data readout.

        Raises:
            ValueError: this decoder does not accept such frames.
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
        commit_interval_ns: int = 0,
        policy: Policy | None = None,
    ) -> None:
        """Begin a session; the one before must have ended, see `end`.

        Args:
            session: positive number, unique.
            kind: "events" or "measurements".
            cycle_ns: time between cycles, for the backlog; 0 if the source has no schedule.
            commits: whether to report final cycles in the middle of shots.
            commit_interval_ns: least time between two such reports; 0: one for every window.
            policy: see SessionLimits; None: that of the limits.

        Raises:
            ValueError: an argument out of range, or frames that the decoder does not accept.
        """
        bits, final_bits = self.widths(kind)
        if not 0 < session < _FOREVER * 2:
            raise ValueError(f"session {session}: expected 1 to 2^63 - 1")
        if not 0 <= cycle_ns <= 10**12:
            raise ValueError(f"cycle_ns={cycle_ns}: expected 0 to 10^12")
        if not 0 <= commit_interval_ns <= 10**12:
            raise ValueError(f"commit_interval_ns={commit_interval_ns}: expected 0 to 10^12")
        policy = SessionLimits(policy=policy or self.limits.policy).policy
        max_cycles = self.limits.max_cycles
        measured = self._parts.measurements
        if kind == "measurements" and measured is not None and not measured.period:
            max_cycles = min(max_cycles, measured.num_first)  # no repeating cycle
        self._session.set(**dict.fromkeys((*SETTINGS, *STATE), 0))
        self._session.set(
            session=session,
            kind=int(wire.Payload.EVENTS if kind == "events" else wire.Payload.MEASUREMENTS),
            bits_per_cycle=bits,
            final_bits=final_bits,
            max_cycles=max_cycles,
            cycle_ns=cycle_ns,
            soft_ns=self.limits.soft_ns,
            hard_ns=self.limits.hard_ns if policy == "drop-shot" else 0,
            timeout_ns=self.limits.timeout_ns,
            commits=int(commits),
            commit_interval_ns=commit_interval_ns,
            last_answered_shot=-1,
        )

    def send_gaps(self) -> None:
        """Send the gaps of all observables with the outcomes of this session.

        Raises:
            ValueError: the decoder finds none, or a frame has arrived.
        """
        if not self.finds_gaps:
            raise ValueError("this decoder finds no gaps: serve it with gaps")
        if self.record.next_sequence or self.record.is_open:
            raise ValueError("gaps are for whole sessions: ask for them before the first frame")
        self.record.sends_gaps = 1

    def receive(self, message: bytes, *, now_ns: int, clock: Callable[[], int] | None = None) -> list[bytes]:
        """Process one message; return the answers to send.

        Args:
            message: any bytes.
            now_ns: when it was received.
            clock: returns the time at which the answers are ready; None: now_ns.
        """
        size = min(len(message), wire.MAX_MESSAGE)
        self._frame[:size] = np.frombuffer(message, dtype=np.uint8, count=size)
        accepted_before = self.record.accepted
        fits = kernels.session_frame(self.record, np.int64(len(message)), np.int64(now_ns))
        while not fits:
            self.grow()
            fits = kernels.session_resume(self.record)
        done = clock() if clock else now_ns
        if self.record.accepted > accepted_before:
            record_latencies(self.record, self.latencies, np.int64(done))
        return self._take_answers(done)

    def tick(self, *, now_ns: int) -> list[bytes]:
        """Check the timeout of the open shot; return the answers to send."""
        kernels.session_tick(self.record, np.int64(now_ns))
        return self._take_answers(now_ns)

    def end(self, *, now_ns: int) -> list[bytes]:
        """End the session; an open shot is answered as RESTARTED. Return the answers to send."""
        kernels.session_end(self.record)
        answers = self._take_answers(now_ns)
        self.record.session = 0
        return answers

    def grow(self) -> None:
        """Enlarge the decoder's workspaces.

        Raises:
            RuntimeError: a thread of parallel windows has ended, and its block will not come.
        """
        self.block_threads.check()
        self._work.grow()
        if self._parts.gaps:
            self._parts.gaps.grow()

    def counters(self) -> dict[str, int]:
        """Return the counters of all sessions so far, and the largest backlog, by name."""
        return {name: int(self.record[name]) for name in (*COUNTERS, "max_backlog")}

    def statuses(self) -> dict[str, int]:
        """Return the number of answered shots of all sessions so far, by status."""
        counts = self._session.arrays["statuses"]
        return {status.name: int(counts[status]) for status in wire.Status}

    def faults(self) -> dict[str, int]:
        """Return the number of damaged messages of all sessions so far, by fault."""
        counts = self._session.arrays["faults"]
        return {fault.name: int(counts[fault]) for fault in wire.Fault if fault != wire.Fault.NONE}

    def histograms(self) -> dict[str, Histogram]:
        """Return the latencies since `reset_latencies`, by name.

        Names are those of realtime.kernels.records.HISTOGRAMS, and "reaction", which sources report.
        """
        found = {}
        counts, totals = self._latencies.arrays["counts"], self._latencies.arrays["totals"]
        for row, name in enumerate(HISTOGRAMS):
            histogram = Histogram(counts=counts[row].copy(), totals=totals[row].copy())
            # The loop may count another value between the two copies: the buckets decide.
            histogram.totals[COUNT] = histogram.counts.sum()
            found[name] = histogram
        found["reaction"] = self.reactions.copy()
        return found

    def window_slope(self) -> tuple[float, float]:
        """Fit window latency against cycle number: slope, us per million cycles, and its standard error."""
        n, x, y, xx, xy, yy = (float(self.latencies[name]) for name in TREND_FIELDS)
        spread = xx - x * x / n if n else 0.0
        if n < 3 or spread <= 0:
            return float("nan"), float("nan")
        slope = (xy - x * y / n) / spread
        residual = max(0.0, yy - y * y / n - slope * slope * spread)
        return slope, float(np.sqrt(residual / (n - 2) / spread))

    def trace_rows(self) -> NDArray[np.int64]:
        """Return the latest frames, oldest first, int64 (n, 7); see realtime.kernels.records.TRACE_FIELDS."""
        trace = self._latencies.arrays["trace"].copy().view(np.int64).reshape(-1, len(TRACE_FIELDS))
        count = int(self.latencies.num_traced)
        return trace[:count] if count <= len(trace) else np.roll(trace, -(count % len(trace)), axis=0)

    def reset_latencies(self) -> None:
        """Reset histograms, line fit, trace and the largest backlog."""
        self.record.max_backlog = 0
        self.reactions = Histogram()
        self._latencies.set(**dict.fromkeys(("num_traced", *TREND_FIELDS), 0))
        for array in self._latencies.arrays.values():
            array[:] = 0

    def warm_up(self, *, take: Callable[[bytes], object] | None = None) -> None:
        """Compile the kernels, or load them from the cache, and decode a shot; counters stay as they are.

        Args:
            take: processes a message; None: `receive`.
        """
        before, statuses = self._session.record.copy(), self._session.arrays["statuses"].copy()
        for kind in ("events", "measurements") if self._parts.measurements else ("events",):
            self._play_zeros(kind, take or partial(self.receive, now_ns=2))
        self.reset_latencies()
        self._session.record[:] = before
        self._session.arrays["statuses"][:] = statuses

    def measure_service_time(self, *, clock: Callable[[], int], cycles: int = 8000, seed: int = 1) -> float:
        """Measure the time per cycle, ns, of shots that arrive as fast as they are decoded, by all threads.

        Counters stay as they are; a session that is open is lost.

        Args:
            clock: returns the nanoseconds of a monotonic clock.
            cycles: of a shot.
            seed: of the data, which are drawn from the error model.
        """
        before, statuses = self._session.record.copy(), self._session.arrays["statuses"].copy()
        rows = np.packbits(self.decoder.typical_rows(cycles, seed=seed), axis=1, bitorder="little")
        self.begin(session=1, policy="block")
        firsts = range(0, len(rows) - 1, wire.MAX_CYCLES)
        times = []
        for shot in range(3):
            messages = [
                wire.encode_frame(
                    session=1,
                    stream=self.stream,
                    shot=shot,
                    sequence=shot * len(firsts) + number,
                    first_cycle=first,
                    due_ns=0,
                    kind=wire.Payload.EVENTS,
                    rows=rows[first : min(first + wire.MAX_CYCLES, len(rows) - 1)],
                    bits_per_cycle=self.num_columns,
                    final=rows[-1] if first == firsts[-1] else None,
                    final_bits=self.num_columns if first == firsts[-1] else 0,
                    flags=wire.Flags.FIRST if first == 0 else 0,
                )
                for number, first in enumerate(firsts)
            ]
            start = clock()
            for message in messages:
                self.receive(message, now_ns=2)
            times.append((clock() - start) / len(rows))
        self.end(now_ns=4)
        self.reset_latencies()
        self._session.record[:] = before
        self._session.arrays["statuses"][:] = statuses
        return float(min(times))

    def _play_zeros(self, kind: Kind, take: Callable[[bytes], object]) -> None:
        self.begin(session=1, kind=kind, commits=True, policy="block")
        bits, final_bits = self.widths(kind)
        cycles = self._parts.fewest_layers - 1
        if self._parts.repeats:  # more than a window, of a length that shots can have
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
                kind=wire.Payload(int(self.record.kind)),
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
        count, self.record.num_answers = int(self.record.num_answers), 0
        found = []
        for at in range(count):
            kernels.seal_answer(self.record, np.int64(at), np.int64(done_ns))
            message = self._answers.reshape(MAX_ANSWERS, -1)[at]
            is_outcome = message[: wire.RESULT.itemsize].view(wire.RESULT)["type"][0] == wire.Type.OUTCOME
            size = self.longest_answer if is_outcome and self.record.sends_gaps else self.record.answer_bytes
            found.append(message[:size].tobytes())
        return found
