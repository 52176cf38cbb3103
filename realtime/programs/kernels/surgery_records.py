"""Records of a running program with merges. Fields are int64 where no type is given; times are ns."""

from enum import IntEnum

import numpy as np

from decoders.kernels.records import Pool, record
from decoders.streaming.kernels.layout import SEQUENCE
from realtime.kernels.histogram import NUM_BUCKETS, NUM_TOTALS
from realtime.kernels.records import LINK
from realtime.programs.kernels.records import LAYER, LIFE

_i8, _u1 = np.int64, np.uint8


def _numbers(*names: str) -> dict[str, type[np.int64]]:
    return dict.fromkeys(names, np.int64)


class Served(IntEnum):
    """Reasons why the decoder's loop returns."""

    STOPPED = 0
    #: The table of steps or graphs is to be extended, see `SequenceDecoder.extend`.
    MISSING = 1
    #: The workspace is too small.
    GROW = 2


# Places in `words` int64 (64,), which source and decoder share: a cache line and its neighbour each.
STOP, CUTTING, PASSED = 0, 16, 32

#: An operation; fields as in OPERATION, and those of merges.
STEP_FIELDS = (
    "kind",
    "patch",
    "other",  # MERGE: the second patch
    "cycles",
    "outcome",
    "basis",
    "condition",
    "basis_if",
    "decides",
    "flips",
    "number",  # MEASURE, MERGE: of the measurement
    "turn",  # MEASURE: bit that says that the basis is not that of the operation, see LAYER_CHOICE
)
STEP = record(**_numbers(*STEP_FIELDS))

#: A layer of the program's circuit: its variants, by the measurements of the last cycle and of this one
#: that are not made in the basis of their operation. `choices` begin at `first`, last cycle's bits on top.
LAYER_CHOICES = record(**_numbers("first", "num_turns"))
#: A variant of a layer.
LAYER_CHOICE = record(**_numbers("symbol", "table"))

#: A frame: layers of one shot, all patches together. Symbols and rows follow in the same memory.
FRAME = record(**_numbers("shot", "num_layers", "is_first", "is_last"))
#: An answer: observables that are final, and all flips, follow in the same memory.
ANSWER = record(**_numbers("shot", "done_ns", "has_failed"))
FRAME_BYTES, ANSWER_BYTES = FRAME.itemsize, ANSWER.itemsize
# Either end of the connection: the headers and the symbols are parts of the memory of frame and answer.
_MESSAGES = {
    "link": Pool(LINK, "1"),
    "frame": Pool(_u1, "frame_bytes"),
    "frame_header": Pool(FRAME, "1"),
    "symbols": Pool(_i8, "max_layers"),
    "answer": Pool(_u1, "answer_bytes"),
    "answer_header": Pool(ANSWER, "1"),
}

DECODER = record(  # of a program's shots
    sequence=Pool(SEQUENCE, "1"),
    **_MESSAGES,
    final=Pool(_u1, "flip_bytes"),
    **_numbers("frame_bytes", "max_layers", "row_bytes", "answer_bytes", "flip_bytes"),
    slow_ns=_i8,  # least time for a cycle, for studies of a slow decoder
    # --- state
    has_frame=_i8,  # a frame is being decoded
    next_layer=_i8,  # of the frame; -1: none of it has been decoded
    symbol=_i8,  # of the layer that is missing
    begin_ns=_i8,
    num_final=_i8,  # final observables of the last answer
)

PLAYED = record(**_numbers("first_cycle", "stop_cycle", "first_row", "num_rows"))  # a shot

SOURCE = record(
    steps=Pool(STEP, "num_steps"),
    layers=Pool(LAYER_CHOICES, "num_layers"),
    choices=Pool(LAYER_CHOICE, "num_choices"),
    tables=Pool(LAYER, "num_tables"),
    decoder=Pool(DECODER, "1"),  # with a simulated clock
    **_MESSAGES,
    words=Pool(_i8, "64"),
    # --- constants of the measurements; references in ascending order
    references=Pool(_u1, "2 * num_measurements * num_references"),  # by measurement and basis
    observables=Pool(_i8, "2 * num_measurements"),  # by measurement and basis
    is_merge=Pool(_u1, "num_references"),  # whether the reference is a random value of a merge
    # --- results
    lives=Pool(LIFE, "num_measurements * max_shots"),
    masks=Pool(_u1, "num_measurements * max_shots * flip_bytes"),  # observables that determine each outcome
    shots=Pool(PLAYED, "max_shots"),
    log_symbols=Pool(np.int32, "max_log"),  # of the layers that were sent
    log_rows=Pool(_u1, "max_log * row_bytes"),
    lateness_counts=Pool(_i8, str(NUM_BUCKETS)),  # of the source, from a cycle's end to its data sent
    lateness_totals=Pool(_i8, str(NUM_TOTALS)),
    # --- state of the shot
    random=Pool(np.uint64, "4"),
    events=Pool(_u1, "num_rows * row_bytes"),  # of the next layers
    flips=Pool(_u1, "flip_bytes"),  # observables that errors flipped
    coins=Pool(_u1, "num_references"),  # values if there were no errors
    is_known=Pool(_u1, "num_references"),  # whether an outcome has shown a merge's random value
    known_outcomes=Pool(_u1, "num_references * num_measurements"),  # whose parity it is
    known_references=Pool(_u1, "num_references * num_references"),  # together with these
    row=Pool(_u1, "num_references"),  # scratch
    parity=Pool(_u1, "num_measurements"),  # scratch
    frames=Pool(_i8, "2 * num_patches"),  # of each patch: decoded, ideal; bit 0 in z, bit 1 in x
    latest=Pool(_i8, "num_outcomes"),  # measurement of each outcome
    ending=Pool(_i8, "num_measurements"),  # measurements of patches that end with the next cycle
    **_numbers(
        "num_steps",
        "num_layers",
        "num_choices",
        "num_tables",
        "num_measurements",
        "num_references",
        "num_patches",
        "num_outcomes",
        "num_rows",
        "row_bytes",
        "flip_bytes",
        "frame_bytes",
        "answer_bytes",
        "max_layers",
        "max_shots",
        "max_log",
        "start_ns",
        "cycle_ps",
        "frame_cycles",
        "delay_ns",
        "longest_wait",
        "wait_cycles",  # layers of a wait
        # simulated clock:
        "is_simulated",
        "service_ns",
        "hop_ns",
    ),
    # --- state
    **_numbers(
        "cycle",
        "next_step",
        "elapsed",  # cycles of the operation that have passed
        "layer",  # of the next cycle
        "wait_layer",  # first layer of the wait
        "turned",  # bits of the measurements of the next cycle
        "last_turned",  # of the last one
        "num_ending",
        "is_playing",  # a shot has begun
        "is_over",  # its last layer was drawn
        "is_ready",  # the frame is to be sent
        "is_sent_before",  # whether a frame of the shot has been sent
        "frame_due_ns",
        "spent_ns",  # by the simulated decoder on the frame
        "num_shots",
        "num_answers",
        "log_used",
        "decoder_free_ns",
        "busy_ns",
        "stopped_wait",
        "has_failed",  # the decoder could not explain detection events
    ),
)
