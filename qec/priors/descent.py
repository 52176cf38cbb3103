"""Minimise a smooth function of many variables: L-BFGS with a backtracking line search.

Nocedal and Wright, Numerical Optimization (2nd edition), algorithms 3.1 and 7.5. SciPy's implementation uses
a threaded BLAS for its small vectors, which on a busy machine takes twenty times as long as the function.
"""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MEMORY = 20
_SUFFICIENT = 1e-4
_MAX_HALVINGS = 40


def minimize(
    function: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    *,
    max_iterations: int,
    tolerance: float,
) -> Floats:
    """Minimise a function until ten iterations together gain less than the tolerance.

    Args:
        function: point -> value and gradient.
        start: first point, float64 (variables,).
        max_iterations: largest number of iterations.
        tolerance: in units of the function's value.

    Returns:
        The last point.
    """
    point = start
    value, gradient = function(point)
    steps: deque[tuple[Floats, Floats, float]] = deque(maxlen=_MEMORY)
    values = deque([value], maxlen=11)
    for _ in range(max_iterations):
        direction = -_inverse_hessian_times(gradient, steps)
        slope = _dot(direction, gradient)
        if slope >= 0:  # rounding errors: restart with the gradient
            steps.clear()
            direction, slope = -gradient, -_dot(gradient, gradient)
        if slope == 0:
            break
        length = 1.0 if steps else min(1.0, 1 / np.sqrt(-slope))
        for _ in range(_MAX_HALVINGS):
            new_point = point + length * direction
            new_value, new_gradient = function(new_point)
            if new_value <= value + _SUFFICIENT * length * slope:
                break
            length /= 2
        else:
            break
        change, turn = new_point - point, new_gradient - gradient
        product = _dot(change, turn)
        if product > 1e-12 * _dot(turn, turn):
            steps.append((change, turn, product))
        point, value, gradient = new_point, new_value, new_gradient
        values.append(value)
        if len(values) == values.maxlen and values[0] - value < tolerance:
            break
    return point


def _inverse_hessian_times(vector: Floats, steps: deque[tuple[Floats, Floats, float]]) -> Floats:
    result = vector.copy()
    shares = []
    for change, turn, product in reversed(steps):
        share = _dot(change, result) / product
        result -= share * turn
        shares.append(share)
    if steps:
        _, turn, product = steps[-1]
        result *= product / _dot(turn, turn)
    for (change, turn, product), share in zip(steps, reversed(shares), strict=True):
        result += (share - _dot(turn, result) / product) * change
    return result


def _dot(first: Floats, second: Floats) -> float:
    return float(np.einsum("i,i->", first, second))  # not BLAS, see above
