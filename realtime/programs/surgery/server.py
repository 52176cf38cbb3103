"""Decoder of programs with merges in this process: one thread for all patches together."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

import numpy as np

from decoders.matching.workspace import Pools
from decoders.streaming.sequences import SequenceDecoder
from realtime.kernels.atomics import store_word
from realtime.kernels.link import Link
from realtime.kernels.ring import Ring
from realtime.placement import pin_thread
from realtime.programs.kernels.surgery_decoder import serve_sequences
from realtime.programs.kernels.surgery_records import (
    ANSWER_BYTES,
    CUTTING,
    DECODER,
    FRAME_BYTES,
    STOP,
    Served,
)
from realtime.programs.server import RING_SLOTS
from realtime.transport import register_functions


class SequenceServer:
    """Server of a program's frames.

    Graphs that are missing are cut while the program's clock is stopped; `num_cut` of the decoder counts
    them.

    Args:
        decoder: of the program's shots.
        frame_cycles: cycles in a frame.
        core: of the thread; None leaves it to the operating system.
        slow_ns: least time for a cycle, for studies of slow decoders.
    """

    def __init__(
        self, decoder: SequenceDecoder, *, frame_cycles: int, core: int | None = None, slow_ns: int = 0
    ) -> None:
        register_functions()  # of libzmq, which the kernels of links name
        columns, observables = decoder.model.num_columns, decoder.model.num_observables
        self.decoder = decoder
        self.max_layers, self.row_bytes = frame_cycles + 1, (columns + 7) // 8
        flip_bytes = (observables + 7) // 8
        self.frame_bytes = FRAME_BYTES + self.max_layers * (8 + self.row_bytes)
        self.answer_bytes = ANSWER_BYTES + 2 * flip_bytes
        frames = Ring(slots=RING_SLOTS, max_message=self.frame_bytes)
        answers = Ring(slots=RING_SLOTS, max_message=self.answer_bytes)
        #: The source's end of the connection.
        self.link = Link(outgoing=frames, incoming=answers)
        self._own = Link(outgoing=answers, incoming=frames)
        #: int64 (64,), shared with the source: see the records.
        self.words = np.zeros(64, dtype=np.int64)
        frame = np.zeros(self.frame_bytes, dtype=np.uint8)
        answer = np.zeros(self.answer_bytes, dtype=np.uint8)
        self._pools = Pools(DECODER)
        self._pools.own(
            sequence=decoder.record,
            link=self._own.record,
            frame=frame,
            frame_header=frame,
            symbols=frame[FRAME_BYTES:],
            answer=answer,
            answer_header=answer,
            final=np.zeros(flip_bytes, dtype=np.uint8),
        )
        self._pools.set(
            frame_bytes=self.frame_bytes,
            max_layers=self.max_layers,
            row_bytes=self.row_bytes,
            answer_bytes=self.answer_bytes,
            flip_bytes=flip_bytes,
            slow_ns=slow_ns,
        )
        #: DECODER (1,), for a source with a simulated clock.
        self.record = self._pools.record
        self._core = core
        self._is_ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="patches", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait(60.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store_word(self.words, STOP, 1)
        self._thread.join(60.0)
        if self._failure is not None and error is None:
            raise self._failure

    def help(self, reason: Served) -> None:
        """Extend the decoder's table or its workspace, as a kernel asked for."""
        if reason == Served.MISSING:
            self.decoder.extend(int(self.record["symbol"][0]))
        elif reason == Served.GROW:
            self.decoder.grow()

    def _main(self) -> None:
        try:
            pin_thread(self._core)
            self.words[STOP] = 1
            serve_sequences(self.record, self.words)  # compiled before the program begins
            self.words[STOP] = 0
            self._is_ready.set()
            while (reason := Served(serve_sequences(self.record, self.words))) != Served.STOPPED:
                self.help(reason)
        except BaseException as error:
            self._failure = error
            self._is_ready.set()
            store_word(self.words, CUTTING, 0)  # let the program's clock run, so that the source gives up
            raise
