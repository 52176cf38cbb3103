"""The hot loop: receive, decide, decode, answer, count. One thread, one stream; returns to Python rarely.

`words` int64 (64,) is what this thread and its keeper share, a cache line each; `link` int64 (3,) holds the
addresses of two sockets, or zeros if messages come through rings.
"""

import numpy as np

from decoders.kernels.records import pool
from realtime.kernels.atomics import load_word, store_word
from realtime.kernels.clock import now_ns
from realtime.kernels.frames import seal_answer
from realtime.kernels.histogram import record
from realtime.kernels.jit import kernel
from realtime.kernels.ring import ring_put, ring_take
from realtime.kernels.session import (
    session_end,
    session_frame,
    session_resume,
    session_tick,
    write_answer,
)
from realtime.kernels.sockets import BROKEN, socket_receive, socket_send
from realtime.protocol import wire
from realtime.protocol.session_record import RESULT_OFFSETS

# Places in `words`.
STOP, BEAT, KEEPER = np.int64(0), np.int64(16), np.int64(32)
# Why the loop came back.
STOPPED, GROW, LINK_BROKEN, ORPHANED = np.int64(0), np.int64(1), np.int64(2), np.int64(3)

# Rows of the histograms.
FRAME, SERVICE, WINDOW, DECISION, SHOT = (np.int64(row) for row in range(5))
HISTOGRAMS = (
    "frame",  # received - due
    "service",  # done - received
    "window",  # done - due of the last cycle that the window needed
    "decision",  # correction ready - last data of the shot received
    "shot",  # correction ready - last cycle due
)
# Columns of a latency row.
TRACE = ("shot", "cycle", "due", "received", "done", "window_due", "backlog")

_AT_TYPE = np.int64(RESULT_OFFSETS["type"])
_COMMIT = int(wire.Type.COMMIT)
_COMMIT_ANSWER = np.int64(_COMMIT)
_CHECK_NS = np.int64(1_000_000)


@kernel
def send_answers(session, link, ends, slots, answers, done):
    """Seal and send what was answered; what nobody takes is dropped and counted."""
    for at in range(session.num_answers):
        answer = answers[at]
        is_commit = answer[_AT_TYPE] == _COMMIT
        seal_answer(answer, done)
        if link[0] == 0:
            sent = ring_put(ends, slots, answer, len(answer))
        else:
            sent = socket_send(link[1], answer, len(answer)) == 0
        if not sent:
            if is_commit:
                session.commits_dropped += 1
            else:
                session.results_dropped += 1
    session.num_answers = 0


@kernel
def account(session, stream, counts, totals, trend, trace, done):
    """Count the latencies of the frame just done: counts int64 (5, buckets), totals int64 (5, 4).

    `trend` float64 (6,): n, sums of x, y, xx, xy, yy of window latency y in us against cycle number x in
    millions; `trace` int64 (n, 7): the last n frames, its next row in trace[0, 0].
    """
    record(counts[SERVICE], totals[SERVICE], done - session.received)
    if session.due > 0:
        record(counts[FRAME], totals[FRAME], session.received - session.due)
    if session.window_due > 0:
        record(counts[WINDOW], totals[WINDOW], done - session.window_due)
        x = session.cycles * 1e-6
        y = (done - session.window_due) * 1e-3
        trend[0] += 1
        trend[1] += x
        trend[2] += y
        trend[3] += x * x
        trend[4] += x * y
        trend[5] += y * y
    if session.ended:
        record(counts[DECISION], totals[DECISION], done - session.received)
        if session.due > 0:
            record(counts[SHOT], totals[SHOT], done - session.due)
    row = trace[1 + trace[0, 0] % (len(trace) - 1)]
    trace[0, 0] += 1
    row[0] = session.shot
    row[1] = session.cycles
    row[2] = session.due
    row[3] = session.received
    row[4] = done
    row[5] = session.window_due
    row[6] = session.cycles - stream.first_layer
    if session.due > 0 and session.cycle_ns > 0 and session.received > session.due:
        row[6] += (session.received - session.due) // session.cycle_ns


@kernel
def keep_near(session, stream, graph, answers, at):
    """Read what belongs to one detector of the graph that ends shots; now and then write an answer.

    In a shot of a second, what is needed only at its end leaves the caches: idle polls keep it there. Shots
    of one source mostly end alike, so the last shot's graph is the next one's. Of a detector's neighbours
    the first sixteen are read: hardly any search gets farther. The answer is written over and never sent.
    """
    detectors, near, ends = pool(graph, "detectors"), pool(graph, "near"), pool(graph, "ends")
    adjacent, flips = pool(graph, "adjacent"), pool(graph, "edge_flips")
    if len(detectors) == 0 or len(ends) == 0:
        return
    index = at % len(detectors)
    detector = detectors[index]
    first, found = detector.first, detector.radius
    if first < detector.last:
        found += near[first].span + pool(graph, "parents")[first]
    if first + 8 < detector.last:
        found += near[first + 8].span
    found += pool(graph, "boundary_flips")[index * graph.flip_bytes] + pool(graph, "boundary_edge")[index]
    found += pool(graph, "indptr")[index] + ends[(at * 16) % len(ends)] + flips[(at * 64) % len(flips)]
    if len(adjacent) > 0:
        found += adjacent[(at * 4) % len(adjacent)].weight
    session.touched += found
    if at % 32 == 0 and session.num_answers == 0:
        write_answer(session, stream, answers, _COMMIT_ANSWER)
        session.num_answers = 0


@kernel
def serve(
    words,
    link,
    in_ends,
    in_slots,
    out_ends,
    out_slots,
    sessions,
    streams,
    windows,
    endings,
    works,
    parities,
    history,
    rows,
    buffers,
    answers,
    counts,
    totals,
    trend,
    trace,
    wait,
    keeper_ns,
):
    """Serve one session until told to stop, or until something needs Python; returns why.

    `buffers` are two views of the same memory, the first to write, the second to read; `wait`: sleep in
    receive instead of spinning; keeper_ns: how old the keeper's sign of life may be, 0: any age.
    """
    session, stream, work = sessions[0], streams[0], works[0]
    buffer, frame = buffers
    check_at, idle = np.int64(0), np.int64(0)
    if session.decoding:
        if not session_resume(
            session, stream, windows, endings, work, parities, history, rows, frame, answers
        ):
            return GROW
        done = now_ns()
        send_answers(session, link, out_ends, out_slots, answers, done)
        account(session, stream, counts, totals, trend, trace, done)
    while True:
        ring = link[0] == 0
        size = ring_take(in_ends, in_slots, buffer) if ring else socket_receive(link[0], buffer, wait)
        now = now_ns()
        if size >= 0:
            before = session.accepted
            if not session_frame(
                session,
                stream,
                windows,
                endings,
                work,
                parities,
                history,
                rows,
                frame,
                size,
                now,
                answers,
            ):
                return GROW
            if session.accepted > before:
                done = now_ns()
                send_answers(session, link, out_ends, out_slots, answers, done)
                account(session, stream, counts, totals, trend, trace, done)
            elif session.num_answers:
                send_answers(session, link, out_ends, out_slots, answers, now)
        elif size == BROKEN:
            return LINK_BROKEN
        elif session.ending > 0 and session.is_open:
            keep_near(session, stream, endings[session.ending - 1], answers, idle)
            idle += 1
        if now >= check_at:
            check_at = now + _CHECK_NS
            store_word(words, BEAT, now)
            session_tick(session, stream, now, answers)
            send_answers(session, link, out_ends, out_slots, answers, now)
            if load_word(words, STOP):
                return STOPPED
            if keeper_ns > 0 and now - load_word(words, KEEPER) > keeper_ns:
                return ORPHANED


# --- the same decisions, one message at a time, for Python


@kernel
def take_message(
    sessions, streams, windows, endings, works, parities, history, rows, frame, size, now, answers
):
    """`session_frame`, called from Python."""
    return session_frame(
        sessions[0],
        streams[0],
        windows,
        endings,
        works[0],
        parities,
        history,
        rows,
        frame,
        size,
        now,
        answers,
    )


@kernel
def resume_message(sessions, streams, windows, endings, works, parities, history, rows, frame, answers):
    """`session_resume`, called from Python."""
    return session_resume(
        sessions[0], streams[0], windows, endings, works[0], parities, history, rows, frame, answers
    )


@kernel
def tick_message(sessions, streams, now, answers):
    """`session_tick`, called from Python."""
    session_tick(sessions[0], streams[0], now, answers)


@kernel
def end_message(sessions, streams, answers):
    """`session_end`, called from Python."""
    session_end(sessions[0], streams[0], answers)


@kernel
def seal_answers(sessions, answers, done):
    """Seal the answers that are waiting."""
    for at in range(sessions[0].num_answers):
        seal_answer(answers[at], done)


@kernel
def account_message(sessions, streams, counts, totals, trend, trace, done):
    """`account`, called from Python."""
    account(sessions[0], streams[0], counts, totals, trend, trace, done)
