"""Push of frames that need no conversion: bytes or packed bits in contiguous memory.

For frames of ten cycles, the checks of `FrameReader` and a call with several arrays cost more than decoding.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.matching.workspace import Pools
from decoders.streaming.kernels import stream
from decoders.streaming.kernels.layout import PUSH

#: Results of `QuickPush.push` are the number of rows shifted by this, and a status in the bits below.
STATUS_BITS = stream.STATUS_BITS
LAST_STATUS = (1 << STATUS_BITS) - 1
_BYTES = np.dtype(np.uint8)


class QuickPush:
    """Push to the records of a decoder, whose address is looked up once.

    Args:
        record: STREAM (1,).
        graphs: GRAPH (n,).
        work: WORK (1,).
        num_columns: bits of a row.
    """

    def __init__(
        self, record: NDArray[Any], graphs: NDArray[Any], work: NDArray[Any], *, num_columns: int
    ) -> None:
        self._call = Pools(PUSH)
        self._call.own(streams=record, graphs=graphs, works=work)
        self._call.set(num_graphs=len(graphs))
        self._address = self._call.record.ctypes.data
        self._unpacked, self._packed = (num_columns,), ((num_columns + 7) // 8,)

    def push(self, frame: Any, *, bit_packed: bool) -> int:
        """Append a frame if it needs no conversion and is valid; see `stream.push_frame` for the result.

        Returns:
            -1 for all other frames, of which nothing is appended.
        """
        if (
            type(frame) is np.ndarray
            and frame.dtype is _BYTES
            and frame.shape[1:] == (self._packed if bit_packed else self._unpacked)
            and frame.flags.carray
        ):
            found: int = stream.push_frame(self._address, frame, 1 if bit_packed else 0)
            return found
        return -1
