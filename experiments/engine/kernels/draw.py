"""Shots of a detector error model, drawn without visiting absent errors or empty shots.

The errors of a shot are the arrivals of a Poisson process on the line of errors of
`qec.sampling.kernels.errors`, one interval (slot) for each error. The line is repeated shot by shot, and one
process runs through all shots of a block: arrivals beyond the end of a shot belong to the next ones. Each
block has a generator of its own, so that results do not depend on threads.
"""

import numpy as np

from decoders.kernels.records import Pool, pool, record
from experiments.engine.kernels.jit import kernel
from qec.sampling.kernels.errors import ERROR, GROUP, error_of, find_slot, flip_targets
from qec.sampling.kernels.random import next_exponential, next_float, start_stream

_i8 = np.int64
BLOCK = 1024  # shots drawn with one generator
UNKNOWN, SUCCEEDS, FAILS = range(3)  # entries of `alone`

MODEL = record(  # read by all threads; only `alone` is written, always with the same values
    groups=Pool(GROUP, "num_groups + 1"),
    guide=Pool(np.int32, "num_parts"),
    errors=Pool(ERROR, "num_errors + 1"),
    targets=Pool(_i8, "num_targets"),
    alone_first=Pool(_i8, "num_groups"),  # where the slots of a group begin in `alone`
    alone=Pool(np.uint8, "num_alone"),  # whether decoding fails for an error that is alone in its shot
    certain=Pool(np.uint8, "shot_bytes"),  # detectors flipped in every shot
    certain_flips=Pool(np.uint8, "flip_bytes"),  # observables flipped in every shot
    inverted=Pool(np.uint8, "shot_bytes"),  # `certain`, and what the decoder flips before it decodes
    num_groups=_i8,
    num_parts=_i8,
    num_errors=_i8,
    num_targets=_i8,
    num_alone=_i8,  # 0: not remembered
    shot_bytes=_i8,
    flip_bytes=_i8,
    has_inverted=_i8,
    empty_fails=_i8,  # whether decoding fails for a shot without errors; if not has_inverted
)
RUN = record(  # what one thread draws
    state=Pool(np.uint64, "4"),  # of the random number generator
    row=Pool(np.uint8, "shot_bytes"),  # detectors flipped in the present shot; zero between shots
    flips=Pool(np.uint8, "flip_bytes"),  # observables flipped; zero between shots
    shot_bytes=_i8,
    flip_bytes=_i8,
    seed=np.uint64,
    shot=_i8,  # the next one to draw; starts at the beginning of a block
    block_end=_i8,  # first shot of the next block; the same as `shot` at the start
    first=_i8,  # first shot to count
    end=_i8,  # shot at which to stop
    time=np.float64,  # of the next arrival, from the beginning of the next shot
    failures=_i8,
    alone_at=_i8,  # the only error of the present shot as a place in `alone`, or -1
    num_fired=_i8,
    waiting=_i8,  # the present shot could not be decoded for lack of memory
)


@kernel
def begin_block(run):
    """Start the generator of the next block where the last one ends."""
    if run.shot == run.block_end:
        state = pool(run, "state")
        start_stream(state, run.seed, np.uint64(run.shot // BLOCK))
        run.time = next_exponential(state)
        run.block_end += BLOCK


@kernel
def draw_errors(model, run, row, flips):
    """Draw the errors of one shot; apply them only if there are several.

    Returns:
        Number of errors; the first one's group and slot.
    """
    groups, guide = pool(model, "groups"), pool(model, "guide")
    errors, targets, state = pool(model, "errors"), pool(model, "targets"), pool(run, "state")
    end = groups[model.num_groups].start
    number, first_group, first_slot = 0, np.int64(0), np.int64(0)
    time = run.time
    while time < end:
        at, slot = find_slot(groups, guide, time)
        error, shift = error_of(groups[at], slot)
        if errors[error].keep >= 1.0 or next_float(state) < errors[error].keep:
            number += 1
            if number == 1:
                first_group, first_slot = at, slot
            else:
                if number == 2:
                    apply_slot(model, first_group, first_slot, row, flips)
                flip_targets(errors, targets, error, shift, row, flips)
        time = groups[at].start + (slot + 1) * groups[at].hazard + next_exponential(state)
    run.time = time - end
    run.shot += 1
    return number, first_group, first_slot


@kernel
def apply_slot(model, at, slot, row, flips):
    """Apply the error in a slot of group `at`."""
    error, shift = error_of(pool(model, "groups")[at], slot)
    flip_targets(pool(model, "errors"), pool(model, "targets"), error, shift, row, flips)


@kernel
def skip_empty_shots(model, run):
    """Count shots before the next arrival, all in this block, as shots without errors."""
    length = pool(model, "groups")[model.num_groups].start
    left = min(run.end, run.block_end) - run.shot
    skipped = left if run.time >= left * length else np.int64(run.time / length)
    run.time -= skipped * length
    run.failures += model.empty_fails * max(0, run.shot + skipped - max(run.shot, run.first))
    run.shot += skipped


@kernel
def draw_shot(model, run):
    """Draw and count shots until one has to be decoded; return whether there is one.

    Leaves it in `row` and `flips`. Shots without errors are counted at once; so are shots with a single error
    that has been decoded before.
    """
    row, flips, alone = pool(run, "row"), pool(run, "flips"), pool(model, "alone")
    while run.shot < run.end:
        begin_block(run)
        if not model.has_inverted:
            skip_empty_shots(model, run)
            if run.shot == min(run.end, run.block_end):
                continue
        number, at, slot = draw_errors(model, run, row, flips)
        is_counted = run.shot > run.first
        run.alone_at = -1
        if number == 0 and not model.has_inverted:  # all arrivals were rejected
            run.failures += is_counted * model.empty_fails
            continue
        if number == 1:
            if model.num_alone > 0:
                run.alone_at = pool(model, "alone_first")[at] + slot
                if alone[run.alone_at] != UNKNOWN:
                    run.failures += is_counted and alone[run.alone_at] == FAILS
                    continue
            apply_slot(model, at, slot, row, flips)
        if is_counted:
            return True
        row[:] = 0
        flips[:] = 0
    return False


@kernel
def count_prediction(model, run, predicted):
    """Count the present shot as a failure if its flips, uint8 (flip_bytes,), were predicted wrongly.

    Empties `flips`.
    """
    flips, certain = pool(run, "flips"), pool(model, "certain_flips")
    failed = False
    for byte in range(model.flip_bytes):
        failed |= predicted[byte] != flips[byte] ^ certain[byte]
        flips[byte] = 0
    run.failures += failed
    if run.alone_at >= 0:
        pool(model, "alone")[run.alone_at] = FAILS if failed else SUCCEEDS


@kernel
def draw_rows(models, runs, events, flips):
    """Draw shots from `first` on into rows, uint8 (shots, shot_bytes) and (shots, flip_bytes)."""
    model, run = models[0], runs[0]
    certain, certain_flips = pool(model, "certain"), pool(model, "certain_flips")
    while run.shot < run.end:
        begin_block(run)
        at = max(0, run.shot - run.first)
        row, flipped = events[at], flips[at]
        row[:] = certain
        flipped[:] = certain_flips
        number, group, slot = draw_errors(model, run, row, flipped)
        if number == 1:
            apply_slot(model, group, slot, row, flipped)
