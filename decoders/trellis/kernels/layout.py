"""The memory of the sweep: what it goes through, the same for all shots, and the beam of one thread."""

import numpy as np

from decoders.kernels.records import Pool, record

_i4, _i8, _u8, _f8 = np.int32, np.int64, np.uint64, np.float64

#: Ranks are sorted by their four highest bits of a power of two: four buckets to a factor of two.
BUCKET_SHIFT = _i8(50)
NUM_BUCKETS = _i8(256)
#: States of one bucket differ by less than this factor.
IN_BUCKET = 1.25

# A step closes one detector. Open detectors have a bit in the states' words, reused once they are closed.
STEP = record(
    word=_i8,  # where the bit of the detector is that is closed
    bit=_u8,
    first_new=_i8,  # detectors that are opened: openings[first_new:last_new]
    last_new=_i8,
    first_mechanism=_i8,  # mechanisms that are decided: all that flip it and no closed detector
    last_mechanism=_i8,
    first_change=_i8,  # open detectors whose hope changes: changes[first_change:last_change]
    last_change=_i8,
    quiet=_f8,  # the rank that the best of its mechanisms has if nothing of what it flips has fired
)
OPENING = record(detector=_i8, word=_i8, bit=_u8)
MECHANISM = record(
    odds=_f8,
    own=_f8,  # hope of the step's detector
    late=_f8,  # what that hope has come down to after this mechanism: for those that set the bit again
    first_link=_i8,  # other detectors that it flips: links[first_link:last_link]
    last_link=_i8,
)
LINK = record(word=_i8, bit=_u8, hope=_f8, despair=_f8)  # despair = 1 / hope
CHANGE = record(word=_i8, bit=_u8, factor=_f8)
SWEEP = record(
    steps=Pool(STEP, "num_steps"),
    openings=Pool(OPENING, "num_openings"),
    mechanisms=Pool(MECHANISM, "num_mechanisms"),
    links=Pool(LINK, "num_links"),
    changes=Pool(CHANGE, "num_changes"),
    masks=Pool(_u8, "num_mechanisms * words"),  # what a mechanism does to a state's words
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
    chance=_f8,  # total of all sets of mechanisms that lead here
    hope=_f8,  # guess of what it will be multiplied with until the end
    rank=_f8,  # chance * hope; the best is about 1
    gained=_f8,  # of the running mechanism
)
SLOT = record(stamp=_i8, state=_i8)
BEAM = record(
    states=Pool(STATE, "2 * room"),  # one half is read while the other is written
    rank_bits=Pool(_i8, "8 * room"),  # the same memory
    keys=Pool(_u8, "2 * room * words"),  # undone detection events and flipped observables
    table=Pool(SLOT, "table_size"),  # hash table of the states
    with_event=Pool(_i8, "room"),  # states that have the step's detector fired, best first
    without=Pool(_i8, "room"),  # the others
    counts=Pool(_i8, f"{NUM_BUCKETS} + 1"),
    hot=Pool(_u8, "words"),  # detectors fired in any state
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
    num_states=_i8,  # in the half that is read
    num_with=_i8,
    num_without=_i8,
    sorted_with=_i8,  # so many of the first are in order
    sorted_without=_i8,
    hashed=_i8,
    num_classes=_i8,
    width=_i8,  # most states that survive a step
    spread=_f8,  # states of less rank are given up
    floor=_f8,  # no state is begun of less rank than this: spread, or more when the beam is full
    pressure=_f8,  # then so much of the rank of the last state that was kept
    sure=_f8,  # no further sweep is made where the best class is this much ahead, in log-likelihood
    scale=_f8,  # logarithm of what chances have been divided by
    best_with=_f8,
    best_without=_f8,
)
