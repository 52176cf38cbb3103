"""What a session decides about each frame. No socket, no thread, no clock: bytes and a time come in.

A shot is open from its first frame to its last. Its first fault is its status, and nothing more of it is
decoded. A shot is answered once: at its last frame, at the first frame of another shot, or when time is up.
"""

import numpy as np

from decoders.kernels.layout import FULL, NO_PARTNER
from decoders.kernels.layout import OK as DECODED
from decoders.kernels.records import pool
from decoders.streaming.kernels.stream import add_row, decode_if_full, decode_window, stream_reset
from realtime.kernels.byte_access import put_number
from realtime.kernels.checksum import crc32
from realtime.kernels.frames import (
    HEADER_BYTES,
    RESULT_BYTES,
    bits_of,
    cycles_of,
    due_of,
    fault_of,
    final_bits_of,
    first_cycle_of,
    flags_of,
    kind_of,
    sequence_of,
    session_of,
    shot_of,
    stream_of,
)
from realtime.kernels.jit import kernel
from realtime.protocol import wire
from realtime.protocol.session_record import RESULT_OFFSETS, constants

OK, GAP, BACKLOG, MALFORMED, RESTARTED, TIMEOUT, ABORTED, OVERSIZE, UNEXPLAINED = constants(wire.Status)
_FIRST, _LAST, _ABORT = int(wire.Flags.FIRST), int(wire.Flags.LAST), int(wire.Flags.ABORT)
_RESULT, _COMMIT = np.int64(int(wire.Type.RESULT)), np.int64(int(wire.Type.COMMIT))
_MEASUREMENTS = int(wire.Payload.MEASUREMENTS)
_VERSION_FAULT, _NO_FAULT = int(wire.Fault.VERSION), int(wire.Fault.NONE)
_MAGIC = int.from_bytes(wire.MAGIC, "little")
_RESULT_VERSION = wire.VERSION
_AT = {name: np.int64(offset) for name, offset in RESULT_OFFSETS.items()}
_AT_VERSION, _AT_TYPE, _AT_HEADER_LENGTH = _AT["version"], _AT["type"], _AT["header_length"]
_AT_SESSION, _AT_STREAM, _AT_STATUS = _AT["session"], _AT["stream"], _AT["status"]
_AT_OBSERVABLES, _AT_SHOT, _AT_CYCLES = _AT["num_observables"], _AT["shot"], _AT["cycles"]
_AT_FIRST_SEQUENCE, _AT_LAST_SEQUENCE = _AT["first_sequence"], _AT["last_sequence"]
_AT_COMMITTED, _AT_BACKLOG, _AT_DUE = _AT["committed"], _AT["max_backlog"], _AT["due_ns"]
_AT_RECEIVED, _AT_DIGEST, _AT_HASH = _AT["received_ns"], _AT["digest"], _AT["syndrome_hash"]


@kernel
def latch(session, status):
    """Set the status of the open shot, unless it has a fault already."""
    if session.status == OK:
        session.status = status


@kernel
def write_answer(session, stream, answers, kind):
    """Write what is known of the open shot as the next answer, but for its time and checksum."""
    answer = answers[session.num_answers]
    session.num_answers += 1
    for byte in range(len(answer)):
        answer[byte] = 0
    put_number(answer, 0, 4, _MAGIC)
    put_number(answer, _AT_VERSION, 2, _RESULT_VERSION)
    put_number(answer, _AT_TYPE, 1, kind)
    put_number(answer, _AT_HEADER_LENGTH, 1, RESULT_BYTES)
    put_number(answer, _AT_SESSION, 8, session.session)
    put_number(answer, _AT_STREAM, 2, session.stream)
    put_number(answer, _AT_STATUS, 2, session.status)
    put_number(answer, _AT_OBSERVABLES, 2, session.num_observables)
    put_number(answer, _AT_SHOT, 8, session.shot)
    put_number(answer, _AT_FIRST_SEQUENCE, 8, session.first_sequence)
    put_number(answer, _AT_LAST_SEQUENCE, 8, session.last_sequence)
    put_number(answer, _AT_CYCLES, 8, session.cycles)
    put_number(answer, _AT_COMMITTED, 8, stream.first_layer)
    put_number(answer, _AT_BACKLOG, 8, session.shot_backlog)
    put_number(answer, _AT_DUE, 8, session.due)
    put_number(answer, _AT_RECEIVED, 8, session.received)
    put_number(answer, _AT_DIGEST, 8, session.digest)
    put_number(answer, _AT_HASH, 4, session.hash)
    if session.status == OK:
        flips = pool(stream, "flips")
        for byte in range(stream.flip_bytes):
            answer[RESULT_BYTES + byte] = flips[byte]


@kernel
def close_shot(session, stream, answers):
    """Answer the open shot."""
    write_answer(session, stream, answers, _RESULT)
    session.is_open = 0
    session.last_shot = session.shot
    session.shots += 1
    session.ended = 0
    if session.status == OK:
        session.shots_ok += 1
        session.ended = 1


@kernel
def open_shot(session, stream, shot, sequence):
    """Start a shot, sound until something is wrong with it."""
    stream_reset(stream)
    session.is_open = 1
    session.shot = shot
    session.status = OK
    session.cycles = 0
    session.first_sequence = sequence
    session.hash = 0
    session.shot_backlog = 0
    session.windows_before = 0


@kernel
def fill_events(session, parities, layer, history, final, final_at, row):
    """Write the detection events of a layer of parities to `row`, uint8 (columns,).

    `history` uint8 ((reach + 1) * bits,) holds the measurements of the last cycles, cycle n at n modulo its
    length; `final` those of the data readout, bit-packed from byte final_at on, if that is the layer.
    """
    start, column, offset, expected = parities
    for at in range(session.num_columns):
        row[at] = expected[layer, at]
    base = session.cycles * session.bits
    for term in range(start[layer], start[layer + 1]):
        where = offset[term]
        if where >= 0 and final_at >= 0:
            bit = (final[final_at + (where >> 3)] >> (where & 7)) & 1
        elif base + where >= 0:
            bit = history[(base + where) % len(history)]
        else:
            bit = 0
        row[column[term]] ^= bit


@kernel
def take_row(session, stream, parities, history, rows, frame, at):
    """Append one cycle of the frame, whose bytes begin at `at`, to the decoder's rows."""
    width = (session.bits + 7) >> 3
    if session.kind == _MEASUREMENTS:
        base = (session.cycles * session.bits) % len(history)
        for bit in range(session.bits):
            history[base + bit] = (frame[at + (bit >> 3)] >> (bit & 7)) & 1
        layer = session.cycles
        if layer >= session.num_first:
            layer = session.num_first + 1 + (layer - session.num_first) % session.parity_period
        fill_events(session, parities, layer, history, frame, np.int64(-1), rows[0])
        add_row(stream, rows[1], np.int64(0))
    else:
        add_row(stream, frame[at : at + width], np.int64(1))
    session.cycles += 1


@kernel
def take_final_row(session, stream, parities, history, rows, frame, at):
    """Append the row of the data readout."""
    if session.kind == _MEASUREMENTS:
        fill_events(session, parities, np.int64(session.num_first), history, frame, at, rows[0])
        add_row(stream, rows[1], np.int64(0))
    else:
        width = (session.final_bits + 7) >> 3
        add_row(stream, frame[at : at + width], np.int64(1))


@kernel
def session_resume(session, stream, windows, endings, work, parities, history, rows, frame, answers):
    """Decode what is left of a frame. False if the workspace is too small: enlarge it and call again."""
    cycles, flags = cycles_of(frame), flags_of(frame)
    width = (session.bits + 7) >> 3
    session.decoding = 1
    status = DECODED
    while session.next_row <= cycles:
        status = decode_if_full(stream, windows, work)
        if status != DECODED or session.next_row == cycles:
            break
        at = HEADER_BYTES + session.next_row * width
        take_row(session, stream, parities, history, rows, frame, at)
        session.next_row += 1
    if status == DECODED and flags & _LAST:
        layers = session.cycles + 1
        more = layers - session.fewest_layers
        if more < 0 or (more > 0 and not session.repeats) or more % session.period != 0:
            latch(session, MALFORMED)
        else:
            if session.next_row == cycles:
                take_final_row(session, stream, parities, history, rows, frame, HEADER_BYTES + cycles * width)
                session.next_row += 1
            ending = stream.num_rows
            if stream.first_layer > 0:
                ending += session.most_layers + 1
            session.ending = ending + 1
            status = decode_window(stream, endings[ending], work, stream.num_rows)
    if status == FULL:
        session.growths += 1
        return False
    session.decoding = 0
    if status == NO_PARTNER:
        latch(session, UNEXPLAINED)
    session.cycles = first_cycle_of(frame) + cycles
    session.cycles_decoded += cycles
    if flags & _LAST:
        close_shot(session, stream, answers)
    elif stream.num_windows > session.windows_before and session.status == OK:
        if session.due > 0:
            # What came in this frame behind the window's last cycle was not needed for it.
            needed = stream.first_layer - stream.commit + stream.window - 1
            session.window_due = session.due - (session.cycles - 1 - needed) * session.cycle_ns
        if session.commits and session.received >= session.next_commit:
            session.next_commit = session.received + session.commit_gap_ns
            write_answer(session, stream, answers, _COMMIT)
    session.windows_before = stream.num_windows
    return True


@kernel
def session_frame(
    session, stream, windows, endings, work, parities, history, rows, frame, size, now, answers
):
    """Take in the message frame[:size] that came at `now`.

    Returns false if the workspace is too small: enlarge it and call `session_resume`. Answers, if any, are
    in `answers`, session.num_answers of them; the caller seals, sends and forgets them.
    """
    session.frames += 1
    session.window_due = 0
    session.ended = 0
    fault = fault_of(frame, size)
    if fault != _NO_FAULT:
        if fault == _VERSION_FAULT:
            session.wrong_version += 1
        else:
            session.damaged += 1
        session.garbage = 1
        return True
    if session.session == 0 or session_of(frame) != session.session or stream_of(frame) != session.stream:
        session.foreign += 1
        return True
    sequence, shot, flags = sequence_of(frame), shot_of(frame), flags_of(frame)
    if sequence < session.next_sequence:
        session.duplicates += 1
        return True
    lost = sequence > session.next_sequence
    # What is missing may be what came as garbage.
    missing = MALFORMED if session.garbage else GAP
    if lost:
        session.gaps += 1
        session.lost_frames += sequence - session.next_sequence
    session.next_sequence = sequence + 1
    session.garbage = 0
    if session.is_open and (shot != session.shot or flags & _FIRST):
        latch(session, missing if lost else MALFORMED)
        close_shot(session, stream, answers)
        session.ended = 0
    if not session.is_open:
        if shot <= session.last_shot:
            session.drained += 1
            return True
        open_shot(session, stream, shot, sequence)
        if not flags & _FIRST:
            latch(session, missing if lost else RESTARTED)
    elif lost:
        latch(session, missing)
    return take_frame(
        session, stream, windows, endings, work, parities, history, rows, frame, size, now, answers
    )


@kernel
def take_frame(session, stream, windows, endings, work, parities, history, rows, frame, size, now, answers):
    """Check the next frame of the open shot against the session and decode it; see session_frame."""
    flags, cycles = flags_of(frame), cycles_of(frame)
    session.accepted += 1
    session.last_sequence = sequence_of(frame)
    session.received = now
    session.due = due_of(frame)
    session.hash = crc32(frame, HEADER_BYTES, size, session.hash)
    lateness = now - session.due if session.due > 0 else np.int64(0)
    backlog = session.cycles + cycles - stream.first_layer
    if session.cycle_ns > 0 and lateness > 0:
        backlog += lateness // session.cycle_ns
    session.shot_backlog = max(session.shot_backlog, backlog)
    session.max_backlog = max(session.max_backlog, backlog)
    if lateness > session.soft_ns:
        session.late_frames += 1
    if flags & _ABORT:
        latch(session, ABORTED)
        close_shot(session, stream, answers)
        return True
    if (
        first_cycle_of(frame) != session.cycles
        or kind_of(frame) != session.kind
        or (cycles > 0 and bits_of(frame) != session.bits)
        or (flags & _LAST and final_bits_of(frame) != session.final_bits)
        or (not session.repeats and session.cycles + cycles >= session.fewest_layers)
    ):
        latch(session, MALFORMED)
    if session.cycles + cycles > session.max_cycles:
        latch(session, OVERSIZE)
    if session.hard_ns > 0 and lateness > session.hard_ns:
        latch(session, BACKLOG)
    if session.status == OK:
        session.next_row = 0
        return session_resume(
            session, stream, windows, endings, work, parities, history, rows, frame, answers
        )
    session.cycles += cycles
    if flags & _LAST:
        close_shot(session, stream, answers)
    return True


@kernel
def session_tick(session, stream, now, answers):
    """Give up an open shot that has had no frame for too long."""
    if session.is_open and now - session.received > session.timeout_ns:
        latch(session, MALFORMED if session.garbage else TIMEOUT)
        close_shot(session, stream, answers)


@kernel
def session_end(session, stream, answers):
    """Answer the open shot, if any: nothing more of it will be decoded."""
    if session.is_open:
        latch(session, RESTARTED)
        close_shot(session, stream, answers)
