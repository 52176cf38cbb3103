"""The loop in one process: source and decoder are threads without the GIL, with rings between them.

For machines with too few cores for threads that spin in several processes, and for tests. Nothing is
sent over a socket; frames and answers are the same bytes.
"""

from types import TracebackType
from typing import Self

from decoders import StreamingDecoder
from decoders.frames import Kind
from realtime.latency import Histogram
from realtime.player import Link
from realtime.session import Policy, Session, SessionLimits
from realtime.worker import Placement, Worker


class LocalLoop:
    """A decoder that serves one session in a thread, between entering and leaving a `with` block.

    Args:
        decoder: taken over; do not push to it.
        kind, cycle_ns, commits, policy: see `Session.begin`.
        limits: see `SessionLimits`.
        core: where the thread runs; None leaves it to the system.
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
        core: int | None = None,
    ) -> None:
        self._worker = Worker(
            session=Session(decoder=decoder, limits=limits),
            hub=None,
            placement=Placement(core=core, spin=True),
        )
        self._kind, self._cycle_ns, self._commits, self._policy = kind, cycle_ns, commits, policy
        self.link = Link.over_rings(self._worker.data_ring, self._worker.results_ring)
        #: Number of the session, for the frames; 0 outside the `with` block.
        self.session = 0

    def __enter__(self) -> Self:
        self._worker.start()
        try:
            self.session = self._worker.begin(
                kind=self._kind, cycle_ns=self._cycle_ns, commits=self._commits, policy=self._policy
            ).session
        except BaseException:
            self._worker.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.stop()
        self.session = 0

    def counters(self) -> dict[str, int]:
        """What happened so far; see `realtime.kernels.layout.COUNTERS`."""
        return self._worker.session.counters()

    def histograms(self) -> dict[str, Histogram]:
        """Latencies so far; see `Session.histograms`."""
        return self._worker.session.histograms()

    def reset_latencies(self) -> None:
        """Forget the latencies so far."""
        self._worker.reset_latencies()
