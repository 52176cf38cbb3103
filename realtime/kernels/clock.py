"""Monotonic clock, int64 nanoseconds, and sleep: the only module of the loop that uses the time.

CLOCK_MONOTONIC is one clock for all processes of a machine, so that times in frames can be compared.
"""

import sys
import time

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from realtime.kernels.jit import interpreted, kernel

_MONOTONIC = int(getattr(time, "CLOCK_MONOTONIC", 1))
_THREAD_CPU = int(getattr(time, "CLOCK_THREAD_CPUTIME_ID", 3))


def utc_time() -> str:
    """Return the date and time of day as ISO 8601 text, UTC, with milliseconds; for people, not for loops."""
    seconds = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{int(seconds % 1 * 1000):03d}Z"


@intrinsic
def _read_clock(typing_context, clock):
    """Read one of the system's clocks, ns (POSIX clock_gettime)."""

    def generate(context, builder, signature, arguments):
        word, number = context.get_value_type(types.int64), context.get_value_type(types.int32)
        pair = cgutils.alloca_once(builder, word, size=2)
        prototype = ir.FunctionType(number, [number, word.as_pointer()])
        function = cgutils.get_or_insert_function(builder.module, prototype, "clock_gettime")
        builder.call(function, [builder.trunc(arguments[0], number), pair])
        seconds, rest = builder.load(pair), builder.load(builder.gep(pair, [number(1)]))
        return builder.add(builder.mul(seconds, word(1_000_000_000)), rest)

    return types.int64(types.int64), generate


@intrinsic
def _usleep(typing_context, time_us):
    """Sleep, us (POSIX usleep)."""

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(types.int32)
        prototype = ir.FunctionType(number, [number])
        function = cgutils.get_or_insert_function(builder.module, prototype, "usleep")
        builder.call(function, [builder.trunc(arguments[0], number)])
        return context.get_dummy_value()

    return types.void(types.int64), generate


if interpreted or sys.platform == "win32":
    now_ns = time.monotonic_ns

    def sleep_us(time_us: int) -> None:
        """Sleep, us."""
        time.sleep(time_us * 1e-6)

    cpu_now_ns = time.thread_time_ns
else:

    @kernel
    def sleep_us(time_us: int) -> None:
        """Sleep without the GIL, us; the system adds some 50 us."""
        _usleep(time_us)  # type: ignore[call-arg]

    @kernel
    def now_ns() -> int:
        """Read the monotonic clock, ns; callable from kernels and from Python."""
        return int(_read_clock(_MONOTONIC))  # type: ignore[call-arg]

    @kernel
    def cpu_now_ns() -> int:
        """Read the processor time that the calling thread has used, ns."""
        return int(_read_clock(_THREAD_CPU))  # type: ignore[call-arg]
