"""Coarse search for a threshold: strengths of a fit from a few shots."""

import math
from collections.abc import Callable, Sequence

# Errors of the larger distance beyond those of the smaller one, in standard deviations, that decide.
_SIGMAS = 3.0
_FIRST_SHOTS, _MAX_SHOTS = 500, 16_000
# The search ends with an interval of this ratio, or at a strength where the shots decide nothing.
_RATIO = 1.1
# Both memories have lost their qubit: far above the threshold.
_LOST = 0.45
# Far below it: at a threshold, a percent of the shots or more fail.
_RARE = 0.005
# Strengths of the fit, around the one found.
_AROUND = (0.8, 0.87, 0.93, 1.0, 1.07, 1.13, 1.2)

#: Takes strength, distance, shots, and the number of the first shot; returns errors.
Count = Callable[[float, int, int, int], int]


def find_strengths(count: Count, distances: Sequence[int], *, low: float, high: float) -> list[float]:
    """Find strengths around the threshold, by bisection with the smallest and the largest distance.

    Shots of the search do not enter the fit, so it does not bias the threshold.

    Args:
        count: simulates.
        distances: at least two.
        low, high: strengths below and above the threshold.

    Returns:
        Strengths, rounded to three digits.

    Raises:
        ValueError: the threshold does not lie between `low` and `high`.
    """
    ends = min(distances), max(distances)
    for edge, above in ((low, False), (high, True)):
        if _is_above(count, ends, edge) is not above:
            raise ValueError(
                f"--between {low:g} {high:g}: at p = {edge:g}, distance {ends[1]} is "
                f"{'not worse' if above else 'not better'} than {ends[0]}; give strengths on both sides of "
                "the threshold"
            )
    while high / low > _RATIO:
        middle = math.sqrt(low * high)
        above_here = _is_above(count, ends, middle)
        if above_here is None:
            break
        low, high = (low, middle) if above_here else (middle, high)
    middle = math.sqrt(low * high)
    return [float(f"{factor * middle:.3g}") for factor in _AROUND]


def _is_above(count: Count, distances: tuple[int, int], p: float) -> bool | None:
    """Test whether a strength is above the threshold; None: too close for the shots."""
    shots, errors = 0, [0, 0]
    while shots < _MAX_SHOTS:
        more = max(_FIRST_SHOTS, shots)
        errors = [known + count(p, d, more, shots) for known, d in zip(errors, distances, strict=True)]
        shots += more
        if min(errors) > _LOST * shots:
            return True
        smaller, larger = errors
        sigma = math.sqrt(max(1.0, smaller + larger))
        if abs(larger - smaller) > _SIGMAS * sigma:
            return larger > smaller
    return False if max(errors) < _RARE * shots else None
