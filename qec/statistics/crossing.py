"""Where two curves of error against strength cross, with an interval."""

import math
from collections.abc import Sequence

import numpy as np

from qec.statistics.estimate import Estimate
from qec.statistics.propagation import log_sigma_of

_REPLICATES = 1000


def crossing(
    strengths: Sequence[float], smaller: Sequence[Estimate], larger: Sequence[Estimate], *, seed: int
) -> Estimate | None:
    """The strength at which the larger code is no better than the smaller one.

    A parabola is fitted to ln(larger / smaller) over ln(strength), weighted by the intervals; the crossing is
    its root with a rising slope. The interval comes from the roots for redrawn points.

    Args:
        strengths: increasing and positive.
        smaller: errors of the smaller code; points without errors are left out.
        larger: errors of the larger code.
        seed: of the redrawing.

    Returns:
        None where the curves do not cross within the strengths, or fewer than four points remain.
    """
    used = [
        (
            math.log(s),
            math.log(b.value / a.value),
            math.hypot(log_sigma_of(a), log_sigma_of(b)),
        )
        for s, a, b in zip(strengths, smaller, larger, strict=True)
        if a.low > 0 and b.low > 0
    ]
    if len(used) < 4:
        return None
    x, y, sigma = (np.array(column) for column in zip(*used, strict=True))
    rng = np.random.default_rng(seed)
    drawn = y + sigma * rng.standard_normal((_REPLICATES, y.size))
    # Least squares: coefficients of 1, x, x^2 from the values, for all draws at once.
    solve = np.linalg.pinv(np.vander(x, 3, increasing=True) / sigma[:, None]) / sigma
    root, *roots = (_root(*solve @ values, first=x[0], last=x[-1]) for values in (y, *drawn))
    known = [found for found in roots if found is not None]
    if root is None or len(known) < 0.9 * _REPLICATES:
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(math.exp(root), math.exp(min(low, root)), math.exp(max(high, root)))


def _root(constant: float, linear: float, square: float, *, first: float, last: float) -> float | None:
    """Where the parabola rises through zero between `first` and `last`."""
    inside = linear**2 - 4 * square * constant
    if inside < 0:
        return None
    # The rising root, written so that nothing cancels where the parabola is nearly a line.
    root = math.sqrt(inside)
    found = -2 * constant / (linear + root) if linear > 0 else (root - linear) / (2 * square or math.inf)
    return found if first <= found <= last else None
