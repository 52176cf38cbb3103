"""Records of a streaming decoder, for loops that call its kernels directly."""

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

from decoders.matching.workspace import Workspace
from decoders.streaming.measurements import MeasurementModel


class GapParts(NamedTuple):
    """Records of the gaps of a streaming decoder."""

    #: STREAM_GAPS (1,)
    stream: NDArray[Any]
    #: CLOSED_WINDOW (n,): of the endings, in the order of `StreamParts.endings`.
    endings: NDArray[Any]
    #: Enlarges the workspace of the gaps.
    grow: Callable[[], None]


class StreamParts(NamedTuple):
    """Records of a streaming decoder, see decoders.kernels.layout."""

    #: STREAM (1,)
    stream: NDArray[Any]
    #: GRAPH (n,): of the windows of a shot, as numbered by STREAM.runs.
    windows: NDArray[Any]
    #: GRAPH (num_readouts * 2 * (most_layers + 1),): for each readout, the graph of the last n layers of a
    #: shot, at index n if nothing has been committed, else at most_layers + 1 + n; zero where no shot can end
    #: in this way.
    endings: NDArray[Any]
    work: Workspace
    #: uint8 (rows, columns): memory of STREAM.rows.
    rows: NDArray[Any]
    most_layers: int
    #: Layers of the shortest shot.
    fewest_layers: int
    #: Whether shots may be longer by any number of periods; otherwise the only length is `fewest_layers`.
    repeats: bool
    #: Layers of a period.
    period: int
    num_columns: int
    measurements: MeasurementModel | None
    #: Readouts that shots may end with.
    num_readouts: int
    #: SHA-256 of model and windows.
    digest: bytes
    #: None: the decoder finds no gaps.
    gaps: GapParts | None = None
