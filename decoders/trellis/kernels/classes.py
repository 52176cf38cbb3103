"""Logical classes found by the sweeps of one shot, with their log-likelihoods."""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.records import pool


@kernel
def enter_class(beam, flips, start, score):
    """Give a class of observables a score, unless it has a better one."""
    class_flips, class_score = pool(beam, "class_flips"), pool(beam, "class_score")
    width = beam.class_words
    for number in range(beam.num_classes):
        same = True
        for word in range(width):
            same = same and class_flips[number * width + word] == flips[start + word]
        if same:
            class_score[number] = max(class_score[number], score)
            return
    if beam.num_classes < beam.max_classes:
        for word in range(width):
            class_flips[beam.num_classes * width + word] = flips[start + word]
        class_score[beam.num_classes] = score
        beam.num_classes += 1


@kernel
def find_class(beam, number, mask):
    """Return the number of the class that differs from class `number` by `mask`, -1 if it was not found.

    `mask` uint64 (class words,).
    """
    class_flips, width = pool(beam, "class_flips"), beam.class_words
    for other in range(beam.num_classes):
        same = True
        for word in range(width):
            same = same and class_flips[other * width + word] == (
                class_flips[number * width + word] ^ mask[word]
            )
        if same:
            return other
    return np.int64(-1)


@kernel
def add_hidden(beam, mask, odds):
    """Convolve the classes with one mechanism that no detector sees.

    Every class gains the likelihood of the class that the mechanism turns into it. Classes beyond the room
    are left out.

    Args:
        beam: BEAM record; its classes are read and written.
        mask: uint64 (class words,): observables that the mechanism flips.
        odds: its odds.
    """
    class_flips, class_score, width = pool(beam, "class_flips"), pool(beam, "class_score"), beam.class_words
    log_odds = np.log(odds)
    before = beam.num_classes
    for number in range(before):
        other = find_class(beam, number, mask)
        if other > number:
            one, two = class_score[number], class_score[other]
            class_score[number] = np.logaddexp(one, two + log_odds)
            class_score[other] = np.logaddexp(two, one + log_odds)
        elif other < 0 and beam.num_classes < beam.max_classes:
            for word in range(width):
                class_flips[beam.num_classes * width + word] = class_flips[number * width + word] ^ mask[word]
            class_score[beam.num_classes] = class_score[number] + log_odds
            beam.num_classes += 1


@kernel
def is_sure(beam):
    """Return whether a second class was found and the best one is `sure` ahead of it."""
    class_score = pool(beam, "class_score")
    best, second = -np.inf, -np.inf
    for number in range(beam.num_classes):
        if class_score[number] > best:
            best, second = class_score[number], best
        elif class_score[number] > second:
            second = class_score[number]
    return second > -np.inf and best - second >= beam.sure


@kernel
def choose_classes(beam, flips, scores):
    """Write the two best classes: `flips` uint64 (2, class words), `scores` float64 (2,), -inf if missing."""
    class_flips, class_score = pool(beam, "class_flips"), pool(beam, "class_score")
    scores[0] = -np.inf
    scores[1] = -np.inf
    best, second = -1, -1
    for number in range(beam.num_classes):
        if class_score[number] > scores[0]:
            second = best
            scores[1] = scores[0]
            best = number
            scores[0] = class_score[number]
        elif class_score[number] > scores[1]:
            second = number
            scores[1] = class_score[number]
    for word in range(beam.class_words):
        if best >= 0:
            flips[0, word] = class_flips[best * beam.class_words + word]
        if second >= 0:
            flips[1, word] = class_flips[second * beam.class_words + word]


@kernel
def score_opposites(beam, flips, opposites):
    """Write for each observable the score of the best class that differs in it from `flips`, -inf if none.

    `flips` uint64 (class words,), `opposites` float64 (observables,).
    """
    class_flips, class_score = pool(beam, "class_flips"), pool(beam, "class_score")
    for observable in range(len(opposites)):
        opposites[observable] = -np.inf
        word, bit = observable >> 6, np.uint64(1) << np.uint64(observable & 63)
        for number in range(beam.num_classes):
            if (class_flips[number * beam.class_words + word] ^ flips[word]) & bit != np.uint64(0):
                opposites[observable] = max(opposites[observable], class_score[number])
