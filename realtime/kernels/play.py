"""Source hot loop: send frames on schedule and poll for results in between.

One thread may play to several streams: it spins anyway, and a frame takes it a microsecond. `player` is a
record PLAYER, see realtime.kernels.records.
"""

import numpy as np

from decoders.kernels.records import pool
from realtime.kernels.clock import now_ns
from realtime.kernels.frames import RESULT_BYTES
from realtime.kernels.histogram import count_value
from realtime.kernels.jit import kernel
from realtime.kernels.link import receive_message, send_message
from realtime.kernels.pacing import fill_abort, fill_frame
from realtime.protocol import wire
from realtime.protocol.wire import Type

# Results of `play` and `listen`.
SENT, RUNNING, ANSWERED = 0, 1, 2

_FEWEST_BYTES = wire.offset(wire.RESULT, "type") + 1
# Nothing else is begun this long before a frame is due.
_QUIET_NS = 2500
_NEVER = np.int64(1 << 62)


@kernel
def take_answer(player):
    """Receive a message, if there is one; true if so. Results go to the inbox, commits are only counted."""
    at = min(player.num_answers, player.inbox_places - 1)
    stride = player.inbox_stride * RESULT_BYTES
    message = pool(player, "inbox")[at * stride : (at + 1) * stride]
    size = receive_message(pool(player, "link")[0], message, False)
    if size < 0:
        return False
    now, header = now_ns(), pool(player, "inbox_headers")[at * player.inbox_stride]
    if size > stride or size < _FEWEST_BYTES:
        player.lost_answers += 1
    elif header["type"] == Type.COMMIT:
        player.num_commits += 1
        due = header["due_ns"]
        if due > 0:
            count_value(pool(player, "commit_counts"), pool(player, "commit_totals"), now - due)
        if header["shot"] == player.shot:
            backlog, sent = pool(player, "backlog"), player.next_cycle
            part = min(sent * len(backlog) // max(player.num_cycles, 1), len(backlog) - 1)
            backlog[part] = max(backlog[part], sent - header["committed"])
    elif player.num_answers >= player.inbox_places - 1:
        player.lost_answers += 1
    else:
        pool(player, "inbox_sizes")[at] = size
        pool(player, "inbox_times")[at] = now
        player.num_answers += 1
    return True


@kernel
def _prepare(player):
    """Write the next frame of one stream, unless it is written; when it is due, ns, or _NEVER."""
    first = player.next_cycle
    if first >= player.num_cycles or player.is_overrun:
        return _NEVER
    if player.message_size == 0:
        player.stop_cycle = min(first + player.frame_cycles, player.num_cycles)
        player.message_size = fill_frame(player, first, player.stop_cycle)
        player.due_ns = pool(player, "frame_header")[0]["due_ns"]
    return player.due_ns


@kernel
def _send(player, now):
    """Send the frame that is due; if the other side has no room, the shot is overrun, or waits (blocks)."""
    if not send_message(pool(player, "link")[0], pool(player, "frame"), player.message_size):
        if not player.blocks:
            player.is_overrun = 1
        return
    count_value(pool(player, "lateness_counts"), pool(player, "lateness_totals"), now - player.due_ns)
    player.sequence += 1
    player.next_cycle = player.stop_cycle
    player.message_size = 0


@kernel
def play(players, until_ns):
    """Send the remaining frames of a shot of each stream, and wait for an answer to each.

    Args:
        players: tuple of a record PLAYER for each stream.
        until_ns: when to return at the latest.

    Returns:
        SENT, or RUNNING. A stream whose other side did not take a frame in time is overrun: nothing more of
        its shot is sent.
    """
    while True:
        due = _NEVER
        for player in players:
            due = min(due, _prepare(player))
        if due == _NEVER:
            break
        now = now_ns()
        while now < due:
            if now >= until_ns:
                return RUNNING
            if due - now > _QUIET_NS:
                for player in players:
                    take_answer(player)
            now = now_ns()
        for player in players:
            if _prepare(player) <= now:
                _send(player, now)
                if player.message_size > 0:  # it waits for room
                    take_answer(player)
        if now >= until_ns:
            return RUNNING
    # Answers are awaited here: going back to Python first would cost more than the decoder does.
    while now_ns() < until_ns:
        missing = 0
        for player in players:
            if player.num_answers == 0 and not player.is_overrun:
                missing += 1
                take_answer(player)
        if missing == 0:
            break
    return SENT


@kernel
def abort_shot(player):
    """Try to send the frame that aborts the shot; true if it was sent."""
    size = fill_abort(player, player.next_cycle)
    if not send_message(pool(player, "link")[0], pool(player, "frame"), size):
        return False
    player.sequence += 1
    return True


@kernel
def listen(player, answers, until_ns):
    """Wait until the inbox has `answers` answers (ANSWERED), or until_ns (RUNNING)."""
    while player.num_answers < answers:
        if not take_answer(player) and now_ns() >= until_ns:
            return RUNNING
    return ANSWERED
