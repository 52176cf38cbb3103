"""Service hot loop: receive, decode, answer, measure. One thread serves one stream and returns rarely."""

from decoders.kernels.records import pool
from realtime.kernels.atomics import load_word, store_word
from realtime.kernels.clock import now_ns
from realtime.kernels.histogram import NUM_BUCKETS, NUM_TOTALS, count_value
from realtime.kernels.jit import kernel
from realtime.kernels.link import receive_message, send_message
from realtime.kernels.records import DECISION, FRAME, SERVICE, SHOT, WINDOW
from realtime.kernels.session import (
    answer_header,
    answer_message,
    committed_layers,
    seal_answer,
    session_frame,
    session_resume,
    session_tick,
    write_answer,
)
from realtime.kernels.sockets import BROKEN
from realtime.kernels.tap import put_entry
from realtime.protocol.recording import Content
from realtime.protocol.wire import Type

# Places in `words` int64 (64,), which the thread shares with its keeper: a cache line and its neighbour each.
STOP, BEAT, KEEPER = 0, 16, 32
# Reasons to return.
STOPPED, GROW, LINK_BROKEN, ORPHANED = 0, 1, 2, 3

_CHECK_NS = 1_000_000


@kernel
def send_answers(session, link, done):
    """Seal the answers with the time `done`, ns, and send them; count those without room at the receiver."""
    for at in range(session.num_answers):
        message = answer_message(session, at)
        seal_answer(session, at, done)
        if not send_message(link, message, len(message)):
            if answer_header(session, at)["type"] == Type.COMMIT:
                session.commits_dropped += 1
            else:
                session.results_dropped += 1
    session.num_answers = 0


@kernel
def tap_answers(tap, session, count, time):
    """Record the first `count` answers, which were sent at `time`, ns; their memory is still valid."""
    if tap.num_words > 0:
        for at in range(count):
            message = answer_message(session, at)
            put_entry(tap, message, len(message), time, Content.SENT)


@kernel
def tap_frame(tap, buffer, size, time):
    """Record the message that was received at `time`, ns; the part of it that the buffer holds."""
    if tap.num_words > 0:
        put_entry(tap, buffer, min(size, len(buffer)), time, Content.RECEIVED)


@kernel
def _count_latency(latencies, histogram, value):
    counts = pool(latencies, "counts")[histogram * NUM_BUCKETS : (histogram + 1) * NUM_BUCKETS]
    totals = pool(latencies, "totals")[histogram * NUM_TOTALS : (histogram + 1) * NUM_TOTALS]
    count_value(counts, totals, value)


@kernel
def record_latencies(session, latencies, done):
    """Record the latencies of the frame processed at `done`, ns."""
    _count_latency(latencies, SERVICE, done - session.received_ns)
    if session.due_ns > 0:
        _count_latency(latencies, FRAME, session.received_ns - session.due_ns)
    if session.window_due_ns > 0:
        _count_latency(latencies, WINDOW, done - session.window_due_ns)
        x = session.cycles * 1e-6
        y = (done - session.window_due_ns) * 1e-3
        latencies.num += 1
        latencies.sum_x += x
        latencies.sum_y += y
        latencies.sum_xx += x * x
        latencies.sum_xy += x * y
        latencies.sum_yy += y * y
    if session.ended_ok:
        _count_latency(latencies, DECISION, done - session.received_ns)
        if session.due_ns > 0:
            _count_latency(latencies, SHOT, done - session.due_ns)
    row = pool(latencies, "trace")[latencies.num_traced % latencies.trace_rows]
    latencies.num_traced += 1
    row.shot = session.shot
    row.cycle = session.cycles
    row.due = session.due_ns
    row.received = session.received_ns
    row.done = done
    row.window_due = session.window_due_ns
    row.backlog = session.cycles - committed_layers(session)
    if session.due_ns > 0 and session.cycle_ns > 0 and session.received_ns > session.due_ns:
        row.backlog += (session.received_ns - session.due_ns) // session.cycle_ns


@kernel
def keep_cached(session, graph, at):
    """Read the data of one detector of `graph`, which ends shots; every 32nd call also write an answer.

    In a shot of a second, what is needed only at its end leaves the caches; idle polls keep it there. Shots
    of one source mostly end with the same graph, so the last shot's is read. Of a detector's neighbours the
    first sixteen are read: few searches go farther. The answer is never sent, and overwritten by the next.
    """
    detectors, neighbours, ends = pool(graph, "detectors"), pool(graph, "neighbours"), pool(graph, "ends")
    adjacent, flips = pool(graph, "adjacent"), pool(graph, "edge_flips")
    if len(detectors) == 0 or len(ends) == 0:
        return
    index = at % len(detectors)
    detector = detectors[index]
    first, found = detector.first, detector.radius
    if first < detector.last:
        found += neighbours[first].span + pool(graph, "parents")[first]
    if first + 8 < detector.last:
        found += neighbours[first + 8].span
    found += pool(graph, "boundary_flips")[index * graph.flip_bytes] + pool(graph, "boundary_edge")[index]
    found += pool(graph, "indptr")[index] + ends[(at * 16) % len(ends)] + flips[(at * 64) % len(flips)]
    if len(adjacent) > 0:
        found += adjacent[(at * 4) % len(adjacent)].weight
    session.touched += found
    if at % 32 == 0 and session.num_answers == 0:
        write_answer(session, Type.COMMIT)
        session.num_answers = 0


@kernel
def serve(words, link, session, latencies, tap, wait, keeper_ns):
    """Serve one session until told to stop, or until something needs Python.

    Args:
        words: int64 (64,), see STOP, BEAT and KEEPER.
        link, session, latencies: records LINK, SESSION, LATENCIES.
        tap: record TAP; messages are recorded once the answers are on their way.
        wait: whether to sleep in the socket's receive instead of spinning.
        keeper_ns: largest age of the keeper's sign of life, ns; 0: any age.

    Returns:
        STOPPED; GROW: enlarge the workspace and call again; LINK_BROKEN; ORPHANED: the keeper is gone.
    """
    check_at, idle = 0, 0
    buffer = pool(session, "frame")
    if session.is_decoding:
        if not session_resume(session):
            return GROW
        done, count = now_ns(), session.num_answers
        send_answers(session, link, done)
        record_latencies(session, latencies, done)
        tap_answers(tap, session, count, done)
    while True:
        size = receive_message(link, buffer, wait)
        now = now_ns()
        if size >= 0:
            accepted_before = session.accepted
            if not session_frame(session, size, now):
                tap_frame(tap, buffer, size, now)
                return GROW
            done, count = now, session.num_answers
            if session.accepted > accepted_before:
                done = now_ns()
                send_answers(session, link, done)
                record_latencies(session, latencies, done)
            elif count:
                send_answers(session, link, now)
            tap_frame(tap, buffer, size, now)
            tap_answers(tap, session, count, done)
        elif size == BROKEN:
            return LINK_BROKEN
        elif session.ending > 0 and session.is_open:
            keep_cached(session, pool(session, "endings")[session.ending - 1], idle)
            idle += 1
        # Also if the clock was set back: orders would wait until it is as late again.
        if now >= check_at or now < check_at - _CHECK_NS:
            check_at = now + _CHECK_NS
            store_word(words, BEAT, now)
            session_tick(session, now)
            count = session.num_answers
            send_answers(session, link, now)
            tap_answers(tap, session, count, now)
            if load_word(words, STOP):
                return STOPPED
            if keeper_ns > 0 and now - load_word(words, KEEPER) > keeper_ns:
                return ORPHANED
