"""A source's hot loop: frames leave when they are due; between them it listens for answers."""

import numpy as np

from realtime.clock import now_ns
from realtime.kernels.histogram import record
from realtime.kernels.jit import kernel
from realtime.kernels.link import receive_message, send_message
from realtime.kernels.memory import get_number
from realtime.kernels.pacing import fill_abort, fill_frame, frame_due
from realtime.wire import HEADER, RESULT, Flags, Type, offsets

# What `play` and `listen` return.
SENT, RUNNING, OVERRUN, ANSWERED, DISTURBED = (np.int64(n) for n in range(5))

# Fields of `state` int64 (STATE_SIZE,).
NEXT, SEQUENCE, SHOT, START_NS, CYCLE_PS, FRAME_CYCLES = (np.int64(n) for n in range(6))
FINAL_BITS, FLAGS, BLOCKS, NUM_ANSWERS, LOST_ANSWERS, NUM_COMMITS, SENT_CYCLES = (
    np.int64(n) for n in range(6, 13)
)
STATE_SIZE = 16

_RESULT_AT, _HEADER_AT = offsets(RESULT), offsets(HEADER)
_TYPE, _COMMITTED, _DUE, _RESULT_SHOT = (
    np.int64(_RESULT_AT[name]) for name in ("type", "committed", "due_ns", "shot")
)
_COMMIT = np.int64(Type.COMMIT)
_LAST = np.int64(Flags.LAST)
# So long before a frame is due, nothing else is begun.
_QUIET_NS = 2500


@kernel
def start_play(state, shot, start_ns):
    """Begin a shot whose first cycle begins at start_ns."""
    state[NEXT] = 0
    state[SENT_CYCLES] = 0
    state[SHOT] = shot
    state[START_NS] = start_ns


@kernel
def take_answer(state, link, rings, inbox, times, commits, backlog, total):
    """Take in what has come back, if anything; true if so.

    Answers go to `inbox` uint8 (n, bytes) with their size in front (two bytes) and their arrival in `times`.
    Commits are not kept: `commits` counts how long after their last cycle's due time they came back, and
    `backlog` int64 (bins,) the most cycles sent but not final in each part of the shot.
    """
    at = min(state[NUM_ANSWERS], len(inbox) - 1)
    size = receive_message(link, rings, inbox[at][2:])
    if size < 0:
        return False
    now = now_ns()
    if size > inbox.shape[1] - 2 or size <= _TYPE:
        state[LOST_ANSWERS] += 1
    elif inbox[at, 2 + _TYPE] == _COMMIT:
        message = inbox[at][2:]
        state[NUM_COMMITS] += 1
        due = get_number(message, _DUE, 8)
        if due > 0:
            record(commits[0], commits[1], now - due)
        if get_number(message, _RESULT_SHOT, 8) == state[SHOT]:
            behind = state[SENT_CYCLES] - get_number(message, _COMMITTED, 8)
            place = min(state[SENT_CYCLES] * len(backlog) // max(total, 1), len(backlog) - 1)
            backlog[place] = max(backlog[place], behind)
    elif state[NUM_ANSWERS] >= len(inbox) - 1:
        state[LOST_ANSWERS] += 1  # the last place is for looking only
    else:
        inbox[at, 0] = size & 255
        inbox[at, 1] = size >> 8
        times[at] = now
        state[NUM_ANSWERS] += 1
    return True


@kernel
def play(state, rows, last, message, link, rings, inbox, times, lateness, commits, backlog, until_ns):
    """Send the frames of a shot, from where it stands, and wait for an answer; at most until until_ns.

    Args:
        state: see the fields above.
        rows: uint8 (cycles, bytes).
        last: uint8 (bytes,), the readout's row.
        message: uint8, begins with the constant fields of a header.
        link, rings: see `realtime.kernels.link`.
        inbox, times, commits, backlog: see `take_answer`.
        lateness: (counts, totals) of the time from due to sending.
        until_ns: when to return at the latest, if nothing else happens.

    Returns:
        SENT, RUNNING, or OVERRUN when the other side did not take a frame in time.
    """
    total = len(rows)
    while state[NEXT] < total:
        first = state[NEXT]
        stop = min(first + state[FRAME_CYCLES], total)
        due = frame_due(state[START_NS], stop, state[CYCLE_PS])
        now = now_ns()
        if now >= until_ns and now < due:
            return RUNNING
        size = fill_frame(
            message,
            rows,
            last,
            first,
            stop,
            state[FINAL_BITS],
            state[FLAGS],
            state[SHOT],
            state[SEQUENCE],
            due,
        )
        while True:
            now = now_ns()
            if now >= due:
                break
            if now >= until_ns:
                return RUNNING
            if due - now > _QUIET_NS:
                take_answer(state, link, rings, inbox, times, commits, backlog, total)
        if not send_message(link, rings, message, size):
            if state[BLOCKS] == 0:
                return OVERRUN
            take_answer(state, link, rings, inbox, times, commits, backlog, total)
            if now_ns() >= until_ns:
                return RUNNING
            continue
        record(lateness[0], lateness[1], now - due)
        state[SEQUENCE] += 1
        state[NEXT] = stop
        state[SENT_CYCLES] = stop
    # The answer is awaited here: going back to Python first would cost more than the decoder does.
    while state[NUM_ANSWERS] == 0 and now_ns() < until_ns:
        take_answer(state, link, rings, inbox, times, commits, backlog, total)
    return SENT


@kernel
def give_up(state, message, link, rings):
    """Try to tell the other side that this shot ends here; true if it was told."""
    size = fill_abort(message, state[NEXT], state[SHOT], state[SEQUENCE], 0)
    if not send_message(link, rings, message, size):
        return False
    state[SEQUENCE] += 1
    return True


@kernel
def listen(state, link, rings, inbox, times, commits, backlog, total, answers, until_ns):
    """Wait until there are `answers` answers (ANSWERED), or until_ns (RUNNING)."""
    while state[NUM_ANSWERS] < answers:
        if (
            not take_answer(state, link, rings, inbox, times, commits, backlog, total)
            and now_ns() >= until_ns
        ):
            return RUNNING
    return ANSWERED
