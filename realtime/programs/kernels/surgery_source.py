"""Source's hot loop for programs with merges: draw layers of all patches together, obey outcomes, idle.

Time passes as in `play`: cycle n ends at start + n cycles, and with a simulated clock the source decodes
frames itself. The loop's state is in its record, so that it can return in the middle of a shot, where the
table of the simulated decoder has to be extended, and continue there.
"""

import numpy as np

from decoders.kernels.layout import FULL, OK
from decoders.kernels.records import pool
from decoders.streaming.kernels.sequences import MISSING
from qec.sampling.kernels.errors import draw_errors
from qec.sampling.kernels.random import next_word
from realtime.kernels.clock import cpu_now_ns, now_ns
from realtime.kernels.histogram import count_value
from realtime.kernels.link import receive_message, send_message
from realtime.kernels.pacing import frame_due
from realtime.programs.kernels.jit import kernel
from realtime.programs.kernels.records import End, Kind
from realtime.programs.kernels.surgery_decoder import decode_frame, program_ns, write_answer_to_frame
from realtime.programs.kernels.surgery_records import ANSWER_BYTES, FRAME_BYTES


@kernel
def life_of(source, shot, number):
    """Return the life of a measurement of a shot."""
    return pool(source, "lives")[shot * source.num_measurements + number]


@kernel
def mask_of(source, shot, number):
    """Return the observables that determine an outcome, bit-packed; none if it is random."""
    begin = (shot * source.num_measurements + number) * source.flip_bytes
    return pool(source, "masks")[begin : begin + source.flip_bytes]


@kernel
def parity_of(mask, flips):
    """Return the parity of the flips of some observables, 0 or 1."""
    found = np.int64(0)
    for byte in range(len(mask)):
        found ^= np.int64(mask[byte] & flips[byte])
    found ^= found >> 4
    found ^= found >> 2
    found ^= found >> 1
    return found & 1


@kernel
def record_answer(source, answer, received):
    """Write the lives that an answer completes, uint8 (answer_bytes,) with the header in `answer_header`."""
    header = pool(source, "answer_header")[0]
    source.has_failed |= header.has_failed
    final = answer[ANSWER_BYTES : ANSWER_BYTES + source.flip_bytes]
    flips = answer[ANSWER_BYTES + source.flip_bytes :]
    for number in range(source.num_measurements):
        life = life_of(source, header.shot, number)
        if life.predicted >= 0:
            continue
        mask, complete = mask_of(source, header.shot, number), life.due_ns > 0
        for byte in range(source.flip_bytes):
            complete &= (mask[byte] & ~final[byte]) == 0
        if complete:
            life.predicted = parity_of(mask, flips) << life.basis
            life.done_ns = header.done_ns
            life.received_ns = received
            source.num_answers += 1


@kernel
def take_answer(source):
    """Receive an answer, if there is one."""
    answer = pool(source, "answer")
    if receive_message(pool(source, "link")[0], answer, False) >= 0:
        record_answer(source, answer, program_ns(pool(source, "words")))


@kernel
def begin_shot(source):
    """Start the next shot: patches are none, references have random values."""
    for number in range(source.num_measurements):
        life = life_of(source, source.num_shots, number)
        life.shot = source.num_shots
        life.log = -1
        life.predicted = -1
    events, flips, known = pool(source, "events"), pool(source, "flips"), pool(source, "is_known")
    coins, random = pool(source, "coins"), pool(source, "random")
    for byte in range(len(events)):
        events[byte] = 0
    for byte in range(len(flips)):
        flips[byte] = 0
    for at in range(source.num_references):
        known[at] = 0
        coins[at] = next_word(random) & np.uint64(1)
    shot = pool(source, "shots")[source.num_shots]
    shot.first_cycle = source.cycle
    shot.first_row = source.log_used
    source.next_step = 0
    source.elapsed = 0
    source.layer = 0
    source.turned = 0
    source.last_turned = 0
    source.num_ending = 0
    source.is_sent_before = 0
    source.is_over = 0
    source.is_playing = 1


@kernel
def end_shot(source):
    """Record what errors flipped in the shot that was played."""
    flips = pool(source, "flips")
    for number in range(source.num_measurements):
        life = life_of(source, source.num_shots, number)
        life.flips = parity_of(mask_of(source, source.num_shots, number), flips) << life.basis
    shot = pool(source, "shots")[source.num_shots]
    shot.stop_cycle = source.cycle
    shot.num_rows = source.log_used - shot.first_row
    if source.log_used > source.max_log:
        shot.first_row = -1
    source.num_shots += 1
    source.is_playing = 0


@kernel
def eliminate_known(source):
    """Replace random values in `row` that earlier outcomes have shown by these outcomes, in `parity`."""
    row, parity = pool(source, "row"), pool(source, "parity")
    known, width = pool(source, "is_known"), source.num_references
    outcomes, references = pool(source, "known_outcomes"), pool(source, "known_references")
    again = True
    while again:
        again = False
        for at in range(width):
            if row[at] and known[at]:
                for number in range(source.num_measurements):
                    parity[number] ^= outcomes[at * source.num_measurements + number]
                for other in range(width):
                    row[other] ^= references[at * width + other]
                row[at] = 0
                again = True


@kernel
def compare_outcome(source, number, basis):
    """Find what determines an outcome, see `Comparisons.take`; its ideal value before corrections.

    Writes the outcome's mask and, of a random outcome, what it shows.
    """
    row, parity, width = pool(source, "row"), pool(source, "parity"), source.num_references
    first = (2 * number + basis) * width
    for at in range(width):
        row[at] = pool(source, "references")[first + at]
    for other in range(source.num_measurements):
        parity[other] = other == number
    eliminate_known(source)
    mask = mask_of(source, source.num_shots, number)
    for byte in range(source.flip_bytes):
        mask[byte] = 0
    for at in range(width):
        if row[at] and pool(source, "is_merge")[at]:
            row[at] = 0
            pool(source, "is_known")[at] = 1
            for other in range(source.num_measurements):
                pool(source, "known_outcomes")[at * source.num_measurements + other] = parity[other]
            for other in range(width):
                pool(source, "known_references")[at * width + other] = row[other]
            return np.int64(next_word(pool(source, "random")) & np.uint64(1)), False
    value = np.int64(0)
    for at in range(width):
        if row[at]:
            value ^= pool(source, "coins")[at]
    for other in range(source.num_measurements):
        if parity[other]:
            life = life_of(source, source.num_shots, other)
            if other != number:  # as measured, before corrections
                value ^= life.coin ^ life.ideal_frame
            observable = pool(source, "observables")[2 * other + life.basis]
            mask[observable >> 3] |= np.uint8(1 << (observable & 7))
    return value, True


@kernel
def condition_of(source, outcome):
    """Return the value of an awaited outcome, decoded, and if there had been no errors."""
    number = pool(source, "latest")[outcome]
    life = life_of(source, source.num_shots, number)
    flipped = parity_of(mask_of(source, source.num_shots, number), pool(source, "flips"))
    wrong = flipped ^ (life.predicted >> life.basis & 1)
    return life.coin ^ wrong ^ life.frame ^ life.ideal_frame, life.coin


@kernel
def begin_measurement(source, step):
    """Choose the basis of a measurement, and find what determines its outcome."""
    life, frames = life_of(source, source.num_shots, step.number), pool(source, "frames")
    life.patch = -1 if step.kind == Kind.MERGE else step.patch
    life.outcome = step.outcome
    life.decides = step.decides
    life.cycles = step.cycles
    life.basis = step.basis
    life.ideal_basis = step.basis
    if step.condition >= 0:
        decoded, ideal = condition_of(source, step.condition)
        life.basis = step.basis_if if decoded else step.basis
        life.ideal_basis = step.basis_if if ideal else step.basis
    frame, ideal_frame = frames[2 * step.patch], frames[2 * step.patch + 1]
    if step.kind == Kind.MERGE:
        frame ^= frames[2 * step.other]
        ideal_frame ^= frames[2 * step.other + 1]
    life.frame = frame >> life.basis & 1
    life.ideal_frame = ideal_frame >> life.basis & 1
    pool(source, "latest")[step.outcome] = step.number
    value, is_determined = compare_outcome(source, step.number, life.basis)
    if is_determined:
        value ^= life.ideal_frame
    life.coin = value


@kernel
def complete_data(source, number, due):
    """Note that the data of an outcome are complete; a random one is known at once."""
    life, random = life_of(source, source.num_shots, number), True
    mask = mask_of(source, source.num_shots, number)
    life.due_ns = due
    for byte in range(source.flip_bytes):
        random &= mask[byte] == 0
    if random:
        life.predicted = 0
        life.done_ns = due
        life.received_ns = due
        source.num_answers += 1


@kernel
def draw_layer(source):
    """Draw the errors that begin in the next layer; move its detection events to the frame and the log."""
    layer = pool(source, "layers")[source.layer]
    choice = pool(source, "choices")[layer.first + source.turned + (source.last_turned << layer.num_turns)]
    table, events = pool(source, "tables")[choice.table], pool(source, "events")
    if table.num_errors > 0:
        draw_errors(
            pool(table, "groups"),
            pool(table, "guide"),
            pool(table, "errors"),
            pool(table, "targets"),
            pool(source, "random"),
            events,
            pool(source, "flips"),
        )
    header, frame, width = pool(source, "frame_header")[0], pool(source, "frame"), source.row_bytes
    pool(source, "symbols")[header.num_layers] = choice.symbol
    begin = FRAME_BYTES + 8 * source.max_layers + header.num_layers * width
    for byte in range(width):
        frame[begin + byte] = events[byte]
    if source.log_used < source.max_log:
        pool(source, "log_symbols")[source.log_used] = choice.symbol
        rows = pool(source, "log_rows")
        for byte in range(width):
            rows[source.log_used * width + byte] = events[byte]
    source.log_used += 1
    for byte in range(len(events) - width):
        events[byte] = events[byte + width]
    for byte in range(len(events) - width, len(events)):
        events[byte] = 0
    header.num_layers += 1
    source.layer += 1
    source.last_turned = source.turned
    source.turned = 0


@kernel
def wait_until(source, due):
    """Take answers until a cycle has ended."""
    words = pool(source, "words")
    take_answer(source)
    while program_ns(words) < due:
        take_answer(source)
    late = program_ns(words) - due
    count_value(pool(source, "lateness_counts"), pool(source, "lateness_totals"), late)


@kernel
def decode_here(source):
    """Decode the frame on the simulated clock; an End, PAUSED if it was decoded."""
    decoder, header = pool(source, "decoder")[0], pool(source, "frame_header")[0]
    if decoder.has_frame == 0:
        frame, copy = pool(source, "frame"), pool(decoder, "frame")
        for byte in range(FRAME_BYTES + 8 * source.max_layers + header.num_layers * source.row_bytes):
            copy[byte] = frame[byte]
        decoder.has_frame = 1
        decoder.next_layer = -1
        source.spent_ns = 0
    before = cpu_now_ns()
    status = decode_frame(decoder)
    source.spent_ns += cpu_now_ns() - before
    if status == MISSING:
        return End.MISSING
    if status == FULL:
        return End.FULL
    if source.service_ns > 0:
        source.spent_ns = source.service_ns * header.num_layers
    decoder.has_frame = 0
    done = max(source.decoder_free_ns, source.frame_due_ns + source.hop_ns) + source.spent_ns
    source.decoder_free_ns = done
    source.busy_ns += source.spent_ns
    if write_answer_to_frame(decoder, done, status != OK):
        copy, answer = pool(decoder, "answer"), pool(source, "answer")
        for byte in range(len(answer)):
            answer[byte] = copy[byte]
        record_answer(source, answer, done + source.hop_ns)
    return End.PAUSED


@kernel
def send_frame(source):
    """Give the frame to the decoder; an End, PAUSED if it was taken."""
    header = pool(source, "frame_header")[0]
    if source.is_simulated:
        end = decode_here(source)
        if end != End.PAUSED:
            return end
    else:
        size = FRAME_BYTES + 8 * source.max_layers + header.num_layers * source.row_bytes
        if not send_message(pool(source, "link")[0], pool(source, "frame"), size):
            return End.OVERRUN
    source.is_ready = 0
    source.is_sent_before = 1
    header.num_layers = 0
    return End.PAUSED


@kernel
def close_frame(source, due):
    """Send the frame, whose last cycle ended at `due`, ns; return an End."""
    header = pool(source, "frame_header")[0]
    header.shot = source.num_shots
    header.is_first = 1 - source.is_sent_before
    header.is_last = source.is_over
    source.frame_due_ns = due
    source.is_ready = 1
    return send_frame(source)


@kernel
def run_cycle(source):
    """Play one cycle of all patches until it ends, and send the frame if it is complete; return an End."""
    source.cycle += 1
    due = frame_due(source.start_ns, source.cycle, source.cycle_ps)
    is_readout = source.num_ending > 0
    draw_layer(source)
    if is_readout and source.next_step == source.num_steps:
        draw_layer(source)
        source.is_over = 1
    for at in range(source.num_ending):
        complete_data(source, pool(source, "ending")[at], due)
    source.num_ending = 0
    if not source.is_simulated:
        wait_until(source, due)
    if is_readout or pool(source, "frame_header")[0].num_layers >= source.frame_cycles:
        return close_frame(source, due)
    return End.PAUSED


@kernel
def finish_shot(source):
    """Play the cycle of the last measurements, which every program has, then end the shot; return an End."""
    if source.num_ending:
        return run_cycle(source)
    end_shot(source)
    return End.PAUSED


@kernel
def next_operation(source):
    """Go on to the next operation."""
    source.next_step += 1
    source.elapsed = 0


@kernel
def advance_merge(source, step):
    """Play a cycle of a merge, the first of which completes the data of its outcome; return an End."""
    if source.elapsed == 0:
        begin_measurement(source, step)
    source.elapsed += 1
    if source.elapsed == 1:
        # The merge's measurements are those of the cycle that now begins.
        complete_data(source, step.number, frame_due(source.start_ns, source.cycle + 1, source.cycle_ps))
    end = run_cycle(source)
    if source.elapsed == step.cycles:
        next_operation(source)
    return end


@kernel
def advance_wait(source, step):
    """Idle for a cycle, or go on if the source has the outcome at the beginning of a cycle; return an End."""
    begin = frame_due(source.start_ns, source.cycle, source.cycle_ps)
    life = life_of(source, source.num_shots, pool(source, "latest")[step.outcome])
    if source.elapsed == 0:
        source.wait_layer = source.layer
        if life.needed_ns == 0:
            life.needed_ns = begin
    elif life.predicted >= 0 and life.received_ns + source.delay_ns <= begin:
        source.layer = source.wait_layer + source.wait_cycles
        life.idle += source.elapsed
        if life.acted_ns == 0:
            life.acted_ns = begin
        next_operation(source)
        return End.PAUSED
    if source.elapsed >= source.longest_wait:
        source.stopped_wait = source.elapsed
        return End.UNANSWERED
    source.layer = source.wait_layer + min(source.elapsed, source.wait_cycles - 1)
    source.elapsed += 1
    return run_cycle(source)


@kernel
def advance(source):
    """Carry out one operation that takes no time, or play one cycle; return an End."""
    steps = pool(source, "steps")
    if source.next_step == len(steps):
        return finish_shot(source)
    step, frames = steps[source.next_step], pool(source, "frames")
    if step.kind == Kind.MERGE:
        return advance_merge(source, step)
    if step.kind == Kind.WAIT:
        if source.num_ending:
            return run_cycle(source)
        return advance_wait(source, step)
    if step.kind == Kind.IDLE:
        source.elapsed += 1
        end = run_cycle(source)
        if source.elapsed == step.cycles:
            next_operation(source)
        return end
    if step.kind == Kind.PREPARE:
        frames[2 * step.patch] = 0
        frames[2 * step.patch + 1] = 0
    elif step.kind == Kind.CORRECT:
        met, ideally = np.int64(1), np.int64(1)
        if step.condition >= 0:
            met, ideally = condition_of(source, step.condition)
        frames[2 * step.patch] ^= step.flips * met
        frames[2 * step.patch + 1] ^= step.flips * ideally
    elif step.kind == Kind.MEASURE:
        begin_measurement(source, step)
        pool(source, "ending")[source.num_ending] = step.number
        source.num_ending += 1
        if life_of(source, source.num_shots, step.number).basis != step.basis:
            source.turned |= step.turn
    next_operation(source)
    return End.PAUSED


@kernel
def play_merged_program(sources, until_ns):
    """Play the remaining shots of a program with merges and receive all answers.

    Args:
        sources: one SOURCE record; written.
        until_ns: when to return at the latest, at the end of a shot.

    Returns:
        An End. After PAUSED, and with a simulated clock after MISSING or FULL, call again.
    """
    source = sources[0]
    shots = pool(source, "shots")
    if source.is_ready:
        end = send_frame(source)
        if end != End.PAUSED:
            return end
    while source.num_shots < len(shots):
        if not source.is_playing:
            if now_ns() >= until_ns:
                return End.PAUSED
            begin_shot(source)
        if source.has_failed:
            return End.FAILED
        end = advance(source)
        if end != End.PAUSED:
            return end
    while source.num_answers < len(shots) * source.num_measurements:
        take_answer(source)
        if source.has_failed:
            return End.FAILED
        if now_ns() >= until_ns:
            return End.PAUSED
    return End.DONE
