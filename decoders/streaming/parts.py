"""Records of a streaming decoder, for loops that call its kernels directly."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.matching.workspace import Pools, SearchGraph, Workspace
from decoders.streaming.kernels.layout import STREAM
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from decoders.streaming.windows import WindowPlan


def stream_pools(model: LayeredModel, plan: WindowPlan, *, most_rows: int) -> Pools:
    """Allocate a record STREAM with memory for `most_rows` layers, without schedule."""
    flip_bytes = (model.num_observables + 7) // 8
    pools = Pools(STREAM)
    pools.own(
        rows=np.zeros(most_rows * model.num_columns, dtype=np.uint8),
        flips=np.zeros(flip_bytes, dtype=np.uint8),
    )
    pools.set(
        num_columns=model.num_columns,
        max_rows=most_rows,
        commit=plan.commit,
        window=plan.window,
        flip_bytes=flip_bytes,
    )
    return pools


class BlockWorkspace:
    """Memory of one thread that decodes blocks and gaps, sufficient for the given graphs."""

    def __init__(self, model: LayeredModel, plan: WindowPlan, largest: list[SearchGraph]) -> None:
        self.stream = stream_pools(model, plan, most_rows=plan.buffer + plan.window + 1)
        self.work = SecondWorkspace(*largest)

    def flips(self) -> NDArray[np.uint8]:
        """Return the observables flipped by committed edges."""
        return self.stream.arrays["flips"].copy()


class BlockParts(NamedTuple):
    """Blocks of a stream whose windows are decoded in parallel."""

    #: Threads that decode blocks, the receiving one not counted.
    threads: int
    #: GRAPH (n,): of all blocks.
    graphs: NDArray[Any]
    #: int64 (2, most_layers + 1): where a block's graphs begin in `graphs`, and how many it has, at
    #: [whether it is the first][its layers if the shot ends with it, else 0]; none where no shot can end so.
    first_graph: NDArray[np.int64]
    graph_count: NDArray[np.int64]
    #: GRAPH (1,): of the gap between two blocks.
    gap_graph: NDArray[Any]
    #: Layers from block to block.
    period: int
    #: Layers of the longest block with the gaps before and after it.
    most_layers: int
    #: Memory for the receiving thread, then for each of the others.
    workspaces: list[BlockWorkspace]


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
    #: For parallel windows; windows and endings are empty then.
    blocks: BlockParts | None = None
    #: None: the decoder finds no gaps.
    gaps: GapParts | None = None
