"""Detection events of a stream by column, counted from samples of its uncommitted layers.

Counting every layer in the decoding thread would cost some per cent of its time. Here another thread copies
layers that the decoder still holds, a small part of all, and counts those.
"""

from typing import Any

import numpy as np

from realtime.service.session import Session

# Copies in a row: each finds the layers that were added since the one before.
_COPIES = 8


class DetectionCounts:
    """Counts of the detection events in sampled layers. One thread, another than the decoding one.

    Attributes:
        cycles: layers counted.
        events: int64 (columns,), events in them.

    Args:
        session: whose layers are sampled.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._stream = session.decoder_state
        self._last = (-1, -1)  # shot and layer counted last
        self.cycles = 0
        self.events = np.zeros(session.num_columns, dtype=np.int64)

    def sample(self) -> None:
        """Count the layers that the decoder holds now."""
        for _ in range(_COPIES):
            self._copy()

    def _state(self) -> tuple[int, ...]:
        session, stream = self._session.record, self._stream[0]
        return (
            int(session.session),
            int(session.is_open),
            int(session.shot),
            int(stream.num_windows),
            int(stream.first_layer),
        )

    def _copy(self) -> None:
        """Copy layers and count them, unless a window was committed in the meantime.

        The decoder changes the layers after those that it commits, which come first in the next window. So
        only layers are counted that come after these and will be committed by the next window. The first
        layer of a shot and its readout, which have fewer detectors, are left out.
        """
        session, stream = self._session, self._stream[0]
        state = self._state()
        _, is_open, shot, num_windows, first_layer = state
        if not is_open:
            return
        first = session.buffer_cycles if num_windows else 1
        stop = min(int(stream.num_rows), session.commit, int(session.record.cycles) - first_layer)
        if self._last[0] == shot:
            first = max(first, self._last[1] + 1 - first_layer)
        if first >= stop:
            return
        rows = session.layers[first:stop].copy()
        if self._state() != state:
            return
        self._last = (shot, first_layer + stop - 1)
        self.cycles += len(rows)
        self.events += rows.sum(axis=0, dtype=np.int64)

    def to_json(self, first: int, count: int) -> dict[str, Any]:
        """Convert to a JSON object, with at most `count` columns from number `first` on."""
        return {
            "cycles": self.cycles,
            "num_columns": len(self.events),
            "first": first,
            "events": self.events[first : first + count].tolist(),
        }
