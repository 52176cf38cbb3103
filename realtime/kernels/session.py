"""Session state machine: each frame in, answers out. No sockets, threads or clocks; times are arguments.

A shot is open from its first frame to its last. Its first fault becomes its status, and nothing more of it is
decoded. It is answered once: at its last frame, at the first frame of another shot, or at its timeout.
"""

import numpy as np

from decoders.kernels.layout import FULL, NO_PARTNER
from decoders.kernels.layout import OK as DECODED
from decoders.kernels.records import pool
from decoders.streaming.kernels.stream import add_row, decode_if_full, decode_window, reset_stream
from realtime.kernels.checksum import crc32
from realtime.kernels.frames import HEADER_BYTES, RESULT_BYTES, find_fault, seal_result
from realtime.kernels.jit import kernel
from realtime.kernels.other_windows import (
    COLLECT,
    DECODE_ENDING,
    DECODE_IF_FULL,
    RESET,
    call_windows,
    has_other_windows,
)
from realtime.protocol.wire import ENDLESS_GAP, GAP_BYTES, GAP_STEPS, Fault, Flags, Payload, Status, Type

# Values of add_row's argument `packed`.
_A_BYTE_PER_BIT, _BIT_PACKED = np.int64(0), np.int64(1)
_NOT_FINAL = np.int64(-1)
_MAX_LOST = np.int64(1 << 32)  # frames counted as lost at once
# A due time so far ahead is of another clock, or damaged: 10 s.
FUTURE_NS = np.int64(10_000_000_000)


@kernel
def committed_layers(session):
    """Return the layers of the open shot that are final."""
    blocks = pool(session, "blocks")[0]
    return blocks.committed if blocks.num_blocks > 0 else pool(session, "decoder")[0].first_layer


@kernel
def latch(session, status):
    """Set the status of the open shot, unless it has a fault already."""
    if session.status == Status.OK:
        session.status = status


@kernel
def answer_header(session, at):
    """Return the header of answer number `at`."""
    return pool(session, "answer_headers")[at * session.answer_stride]


@kernel
def answer_size(session, at):
    """Return the bytes of answer number `at`, whose type is known: only outcomes have gaps."""
    if session.sends_gaps and answer_header(session, at)["type"] == Type.OUTCOME:
        return session.answer_bytes + session.gap_bytes
    return session.answer_bytes


@kernel
def answer_message(session, at):
    """Return the memory of answer number `at`, uint8."""
    first = at * session.answer_stride * RESULT_BYTES
    return pool(session, "answers")[first : first + answer_size(session, at)]


@kernel
def seal_answer(session, at, done_ns):
    """Seal answer number `at`, which was ready at `done_ns`."""
    seal_result(answer_message(session, at), answer_header(session, at), done_ns)


@kernel
def write_gaps(session, message, at):
    """Write the gap of each observable, see wire.GAP, into an answer from byte `at` on; 0 after a fault."""
    found = pool(pool(session, "stream_gaps")[0], "gaps")
    for observable in range(len(found)):
        steps = np.int64(0)
        if session.status == Status.OK:
            steps = np.int64(min(found[observable] * GAP_STEPS + 0.5, np.float64(ENDLESS_GAP)))
        for byte in range(GAP_BYTES):
            message[at + GAP_BYTES * observable + byte] = (steps >> (8 * byte)) & 255


@kernel
def write_answer(session, kind):
    """Write the state of the open shot as the next answer of this wire.Type, without time and checksum."""
    decoder = pool(session, "decoder")[0]
    at = session.num_answers
    session.num_answers += 1
    header = answer_header(session, at)
    header["type"] = kind
    message = answer_message(session, at)
    header["session"] = session.session
    header["status"] = session.status
    header["shot"] = session.shot
    header["first_sequence"] = session.first_sequence
    header["last_sequence"] = session.last_sequence
    header["cycles"] = session.cycles
    header["committed"] = committed_layers(session)
    header["max_backlog"] = session.shot_backlog
    header["due_ns"] = session.due_ns
    header["received_ns"] = session.received_ns
    header["syndrome_hash"] = session.syndrome_hash
    flips = pool(decoder, "flips")
    for byte in range(decoder.flip_bytes):
        message[RESULT_BYTES + byte] = flips[byte] if session.status == Status.OK else 0
    if kind == Type.OUTCOME and session.sends_gaps:
        write_gaps(session, message, RESULT_BYTES + decoder.flip_bytes)


@kernel
def close_shot(session):
    """Answer the open shot."""
    write_answer(session, Type.OUTCOME if session.decides else Type.RESULT)
    session.is_open = 0
    session.last_answered_shot = session.shot
    session.shots += 1
    pool(session, "statuses")[session.status] += 1
    session.ended_ok = 0
    if session.status == Status.OK:
        session.shots_ok += 1
        session.ended_ok = 1


@kernel
def open_shot(session, shot, sequence):
    """Open a shot with status OK; `sequence` is the number of its first frame received."""
    reset_stream(pool(session, "decoder")[0])
    if has_other_windows(session):
        call_windows(session, RESET, 0)
    session.is_open = 1
    session.shot = shot
    session.status = Status.OK
    session.cycles = 0
    session.first_sequence = sequence
    session.syndrome_hash = 0
    session.shot_backlog = 0
    session.windows_before = 0
    session.decides = 0


@kernel
def fill_events(session, layer, final, final_at):
    """Write the detection events of a layer of parities to session.row.

    `final` holds the bit-packed measurements of the data readout from byte final_at on; final_at is
    _NOT_FINAL for other layers.
    """
    history, row = pool(session, "history"), pool(session, "row")
    start, column = pool(session, "parity_starts"), pool(session, "parity_columns")
    offset, expected = pool(session, "parity_offsets"), pool(session, "parity_expected")
    for at in range(session.num_columns):
        row[at] = expected[layer * session.num_columns + at]
    base = session.cycles * session.bits_per_cycle
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
def take_row(session, data, at):
    """Append one cycle of a frame, whose bytes begin at data[at], to the decoder's layers."""
    decoder, history = pool(session, "decoder")[0], pool(session, "history")
    if session.kind == Payload.MEASUREMENTS:
        base = (session.cycles * session.bits_per_cycle) % len(history)
        for bit in range(session.bits_per_cycle):
            history[base + bit] = (data[at + (bit >> 3)] >> (bit & 7)) & 1
        layer = session.cycles
        if layer >= session.num_first_layers:
            repeated = (layer - session.num_first_layers) % session.parity_period
            layer = session.num_first_layers + 1 + repeated
        fill_events(session, layer, data, _NOT_FINAL)
        add_row(decoder, pool(session, "row"), _A_BYTE_PER_BIT)
    else:
        width = (session.bits_per_cycle + 7) >> 3
        add_row(decoder, data[at : at + width], _BIT_PACKED)
    session.cycles += 1


@kernel
def take_final_row(session, data, at):
    """Append the row of the data readout, whose bytes begin at data[at]."""
    decoder = pool(session, "decoder")[0]
    if session.kind == Payload.MEASUREMENTS:
        fill_events(session, session.num_first_layers, data, at)
        add_row(decoder, pool(session, "row"), _A_BYTE_PER_BIT)
    else:
        width = (session.final_bits + 7) >> 3
        add_row(decoder, data[at : at + width], _BIT_PACKED)


@kernel
def decode_full_window(session):
    """Decode a window, or hand a block over, if the rows fill one; return a status."""
    if has_other_windows(session):
        return call_windows(session, DECODE_IF_FULL, 0)
    return decode_if_full(pool(session, "decoder")[0], pool(session, "windows"), pool(session, "work")[0])


@kernel
def decode_ending(session, second_readout):
    """Decode the rows as the ending of the shot; return a status."""
    decoder = pool(session, "decoder")[0]
    ending = decoder.num_rows
    if decoder.first_layer > 0:
        ending += session.most_layers + 1
    if second_readout:
        ending += 2 * session.most_layers + 2
    if pool(session, "blocks")[0].num_blocks == 0:
        session.ending = ending + 1
    if has_other_windows(session):
        return call_windows(session, DECODE_ENDING, ending)
    graph = pool(session, "endings")[ending]
    return decode_window(decoder, graph, pool(session, "work")[0], decoder.num_rows)


@kernel
def session_resume(session):
    """Decode the remaining rows of the frame. False if the workspace is too small: enlarge it, call again."""
    decoder = pool(session, "decoder")[0]
    header, data = pool(session, "frame_header")[0], pool(session, "frame")
    cycles, is_last = np.int64(header["cycles"]), header["flags"] & Flags.LAST
    width = (session.bits_per_cycle + 7) >> 3
    session.is_decoding = 1
    status = DECODED
    while session.next_row <= cycles:
        status = decode_full_window(session)
        if status != DECODED or session.next_row == cycles:
            break
        take_row(session, data, HEADER_BYTES + session.next_row * width)
        session.next_row += 1
    if status == DECODED and is_last:
        layers = session.cycles + 1
        more = layers - session.fewest_layers
        if more < 0 or (more > 0 and not session.repeats) or more % session.layer_period != 0:
            latch(session, Status.MALFORMED)
        else:
            if session.next_row == cycles:
                take_final_row(session, data, HEADER_BYTES + cycles * width)
                session.next_row += 1
            status = decode_ending(session, header["flags"] & Flags.SECOND_READOUT)
    elif status == DECODED and has_other_windows(session):
        status = call_windows(session, COLLECT, 0)
    if status == FULL:
        session.growths += 1
        return False
    session.is_decoding = 0
    if status == NO_PARTNER:
        latch(session, Status.UNEXPLAINED)
    session.cycles = header["first_cycle"] + cycles
    session.cycles_decoded += cycles
    if is_last:
        close_shot(session)
    elif decoder.num_windows > session.windows_before and session.status == Status.OK:
        if session.due_ns > 0:
            # The frame's cycles after the window's last one were not needed for it.
            needed = committed_layers(session) + decoder.window - decoder.commit - 1
            session.window_due_ns = session.due_ns - (session.cycles - 1 - needed) * session.cycle_ns
        if session.commits and session.received_ns >= session.next_commit_ns:
            session.next_commit_ns = session.received_ns + session.commit_interval_ns
            write_answer(session, Type.COMMIT)
    session.windows_before = decoder.num_windows
    return True


@kernel
def is_next_frame(session, header, fault):
    """Return whether the header of a damaged message names the frame that this session expects next.

    After a wrong checksum any field may be wrong; session number, sequence number and shot together are
    then beyond chance. A wrong shot number would make the session ignore the shots up to it, so that it may
    be ahead by two at most.
    """
    if fault == Fault.SHORT or fault == Fault.LONG or fault == Fault.MAGIC:
        return False
    if session.session == 0 or header["session"] != session.session or header["stream"] != session.stream:
        return False
    if header["sequence"] != session.next_sequence:
        return False
    shot = header["shot"]
    if session.is_open:
        return shot == session.shot
    return session.last_answered_shot < shot <= session.last_answered_shot + 2


@kernel
def take_damaged(session, header, now):
    """Fail the shot of a damaged frame: its source gets an answer even if no frame of the shot is valid."""
    if not session.is_open:
        open_shot(session, header["shot"], header["sequence"])
    latch(session, Status.MALFORMED)
    session.next_sequence += 1
    session.last_sequence = header["sequence"]
    session.received_ns = now
    session.due_ns = 0
    session.has_garbage = 0
    if header["flags"] & (Flags.LAST | Flags.ABORT):
        close_shot(session)


@kernel
def session_frame(session, size, now):
    """Process the message session.frame[:size] received at `now`, ns.

    Returns false if the workspace is too small: enlarge it and call `session_resume`. The caller seals and
    sends the answers, and resets session.num_answers.
    """
    header = pool(session, "frame_header")[0]
    session.frames += 1
    session.window_due_ns = 0
    session.ended_ok = 0
    fault = find_fault(pool(session, "frame"), header, size)
    if fault != Fault.NONE:
        if fault == Fault.VERSION:
            session.wrong_version += 1
        else:
            session.damaged += 1
        pool(session, "faults")[fault] += 1
        if is_next_frame(session, header, fault):
            take_damaged(session, header, now)
        else:
            session.has_garbage = 1
        return True
    if session.session == 0 or header["session"] != session.session or header["stream"] != session.stream:
        session.foreign += 1
        return True
    sequence, shot, is_first = header["sequence"], header["shot"], header["flags"] & Flags.FIRST
    if sequence < session.next_sequence:
        session.duplicates += 1
        return True
    lost = sequence > session.next_sequence
    # The missing frames may be those that came as garbage.
    missing = Status.MALFORMED if session.has_garbage else Status.GAP
    if lost:
        session.gaps += 1
        # Bounded, as a client may skip to any number in each of its sessions, and the sum is not to overflow.
        session.lost_frames += min(sequence - session.next_sequence, _MAX_LOST)
    session.next_sequence = sequence + 1
    session.has_garbage = 0
    if session.is_open and (shot != session.shot or is_first):
        latch(session, missing if lost else Status.MALFORMED)
        close_shot(session)
        session.ended_ok = 0
    if not session.is_open:
        if shot <= session.last_answered_shot:
            session.drained += 1
            return True
        open_shot(session, shot, sequence)
        if not is_first:
            latch(session, missing if lost else Status.RESTARTED)
    elif lost:
        latch(session, missing)
    return take_frame(session, size, now)


@kernel
def take_frame(session, size, now):
    """Check the next frame of the open shot against the session and decode it; see session_frame."""
    header = pool(session, "frame_header")[0]
    flags, cycles = header["flags"], np.int64(header["cycles"])
    session.accepted += 1
    session.decides = flags & Flags.DECIDE
    session.last_sequence = header["sequence"]
    session.received_ns = now
    session.due_ns = header["due_ns"]
    if session.due_ns > now + FUTURE_NS:
        session.future_frames += 1
        session.due_ns = 0
    session.syndrome_hash = crc32(pool(session, "frame"), HEADER_BYTES, size, session.syndrome_hash)
    lateness = now - session.due_ns if session.due_ns > 0 else np.int64(0)
    backlog = session.cycles + cycles - committed_layers(session)
    if session.cycle_ns > 0 and lateness > 0:
        backlog += lateness // session.cycle_ns
    session.shot_backlog = max(session.shot_backlog, backlog)
    session.max_backlog = max(session.max_backlog, backlog)
    if lateness > session.soft_ns:
        session.late_frames += 1
    if flags & Flags.ABORT:
        latch(session, Status.ABORTED)
        close_shot(session)
        return True
    if (
        header["first_cycle"] != session.cycles
        or header["kind"] != session.kind
        or (cycles > 0 and header["bits_per_cycle"] != session.bits_per_cycle)
        or (flags & Flags.LAST and header["final_bits"] != session.final_bits)
        or (flags & Flags.SECOND_READOUT and session.num_readouts < 2)
        or (not session.repeats and session.cycles + cycles >= session.fewest_layers)
    ):
        latch(session, Status.MALFORMED)
    if session.cycles + cycles > session.max_cycles:
        latch(session, Status.OVERSIZE)
    if session.hard_ns > 0 and lateness > session.hard_ns:
        latch(session, Status.BACKLOG)
    if session.status == Status.OK:
        session.next_row = 0
        return session_resume(session)
    session.cycles += cycles
    if flags & Flags.LAST:
        close_shot(session)
    return True


@kernel
def session_tick(session, now):
    """Fail an open shot that has had no frame for timeout_ns."""
    if session.is_open and now - session.received_ns > session.timeout_ns:
        latch(session, Status.MALFORMED if session.has_garbage else Status.TIMEOUT)
        close_shot(session)


@kernel
def session_end(session):
    """Answer the open shot, if any, as RESTARTED."""
    if session.is_open:
        latch(session, Status.RESTARTED)
        close_shot(session)
