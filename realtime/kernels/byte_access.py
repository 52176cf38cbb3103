"""Little-endian integers in byte arrays."""

import numpy as np

from realtime.kernels.jit import kernel


@kernel
def get_number(data, at, size):
    """The little-endian number of `size` bytes at `at`; eight bytes are signed."""
    value = np.int64(0)
    for byte in range(size):
        value |= np.int64(data[at + byte]) << np.int64(8 * byte)
    return value


@kernel
def put_number(data, at, size, value):
    """Write a number of `size` bytes, least significant first."""
    for byte in range(size):
        data[at + byte] = (value >> np.int64(8 * byte)) & np.int64(255)
