"""Calls of the kernels of one stream, repeated with larger workspaces while these are too small."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.kernels import layout
from decoders.matching.workspace import SearchGraph
from decoders.streaming.kernels import stream
from decoders.streaming.schedule import Schedule


class StreamCalls:
    """Kernels of a stream without gaps.

    Args:
        record: STREAM (1,).
        schedule: windows of a shot.
        work: of the windows and endings.
    """

    def __init__(self, record: NDArray[Any], schedule: Schedule, work: SecondWorkspace) -> None:
        self._record, self._schedule, self._work = record, schedule, work
        #: GRAPH (n,), as numbered by STREAM.runs.
        self.graphs = schedule.records()

    def reset(self) -> None:
        """Start the next shot."""
        stream.start_shot(self._record)

    def push(self, rows: NDArray[np.uint8], *, packed: bool) -> int:
        """Append layers and decode the windows that they complete; return a status."""
        at = 0
        while True:
            at, status = self._push(rows, int(packed), at)
            if status != layout.FULL:
                return status
            self.grow()

    def finish(self, ending: SearchGraph) -> int:
        """Decode and commit all rows; return a status."""
        while True:
            status = self._finish(ending)
            if status != layout.FULL:
                return status
            self.grow()

    def decode_shots(
        self,
        ending: SearchGraph,
        frames: NDArray[np.uint8],
        predictions: NDArray[np.uint8],
        gaps: NDArray[np.float64],
    ) -> tuple[int, int]:
        """Decode whole shots.

        Args:
            ending: graph of their last layers.
            frames: uint8 (shots, layers, columns), read-only.
            predictions: uint8 (shots, flip_bytes), written.
            gaps: float64 (shots, observables), written where the stream has gaps.

        Returns:
            Index of the shot at which it stopped, and a status.
        """
        graphs = self._schedule.records(ending)
        shot = 0
        while True:
            shot, status = self._decode_shots(ending, graphs, frames, predictions, gaps, shot)
            if status != layout.FULL:
                return shot, status
            self.grow()

    def grow(self) -> None:
        """Enlarge the workspaces."""
        self._work.grow()

    def _push(self, rows: NDArray[np.uint8], packed: int, at: int) -> tuple[int, int]:
        at, status = stream.push_layers(self._record, self.graphs, self._work.record, rows, packed, at)
        return at, status

    def _finish(self, ending: SearchGraph) -> int:
        status: int = stream.finish_shot(self._record, ending.record, self._work.record)
        return status

    def _decode_shots(
        self,
        ending: SearchGraph,
        graphs: NDArray[Any],
        frames: NDArray[np.uint8],
        predictions: NDArray[np.uint8],
        gaps: NDArray[np.float64],
        shot: int,
    ) -> tuple[int, int]:
        shot, status = stream.decode_shots(self._record, graphs, self._work.record, frames, predictions, shot)
        return shot, status
