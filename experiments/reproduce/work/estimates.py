"""Fits and failure probabilities of records, as the paper reports them."""

from collections.abc import Sequence

from qec.statistics import CycleFit, Estimate, error_per_cycle, likelihood_factor_of, logical_error_rate

_FACTOR_95 = likelihood_factor_of(confidence=0.95)


def fit(points: Sequence[tuple[int, int, int]]) -> CycleFit:
    """The line through ln(1 - 2 P) of one patch and basis.

    Args:
        points: (cycles, errors, shots).
    """
    cycles, errors, shots = zip(*points, strict=True)
    return error_per_cycle(cycles=cycles, errors=errors, shots=shots)


def probability(errors: int, shots: int) -> Estimate:
    """Failure probability per shot with its 95 % interval."""
    return logical_error_rate(errors=errors, shots=shots, likelihood_factor=_FACTOR_95)
