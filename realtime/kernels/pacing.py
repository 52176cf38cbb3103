"""Being on time: due times, frames filled in before they are due, and what the machine itself costs."""

import numpy as np

from realtime.kernels.atomics import load_word
from realtime.kernels.byte_access import put_number
from realtime.kernels.checksum import crc32_around
from realtime.kernels.clock import now_ns
from realtime.kernels.histogram import record
from realtime.kernels.jit import kernel
from realtime.protocol.wire import HEADER, Flags, offsets

_AT = offsets(HEADER)
_SIZE = np.int64(HEADER.itemsize)
_FLAGS, _CYCLES, _FINAL_BITS = np.int64(_AT["flags"]), np.int64(_AT["cycles"]), np.int64(_AT["final_bits"])
_SHOT, _SEQUENCE = np.int64(_AT["shot"]), np.int64(_AT["sequence"])
_FIRST_CYCLE, _DUE, _CHECKSUM = (
    np.int64(_AT["first_cycle"]),
    np.int64(_AT["due_ns"]),
    np.int64(_AT["checksum"]),
)
_FIRST, _LAST, _ABORT = np.int64(Flags.FIRST), np.int64(Flags.LAST), np.int64(Flags.ABORT)


@kernel
def frame_due(start_ns, cycles, cycle_ps):
    """When so many cycles after start_ns have passed; a cycle in picoseconds, so that nothing drifts."""
    return start_ns + (cycles * cycle_ps + 500) // 1000


@kernel
def fill_frame(message, rows, last, first, stop, final_bits, flags, shot, sequence, due_ns):
    """Write the frame of cycles first..stop-1 over the constant fields already in `message`; its size.

    The frame with the last cycle carries the readout's row `last` as well.
    """
    bits_of_last = np.int64(0)
    at = _SIZE
    for cycle in range(first, stop):
        for byte in range(rows.shape[1]):
            message[at] = rows[cycle, byte]
            at += 1
    if first == 0:
        flags |= _FIRST
    if stop == len(rows):
        flags |= _LAST
        bits_of_last = final_bits
        for byte in range(len(last)):
            message[at] = last[byte]
            at += 1
    _fill_header(message, flags, stop - first, bits_of_last, shot, sequence, first, due_ns)
    put_number(message, _CHECKSUM, 4, crc32_around(message, _CHECKSUM, at))
    return at


@kernel
def fill_abort(message, first, shot, sequence, due_ns):
    """Write the frame that gives a shot up before cycle `first`; its size."""
    _fill_header(message, _ABORT, np.int64(0), np.int64(0), shot, sequence, first, due_ns)
    put_number(message, _CHECKSUM, 4, crc32_around(message, _CHECKSUM, _SIZE))
    return _SIZE


@kernel
def _fill_header(message, flags, cycles, final_bits, shot, sequence, first, due_ns):
    put_number(message, _FLAGS, 2, flags)
    put_number(message, _CYCLES, 2, cycles)
    put_number(message, _FINAL_BITS, 2, final_bits)
    put_number(message, _SHOT, 8, shot)
    put_number(message, _SEQUENCE, 8, sequence)
    put_number(message, _FIRST_CYCLE, 8, first)
    put_number(message, _DUE, 8, due_ns)


@kernel
def measure_hiccups(counts, totals, due_ns, until_ns, interval_ns, words):
    """Count by how much a spinning thread is late at each of its appointments, without any work to do.

    An appointment every `interval_ns` from due_ns to until_ns; one that is missed counts with its own delay,
    so that a long interruption is not a single value. Ends early when words[0], int64, is no longer zero.
    Returns the next appointment.
    """
    while due_ns < until_ns:
        now = now_ns()
        if now >= due_ns:
            record(counts, totals, now - due_ns)
            due_ns += interval_ns
            if load_word(words, 0):
                break
    return due_ns
