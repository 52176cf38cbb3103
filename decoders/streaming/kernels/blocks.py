"""Kernels of parallel windows: decode one block of a stream, and the gap between two blocks.

See decoders.streaming.parallel.
"""

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.streaming.kernels.stream import add_row, drop_rows, match_rows, reset_stream


@kernel
def copy_rows(stream, count, copy):
    """Copy the first `count` rows to `copy`, uint8 (at least count * columns,)."""
    rows = pool(stream, "rows")
    for detector in range(count * stream.num_columns):
        copy[detector] = rows[detector]


@kernel
def match_block(stream, graphs, work, layers, num_layers, context, ending, left):
    """Decode one block; return a status. Arguments as of `decode_block`, but `layers` and `left` are flat."""
    width = stream.num_columns
    reset_stream(stream)
    first = context
    for at in range(num_layers - ending):
        add_row(stream, layers[at * width : (at + 1) * width], 0)
        if stream.num_rows == first + stream.window:
            graph = graphs[min(stream.num_windows, len(graphs) - 2)]
            status = match_rows(stream, graph, work, first, stream.commit)
            if status != OK:
                return status
            copy_rows(stream, first, left)
            drop_rows(stream, first + stream.commit)
            first = 0
    if ending > 0:
        for at in range(num_layers - ending, num_layers):
            add_row(stream, layers[at * width : (at + 1) * width], 0)
        status = match_rows(stream, graphs[len(graphs) - 1], work, first, stream.num_rows - first)
        if status != OK:
            return status
        copy_rows(stream, first, left)
    return OK


@kernel
def match_gap(stream, graph, work, layers, num_layers):
    """Decode the flat layers of a gap between two blocks; return a status. No edge leads out of them."""
    width = stream.num_columns
    reset_stream(stream)
    for at in range(num_layers):
        add_row(stream, layers[at * width : (at + 1) * width], 0)
    return match_rows(stream, graph, work, 0, num_layers)


@entry_point
def decode_block(streams, graphs, works, layers, context, ending, left):
    """Decode one block of a stream. Entry point for Python.

    Args:
        streams: one STREAM record; written. Afterwards `rows` has the remaining events of the gap after
            the block.
        graphs: GRAPH (n + 1,): of the first windows, of which the last serves all later ones, and of the
            ending.
        works: one WORK record; written.
        layers: uint8 (layers, columns): `context` layers of the gap before the block, the block, and the
            gap after it (`window - commit` layers) unless `ending`.
        context: layers of the gap before.
        ending: number of layers decoded with the graph of the ending, to the end of the memory; 0 if the
            memory continues.
        left: uint8 (context, columns), written: remaining events of the gap before the block.

    Returns:
        A status; after FULL, call again.
    """
    flat = layers.reshape(-1)
    return match_block(streams[0], graphs, works[0], flat, len(layers), context, ending, left.reshape(-1))


@entry_point
def decode_gap(streams, graphs, works, layers):
    """Decode the layers of a gap, uint8 (layers, columns), with graphs[0]; return a status."""
    return match_gap(streams[0], graphs[0], works[0], layers.reshape(-1), len(layers))
