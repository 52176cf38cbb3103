"""Detection events of a syndrome in either form of PyMatching's: a byte for each node, or a bit."""

import numpy as np

from decoders.kernels.bits import trailing_zeros
from decoders.kernels.jit import kernel


@kernel
def word_at(row, start):
    """Eight bytes of a row as one word, the first the lowest."""
    # Written out so that the compiler makes one unaligned 8-byte load of it.
    return (
        np.uint64(row[start])
        | np.uint64(row[start + 1]) << np.uint64(8)
        | np.uint64(row[start + 2]) << np.uint64(16)
        | np.uint64(row[start + 3]) << np.uint64(24)
        | np.uint64(row[start + 4]) << np.uint64(32)
        | np.uint64(row[start + 5]) << np.uint64(40)
        | np.uint64(row[start + 6]) << np.uint64(48)
        | np.uint64(row[start + 7]) << np.uint64(56)
    )


@kernel
def nonzero_bytes(word):
    """The lowest bit of each byte that is not zero."""
    low = word & np.uint64(0x7F7F7F7F7F7F7F7F)
    return ((low + np.uint64(0x7F7F7F7F7F7F7F7F) | word) >> np.uint64(7)) & np.uint64(0x0101010101010101)


@kernel
def find_in_bytes(row, inverted, mask, found):
    """Write the nodes whose byte is not zero to `found`; returns how many there are.

    Args:
        row: uint8, a byte for each of the first nodes; zero for those after it.
        inverted: uint8 (num_nodes,): 1 where it is to be the other way round, else 0.
        mask: uint8 (num_nodes,): 0 where a node is not looked at, else 1.
        found: int64 (num_nodes,).
    """
    count = 0
    whole = len(row) & ~7
    for start in range(0, whole, 8):
        word = (nonzero_bytes(word_at(row, start)) ^ word_at(inverted, start)) & word_at(mask, start)
        while word != np.uint64(0):
            found[count] = start + (np.int64(trailing_zeros(word)) >> 3)
            count += 1
            word &= word - np.uint64(1)
    for node in range(whole, len(mask)):
        bit = inverted[node]
        if node < len(row) and row[node] != 0:
            bit ^= np.uint8(1)
        if bit & mask[node]:
            found[count] = node
            count += 1
    return count


@kernel
def find_in_bits(row, inverted, mask, found):
    """Write the nodes whose bit is set to `found`, as `find_in_bytes` does; all arrays hold bits."""
    count = 0
    whole = len(row) & ~7
    for start in range(0, whole, 8):
        word = (word_at(row, start) ^ word_at(inverted, start)) & word_at(mask, start)
        while word != np.uint64(0):
            found[count] = 8 * start + np.int64(trailing_zeros(word))
            count += 1
            word &= word - np.uint64(1)
    for byte in range(whole, len(mask)):
        bits = inverted[byte]
        if byte < len(row):
            bits ^= row[byte]
        word = np.uint64(bits & mask[byte])
        while word != np.uint64(0):
            found[count] = 8 * byte + np.int64(trailing_zeros(word))
            count += 1
            word &= word - np.uint64(1)
    return count
