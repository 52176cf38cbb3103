"""Windows in parallel or with gaps, called through an address.

Their code is compiled for sessions that use it, and no other session waits for that.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from decoders.kernels.jit import config
from decoders.kernels.layout import OK
from decoders.kernels.records import pool, record_at
from decoders.streaming.kernels.window_gaps import (
    decode_if_full_with_gaps,
    decode_window_with_gaps,
    reset_gaps,
)
from realtime.kernels.blocks import collect_decoded, finish_blocks, give_if_full, reset_blocks
from realtime.kernels.jit import cache_folder, interpreted, kernel
from realtime.kernels.records import SESSION

# What is done: at the start of a shot, when the rows may fill a window, at the end of a shot (with the number
# of the ending's graph), and after the last row of a frame.
RESET, DECODE_IF_FULL, DECODE_ENDING, COLLECT = (np.int64(what) for what in range(4))


def _in_parallel(address, what, ending):
    session = record_at(address, SESSION)
    blocks, decoder = pool(session, "blocks")[0], pool(session, "decoder")[0]
    if what == DECODE_IF_FULL:
        return give_if_full(blocks, decoder)
    if what == DECODE_ENDING:
        return finish_blocks(blocks, decoder)
    if what == COLLECT:
        return collect_decoded(blocks, decoder)
    reset_blocks(blocks)
    return OK


def _with_gaps(address, what, ending):
    session = record_at(address, SESSION)
    decoder, gaps = pool(session, "decoder")[0], pool(session, "stream_gaps")[0]
    work = pool(session, "work")[0]
    if what == DECODE_IF_FULL:
        return decode_if_full_with_gaps(decoder, pool(session, "windows"), work, gaps)
    if what == DECODE_ENDING:
        graph, closed = pool(session, "endings")[ending], pool(session, "closed_endings")[ending]
        return decode_window_with_gaps(decoder, graph, work, gaps, closed, decoder.num_rows)
    if what == RESET:
        reset_gaps(gaps)
    return OK


_compiled: dict[str, Any] = {}


def address_of(name: str) -> int:
    """Compile the windows named "parallel" or "gaps", or load them; return their address."""
    function = {"parallel": _in_parallel, "gaps": _with_gaps}[name]
    if interpreted:
        return 0
    if name not in _compiled:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(cache_folder)
        try:
            signature = types.int64(types.int64, types.int64, types.int64)
            _compiled[name] = numba.cfunc(signature, cache=True)(function)
        finally:
            config.CACHE_DIR = before
    return int(_compiled[name].address)


if interpreted:

    def call_windows(session: Any, what: Any, ending: Any) -> Any:
        """Call the session's kind of windows; return a status."""
        function = _in_parallel if pool(session, "blocks")[0].num_blocks > 0 else _with_gaps
        return function(session.own_address, what, ending)

else:

    @intrinsic
    def _call(typing_context, function, session, what, ending):
        def generate(context, builder, signature, arguments):
            word = ir.IntType(64)
            pointer = builder.inttoptr(arguments[0], ir.FunctionType(word, [word] * 3).as_pointer())
            return builder.call(pointer, arguments[1:])

        return types.int64(*[types.int64] * 4), generate

    @kernel
    def call_windows(session, what, ending):
        """Call the session's kind of windows; return a status."""
        return _call(session.windows_at, session.own_address, what, np.int64(ending))  # type: ignore[call-arg]


@kernel
def has_other_windows(session):
    """Return whether windows are parallel, or have gaps."""
    return pool(session, "blocks")[0].num_blocks > 0 or session.sends_gaps != 0
