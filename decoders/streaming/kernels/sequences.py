"""Kernels of shots whose next layer is known when it arrives: a table of steps chooses graphs of windows."""

import numpy as np

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.streaming.kernels.layout import NO_WINDOW, NOT_CUT
from decoders.streaming.kernels.stream import add_row, decode_window, reset_stream

#: Status: the table lacks the step, or the graph of its window.
MISSING = np.int64(8)


@kernel
def reset_sequence(sequence):
    """Start the next shot."""
    reset_stream(pool(sequence, "stream")[0])
    sequence.state = 0
    sequence.step = -1
    sequence.committed = 0


@kernel
def find_step(sequence, symbol):
    """Return the step from the present state with a layer, -1 if there is none."""
    steps = pool(sequence, "steps")
    at = pool(sequence, "first_step")[sequence.state]
    while at >= 0 and steps[at].symbol != symbol:
        at = steps[at].next_step
    return at


@kernel
def finish_step(sequence):
    """Decode the window that the last layer completed, if any, and enter the next state; return a status."""
    step = pool(sequence, "steps")[sequence.step]
    if step.graph != NO_WINDOW:
        graph = pool(sequence, "graphs")[step.graph]
        status = decode_window(pool(sequence, "stream")[0], graph, pool(sequence, "work")[0], step.commit)
        if status != OK:
            return status
        sequence.num_windows += 1
        pool(sequence, "used")[step.graph] = sequence.num_windows
    sequence.state = step.state
    sequence.committed = step.committed
    sequence.step = -1
    return OK


@kernel
def push_layer(sequence, row, packed, symbol):
    """Append a layer, and decode the window that it completes; return a status.

    After MISSING the layer has not been appended: call again with a longer table. After FULL it has been:
    call `finish_step` with a larger workspace.
    """
    at = find_step(sequence, symbol)
    if at < 0 or pool(sequence, "steps")[at].graph == NOT_CUT:
        return MISSING
    add_row(pool(sequence, "stream")[0], row, packed)
    sequence.step = at
    return finish_step(sequence)


@kernel
def list_final(sequence, final):
    """Mark the observables that no later layer changes, in uint8 (flip_bytes,); return their number."""
    last_flips, count = pool(sequence, "last_flips"), 0
    for byte in range(len(final)):
        final[byte] = 0
    for observable in range(sequence.num_observables):
        if last_flips[observable] < sequence.committed:
            final[observable >> 3] |= np.uint8(1 << (observable & 7))
            count += 1
    return count


@entry_point
def start_sequence(sequences):
    """Start the next shot. Entry point for Python."""
    reset_sequence(sequences[0])


@entry_point
def push_sequence(sequences, rows, symbols, start):
    """Append layers from number `start` on.

    Args:
        sequences: one SEQUENCE record; written.
        rows: uint8 (layers, columns).
        symbols: int64 (layers,).
        start: first layer to append.

    Returns:
        Number of layers appended and decoded, and a status; call again from there after MISSING or FULL.
    """
    sequence = sequences[0]
    at = start
    while at < len(rows):
        if sequence.step >= 0:
            status = finish_step(sequence)
        else:
            status = push_layer(sequence, rows[at], 0, symbols[at])
        if status != OK:
            return at, status
        at += 1
    return at, OK
