"""Stream threads: each owns the session and the sockets of one stream and runs the service hot loop.

The thread that creates a worker is its keeper: it gives orders and must show a sign of life.
"""

import os
import queue
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from decoders import ParallelStreamingDecoder
from decoders.streaming.frames import Kind
from realtime.kernels import loop
from realtime.kernels.clock import now_ns, sleep_us
from realtime.kernels.jit import interpreted
from realtime.kernels.link import Link
from realtime.kernels.ring import Ring
from realtime.kernels.tap import Tap
from realtime.latency import summary
from realtime.protocol import wire
from realtime.protocol.recording import Content
from realtime.service.admission import Admission, measure_service_time
from realtime.service.session import Policy, Session
from realtime.transport import Hub, Pair, SharedRings, Watch, bind_pair, register_functions

LoopKind = Literal["compiled", "python"]
#: A function to call, and where its value goes.
_Order = tuple[Callable[[], Any], queue.SimpleQueue[Any]]
_RING_SLOTS = 4096
_RESULT_SLOTS = 1024
_WAIT_MS = 20
_KEEPER_NS = 10_000_000_000
# Looks for a late sign of life, and the time between two, us: threads of a paused machine wake one after the
# other.
_LAST_LOOKS, _LOOK_US = 20, 50_000
_REPLY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class ThreadOptions:
    """Core and scheduling of a stream thread.

    Attributes:
        core: number of the core; None leaves it to the operating system.
        block_cores: one for each further thread of parallel windows, which then spin as well; fewer leave all
            of them to the operating system.
        spin: poll without sleeping; needs a core that nothing else uses.
        fifo: SCHED_FIFO priority, None for the default scheduling.
    """

    core: int | None = None
    block_cores: tuple[int, ...] = ()
    spin: bool = False
    fifo: int | None = None


class Opened(NamedTuple):
    """Session that has begun."""

    session: int
    #: Addresses for data and results, and the session's domain at the gate; "" with rings.
    data: str = ""
    results: str = ""
    domain: str = ""
    #: Connections of the source; None with rings.
    watch: Watch | None = None
    #: Entry of the shared memory, see `SharedRings`; None with sockets alone.
    rings: dict[str, Any] | None = None


class Worker:
    """Thread that serves one stream, over sockets or, with hub=None, over two rings in this process."""

    def __init__(
        self,
        *,
        session: Session,
        hub: Hub | None,
        base: str = "",
        options: ThreadOptions | None = None,
        loop_kind: LoopKind = "compiled",
        tap: Tap | None = None,
    ) -> None:
        """Create the thread; `start` starts it.

        Args:
            session: used by the worker only from now on.
            hub: context of the sockets, None for rings.
            base: ipc:// path or tcp://host:* for the addresses of the sessions.
            options: core and scheduling.
            loop_kind: "compiled", or "python" where libzmq cannot be called from compiled code.
            tap: gets a copy of every message; None: nothing is recorded.
        """
        self.session = session
        reachable = register_functions() or hub is None
        self.loop_kind: LoopKind = loop_kind if reachable and not interpreted else "python"
        self.notes: list[str] = []
        self._hub = hub
        self._base = base
        self._options = options or ThreadOptions()
        self._tap = tap or Tap()
        self._pair: Pair | None = None
        # In one process, thread and keeper end together, and a keeper that is the source is busy.
        self._keeper_ns = np.int64(_KEEPER_NS if hub is not None else 0)
        # Rings for sources in this process: data to the worker, results from it.
        longest = wire.HEADER.itemsize + (wire.MAX_CYCLES + 2) * wire.row_bytes(max(session.widths("events")))
        with suppress(ValueError):
            longest = max(
                longest,
                wire.HEADER.itemsize
                + (wire.MAX_CYCLES + 2) * wire.row_bytes(max(session.widths("measurements"))),
            )
        self._longest, self._longest_answer = longest, session.longest_answer
        slots = _RING_SLOTS if hub is None else 1
        self.data_ring = Ring(slots=slots, max_message=longest)
        self.results_ring = Ring(slots=_RESULT_SLOTS if hub is None else 1, max_message=self._longest_answer)
        self._words = np.zeros(64, dtype=np.int64)
        self._link = Link(outgoing=self.results_ring, incoming=self.data_ring)
        self._tapped = Tap()  # nothing is recorded until the warm-up has ended
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._open = False
        self.failure: BaseException | None = None
        #: Decoding time per cycle, ns, on data of the error model; 0 where the decoder is not compiled.
        self.service_ns = 0.0
        self._thread = threading.Thread(target=self._main, name=f"stream-{session.stream}", daemon=True)

    # --- called by the keeper

    def start(self) -> None:
        """Start the thread and those of its blocks, and wait until the kernels are compiled."""
        self.keep()
        # Not in the thread itself, whose core they would get as well.
        cores, threads = self._options.block_cores, self.session.block_threads
        if not interpreted:
            has_cores = len(cores) >= threads.count
            threads.start(
                cores=cores if has_cores else (),
                spins=self._options.spin and has_cores,
                fifo=self._options.fifo,
            )
        self._thread.start()
        self._order(lambda: None)

    def keep(self) -> None:
        """Give a sign of life; ten seconds after the last one the worker ends its session."""
        self._words[loop.KEEPER] = now_ns()

    def heartbeat_age_ns(self) -> int | None:
        """Return the time since the hot loop last passed its check, ns; None if it is not running."""
        return int(now_ns() - self._words[loop.BEAT]) if self._open else None

    def admit(self, admission: Admission, *, cycle_ns: int) -> None:
        """Admit the stream with this pace; see `Admission.check`."""
        threads = max(1, self.session.block_threads.count)
        admission.check(
            stream=self.session.stream, service_ns=self.service_ns, cycle_ns=cycle_ns, threads=threads
        )

    @property
    def is_alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    def statistics(self) -> dict[str, Any]:
        """Read counters and latencies, as a JSON object; the thread is not disturbed."""
        session = self.session
        slope, error = session.window_slope()
        return {
            "stream": session.stream,
            "alive": self.is_alive,
            "heartbeat_age_ns": self.heartbeat_age_ns(),
            "service_ns_per_cycle": self.service_ns,
            "counters": session.counters(),
            "statuses": session.statuses(),
            "faults": session.faults(),
            "latencies_us": {name: _finite(summary(h)) for name, h in session.histograms().items()},
            "window_slope_us_per_million_cycles": _finite({"value": slope, "error": error}),
        }

    def begin(
        self,
        *,
        kind: Kind = "events",
        cycle_ns: int = 0,
        commits: bool = False,
        commit_interval_ns: int = 0,
        policy: Policy | None = None,
        owner: str = "",
        shares_memory: bool = False,
    ) -> Opened:
        """End the open session, if any, and begin a new one with new addresses.

        Args:
            kind, cycle_ns, commits, commit_interval_ns, policy: see `Session.begin`.
            owner: public key or token of the only peer that may connect, see `bind_pair`.
            shares_memory: whether messages go through rings in shared memory, with the sockets only to notice
                that the source has gone.

        Raises:
            ValueError: see `Session.begin` and `SharedRings.make`.
        """

        def begin() -> Opened:
            self._end_session()
            number = secrets.randbits(62) + 1
            self.session.begin(
                session=number,
                kind=kind,
                cycle_ns=cycle_ns,
                commits=commits,
                commit_interval_ns=commit_interval_ns,
                policy=policy,
            )
            self._open = True
            self._tap.mark(
                {"kind": kind, "cycle_ns": cycle_ns, "policy": policy or self.session.limits.policy}
            )
            if self._hub is None:
                self.data_ring.clear()
                self.results_ring.clear()
                return Opened(number)
            try:
                base = self._base
                if base.startswith("ipc://"):
                    base += f"-{self.session.stream}"
                self._pair, data, results = bind_pair(self._hub, base, owner=owner, wait_ms=_WAIT_MS)
                watch, rings = Watch(self._pair.incoming), None
                if shares_memory:
                    rings = SharedRings.make(longest_data=self._longest, longest_result=self._longest_answer)
                    self._pair = self._pair._replace(rings=rings)
                    self._link.use_rings(outgoing=rings.outgoing, incoming=rings.incoming)
                else:
                    self._link.use_sockets(self._pair.addresses())
                entry = rings.entry if rings else None
                return Opened(number, data, results, self._pair.domain, watch, entry)
            except Exception:
                self._end_session()
                raise

        opened: Opened = self._order(begin)
        return opened

    def end(self) -> None:
        """End the open session, if any; its open shot is answered as RESTARTED."""
        self._order(self._end_session)

    def reset_latencies(self) -> None:
        """Reset the latencies."""
        self._order(self.session.reset_latencies)

    def stop(self) -> None:
        """End the session and the thread."""
        if self._thread.is_alive():
            self._orders.put(None)
            self._words[loop.STOP] = 1
            self._thread.join(_REPLY_S)
        self.session.block_threads.stop()

    def _order(self, action: Callable[[], Any]) -> Any:
        """Let the thread call a function between two frames; return its value, or raise its exception."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._orders.put((action, answer))
        self._words[loop.STOP] = 1
        while True:
            try:
                value = answer.get(timeout=0.5)
                break
            except queue.Empty:
                self.keep()
                if not self._thread.is_alive():
                    raise RuntimeError(
                        f"the thread of stream {self.session.stream} has ended"
                    ) from self.failure
        if isinstance(value, BaseException):
            raise value
        return value

    # --- the thread

    def _main(self) -> None:
        try:
            self._place()
            self._warm_up()
            while (order := self._next_order()) is not None:
                action, answer = order
                try:
                    answer.put(action())
                except Exception as error:  # for the caller; this thread continues
                    answer.put(error)
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._end_session()

    def _next_order(self) -> _Order | None:
        """Serve the open session, if any, until an order comes; None: end the thread."""
        while True:
            # In this sequence: an order that comes later sets the word again. The word may also be set for an
            # order that is done already, whose sender was interrupted before it set the word.
            self._words[loop.STOP] = 0
            if not (self._open and self._orders.empty()):
                return self._orders.get()
            self._serve()

    def _place(self) -> None:
        """Set core and priority, as far as the operating system permits."""
        place = self._options
        if place.core is not None:
            try:
                os.sched_setaffinity(0, {place.core})
            except (OSError, AttributeError, ValueError) as error:
                self.notes.append(f"core {place.core} cannot be used: {error}")
        if place.fifo is not None:
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(place.fifo))
            except (OSError, AttributeError, ValueError) as error:
                self.notes.append(f"no real-time priority: {error}")

    def _warm_up(self) -> None:
        """Compile the hot loop and load its memory into the caches, by serving shots of zeros."""

        def turn(message: bytes) -> None:
            self._words[loop.STOP] = 1
            self.data_ring.put(message)
            while self._run_kernel() == loop.GROW:
                self.session.grow()

        self.session.warm_up(take=turn if self.loop_kind == "compiled" else None)
        if not interpreted:
            self.service_ns = self._measure_service_time()
        self.data_ring.clear()
        self.results_ring.clear()
        self._tapped = self._tap

    def _measure_service_time(self) -> float:
        session = self.session

        def clock() -> int:
            return int(now_ns())

        if isinstance(session.decoder, ParallelStreamingDecoder):
            return session.measure_service_time(clock=clock)
        return measure_service_time(session.decoder, clock=clock)

    def _run_kernel(self) -> int:
        session = self.session
        return int(
            loop.serve(
                self._words,
                self._link.record[0],
                session.record,
                session.latencies,
                self._tapped.record[0],
                not self._options.spin,
                self._keeper_ns,
            )
        )

    def _serve(self) -> None:
        """Serve until the keeper gives an order."""
        if self.loop_kind == "python":
            self._serve_in_python()
            return
        while True:
            code = self._run_kernel()
            if code == loop.GROW:
                self.session.grow()
            elif code != loop.ORPHANED or self._is_orphaned():
                break
        if code == loop.STOPPED:
            return
        self._end_session()
        if code == loop.ORPHANED:
            self.notes.append("a session was ended because its keeper gave no sign of life")

    def _is_orphaned(self) -> bool:
        """Return whether the keeper's last sign of life is too old, and no other one comes."""
        for _ in range(_LAST_LOOKS):
            if not self._keeper_ns or now_ns() - self._words[loop.KEEPER] <= self._keeper_ns:
                return False
            sleep_us(_LOOK_US)
        return True

    def _serve_in_python(self) -> None:
        """Serve in Python, one message at a time: for systems where compiled code cannot call libzmq."""
        while not self._words[loop.STOP]:
            now = now_ns()
            self._words[loop.BEAT] = now
            if self._is_orphaned():
                self.notes.append("a session was ended because its keeper gave no sign of life")
                self._end_session()
                return
            if self._pair is None:
                message = self.data_ring.take()
            else:
                message = self._pair.receive(timeout_ms=0 if self._options.spin else _WAIT_MS)
            answers = self.session.tick(now_ns=now)
            if message is not None:
                received = now_ns()
                answers += self.session.receive(message, now_ns=received, clock=now_ns)
                self._tap.put(message, content=Content.RECEIVED, time_ns=received)
            self._send(answers)

    def _send(self, answers: list[bytes]) -> None:
        for answer in answers:
            self._tap.put(answer, content=Content.SENT, time_ns=int(now_ns()))
            if not (self._pair.send(answer) if self._pair else self.results_ring.put(answer)):
                is_commit = wire.parse_result(answer).is_commit
                self.session.record["commits_dropped" if is_commit else "results_dropped"] += 1

    def _end_session(self) -> None:
        if not self._open:
            return
        self._open = False
        self._send(self.session.end(now_ns=int(now_ns())))
        self._tap.mark(None)
        if self._pair is not None:
            self._link.use_rings(outgoing=self.results_ring, incoming=self.data_ring)
            self._pair.close(linger_ms=200)
            if self._hub is not None:
                self._hub.expel(self._pair.domain)
            self._pair = None


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    """Replace infinity and NaN by None: JSON has neither."""
    return {name: value if abs(value) < float("inf") else None for name, value in values.items()}
