"""Words that two threads share, and little-endian numbers in bytes."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.kernels.jit import interpreted, kernel

if interpreted:

    def load_word(words: Any, at: Any) -> int:
        """Read a word that another thread writes (the interpreter's lock orders it)."""
        return int(words[at])

    def store_word(words: Any, at: Any, value: Any) -> None:
        """Write a word that another thread reads."""
        words[at] = value

else:

    @intrinsic
    def _load_acquire(typing_context, address):
        def generate(context, builder, signature, arguments):
            word = context.get_value_type(types.int64)
            return builder.load_atomic(builder.inttoptr(arguments[0], word.as_pointer()), "acquire", 8)

        return types.int64(types.int64), generate

    @intrinsic
    def _store_release(typing_context, address, value):
        def generate(context, builder, signature, arguments):
            word = context.get_value_type(types.int64)
            pointer = builder.inttoptr(arguments[0], word.as_pointer())
            builder.store_atomic(arguments[1], pointer, "release", 8)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    @kernel
    def load_word(words, at):  # type: ignore[misc]
        """Read a word that another thread writes; nothing after it is read earlier."""
        return _load_acquire(np.int64(words.ctypes.data + 8 * at))  # type: ignore[call-arg]

    @kernel
    def store_word(words, at, value):  # type: ignore[misc]
        """Write a word that another thread reads; nothing before it is written later."""
        _store_release(np.int64(words.ctypes.data + 8 * at), np.int64(value))  # type: ignore[call-arg]


@intrinsic
def read_clock(typing_context, clock):
    """Nanoseconds of one of the system's clocks (POSIX clock_gettime)."""

    def generate(context, builder, signature, arguments):
        word, number = context.get_value_type(types.int64), context.get_value_type(types.int32)
        pair = cgutils.alloca_once(builder, word, size=2)
        prototype = ir.FunctionType(number, [number, word.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, prototype, "clock_gettime")
        builder.call(function, [builder.trunc(arguments[0], number), pair])
        seconds, rest = builder.load(pair), builder.load(builder.gep(pair, [number(1)]))
        return builder.add(builder.mul(seconds, word(1_000_000_000)), rest)

    return types.int64(types.int64), generate


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
