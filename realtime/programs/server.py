"""Decoder of a program's patches in this process: one thread for all of them."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from decoders.streaming.readouts import ReadoutChoiceDecoder
from realtime.kernels import loop
from realtime.kernels.link import Link
from realtime.kernels.ring import Ring
from realtime.latency import Histogram
from realtime.placement import pin_thread
from realtime.programs.kernels.records import SERVED
from realtime.programs.kernels.serve import serve_patches
from realtime.protocol import wire
from realtime.service.session import Session, SessionLimits
from realtime.transport import register_functions

#: Frames that may wait for the decoder, for each patch.
RING_SLOTS = 1 << 14
_DAY_NS = 86_400 * 10**9
# Doublings of the workspace before a simulated clock starts: it cannot be enlarged afterwards.
_GROWTHS = 4


class PatchServer(Protocol):
    """Decoder that a program's source sends to."""

    links: list[Link]
    session: int
    #: Whether outcomes have gaps.
    has_gaps: bool
    #: SERVED (patches,); empty if the server has no compiled decoder.
    served: NDArray[Any]

    def __enter__(self) -> Self:
        """Start."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        ...


def make_rings(columns: int) -> tuple[Ring, Ring]:
    """Make the rings of a patch: frames to the decoder, answers from it."""
    longest = wire.HEADER.itemsize + (wire.MAX_CYCLES + 1) * wire.row_bytes(columns)
    return (
        Ring(slots=RING_SLOTS, max_message=longest),
        Ring(slots=RING_SLOTS, max_message=wire.RESULT.itemsize + 8 + 2 * wire.GAP_BYTES),
    )


class CompiledServer:
    """Server with the compiled streaming decoder.

    Args:
        decoders: one for each patch.
        core: of the thread; None leaves it to the operating system.
        slow_ns: least time for a cycle, for studies of slow decoders.

    Outcomes have gaps if the decoders find them.
    """

    def __init__(
        self, decoders: list[ReadoutChoiceDecoder], *, core: int | None = None, slow_ns: int = 0
    ) -> None:
        register_functions()  # of libzmq, which the loop's kernels name
        self.session = 1
        limits = SessionLimits(policy="block", timeout_ns=_DAY_NS)
        self._sessions = [
            Session(decoder=decoder, stream=stream, limits=limits) for stream, decoder in enumerate(decoders)
        ]
        rings = [make_rings(session.num_columns) for session in self._sessions]
        self._own = [Link(outgoing=answers, incoming=frames) for frames, answers in rings]
        self.links = [Link(outgoing=frames, incoming=answers) for frames, answers in rings]
        #: SERVED (patches,), for the kernels.
        self.served = np.zeros(len(decoders), dtype=SERVED)
        for at, session in enumerate(self._sessions):
            self.served[at] = (
                session.addresses[0],
                session.addresses[1],
                self._own[at].record.ctypes.data,
            )
        self.has_gaps = all(decoder.has_gaps for decoder in decoders)
        self._words = np.zeros(64, dtype=np.int64)
        self._core, self._slow_ns = core, np.int64(slow_ns)
        self._is_ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="patches", daemon=True)

    def __enter__(self) -> Self:
        self._begin()
        self._words[loop.STOP] = 1
        serve_patches(self._words, self.served, self._slow_ns)  # compiled before the program begins
        self._words[loop.STOP] = 0
        self._thread.start()
        self._is_ready.wait(60.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._words[loop.STOP] = 1
        self._thread.join(60.0)
        if self._failure is not None and error is None:
            raise self._failure

    def begin(self) -> None:
        """Begin the sessions without a thread: for a source with a simulated clock, which decodes itself."""
        self._begin()
        for session in self._sessions:
            for _ in range(_GROWTHS):
                session.grow()

    def histograms(self) -> list[dict[str, Histogram]]:
        """Return the latencies of each patch; see `Session.histograms`."""
        return [session.histograms() for session in self._sessions]

    def _begin(self) -> None:
        for session in self._sessions:
            session.begin(session=self.session, policy="block")
            if self.has_gaps:
                session.send_gaps()

    def _main(self) -> None:
        try:
            pin_thread(self._core)
            self._is_ready.set()
            while serve_patches(self._words, self.served, self._slow_ns) == loop.GROW:
                for session in self._sessions:
                    if session.record.is_decoding:
                        session.grow()
        except BaseException as error:
            self._failure = error
            raise
