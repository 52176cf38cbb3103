"""Records of the trellis decoder: the plan of a sweep, the same for all shots, and the beam of one thread."""

import numpy as np

from decoders.kernels.records import Pool, record

_i4, _i8, _u8, _f8 = np.int32, np.int64, np.uint64, np.float64

#: Ranks are bucketed by the exponent and the two highest bits of the mantissa: four buckets per factor of 2.
BUCKET_SHIFT = _i8(50)
NUM_BUCKETS = _i8(256)
#: Ranks in one bucket differ by at most this factor.
IN_BUCKET = 1.25

# A step closes one detector: it processes all remaining mechanisms that flip it. Open detectors have a bit
# in the words of a state, which is reused once they are closed.
STEP = record(
    word=_i8,  # word and bit of the detector that is closed
    bit=_u8,
    first_new=_i8,  # detectors opened: openings[first_new:last_new]
    last_new=_i8,
    first_mechanism=_i8,  # mechanisms processed: all that flip it and no closed detector
    last_mechanism=_i8,
    first_change=_i8,  # open detectors whose heuristic changes: changes[first_change:last_change]
    last_change=_i8,
    idle_rank=_f8,  # rank of its best mechanism in a state in which none of the detectors it flips has fired
)
OPENING = record(detector=_i8, word=_i8, bit=_u8)
MECHANISM = record(
    odds=_f8,
    own=_f8,  # heuristic of the step's detector before the step
    late=_f8,  # the same after this mechanism, for states in which the mechanism makes the detector fire
    first_link=_i8,  # other detectors that it flips: links[first_link:last_link]
    last_link=_i8,
)
LINK = record(word=_i8, bit=_u8, heuristic=_f8, inverse=_f8)  # a detector, its heuristic and the reciprocal
CHANGE = record(word=_i8, bit=_u8, factor=_f8)  # a detector, and the factor of its heuristic
SWEEP = record(
    steps=Pool(STEP, "num_steps"),
    openings=Pool(OPENING, "num_openings"),
    mechanisms=Pool(MECHANISM, "num_mechanisms"),
    links=Pool(LINK, "num_links"),
    changes=Pool(CHANGE, "num_changes"),
    masks=Pool(_u8, "num_mechanisms * words"),  # flips of each mechanism, as words of a state
    step_masks=Pool(_u8, "num_steps * open_words"),  # bits of all detectors that a step's mechanisms flip
    num_steps=_i8,
    num_openings=_i8,
    num_mechanisms=_i8,
    num_links=_i8,
    num_changes=_i8,
    open_words=_i8,  # words of open detectors; those of observables follow
    words=_i8,
)
STATE = record(
    likelihood=_f8,  # likelihood: sum over all sets of mechanisms that lead to this state
    heuristic=_f8,  # estimated factor of the likelihood due to the remaining detection events
    rank=_f8,  # product of both; the best is about 1
    added=_f8,  # likelihood added by the current mechanism
)
SLOT = record(stamp=_i8, state=_i8)  # valid if the stamp is that of the beam
# BEAM: written by the kernels of beam.py and classes.py, reset for every sweep by initialize_beam. The first
# `sorted_with` and `sorted_without` states of the two lists are in order of rank.
BEAM = record(
    states=Pool(STATE, "2 * room"),  # double buffer: one half is current, the other receives survivors
    rank_bits=Pool(_i8, "8 * room"),  # the same memory as integers
    keys=Pool(_u8, "2 * room * words"),  # remaining detection events and flipped observables of each state
    table=Pool(SLOT, "table_size"),  # hash table of the states
    with_event=Pool(_i8, "room"),  # states in which the step's detector has fired, best first
    without=Pool(_i8, "room"),  # the others
    counts=Pool(_i8, f"{NUM_BUCKETS} + 1"),  # states per bucket of ranks
    any_fired=Pool(_u8, "words"),  # union of the detectors fired in any state
    fired=Pool(np.uint8, "num_detectors"),  # the shot, a byte per detector
    class_flips=Pool(_u8, "max_classes * class_words"),
    class_score=Pool(np.float64, "max_classes"),
    room=_i8,
    words=_i8,
    table_size=_i8,  # a power of two
    num_detectors=_i8,
    max_classes=_i8,
    class_words=_i8,
    stamp=_i8,
    half=_i8,
    num_states=_i8,  # in the current half
    num_with=_i8,
    num_without=_i8,
    sorted_with=_i8,
    sorted_without=_i8,
    hashed=_i8,
    num_classes=_i8,
    width=_i8,  # most states that survive a step
    spread=_f8,  # states of smaller rank are dropped
    floor=_f8,  # smallest rank of new states: spread, or more if the beam is full
    creation_threshold=_f8,  # the latter as a fraction of the rank of the last state kept
    decisive_gap=_f8,  # later sweeps are skipped if the best class leads by this much, in log-likelihood
    scale=_f8,  # logarithm of the factor by which likelihoods have been divided
    best_with=_f8,
    best_without=_f8,
)
