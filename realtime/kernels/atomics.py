"""Atomic access to words that threads share."""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from realtime.kernels.jit import interpreted, kernel

if interpreted:

    def load_word(words: Any, at: Any) -> int:
        """Read a word that another thread writes (the GIL orders it)."""
        return int(words[at])

    def store_word(words: Any, at: Any, value: Any) -> None:
        """Write a word that another thread reads."""
        words[at] = value

    def exchange_word(words: Any, at: Any, expected: Any, value: Any) -> bool:
        """Write a word if it has the expected value; return whether it had."""
        had = bool(words[at] == expected)
        if had:
            words[at] = value
        return had

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

    @intrinsic
    def _compare_exchange(typing_context, address, expected, value):
        def generate(context, builder, signature, arguments):
            word = context.get_value_type(types.int64)
            pointer = builder.inttoptr(arguments[0], word.as_pointer())
            found = builder.cmpxchg(pointer, arguments[1], arguments[2], "acq_rel", "acquire")
            return builder.extract_value(found, 1)

        return types.boolean(types.int64, types.int64, types.int64), generate

    @kernel
    def load_word(words, at):  # type: ignore[misc]
        """Read a word that another thread writes; nothing after it is read earlier."""
        return _load_acquire(np.int64(words.ctypes.data + 8 * at))  # type: ignore[call-arg]

    @kernel
    def store_word(words, at, value):  # type: ignore[misc]
        """Write a word that another thread reads; nothing before it is written later."""
        _store_release(np.int64(words.ctypes.data + 8 * at), np.int64(value))  # type: ignore[call-arg]

    @kernel
    def exchange_word(words, at, expected, value):  # type: ignore[misc]
        """Write a word if it has the expected value; return whether it had: of several threads, for one."""
        return _compare_exchange(  # type: ignore[call-arg]
            np.int64(words.ctypes.data + 8 * at), np.int64(expected), np.int64(value)
        )
