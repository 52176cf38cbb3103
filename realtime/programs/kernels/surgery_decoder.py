"""Decoder's hot loop for programs with merges: frames of all patches together, windows from a table of steps.

Where the table lacks a step or a graph, the kernel returns, and Python makes it. Meanwhile the clock of the
program is stopped: `words` holds since when, and for how long it has in total.
"""

import numpy as np

from decoders.kernels.layout import FULL, OK
from decoders.kernels.records import pool
from decoders.streaming.kernels.sequences import MISSING, finish_step, list_final, push_layer, reset_sequence
from realtime.kernels.atomics import load_word, store_word
from realtime.kernels.clock import now_ns
from realtime.kernels.link import receive_message, send_message
from realtime.programs.kernels.jit import kernel
from realtime.programs.kernels.surgery_records import ANSWER_BYTES, CUTTING, FRAME_BYTES, PASSED, STOP, Served

_CHECK_NS = 1_000_000


@kernel
def program_ns(words):
    """Return the time of the program, ns: that of the machine, without the time in which graphs were cut."""
    while True:
        passed = load_word(words, PASSED)
        now = now_ns()
        since = load_word(words, CUTTING)
        if load_word(words, PASSED) == passed:  # no cut has ended meanwhile
            return (now if since == 0 else min(now, since)) - passed


@kernel
def decode_frame(decoder):
    """Decode the rest of a frame; return a status."""
    sequence, header = pool(decoder, "sequence")[0], pool(decoder, "frame_header")[0]
    symbols, frame = pool(decoder, "symbols"), pool(decoder, "frame")
    if decoder.next_layer < 0:
        decoder.next_layer = 0
        if header.is_first:
            reset_sequence(sequence)
    while decoder.next_layer < header.num_layers:
        at = decoder.next_layer
        if sequence.step >= 0:
            status = finish_step(sequence)
        else:
            begin = FRAME_BYTES + 8 * decoder.max_layers + at * decoder.row_bytes
            status = push_layer(sequence, frame[begin : begin + decoder.row_bytes], 1, symbols[at])
        if status != OK:
            decoder.symbol = symbols[at]
            return status
        decoder.next_layer += 1
    return OK


@kernel
def write_answer_to_frame(decoder, done, has_failed):
    """Write the answer to the decoded frame, ready at `done`; whether it says more than the last one."""
    sequence, header = pool(decoder, "sequence")[0], pool(decoder, "frame_header")[0]
    answer, final = pool(decoder, "answer"), pool(decoder, "final")
    flips = pool(pool(sequence, "stream")[0], "flips")
    count = list_final(sequence, final)
    says_more = count > (0 if header.is_first else decoder.num_final) or header.is_last or has_failed
    decoder.num_final = count
    for byte in range(decoder.flip_bytes):
        answer[ANSWER_BYTES + byte] = final[byte]
        answer[ANSWER_BYTES + decoder.flip_bytes + byte] = flips[byte]
    found = pool(decoder, "answer_header")[0]
    found.shot = header.shot
    found.done_ns = done
    found.has_failed = 1 if has_failed else 0
    return says_more


@kernel
def serve_sequences(decoders, words):
    """Decode frames until told to stop, or until Python has to extend the table or the workspace.

    Args:
        decoders: one DECODER record; written.
        words: int64 (64,), see the records.

    Returns:
        A Served.
    """
    decoder = decoders[0]
    link, frame = pool(decoder, "link")[0], pool(decoder, "frame")
    since = load_word(words, CUTTING)
    if since > 0:
        store_word(words, PASSED, load_word(words, PASSED) + now_ns() - since)
        store_word(words, CUTTING, 0)
    check_at = now_ns()
    while True:
        if decoder.has_frame == 0:
            if receive_message(link, frame, False) < 0:
                now = now_ns()
                if now >= check_at:
                    check_at = now + _CHECK_NS
                    if load_word(words, STOP):
                        return Served.STOPPED
                continue
            decoder.has_frame = 1
            decoder.next_layer = -1
            decoder.begin_ns = program_ns(words)
        status = decode_frame(decoder)
        if status == MISSING:
            store_word(words, CUTTING, now_ns())
            return Served.MISSING
        if status == FULL:
            return Served.GROW
        done = program_ns(words)
        if decoder.slow_ns > 0:
            ready = decoder.begin_ns + decoder.slow_ns * pool(decoder, "frame_header")[0].num_layers
            while done < ready:
                done = program_ns(words)
        decoder.has_frame = 0
        if write_answer_to_frame(decoder, done, status != OK):
            send_message(link, pool(decoder, "answer"), np.int64(decoder.answer_bytes))
