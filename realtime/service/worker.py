"""One thread per stream: it owns the stream's session and sockets, and spends its life in the hot loop."""

import os
import queue
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from decoders.streaming.frames import Kind
from realtime.kernels import loop
from realtime.kernels.clock import now_ns
from realtime.kernels.jit import interpreted
from realtime.kernels.ring import new_ring, ring_put, ring_take
from realtime.protocol import wire
from realtime.service.admission import service_ns
from realtime.service.session import Policy, Session
from realtime.transport import Hub, Pair, bind_pair, register_functions

LoopKind = Literal["compiled", "python"]
_RING_SLOTS = 4096
_RESULT_SLOTS = 1024
_WAIT_MS = 20
_KEEPER_NS = 10_000_000_000
_REPLY_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How a thread runs.

    Attributes:
        core: its core, None for any.
        spin: poll without sleeping; needs a core of its own.
        fifo: SCHED_FIFO priority, None for the usual scheduling.
    """

    core: int | None = None
    spin: bool = False
    fifo: int | None = None


class Opened(NamedTuple):
    """A session that has begun: its number, and where data go and results come from ("" with rings)."""

    session: int
    data: str
    results: str


class Worker:
    """Serves one stream, over sockets or, with hub=None, over two rings in this process."""

    def __init__(
        self,
        *,
        session: Session,
        hub: Hub | None,
        base: str = "",
        placement: Placement | None = None,
        loop_kind: LoopKind = "compiled",
    ) -> None:
        """Prepare the thread; `start` starts it.

        Args:
            session: what it serves; the worker's from now on.
            hub: context for sockets, None for rings.
            base: ipc:// path or tcp://host:* for the sessions' addresses.
            placement: core and scheduling.
            loop_kind: "compiled", or "python" where libzmq cannot be called from compiled code.
        """
        self.session = session
        reachable = register_functions() or hub is None
        self.loop_kind: LoopKind = loop_kind if reachable and not interpreted else "python"
        self.notes: list[str] = []
        self._hub = hub
        self._base = base
        self._placement = placement or Placement()
        self._pair: Pair | None = None
        # In one process, thread and keeper end together; and a keeper that plays the source is busy.
        self._keeper_ns = np.int64(_KEEPER_NS if hub is not None else 0)
        # Rings, used by in-process sources: data to the worker, results from it.
        longest = wire.HEADER.itemsize + (wire.MAX_CYCLES + 2) * wire.row_bytes(max(session.widths("events")))
        with suppress(ValueError):
            longest = max(
                longest,
                wire.HEADER.itemsize
                + (wire.MAX_CYCLES + 2) * wire.row_bytes(max(session.widths("measurements"))),
            )
        slots = _RING_SLOTS if hub is None else 1
        self.data_ring = new_ring(slots=slots, max_message=longest)
        self.results_ring = new_ring(
            slots=_RESULT_SLOTS if hub is None else 1, max_message=session.answers.shape[1]
        )
        self._words = np.zeros(64, dtype=np.int64)
        self._link = np.zeros(3, dtype=np.int64)
        self._orders: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]] | None] = (
            queue.SimpleQueue()
        )
        self._open = False
        self.failure: BaseException | None = None
        #: Time of the decoder for a cycle, ns, on typical data; 0 where it is not compiled.
        self.service_ns = 0.0
        self._thread = threading.Thread(target=self._main, name=f"stream-{session.stream}", daemon=True)

    # --- called by the keeper, the thread that made it

    def start(self) -> None:
        """Start the thread and wait until everything is compiled."""
        self.keep()
        self._thread.start()
        self._order(lambda: None)

    def keep(self) -> None:
        """Show the worker that its keeper lives; without, it stops after ten seconds."""
        self._words[loop.KEEPER] = now_ns()

    def heartbeat_age_ns(self) -> int | None:
        """How long ago the hot loop last passed its check; None if it is not running."""
        return int(now_ns() - self._words[loop.BEAT]) if self._open else None

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def begin(
        self,
        *,
        kind: Kind = "events",
        cycle_ns: int = 0,
        commits: bool = False,
        commit_gap_ns: int = 0,
        policy: Policy | None = None,
    ) -> Opened:
        """End the session that is open, if any, and begin a new one, with new addresses.

        Raises:
            ValueError: see `Session.begin`.
        """

        def begin() -> Opened:
            self._end_session()
            number = secrets.randbits(62) + 1
            self.session.begin(
                session=number,
                kind=kind,
                cycle_ns=cycle_ns,
                commits=commits,
                commit_gap_ns=commit_gap_ns,
                policy=policy,
            )
            data = results = ""
            if self._hub is not None:
                try:
                    base = self._base
                    if base.startswith("ipc://"):
                        base += f"-{self.session.stream}-{number:016x}"
                    self._pair, data, results = bind_pair(self._hub, base, wait_ms=_WAIT_MS)
                except Exception:
                    self.session.end(now_ns=0)
                    raise
                self._link[:2] = self._pair.addresses()
            else:
                for ends, _ in (self.data_ring, self.results_ring):
                    ends[:] = 0
            self._open = True
            return Opened(number, data, results)

        opened: Opened = self._order(begin)
        return opened

    def end(self) -> None:
        """End the session that is open, if any; its open shot is answered as RESTARTED."""
        self._order(self._end_session)

    def reset_latencies(self) -> None:
        """Forget the latencies so far."""
        self._order(self.session.reset_latencies)

    def stop(self) -> None:
        """End the session and the thread."""
        if self._thread.is_alive():
            self._orders.put(None)
            self._words[loop.STOP] = 1
            self._thread.join(_REPLY_S)

    def _order(self, action: Callable[[], Any]) -> Any:
        """Let the thread do something between two frames; returns or raises what came of it."""
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
            while True:
                order = self._orders.get()
                if order is None:
                    break
                self._words[loop.STOP] = 0
                if not self._orders.empty():  # in this order: an order given now sets it again
                    self._words[loop.STOP] = 1
                action, answer = order
                try:
                    answer.put(action())
                except Exception as error:  # the caller's; this thread goes on
                    answer.put(error)
                if self._open:
                    self._serve()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._end_session()

    def _place(self) -> None:
        """Take the core and the priority asked for, as far as the system lets us."""
        place = self._placement
        if place.core is not None:
            try:
                os.sched_setaffinity(0, {place.core})
            except (OSError, AttributeError, ValueError) as error:
                self.notes.append(f"core {place.core} cannot be taken: {error}")
        if place.fifo is not None:
            try:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(place.fifo))
            except (OSError, AttributeError, ValueError) as error:
                self.notes.append(f"no real-time priority: {error}")

    def _warm_up(self) -> None:
        """Compile and touch what the loop will use, through the loop itself: one message a turn."""

        def turn(message: bytes) -> None:
            self._words[loop.STOP] = 1
            ring_put(*self.data_ring, np.frombuffer(message, dtype=np.uint8), np.int64(len(message)))
            while self._run_kernel() == loop.GROW:
                self.session.grow()

        self.session.warm_up(take=turn if self.loop_kind == "compiled" else None)
        if not interpreted:
            self.service_ns = service_ns(self.session.decoder, clock=lambda: int(now_ns()))
        for ends, _ in (self.data_ring, self.results_ring):
            ends[:] = 0

    def _run_kernel(self) -> int:
        session = self.session
        return int(
            loop.serve(
                self._words,
                self._link,
                *self.data_ring,
                *self.results_ring,
                *session.arrays,
                session.buffers,
                session.answers,
                session.counts,
                session.totals,
                session.trend,
                session.trace,
                not self._placement.spin,
                self._keeper_ns,
            )
        )

    def _serve(self) -> None:
        """Serve until the keeper wants something."""
        if self.loop_kind == "python":
            self._serve_in_python()
            return
        while True:
            code = self._run_kernel()
            if code != loop.GROW:
                break
            self.session.grow()
        if code == loop.STOPPED:
            return
        self._end_session()
        if code == loop.ORPHANED:
            self.notes.append("a session was ended because its keeper gave no sign of life")

    def _serve_in_python(self) -> None:
        """The same, one message at a time in Python: for systems where libzmq cannot be reached."""
        buffer = np.zeros(wire.MAX_MESSAGE, dtype=np.uint8)
        while not self._words[loop.STOP]:
            now = now_ns()
            self._words[loop.BEAT] = now
            if self._keeper_ns and now - self._words[loop.KEEPER] > self._keeper_ns:
                self.notes.append("a session was ended because its keeper gave no sign of life")
                self._end_session()
                return
            if self._pair is None:
                size = int(ring_take(*self.data_ring, buffer))
                message = buffer[:size].tobytes() if size >= 0 else None
            else:
                message = self._pair.receive(timeout_ms=0 if self._placement.spin else _WAIT_MS)
            answers = self.session.tick(now_ns=now)
            if message is not None:
                answers += self.session.receive(message, now_ns=now_ns(), clock=now_ns)
            self._send(answers)

    def _send(self, answers: list[bytes]) -> None:
        for answer in answers:
            if self._pair is None:
                array = np.frombuffer(answer, dtype=np.uint8)
                sent = bool(ring_put(*self.results_ring, array, np.int64(len(array))))
            else:
                sent = self._pair.send(answer)
            if not sent:
                is_commit = wire.parse_result(answer).is_commit
                self.session.arrays.sessions["commits_dropped" if is_commit else "results_dropped"] += 1

    def _end_session(self) -> None:
        if not self._open:
            return
        self._open = False
        self._send(self.session.end(now_ns=int(now_ns())))
        if self._pair is not None:
            self._link[:] = 0
            self._pair.close(linger_ms=200)
            self._pair = None
