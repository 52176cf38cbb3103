"""PyMatching in windows as the decoder of a program: the same frames, the same answers, in Python."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from experiments.bench.streaming.windows import PyMatchingWindows
from realtime.kernels.clock import cpu_now_ns, now_ns
from realtime.kernels.link import Link
from realtime.kernels.ring import Ring
from realtime.programs.kernels.records import SERVED
from realtime.programs.patches import PatchModel
from realtime.programs.server import make_rings
from realtime.protocol import wire
from realtime.protocol.wire import Flags, Frame, Status, Type


class PyMatchingServer:
    """Server of patches for `ProgramSource`, one thread for all.

    Args:
        model: of every patch.
        patches: how many.
    """

    def __init__(self, model: PatchModel, *, patches: int) -> None:
        self.session, self.has_gaps = 1, False
        #: No compiled decoder.
        self.served: NDArray[Any] = np.zeros(0, dtype=SERVED)
        decoder = model.make_decoder()
        windows = [
            PyMatchingWindows(layers, commit=decoder.commit, buffer=decoder.buffer)
            for layers in decoder.models
        ]
        rings = [make_rings(model.layers.num_columns) for _ in range(patches)]
        self.links = [Link(outgoing=frames, incoming=answers) for frames, answers in rings]
        self._patches = [
            _Patch(windows, number, frames, answers, commit=decoder.commit, buffer=decoder.buffer)
            for number, (frames, answers) in enumerate(rings)
        ]
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="pymatching", daemon=True)

    def __enter__(self) -> Self:
        for patch in self._patches:
            patch.warm_up()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60.0)
        if self._failure is not None and error is None:
            raise self._failure

    def answer(self, message: bytes) -> bytes | None:
        """Decode a frame of the first patch before the server starts; the answer, if it is the last."""
        return self._patches[0].answer(message)

    def service_ns(self, rows: NDArray[np.uint8], *, frame_cycles: int) -> int:
        """Measure the processor time for a cycle, ns, of a patch that lives long; before the server starts.

        Args:
            rows: detection events, uint8 (cycles, columns).
            frame_cycles: cycles in a frame.
        """
        self._patches[0].warm_up()
        packed = np.packbits(rows, axis=1, bitorder="little")
        spent = cycles = 0
        for sequence, first in enumerate(range(0, len(packed) - frame_cycles, frame_cycles)):
            message = wire.encode_frame(
                session=self.session,
                stream=0,
                shot=0,
                sequence=sequence,
                first_cycle=first,
                due_ns=0,
                kind=wire.Payload.EVENTS,
                rows=packed[first : first + frame_cycles],
                bits_per_cycle=rows.shape[1],
                flags=Flags.FIRST if first == 0 else 0,
            )
            before = cpu_now_ns()
            self.answer(message)
            spent += int(cpu_now_ns()) - int(before)
            cycles += frame_cycles
        return spent // cycles

    def _main(self) -> None:
        try:
            while not self._stop.is_set():
                for patch in self._patches:
                    patch.serve()
        except BaseException as error:
            self._failure = error
            raise


class _Patch:
    """Windows of one patch."""

    def __init__(
        self,
        windows: list[PyMatchingWindows],
        number: int,
        frames: Ring,
        answers: Ring,
        *,
        commit: int,
        buffer: int,
    ) -> None:
        self._idle, *self._endings = windows
        self._frames, self._answers = frames, answers
        self._commit, self._window = commit, commit + buffer
        header = np.zeros(1, dtype=wire.RESULT)
        for name, value in (
            ("magic", wire.MAGIC),
            ("version", wire.VERSION),
            ("type", Type.OUTCOME),
            ("header_length", wire.RESULT.itemsize),
            ("stream", number),
            ("status", Status.OK),
            ("num_observables", self._idle.num_observables),
        ):
            header[name] = value
        self._header = header
        self._begin()

    def warm_up(self) -> None:
        """Make all graphs."""
        for first in (0, self._commit):
            self._idle.graph(first, self._window, to_end=False)
            for ending in self._endings:
                for count in range(3, self._window + 1):
                    ending.graph(first, count, to_end=True)

    def answer(self, message: bytes) -> bytes | None:
        """Decode a frame; the answer, if it is the last of a shot."""
        self._frames.put(message)
        self.serve()
        return self._answers.take()

    def serve(self) -> None:
        """Decode the next frame, if there is one."""
        message = self._frames.take()
        if message is None:
            return
        frame = wire.parse_frame(message)
        flags = int(frame.header["flags"])
        if flags & Flags.FIRST:
            self._begin()
        for row in frame.rows:
            self._rows.append(self._unpack(row))
            if len(self._rows) == self._window:
                self._decode_window()
        if flags & Flags.LAST:
            self._rows.append(self._unpack(frame.final))
            ending = self._endings[bool(flags & Flags.SECOND_READOUT)]
            graph = ending.graph(self._first, len(self._rows), to_end=True)
            found = graph.decode(np.concatenate(self._rows))[: len(self._flips)]
            self._flips[: len(found)] ^= found
            self._answer(frame)

    def _begin(self) -> None:
        self._rows: list[NDArray[np.uint8]] = []
        self._first = 0
        self._flips = np.zeros(self._idle.num_observables, dtype=np.uint8)

    def _unpack(self, row: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.unpackbits(row, count=self._idle.num_columns, bitorder="little")

    def _decode_window(self) -> None:
        graph = self._idle.graph(self._first, self._window, to_end=False)
        found = graph.decode(np.concatenate(self._rows))
        self._flips ^= found[: len(self._flips)]
        self._rows = self._rows[self._commit :]
        seam = found[len(self._flips) :].reshape(-1, self._idle.num_columns)
        for row, flipped in zip(self._rows, seam, strict=False):
            row ^= flipped
        self._first += self._commit

    def _answer(self, frame: Frame) -> None:
        header = self._header
        for name in ("session", "shot", "due_ns"):
            header[name] = frame.header[name]
        header["done_ns"] = now_ns()
        flips = np.packbits(self._flips, bitorder="little")
        self._answers.put(header.tobytes() + flips.tobytes())
