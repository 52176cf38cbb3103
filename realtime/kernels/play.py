"""A source's hot loop: frames leave when they are due; between them it listens for answers.

One thread may play to several streams: it spins anyway, and a frame takes it a microsecond.
"""

import numpy as np

from realtime.kernels.byte_access import get_number
from realtime.kernels.clock import now_ns
from realtime.kernels.histogram import record
from realtime.kernels.jit import kernel
from realtime.kernels.link import receive_message, send_message
from realtime.kernels.pacing import fill_abort, fill_frame, frame_due
from realtime.protocol.wire import RESULT, Type, offsets

# What `play` and `listen` return.
SENT, RUNNING, ANSWERED = (np.int64(n) for n in range(3))

# Fields of `state` int64 (STATE_SIZE,).
NEXT, SEQUENCE, SHOT, START_NS, CYCLE_PS, FRAME_CYCLES = (np.int64(n) for n in range(6))
FINAL_BITS, FLAGS, BLOCKS, NUM_ANSWERS, LOST_ANSWERS, NUM_COMMITS, SENT_CYCLES = (
    np.int64(n) for n in range(6, 13)
)
OVERRUN, STOP_CYCLE, SIZE, DUE_NS = (np.int64(n) for n in range(13, 17))
STATE_SIZE = 17

_RESULT_AT = offsets(RESULT)
_TYPE, _COMMITTED, _DUE, _RESULT_SHOT = (
    np.int64(_RESULT_AT[name]) for name in ("type", "committed", "due_ns", "shot")
)
_COMMIT = np.int64(Type.COMMIT)
# So long before a frame is due, nothing else is begun.
_QUIET_NS = 2500
_NEVER = np.int64(1 << 62)


@kernel
def start_play(state, shot, start_ns):
    """Begin a shot whose first cycle begins at start_ns."""
    state[NEXT] = 0
    state[SENT_CYCLES] = 0
    state[SHOT] = shot
    state[START_NS] = start_ns
    state[OVERRUN] = 0
    state[SIZE] = 0


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
def _look(part):
    """Take in what has come back to one stream."""
    return take_answer(part[0], part[4], part[5], part[6], part[7], part[9], part[10], len(part[1]))


@kernel
def _prepare(part):
    """Make the next frame of one stream, unless it is there already; returns when it is due."""
    state, rows, last, message = part[0], part[1], part[2], part[3]
    first, total = state[NEXT], len(rows)
    if first >= total or state[OVERRUN]:
        return _NEVER
    if state[SIZE] == 0:
        stop = min(first + state[FRAME_CYCLES], total)
        due = frame_due(state[START_NS], stop, state[CYCLE_PS])
        state[STOP_CYCLE] = stop
        state[DUE_NS] = due
        state[SIZE] = fill_frame(
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
    return state[DUE_NS]


@kernel
def _depart(part, now):
    """Send the frame that is due; what the other side does not take is an overrun, or tried again."""
    state, lateness = part[0], part[8]
    if not send_message(part[4], part[5], part[3], state[SIZE]):
        if state[BLOCKS] == 0:
            state[OVERRUN] = 1
        return
    record(lateness[0], lateness[1], now - state[DUE_NS])
    state[SEQUENCE] += 1
    state[NEXT] = state[STOP_CYCLE]
    state[SENT_CYCLES] = state[STOP_CYCLE]
    state[SIZE] = 0


@kernel
def play(parts, until_ns):
    """Send the frames of a shot of each stream, from where they stand, and wait for an answer to each.

    Args:
        parts: for each stream a tuple of

            - state: see the fields above;
            - rows: uint8 (cycles, bytes); last: uint8 (bytes,), the readout's row;
            - message: uint8, begins with the constant fields of a header;
            - link, rings: see `realtime.kernels.link`;
            - inbox, times: see `take_answer`;
            - lateness: (counts, totals) of the time from due to sending;
            - commits, backlog: see `take_answer`.
        until_ns: when to return at the latest, if nothing else happens.

    Returns:
        SENT, or RUNNING. A stream whose other side did not take a frame in time has its OVERRUN set, and
        nothing more of its shot is sent.
    """
    while True:
        due = _NEVER
        for part in parts:
            due = min(due, _prepare(part))
        if due == _NEVER:
            break
        now = now_ns()
        while now < due:
            if now >= until_ns:
                return RUNNING
            if due - now > _QUIET_NS:
                for part in parts:
                    _look(part)
            now = now_ns()
        for part in parts:
            if _prepare(part) <= now:
                _depart(part, now)
                if part[0][SIZE] > 0:  # it has to wait until there is room
                    _look(part)
        if now >= until_ns:
            return RUNNING
    # Answers are awaited here: going back to Python first would cost more than the decoder does.
    while now_ns() < until_ns:
        missing = 0
        for part in parts:
            if part[0][NUM_ANSWERS] == 0 and part[0][OVERRUN] == 0:
                missing += 1
                _look(part)
        if missing == 0:
            break
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
