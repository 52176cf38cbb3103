"""Conversion between failure probability per shot and error per cycle."""

from __future__ import annotations

import math


def per_cycle(*, probability: float, cycles: float) -> float:
    """Compute epsilon = (1 - (1 - 2 P)^(1 / cycles)) / 2, the error per cycle of failure probability P.

    The memory is taken as `cycles` independent flips with probability epsilon each, without extra errors
    from preparation and readout. P >= 1/2 gives 1/2: the logical state is lost, and any larger epsilon fits
    as well.

    Args:
        probability: Failure probability per shot, 0 to 1.
        cycles: Number of cycles, above zero.

    Raises:
        ValueError: If the probability is outside [0, 1] or cycles is not a finite number above zero.
    """
    _check(probability=probability, name="probability", cycles=cycles)
    if probability >= 0.5:
        return 0.5
    return -math.expm1(math.log1p(-2 * probability) / cycles) / 2


def per_shot(*, epsilon: float, cycles: float) -> float:
    """Compute P = (1 - (1 - 2 epsilon)^cycles) / 2, the failure probability after `cycles` cycles.

    Args:
        epsilon: Error per cycle, 0 to 1/2.
        cycles: Number of cycles, above zero.

    Raises:
        ValueError: If epsilon is outside [0, 1/2] or cycles is not a finite number above zero.

    Examples:
        >>> per_shot(0.01, 1)
        0.01
    """
    _check(probability=epsilon, name="epsilon", cycles=cycles, highest=0.5)
    if epsilon == 0.5:
        return 0.5
    return -math.expm1(math.log1p(-2 * epsilon) * cycles) / 2


def _check(*, probability: float, name: str, cycles: float, highest: float = 1.0) -> None:
    if not 0 <= probability <= highest:
        raise ValueError(f"{name} must lie between 0 and {highest:g}, got {probability}")
    if not 0 < cycles < math.inf:
        raise ValueError(f"cycles must be a finite number above zero, got {cycles}")
