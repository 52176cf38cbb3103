"""Bursts found in a record by detection events alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qec.sampling import Burst, ErrorList

# A burst dies away slowly: flagged windows so near to each other in time are one.
_SAME_BURST_CYCLES = 3000


def threshold(
    errors: ErrorList, *, num_checks: int, cycles: int, checks: int, windows: float, false_alarms: float
) -> tuple[int, float]:
    """Number of events from which a window counts as a burst.

    A window's count is at most the number of ends, inside the window, of errors that happen; errors are
    independent, so that number's distribution is exact, and the false alarms computed with it are an upper
    bound on those to expect.

    Args:
        errors: the error model of the whole chain, without bursts.
        num_checks: detectors in a layer.
        cycles, checks: size of a window; it lies in the bulk.
        windows: how many windows are looked at.
        false_alarms: how many of them may reach the threshold by chance, on average.

    Returns:
        The threshold, and the bound on the expected number of false alarms at it.
    """
    chances = window_distribution(errors, num_checks=num_checks, cycles=cycles, checks=checks)
    above = windows * np.cumsum(chances[::-1])[::-1]
    least = int(np.flatnonzero(above <= false_alarms)[0])
    return least, float(above[least])


def window_distribution(
    errors: ErrorList, *, num_checks: int, cycles: int, checks: int
) -> NDArray[np.float64]:
    """Chances of 0, 1, 2, ... ends of errors in a window in the middle of the chain."""
    bulk = int(np.argmax(errors.groups[:, 2]))
    repeats, period = int(errors.groups[bulk, 2]), int(errors.groups[bulk, 3])
    layers_per_repeat = period // num_checks
    low = (num_checks - checks) // 2
    numbers: dict[tuple[float, int], int] = {}
    for first, size, times, _ in errors.groups:
        if times != repeats:
            continue
        for error in range(first, first + size):
            targets = errors.targets[errors.target_first[error] : errors.target_first[error + 1]]
            layer, check = np.divmod(targets[targets >= 0], num_checks)
            beside = (low <= check) & (check < low + checks)
            # Every repeat that touches the window counts; errors reach over a few layers only.
            start = 10 * layers_per_repeat
            for repeat in range(-20, cycles + 20):
                at = layer + repeat * layers_per_repeat
                inside = int((beside & (start <= at) & (at < start + cycles)).sum())
                if inside:
                    key = (float(errors.probability[error]), inside)
                    numbers[key] = numbers.get(key, 0) + 1
    from scipy.stats import binom

    chances = np.ones(1)
    for (p, ends), count in sorted(numbers.items()):
        most = int(binom.isf(1e-300, count, p)) + 1
        spread = np.zeros(most * ends + 1)
        spread[::ends] = binom.pmf(np.arange(most + 1), count, p)
        chances = np.convolve(chances, spread)
    return chances


@dataclass(frozen=True, kw_only=True)
class FoundBurst:
    """A burst as the detection events show it.

    Attributes:
        first_cycle: cycle of the record at which the first flagged window begins.
        last_cycle: at which the last one ends.
        check: first check of the fullest window.
        events: detection events in it.
    """

    first_cycle: int
    last_cycle: int
    check: int
    events: int


def find(flagged: Sequence[Sequence[int]], *, rounds: int, cycles: int) -> list[FoundBurst]:
    """Flagged windows [shot, stretch, check, events] of `cycles` cycles, joined to bursts."""
    found: list[FoundBurst] = []
    for shot, stretch, check, events in sorted(tuple(window) for window in flagged):
        first = shot * rounds + stretch * cycles
        last = first + cycles
        if found and first - found[-1].last_cycle <= _SAME_BURST_CYCLES:
            before = found[-1]
            fuller = events > before.events
            found[-1] = FoundBurst(
                first_cycle=before.first_cycle,
                last_cycle=last,
                check=check if fuller else before.check,
                events=max(events, before.events),
            )
        else:
            found.append(FoundBurst(first_cycle=first, last_cycle=last, check=check, events=events))
    return found


def match(
    found: Sequence[FoundBurst], bursts: Sequence[Burst], *, longest: float
) -> tuple[list[tuple[Burst, FoundBurst | None]], list[FoundBurst]]:
    """Match detected with simulated bursts, and count false alarms."""
    false = list(found)
    pairs: list[tuple[Burst, FoundBurst | None]] = []
    for burst in bursts:
        end = burst.onset + longest * burst.decay
        hits = [one for one in found if one.last_cycle >= burst.onset and one.first_cycle <= end]
        pairs.append((burst, hits[0] if hits else None))
        false = [one for one in false if one not in hits]
    return pairs, false
