"""Frame scheduling: due times, frames written before they are due, lateness of a spinning thread."""

import numpy as np

from decoders.kernels.records import pool
from realtime.kernels.atomics import load_word
from realtime.kernels.clock import now_ns
from realtime.kernels.frames import HEADER_BYTES, seal_frame
from realtime.kernels.histogram import count_value
from realtime.kernels.jit import kernel
from realtime.protocol.wire import Flags


@kernel
def frame_due(start_ns, cycles, cycle_ps):
    """Compute when this many cycles after start_ns have passed, ns; cycle_ps in picoseconds avoids drift."""
    return start_ns + (cycles * cycle_ps + 500) // 1000


@kernel
def fill_frame(player, first, stop):
    """Write and seal the frame of cycles first..stop-1; the frame with the last cycle also has the readout.

    `player` is a record PLAYER. Returns the frame's size in bytes.
    """
    frame, rows = pool(player, "frame"), pool(player, "rows")
    header, flags = pool(player, "frame_header")[0], player.frame_flags
    at = np.int64(HEADER_BYTES)
    for byte in range(first * player.row_bytes, stop * player.row_bytes):
        frame[at] = rows[byte]
        at += 1
    header["final_bits"] = 0
    if first == 0:
        flags |= Flags.FIRST
    if stop == player.num_cycles:
        flags |= Flags.LAST
        header["final_bits"] = player.final_bits
        readout = pool(player, "readout")
        for byte in range(len(readout)):
            frame[at] = readout[byte]
            at += 1
    header["flags"] = flags
    header["cycles"] = stop - first
    header["due_ns"] = frame_due(player.start_ns, stop, player.cycle_ps)
    _seal_for_shot(player, first, at)
    return at


@kernel
def fill_abort(player, first):
    """Write and seal the frame that aborts a shot before cycle `first`; its size in bytes."""
    header = pool(player, "frame_header")[0]
    header["flags"] = Flags.ABORT
    header["cycles"] = 0
    header["final_bits"] = 0
    header["due_ns"] = 0
    _seal_for_shot(player, first, np.int64(HEADER_BYTES))
    return np.int64(HEADER_BYTES)


@kernel
def _seal_for_shot(player, first, size):
    header = pool(player, "frame_header")[0]
    header["shot"] = player.shot
    header["sequence"] = player.sequence
    header["first_cycle"] = first
    seal_frame(pool(player, "frame"), header, size)


@kernel
def measure_jitter(counts, totals, due_ns, until_ns, interval_ns, words):
    """Record by how much a spinning thread without work is late at each of its wake-up times.

    A time that was missed counts with its own delay, so that a long interruption is not a single value.

    Args:
        counts, totals: see realtime.kernels.histogram; written.
        due_ns: first wake-up time; later ones follow every `interval_ns`, before until_ns.
        words: int64 (1,); a value other than zero ends the measurement.

    Returns:
        The next wake-up time, ns.
    """
    while due_ns < until_ns:
        now = now_ns()
        if now >= due_ns:
            count_value(counts, totals, now - due_ns)
            due_ns += interval_ns
            if load_word(words, 0):
                break
    return due_ns
