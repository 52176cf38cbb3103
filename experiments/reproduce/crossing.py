"""Where two curves of error against strength cross, with an interval."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.reproduce import estimates
from qec.statistics import Estimate

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
        (math.log(s), math.log(b.value / a.value), math.hypot(estimates.log_sigma(a), estimates.log_sigma(b)))
        for s, a, b in zip(strengths, smaller, larger, strict=True)
        if a.low > 0 and b.low > 0
    ]
    if len(used) < 4:
        return None
    x, y, sigma = (np.array(column) for column in zip(*used, strict=True))
    root = _root(x, y, sigma)
    if root is None:
        return None
    rng = np.random.default_rng(seed)
    drawn = [_root(x, y + sigma * rng.standard_normal(y.size), sigma) for _ in range(_REPLICATES)]
    roots = [r for r in drawn if r is not None]
    if len(roots) < 0.9 * _REPLICATES:
        return None
    low, high = np.quantile(roots, [0.025, 0.975])
    return Estimate(math.exp(root), math.exp(min(low, root)), math.exp(max(high, root)))


def _root(x: NDArray[np.float64], y: NDArray[np.float64], sigma: NDArray[np.float64]) -> float | None:
    parabola = np.polynomial.Polynomial.fit(x, y, 2, w=1 / sigma)
    rising = parabola.deriv()
    roots = [
        float(root.real)
        for root in np.atleast_1d(parabola.roots())
        if abs(root.imag) < 1e-9 and x[0] <= root.real <= x[-1] and rising(root.real) > 0
    ]
    return roots[0] if len(roots) == 1 else None
