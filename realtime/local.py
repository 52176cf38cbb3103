"""The loop in one process: source and decoder are threads without the GIL, with a ring between them.

For machines with too few cores for threads that spin in several processes, and for tests. Nothing is
sent over a socket; frames and answers are the same bytes.
"""

import threading
from types import TracebackType
from typing import Any, Self

import numpy as np

from decoders import StreamingDecoder
from decoders.frames import Kind
from realtime.kernels import loop
from realtime.kernels.memory import store_word
from realtime.kernels.ring import new_ring
from realtime.latency import Histogram
from realtime.placement import pin_thread
from realtime.player import Link
from realtime.session import Policy, Session, SessionLimits
from realtime.transport import register_functions

_NUM_WORDS = 64
# A frame of 64 cycles of a large code.
_LONGEST_FRAME = 8192


class LocalLoop:
    """A decoder that serves one session in a thread, between entering and leaving a `with` block.

    Args:
        decoder: taken over; do not push to it.
        kind, cycle_ns, commits, policy: see `Session.begin`.
        limits: see `SessionLimits`.
        slots: frames that wait at most; the source finds no room beyond.
        core: where the thread runs; None leaves it to the system.

    Raises:
        ValueError: see `Session.begin`.
    """

    def __init__(
        self,
        *,
        decoder: StreamingDecoder,
        kind: Kind = "events",
        cycle_ns: int = 0,
        commits: bool = False,
        policy: Policy = "drop-shot",
        limits: SessionLimits | None = None,
        slots: int = 4096,
        core: int | None = None,
    ) -> None:
        register_functions()
        self.session_number = 1
        self._session = Session(decoder=decoder, limits=limits)
        self._session.begin(
            session=self.session_number, kind=kind, cycle_ns=cycle_ns, commits=commits, policy=policy
        )
        self._data = new_ring(slots=slots, max_message=_LONGEST_FRAME)
        self._results = new_ring(slots=slots, max_message=1024)
        self._core = core
        self._words = np.zeros(_NUM_WORDS, dtype=np.int64)
        self._error: BaseException | None = None
        self.link = Link.over_rings(self._data, self._results)

    def __enter__(self) -> Self:
        self._session.warm_up()
        self._serve(stop_at_once=True)  # compiles what the thread will run
        store_word(self._words, loop.STOP, np.int64(0))
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store_word(self._words, loop.STOP, np.int64(1))
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def counters(self) -> dict[str, int]:
        """What happened so far; see `realtime.kernels.layout.COUNTERS`."""
        return self._session.counters()

    def histograms(self) -> dict[str, Histogram]:
        """Latencies so far; see `Session.histograms`."""
        return self._session.histograms()

    def reset_latencies(self) -> None:
        """Forget the latencies; call it between shots."""
        self._session.reset_latencies()

    def _run(self) -> None:
        pin_thread(self._core)
        try:
            while self._serve() == loop.GROW:
                self._session.grow()
        except BaseException as error:  # told to whoever leaves the block
            self._error = error

    def _serve(self, *, stop_at_once: bool = False) -> int:
        session = self._session
        if stop_at_once:
            store_word(self._words, loop.STOP, np.int64(1))
        arguments: tuple[Any, ...] = (
            self._words,
            np.zeros(3, dtype=np.int64),
            *self._data,
            *self._results,
            *session.arrays,
            session.buffers,
            session.answers,
            session.counts,
            session.totals,
            session.trend,
            session.trace,
            False,
            np.int64(0),
        )
        return int(loop.serve(*arguments))
