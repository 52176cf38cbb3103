"""Real-time loop in one process: source and decoder are threads without the GIL, connected by rings.

For machines with too few cores for spinning threads in several processes, and for tests. No sockets are used;
frames and results are the same bytes.
"""

from types import TracebackType
from typing import Any, Self

from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.streaming.frames import Kind
from realtime.kernels.link import Link
from realtime.latency import Histogram
from realtime.placement import threads_of_stream
from realtime.service.admission import Admission
from realtime.service.detections import DetectionCounts
from realtime.service.session import Policy, Session, SessionLimits
from realtime.service.worker import ThreadOptions, Worker


class InProcessLoop:
    """Decoder that serves one session in a thread, between entering and leaving a `with` block.

    Args:
        decoder: used by the thread from now on; do not push to it.
        kind, cycle_ns, commits, commit_interval_ns, policy: see `Session.begin`.
        limits: see `SessionLimits`.
        stream: number of the logical qubit.
        core: of the thread; None leaves it to the operating system.
        block_cores: of the further threads of a `ParallelStreamingDecoder`, see `ThreadOptions`.
        max_load: fraction of a core that decoding may need at this cycle_ns (see `Admission`); 0: any.
    """

    def __init__(
        self,
        *,
        decoder: StreamingDecoder | ParallelStreamingDecoder,
        kind: Kind = "events",
        cycle_ns: int = 0,
        commits: bool = False,
        commit_interval_ns: int = 0,
        policy: Policy = "drop-shot",
        limits: SessionLimits | None = None,
        stream: int = 0,
        core: int | None = None,
        block_cores: tuple[int, ...] = (),
        max_load: float = 0.0,
    ) -> None:
        self._worker = Worker(
            session=Session(decoder=decoder, stream=stream, limits=limits),
            hub=None,
            options=ThreadOptions(core=core, block_cores=block_cores, spin=True),
        )
        self._kind, self._cycle_ns, self._policy = kind, cycle_ns, policy
        self._commits, self._commit_interval_ns = commits, commit_interval_ns
        threads = threads_of_stream(max(1, self._worker.session.block_threads.count))
        self._admission = Admission(most_load=max_load, cores=threads)
        self.link = Link(outgoing=self._worker.data_ring, incoming=self._worker.results_ring)
        #: Number of the session, for the frames; 0 outside the `with` block.
        self.session = 0

    def __enter__(self) -> Self:
        self._worker.start()
        try:
            pace = 0 if self._policy == "block" else self._cycle_ns
            self._worker.admit(self._admission, cycle_ns=pace)
            self.session = self._worker.begin(
                kind=self._kind,
                cycle_ns=self._cycle_ns,
                commits=self._commits,
                commit_interval_ns=self._commit_interval_ns,
                policy=self._policy,
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
        """Return the counters; see `realtime.kernels.records.COUNTERS`."""
        return self._worker.session.counters()

    def histograms(self) -> dict[str, Histogram]:
        """Return the latencies; see `Session.histograms`."""
        return self._worker.session.histograms()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics of the stream, as a daemon does."""
        return {
            **self._worker.statistics(),
            "open": True,
            "connected": True,
            "policy": self._policy,
            "load": self._admission.load(0),
        }

    def detections(self) -> DetectionCounts:
        """Make a counter of detection events, for another thread."""
        return DetectionCounts(self._worker.session)

    def reset_latencies(self) -> None:
        """Reset the latencies."""
        self._worker.reset_latencies()
