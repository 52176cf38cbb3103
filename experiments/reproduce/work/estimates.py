"""Fits and failure probabilities of records, as the paper reports them."""

from collections.abc import Sequence

from qec.statistics import CycleFit, Estimate, error_per_cycle, logical_error_rate


def fit(points: Sequence[tuple[int, int, int]]) -> CycleFit:
    """Fit the line through ln(1 - 2 P) of one patch and basis.

    Args:
        points: (cycles, errors, shots).
    """
    cycles, errors, shots = zip(*points, strict=True)
    return error_per_cycle(cycles=cycles, errors=errors, shots=shots)


def probability(errors: int, shots: int) -> Estimate:
    """Estimate the failure probability per shot with its 95 % interval."""
    return logical_error_rate(errors=errors, shots=shots, confidence=0.95)
