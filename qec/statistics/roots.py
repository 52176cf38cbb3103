"""Bracketed root finding for many equations at once."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bracketed_roots(
    function: Callable[[Floats], Floats], *, low: Floats, high: Floats, tolerance: float = 1e-11
) -> Floats:
    """Find the roots of `function`, element by element, between `low` and `high`.

    False position with the Illinois correction, and every third step a bisection, so that flat or infinite
    ends cannot stall it. Where both ends have the same sign the result has no meaning; the caller masks it.

    Args:
        function: Maps a float64 array of the brackets' shape to one; may return infinities.
        low: Lower ends.
        high: Upper ends.
        tolerance: Absolute width of the bracket at which the search stops.
    """
    low, high = low.astype(np.float64), high.astype(np.float64)
    at_low, at_high = function(low), function(high)
    last_side = np.zeros(low.shape, dtype=np.int8)
    best = (low + high) / 2
    for step in range(120):
        middle = (low + high) / 2
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            guess = (low * at_high - high * at_low) / (at_high - at_low)
        usable = np.isfinite(guess) & (guess > low) & (guess < high) & (step % 3 != 2)
        best = np.where(usable, guess, middle)
        value = function(best)
        goes_low = np.sign(value) == np.sign(at_low)
        exact = value == 0
        # The value at an end that stays twice in a row is halved (Illinois).
        at_high = np.where(goes_low & (last_side == -1), at_high / 2, at_high)
        at_low = np.where(~goes_low & (last_side == 1), at_low / 2, at_low)
        last_side = np.where(goes_low, -1, 1).astype(np.int8)
        low, at_low = np.where(goes_low | exact, best, low), np.where(goes_low, value, at_low)
        high, at_high = np.where(~goes_low | exact, best, high), np.where(~goes_low, value, at_high)
        if np.all(high - low <= tolerance):
            break
    return best
