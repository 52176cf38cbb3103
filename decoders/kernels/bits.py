"""Lists of the set bits of bit-packed rows (least significant bit first)."""

import numpy as np

from decoders.kernels.jit import interpreted, kernel

if interpreted:

    def trailing_zeros(word: np.uint64) -> int:
        """Count the zero bits below the lowest one bit."""
        return int(word & (~word + np.uint64(1))).bit_length() - 1

else:
    from numba.cpython.unsafe.numbers import trailing_zeros  # type: ignore[assignment]


@kernel
def list_set_bits(row, found):
    """List the positions of the one bits of a row.

    Args:
        row: uint8 (bytes,), bit-packed.
        found: int64 (at least 8 * bytes,); written.

    Returns:
        Number of positions written, ascending.
    """
    count = 0
    whole = len(row) & ~7
    for start in range(0, whole, 8):
        # Written out: the compiler turns it into one unaligned 8-byte load.
        word = (
            np.uint64(row[start])
            | np.uint64(row[start + 1]) << np.uint64(8)
            | np.uint64(row[start + 2]) << np.uint64(16)
            | np.uint64(row[start + 3]) << np.uint64(24)
            | np.uint64(row[start + 4]) << np.uint64(32)
            | np.uint64(row[start + 5]) << np.uint64(40)
            | np.uint64(row[start + 6]) << np.uint64(48)
            | np.uint64(row[start + 7]) << np.uint64(56)
        )
        while word != np.uint64(0):
            found[count] = 8 * start + np.int64(trailing_zeros(word))
            count += 1
            word &= word - np.uint64(1)
    word = np.uint64(0)
    for start in range(whole, len(row)):
        word |= np.uint64(row[start]) << np.uint64(8 * (start - whole))
    while word != np.uint64(0):
        found[count] = 8 * whole + np.int64(trailing_zeros(word))
        count += 1
        word &= word - np.uint64(1)
    return count


@kernel
def list_differing_bits(row, inverted, found):
    """List the positions at which two rows differ.

    Args:
        row: uint8 (bytes,), bit-packed.
        inverted: uint8 (bytes,), bit-packed.
        found: int64 (at least 8 * bytes,); written.

    Returns:
        Number of positions written, ascending.
    """
    count = 0
    for start in range(len(row)):
        word = np.uint64(row[start] ^ inverted[start])
        while word != np.uint64(0):
            found[count] = 8 * start + np.int64(trailing_zeros(word))
            count += 1
            word &= word - np.uint64(1)
    return count


@kernel
def is_empty_shot(shots, shot):
    """Return whether row `shot` of uint8 (shots, bytes) is zero."""
    byte = 0
    while byte < shots.shape[1] and shots[shot, byte] == 0:
        byte += 1
    return byte == shots.shape[1]
