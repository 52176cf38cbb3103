"""Source's hot loop: draw the syndromes of all patches cycle by cycle, obey outcomes, idle until they arrive.

Cycle n ends at start + n cycles of time, whatever happens. A patch that waits goes through the same noisy
cycles as any other. An outcome counts in a cycle if the source had it when the cycle began.

With a simulated clock the source does not wait for the end of a cycle and decodes frames itself, one after
the other in the order in which they were sent. Each takes the decoder the processor time that was measured,
or a given time for each of its cycles: runs then do not depend on other programs of the machine.
"""

import numpy as np

from decoders.kernels.records import pool
from qec.sampling.kernels.errors import draw_errors
from qec.sampling.kernels.random import next_word
from realtime.kernels.clock import cpu_now_ns, now_ns
from realtime.kernels.frames import HEADER_BYTES, RESULT_BYTES, seal_frame
from realtime.kernels.histogram import count_value
from realtime.kernels.link import receive_message, send_message
from realtime.kernels.pacing import frame_due
from realtime.kernels.session import answer_header, answer_message, session_frame
from realtime.programs.kernels.jit import kernel
from realtime.programs.kernels.records import End, Kind, Unsure
from realtime.protocol.wire import GAP_BYTES, Flags, Status, Type


@kernel
def ideal_value(life):
    """Return the outcome of a patch's life if there were no errors."""
    return life.coin


@kernel
def decoded_value(life):
    """Return the outcome after decoding and corrections."""
    measured = life.coin ^ life.ideal_frame ^ ((life.flips >> life.basis) & 1)
    return measured ^ ((life.predicted >> life.basis) & 1) ^ life.frame


@kernel
def read_gap(program, life, answer):
    """Return the gap of a life's outcome from its answer, uint8 (bytes,)."""
    gap = np.int64(0)
    if program.has_gaps:
        first = RESULT_BYTES + 1 + GAP_BYTES * life.basis
        for byte in range(GAP_BYTES):
            gap |= np.int64(answer[first + byte]) << (8 * byte)
    return gap


@kernel
def take_answers(program):
    """Receive the answers that there are, at most one of each patch; write their lives."""
    patches, lives = pool(program, "patches"), pool(program, "lives")
    for at in range(len(patches)):
        patch = patches[at]
        answer = pool(patch, "answer")
        if receive_message(pool(patch, "link")[0], answer, False) < 0:
            continue
        header = pool(patch, "answer_header")[0]
        life = lives[header["shot"]]
        life.predicted = answer[RESULT_BYTES]
        life.status = header["status"]
        if header["type"] == Type.OUTCOME:
            life.gap = read_gap(program, life, answer)
        life.done_ns = header["done_ns"]
        life.received_ns = now_ns()
        program.num_answers += 1


@kernel
def take_layer(patch):
    """Move the patch's next layer of detection events to its frame and log."""
    frame, events, log = pool(patch, "frame"), pool(patch, "events"), pool(patch, "log")
    width = patch.row_bytes
    for byte in range(width):
        frame[patch.size + byte] = events[byte]
    patch.size += width
    if patch.log_used + width <= len(log):
        for byte in range(width):
            log[patch.log_used + byte] = events[byte]
    patch.log_used += width
    for byte in range(len(events) - width):
        events[byte] = events[byte + width]
    for byte in range(len(events) - width, len(events)):
        events[byte] = 0


@kernel
def draw_layer(program, patch, which):
    """Draw the errors that begin in the patch's next layer, with the model of layer number `which`."""
    layer = pool(program, "layers")[which]
    draw_errors(
        pool(layer, "groups"),
        pool(layer, "guide"),
        pool(layer, "errors"),
        pool(layer, "targets"),
        pool(program, "random"),
        pool(patch, "events"),
        pool(patch, "flips"),
    )


@kernel
def seal_patch_frame(program, patch, due):
    """Seal the patch's frame, whose last cycle ends at `due`, ns."""
    header, flags = pool(patch, "frame_header")[0], 0
    if patch.cycles == patch.num_waiting:
        flags |= Flags.FIRST
    header["final_bits"] = 0
    if patch.is_ending:
        flags |= Flags.LAST
        header["final_bits"] = header["bits_per_cycle"]
        life = pool(program, "lives")[patch.life]
        if life.basis:
            flags |= Flags.SECOND_READOUT
        if life.decides:
            flags |= Flags.DECIDE
    header["flags"] = flags
    header["cycles"] = patch.num_waiting
    header["shot"] = patch.life
    header["sequence"] = patch.sequence
    header["first_cycle"] = patch.cycles - patch.num_waiting
    header["due_ns"] = due
    seal_frame(pool(patch, "frame"), header, patch.size)
    patch.sequence += 1
    patch.num_waiting = 0
    patch.is_ready = 1


@kernel
def draw_cycle(program, patch, due):
    """Draw a cycle of a patch, the readout too if it is the last; seal the frame if it is complete."""
    ending, life = patch.is_ending, pool(program, "lives")[patch.life]
    which = min(patch.cycles, program.num_first)
    if ending:
        which = program.num_first + 1 + 2 * life.basis
    draw_layer(program, patch, which)
    take_layer(patch)
    patch.cycles += 1
    patch.num_waiting += 1
    if ending:
        draw_layer(program, patch, which + 1)
        take_layer(patch)
        life.cycles = patch.cycles
        life.flips = pool(patch, "flips")[0]
        life.due_ns = due
        if patch.log_used > len(pool(patch, "log")):
            life.log = -1
    if ending or patch.num_waiting == program.frame_cycles:
        seal_patch_frame(program, patch, due)


@kernel
def decode_at(program, number, due):
    """Decode a patch's frame, sent at `due`, on the simulated clock; false if the workspace is too small."""
    patch, served = pool(program, "patches")[number], pool(program, "served")[number]
    session, frame = pool(served, "session")[0], pool(patch, "frame")
    message = pool(session, "frame")
    for byte in range(patch.size):
        message[byte] = frame[byte]
    begin = max(program.decoder_free_ns, due + program.hop_ns)
    before = cpu_now_ns()
    if not session_frame(session, patch.size, begin):
        return False
    spent = cpu_now_ns() - before
    if program.service_ns > 0:
        header = pool(patch, "frame_header")[0]
        spent = program.service_ns * (np.int64(header["cycles"]) + patch.is_ending)
    done = begin + spent
    program.decoder_free_ns = done
    program.busy_ns += spent
    for at in range(session.num_answers):
        header = answer_header(session, at)
        if header["type"] == Type.COMMIT:
            continue
        life = pool(program, "lives")[header["shot"]]
        answer = answer_message(session, at)
        life.predicted = answer[RESULT_BYTES]
        life.status = header["status"]
        if header["type"] == Type.OUTCOME:
            life.gap = read_gap(program, life, answer)
        life.done_ns = done
        life.received_ns = done + program.hop_ns
        program.num_answers += 1
    session.num_answers = 0
    return True


@kernel
def send_frame(program, number, due):
    """Give a patch's frame to the decoder; an End, PAUSED if it was taken."""
    patch = pool(program, "patches")[number]
    if program.num_served > 0:
        if not decode_at(program, number, due):
            return End.FULL
    elif not send_message(pool(patch, "link")[0], pool(patch, "frame"), patch.size):
        return End.OVERRUN
    patch.size = HEADER_BYTES
    patch.is_ready = 0
    if patch.is_ending:
        patch.is_ending = 0
        patch.is_alive = 0
    return End.PAUSED


@kernel
def run_cycle(program):
    """Play one cycle of all patches, until it ends; an End, PAUSED if the program continues."""
    patches = pool(program, "patches")
    program.cycle += 1
    due = frame_due(program.start_ns, program.cycle, program.cycle_ps)
    for at in range(len(patches)):
        if patches[at].is_alive:
            draw_cycle(program, patches[at], due)
    if program.num_served == 0:
        take_answers(program)
        now = now_ns()
        while now < due:
            take_answers(program)
            now = now_ns()
        count_value(pool(program, "lateness_counts"), pool(program, "lateness_totals"), now - due)
    for at in range(len(patches)):
        if patches[at].is_ready:
            end = send_frame(program, at, due)
            if end != End.PAUSED:
                return end
    return End.PAUSED


@kernel
def prepare_patch(program, number):
    """Begin a patch's life."""
    patch = pool(program, "patches")[number]
    events, flips = pool(patch, "events"), pool(patch, "flips")
    events[:] = 0
    flips[:] = 0
    life = pool(program, "lives")[program.num_lives]
    life.patch = number
    life.shot = program.num_shots
    life.log = patch.log_used
    life.predicted = -1
    patch.is_alive = 1
    patch.life = program.num_lives
    patch.cycles = 0
    patch.num_waiting = 0
    patch.size = HEADER_BYTES
    patch.frame_flips = 0
    patch.ideal_flips = 0
    program.num_lives += 1


@kernel
def measure_patch(program, operation):
    """Let the patch's next cycle be its last, in the basis that the operation and its condition choose."""
    lives, outcomes = pool(program, "lives"), pool(program, "outcomes")
    patch = pool(program, "patches")[operation.patch]
    life = lives[patch.life]
    life.outcome = operation.outcome
    life.basis = operation.basis
    life.ideal_basis = operation.basis
    life.decides = operation.decides
    if operation.condition >= 0:
        condition = lives[outcomes[operation.condition]]
        if decoded_value(condition):
            life.basis = operation.basis_if
        if ideal_value(condition):
            life.ideal_basis = operation.basis_if
    life.coin = next_word(pool(program, "random")) & 1
    life.frame = (patch.frame_flips >> life.basis) & 1
    life.ideal_frame = (patch.ideal_flips >> life.basis) & 1
    outcomes[operation.outcome] = patch.life
    patch.is_ending = 1


@kernel
def correct_patch(program, operation):
    """Flip the frame of a patch's later outcome, if the operation's condition is met."""
    patch, met, ideally = pool(program, "patches")[operation.patch], 1, 1
    if operation.condition >= 0:
        life = pool(program, "lives")[pool(program, "outcomes")[operation.condition]]
        met, ideally = decoded_value(life), ideal_value(life)
    if met:
        patch.frame_flips ^= operation.flips
    if ideally:
        patch.ideal_flips ^= operation.flips


@kernel
def await_outcome(program, number):
    """Idle until the source has an outcome at the beginning of a cycle; an End, PAUSED if it has."""
    life = pool(program, "lives")[pool(program, "outcomes")[number]]
    patch = pool(program, "patches")[life.patch]
    if patch.is_ending:
        end = run_cycle(program)
        if end != End.PAUSED:
            return end
    begin = frame_due(program.start_ns, program.cycle, program.cycle_ps)
    if life.needed_ns == 0:
        life.needed_ns = begin
    while life.predicted < 0 or life.received_ns + program.delay_ns > begin:
        if life.idle >= program.longest_wait:
            return End.UNANSWERED
        life.idle += 1
        end = run_cycle(program)
        if end != End.PAUSED:
            return end
        begin = frame_due(program.start_ns, program.cycle, program.cycle_ps)
    if life.acted_ns == 0:
        life.acted_ns = begin
    return End.PAUSED if life.status == Status.OK else End.FAILED


@kernel
def abort_patches(program):
    """End the lives of all patches without a measurement; an End, PAUSED if the decoder was told."""
    patches = pool(program, "patches")
    due = frame_due(program.start_ns, program.cycle, program.cycle_ps)
    for at in range(len(patches)):
        patch = patches[at]
        if not patch.is_alive:
            continue
        life, header = pool(program, "lives")[patch.life], pool(patch, "frame_header")[0]
        life.outcome = -1
        life.basis = life.ideal_basis = life.cycles = 0
        is_first = patch.cycles == patch.num_waiting
        header["flags"] = Flags.ABORT | Flags.FIRST if is_first else Flags.ABORT
        header["cycles"] = header["final_bits"] = 0
        header["shot"] = patch.life
        header["sequence"] = patch.sequence
        header["first_cycle"] = patch.cycles - patch.num_waiting
        header["due_ns"] = due
        patch.size = HEADER_BYTES
        seal_frame(pool(patch, "frame"), header, patch.size)
        patch.sequence += 1
        patch.num_waiting = 0
        patch.is_ending = 1
        end = send_frame(program, at, due)
        if end != End.PAUSED:
            return end
    return End.PAUSED


@kernel
def judge_outcome(program, operation):
    """Discard the shot or repeat operations if the awaited outcome's gap is too small; return an End."""
    number = pool(program, "outcomes")[operation.outcome]
    life = pool(program, "lives")[number]
    if life.gap < operation.least_gap:
        if operation.unsure == Unsure.DISCARD:
            pool(program, "shots")[program.num_shots].is_discarded = 1
            program.next_operation = program.num_operations
            return abort_patches(program)
        if operation.unsure == Unsure.REPEAT and operation.repeated < operation.times:
            operation.repeated += 1
            life.outcome = -1
            program.next_operation = operation.target
            return End.PAUSED
    operation.repeated = 0
    return End.PAUSED


@kernel
def run_operation(program, operation):
    """Carry out one operation; an End, PAUSED if the program continues."""
    kind = operation.kind
    if kind == Kind.PREPARE:
        prepare_patch(program, operation.patch)
    elif kind == Kind.MEASURE:
        measure_patch(program, operation)
    elif kind == Kind.CORRECT:
        correct_patch(program, operation)
    elif kind == Kind.WAIT:
        end = await_outcome(program, operation.outcome)
        return judge_outcome(program, operation) if end == End.PAUSED else end
    else:
        for _ in range(operation.cycles):
            end = run_cycle(program)
            if end != End.PAUSED:
                return end
    return End.PAUSED


@kernel
def play_program(programs, until_ns):
    """Play the remaining shots of a program and receive all answers.

    Args:
        programs: one PROGRAM record; written.
        until_ns: when to return at the latest, at the end of a shot.

    Returns:
        An End. After PAUSED, call again.
    """
    program = programs[0]
    operations, shots = pool(program, "operations"), pool(program, "shots")
    while program.num_shots < len(shots):
        if now_ns() >= until_ns:
            return End.PAUSED
        shot = shots[program.num_shots]
        shot.first_cycle = program.cycle
        shot.first_life = program.num_lives
        program.next_operation = 0
        while program.next_operation < len(operations):
            program.next_operation += 1
            end = run_operation(program, operations[program.next_operation - 1])
            if end != End.PAUSED:
                return end
        ending = False
        patches = pool(program, "patches")
        for at in range(len(patches)):
            ending |= patches[at].is_ending != 0
        if ending:
            end = run_cycle(program)
            if end != End.PAUSED:
                return end
        shot.stop_cycle = program.cycle
        shot.stop_life = program.num_lives
        program.num_shots += 1
    while program.num_answers < program.num_lives:
        take_answers(program)
        if now_ns() >= until_ns:
            return End.PAUSED
    return End.DONE
