"""Records of a running program. Fields are int64 where no type is given; times are ns."""

from enum import IntEnum

import numpy as np

from decoders.kernels.records import Pool, record
from qec.sampling.kernels.errors import ERROR, GROUP
from realtime.kernels.histogram import NUM_BUCKETS, NUM_TOTALS
from realtime.kernels.records import LATENCIES, LINK, SESSION
from realtime.protocol import wire

_i8, _u1 = np.int64, np.uint8


def _numbers(*names: str) -> dict[str, type[np.int64]]:
    return dict.fromkeys(names, np.int64)


class Kind(IntEnum):
    """Kinds of operations."""

    PREPARE = 0
    IDLE = 1
    MEASURE = 2
    WAIT = 3
    CORRECT = 4
    MERGE = 5


class Unsure(IntEnum):
    """Reactions to an outcome with a small gap."""

    #: The outcome counts like any other.
    GO_ON = 0
    #: The shot ends, and is no result.
    DISCARD = 1
    #: The operations since the patch was prepared are repeated.
    REPEAT = 2


class End(IntEnum):
    """Reasons why the source's loop returns."""

    #: All shots were played and answered.
    DONE = 0
    #: Call again; the caller may look at its stop flag in between.
    PAUSED = 1
    #: An outcome was awaited for more than the permitted cycles.
    UNANSWERED = 2
    #: The decoder's ring has no room: the decoder is too far behind.
    OVERRUN = 3
    #: An answer with a status other than OK.
    FAILED = 4
    #: A simulated decoder's workspace is too small.
    FULL = 5
    #: A simulated decoder lacks the graph of a window, see `SequenceDecoder.extend`.
    MISSING = 6


OPERATION = record(
    **_numbers(
        "kind",  # a Kind
        "patch",
        "cycles",  # IDLE
        "outcome",  # MEASURE: its number; WAIT: the one awaited
        "basis",  # MEASURE: 0 is z, 1 is x
        "condition",  # MEASURE, CORRECT: number of an outcome, -1: none
        "basis_if",  # MEASURE: basis if the condition's outcome is 1
        "decides",  # MEASURE: whether the program waits for the outcome
        "flips",  # CORRECT: bit 0 flips outcomes in z, bit 1 those in x
        "least_gap",  # WAIT: a smaller gap, in steps of 1 / wire.GAP_STEPS, is unsure
        "unsure",  # WAIT: an Unsure
        "times",  # WAIT: most repetitions
        "target",  # WAIT: operation from which it repeats
        "repeated",  # WAIT: repetitions in this shot; state
    )
)

LAYER = record(  # errors that begin in one layer of a patch; see qec.sampling.kernels.errors
    groups=Pool(GROUP, "num_groups + 1"),
    guide=Pool(np.int32, "num_parts"),
    errors=Pool(ERROR, "num_errors + 1"),
    targets=Pool(_i8, "num_targets"),  # detectors of the layer, then of the next ones, row by row
    **_numbers("num_groups", "num_parts", "num_errors", "num_targets"),
)

#: A patch from its preparation to its measurement, and the outcome.
LIFE_FIELDS = (
    "patch",
    "shot",
    "outcome",  # -1: of a shot that was discarded before, or repeated since
    "decides",  # whether the program waits for the outcome
    "basis",
    "ideal_basis",  # the basis if all decoded outcomes were right
    "cycles",
    "log",  # first byte of its rows in the patch's log; -1: the log was full
    "coin",  # the outcome if there were no errors
    "flips",  # observables that errors flipped
    "predicted",  # observables that the decoder flipped; -1: no answer yet
    "status",  # of the answer
    "frame",  # whether corrections flip the outcome
    "ideal_frame",  # whether they would if all decoded outcomes were right
    "due_ns",  # when the readout's data were due
    "done_ns",  # when the answer was ready
    "received_ns",  # when the source had it
    "needed_ns",  # when the program could not continue without it; 0: it never waited
    "acted_ns",  # beginning of the cycle in which the program continued
    "idle",  # cycles inserted
    "gap",  # of the outcome, in steps of 1 / wire.GAP_STEPS; 0: the decoder finds no gaps
)
LIFE = record(**_numbers(*LIFE_FIELDS))

#: A shot of the program, in cycles since the start.
SHOT_FIELDS = ("first_cycle", "stop_cycle", "first_life", "stop_life", "is_discarded")
SHOT = record(**_numbers(*SHOT_FIELDS))

PATCH = record(  # a patch of the source
    frame=Pool(_u1, str(wire.MAX_MESSAGE)),  # the frame being filled
    frame_header=Pool(wire.HEADER, "1"),  # the same memory
    answer=Pool(_u1, f"answer_stride * {wire.RESULT.itemsize}"),
    answer_header=Pool(wire.RESULT, "answer_stride"),  # the same memory
    link=Pool(LINK, "1"),
    events=Pool(_u1, "num_rows * row_bytes"),  # of the next layers
    flips=Pool(_u1, "8"),  # observables that errors flipped
    log=Pool(_u1, "log_bytes"),
    **_numbers("answer_stride", "row_bytes", "num_rows", "log_bytes"),
    # --- state
    **_numbers(
        "is_alive",
        "is_ending",  # the next cycle is the last, with the readout
        "life",
        "cycles",  # of this life
        "num_waiting",  # cycles in the frame
        "size",  # bytes of the frame
        "is_ready",  # the frame is sealed and to be sent
        "sequence",
        "frame_flips",  # of decoded corrections: bit 0 in z, bit 1 in x
        "ideal_flips",
        "log_used",
    ),
)

SERVED = record(  # a patch of the decoder
    session=Pool(SESSION, "1"),
    latencies=Pool(LATENCIES, "1"),
    link=Pool(LINK, "1"),
)

PROGRAM = record(  # of the source
    operations=Pool(OPERATION, "num_operations"),
    patches=Pool(PATCH, "num_patches"),
    served=Pool(SERVED, "num_served"),  # with a simulated clock, else empty
    layers=Pool(LAYER, "num_first + 5"),  # first layers, bulk, last cycle and readout in z, in x
    lives=Pool(LIFE, "most_lives"),
    shots=Pool(SHOT, "most_shots"),
    outcomes=Pool(_i8, "num_outcomes"),  # life of each outcome of the shot
    random=Pool(np.uint64, "4"),
    lateness_counts=Pool(_i8, str(NUM_BUCKETS)),  # of the source, from a cycle's end to its data sent
    lateness_totals=Pool(_i8, str(NUM_TOTALS)),
    **_numbers(
        "num_operations",
        "num_patches",
        "num_served",
        "num_first",
        "most_lives",
        "most_shots",
        "num_outcomes",
        "start_ns",
        "cycle_ps",
        "frame_cycles",
        "has_gaps",  # whether outcomes have gaps
        "delay_ns",  # added to every answer
        "longest_wait",  # cycles
        # simulated clock:
        "service_ns",  # of the decoder for a cycle; 0: the processor time that it takes
        "hop_ns",  # of a message
    ),
    # --- state
    **_numbers("cycle", "num_lives", "num_shots", "num_answers", "decoder_free_ns", "busy_ns"),
    next_operation=_i8,
)
