"""The memory of the sweep: what it goes through, the same for all shots, and the beam of one thread."""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import _record
from decoders.kernels.pools import view

_i4, _i8, _u8, _f8 = np.int32, np.int64, np.uint64, np.float64

# A step closes one detector. Open detectors have a bit in the states' words, reused once they are closed.
STEP = _record(
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
OPENING = _record(detector=_i8, word=_i8, bit=_u8)
MECHANISM = _record(
    odds=_f8,
    own=_f8,  # hope of the step's detector
    late=_f8,  # what that hope has come down to after this mechanism: for those that set the bit again
    first_link=_i8,  # other detectors that it flips: links[first_link:last_link]
    last_link=_i8,
)
LINK = _record(word=_i8, bit=_u8, hope=_f8, despair=_f8)  # despair = 1 / hope
CHANGE = _record(word=_i8, bit=_u8, factor=_f8)
SWEEP = _record(
    steps=_i8,  # STEP (num_steps,)
    openings=_i8,  # OPENING (num_openings,)
    mechanisms=_i8,  # MECHANISM (num_mechanisms,)
    links=_i8,  # LINK (num_links,)
    changes=_i8,  # CHANGE (num_changes,)
    masks=_i8,  # uint64 (num_mechanisms * words,): what a mechanism does to a state's words
    step_masks=_i8,  # uint64 (num_steps * open_words,): bits of all detectors that a step's mechanisms flip
    num_steps=_i8,
    num_openings=_i8,
    num_mechanisms=_i8,
    num_links=_i8,
    num_changes=_i8,
    open_words=_i8,  # words of open detectors; those of observables follow
    words=_i8,
)
STATE = _record(
    chance=_f8,  # total of all sets of mechanisms that lead here
    hope=_f8,  # guess of what it will be multiplied with until the end
    rank=_f8,  # chance * hope; the best is about 1
    gained=_f8,  # of the running mechanism
)
SLOT = _record(stamp=_i8, state=_i8)
BEAM = _record(
    states=_i8,  # STATE (2 room,): one half is read while the other is written
    rank_bits=_i8,  # int64 (8 room,): the same memory
    keys=_i8,  # uint64 (2 room * words,): undone detection events and flipped observables
    table=_i8,  # SLOT (table_size,): hash table of the states
    with_event=_i8,  # int64 (room,): states that have the step's detector fired, best first
    without=_i8,  # int64 (room,): the others
    counts=_i8,  # int64 (num_buckets + 1,)
    hot=_i8,  # uint64 (words,): detectors fired in any state
    fired=_i8,  # uint8 (num_detectors,): the shot, a byte per detector
    class_flips=_i8,  # uint64 (max_classes * class_words,)
    class_score=_i8,  # float64 (max_classes,)
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
#: Ranks are sorted by their four highest bits of a power of two: four buckets to a factor of two.
BUCKET_SHIFT = _i8(50)
NUM_BUCKETS = _i8(256)
#: States of one bucket differ by less than this factor.
IN_BUCKET = 1.25


@kernel
def steps_of(plan):
    """The pool `steps` of a sweep record."""
    return view(plan.steps, plan.num_steps, STEP)


@kernel
def openings_of(plan):
    """The pool `openings` of a sweep record."""
    return view(plan.openings, plan.num_openings, OPENING)


@kernel
def mechanisms_of(plan):
    """The pool `mechanisms` of a sweep record."""
    return view(plan.mechanisms, plan.num_mechanisms, MECHANISM)


@kernel
def links_of(plan):
    """The pool `links` of a sweep record."""
    return view(plan.links, plan.num_links, LINK)


@kernel
def changes_of(plan):
    """The pool `changes` of a sweep record."""
    return view(plan.changes, plan.num_changes, CHANGE)


@kernel
def masks_of(plan):
    """The pool `masks` of a sweep record."""
    return view(plan.masks, plan.num_mechanisms * plan.words, np.uint64)


@kernel
def step_masks_of(plan):
    """The pool `step_masks` of a sweep record."""
    return view(plan.step_masks, plan.num_steps * plan.open_words, np.uint64)


@kernel
def states_of(beam):
    """The pool `states` of a beam record."""
    return view(beam.states, 2 * beam.room, STATE)


@kernel
def rank_bits_of(beam):
    """The pool `states` of a beam record as integers: as positive numbers grow, so do their bits."""
    return view(beam.rank_bits, 8 * beam.room, np.int64)


@kernel
def keys_of(beam):
    """The pool `keys` of a beam record."""
    return view(beam.keys, 2 * beam.room * beam.words, np.uint64)


@kernel
def table_of(beam):
    """The pool `table` of a beam record."""
    return view(beam.table, beam.table_size, SLOT)


@kernel
def with_event_of(beam):
    """The pool `with_event` of a beam record."""
    return view(beam.with_event, beam.room, np.int64)


@kernel
def without_of(beam):
    """The pool `without` of a beam record."""
    return view(beam.without, beam.room, np.int64)


@kernel
def counts_of(beam):
    """The pool `counts` of a beam record."""
    return view(beam.counts, int(NUM_BUCKETS) + 1, np.int64)


@kernel
def hot_of(beam):
    """The pool `hot` of a beam record."""
    return view(beam.hot, beam.words, np.uint64)


@kernel
def fired_of(beam):
    """The pool `fired` of a beam record."""
    return view(beam.fired, beam.num_detectors, np.uint8)


@kernel
def class_flips_of(beam):
    """The pool `class_flips` of a beam record."""
    return view(beam.class_flips, beam.max_classes * beam.class_words, np.uint64)


@kernel
def class_score_of(beam):
    """The pool `class_score` of a beam record."""
    return view(beam.class_score, beam.max_classes, np.float64)
