"""Decoder's hot loop: one thread decodes all patches of a program, frame by frame."""

import numpy as np

from decoders.kernels.records import pool
from realtime.kernels.atomics import load_word
from realtime.kernels.clock import now_ns
from realtime.kernels.link import receive_message
from realtime.kernels.loop import GROW, STOP, STOPPED, record_latencies, send_answers
from realtime.kernels.session import session_frame, session_resume
from realtime.programs.kernels.jit import kernel
from realtime.protocol.wire import Flags

_CHECK_NS = 1_000_000


@kernel
def answer_frame(session, latencies, link, begin, slow_ns):
    """Send the answers to a frame whose processing began at `begin`, ns, after slow_ns for each cycle."""
    done = now_ns()
    if slow_ns > 0:
        header = pool(session, "frame_header")[0]
        layers = np.int64(header["cycles"])
        if header["flags"] & Flags.LAST:
            layers += 1
        ready = begin + slow_ns * layers
        while done < ready:
            done = now_ns()
    send_answers(session, link, done)
    record_latencies(session, latencies, done)


@kernel
def serve_patches(words, served, slow_ns):
    """Decode the frames of all patches until told to stop, or until a workspace is too small.

    Args:
        words: int64 (64,), see realtime.kernels.loop.
        served: SERVED (patches,); sessions and latencies are written.
        slow_ns: least time for a cycle, for studies of a slow decoder.

    Returns:
        STOPPED; GROW: enlarge the workspaces of sessions that are decoding, and call again.
    """
    check_at = now_ns()
    for at in range(len(served)):
        session = pool(served[at], "session")[0]
        if session.is_decoding:
            begin = now_ns()
            if not session_resume(session):
                return GROW
            answer_frame(
                session, pool(served[at], "latencies")[0], pool(served[at], "link")[0], begin, slow_ns
            )
    while True:
        for at in range(len(served)):
            session, link = pool(served[at], "session")[0], pool(served[at], "link")[0]
            size = receive_message(link, pool(session, "frame"), False)
            if size < 0:
                continue
            begin = now_ns()
            if not session_frame(session, size, begin):
                return GROW
            answer_frame(session, pool(served[at], "latencies")[0], link, begin, slow_ns)
        now = now_ns()
        if now >= check_at:
            check_at = now + _CHECK_NS
            if load_word(words, STOP):
                return STOPPED
