"""Counted logical errors, with checks of their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Counts:
    """Logical errors of one memory (one patch, one basis) at one or several durations.

    Attributes:
        cycles: Number of cycles of each experiment; one number or a sequence. Equal numbers are fine.
        errors: Number of shots with a logical error, as many as cycles.
        shots: Number of shots, as many as cycles; one number applies to all.

    Raises:
        ValueError: For lengths that disagree, cycles or shots below one, errors below zero or above shots.
    """

    cycles: int | Sequence[int] | NDArray[np.integer]
    errors: int | Sequence[int] | NDArray[np.integer]
    shots: int | Sequence[int] | NDArray[np.integer]

    def __post_init__(self) -> None:
        self.arrays()

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return cycles, errors and shots as float64 arrays of one length."""
        return checked_counts(cycles=self.cycles, errors=self.errors, shots=self.shots)


def whole_numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as a one-dimensional float64 array; ValueError unless all are whole numbers."""
    try:
        numbers = np.atleast_1d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be whole numbers, got {values!r}") from None
    if numbers.ndim != 1:
        raise ValueError(f"{name} must be one number or a flat sequence, got shape {numbers.shape}")
    wrong = numbers[~(np.isfinite(numbers) & (numbers == np.round(numbers)))]
    if wrong.size:
        raise ValueError(f"{name} must be whole numbers, got {wrong[0]}")
    return numbers


def checked_counts(
    *, cycles: ArrayLike, errors: ArrayLike, shots: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the three as float64 arrays of one length, or raise ValueError naming the first fault."""
    cycle_counts = whole_numbers("cycles", cycles)
    error_counts = whole_numbers("errors", errors)
    shot_counts = whole_numbers("shots", shots)
    if len(cycle_counts) == 0:
        raise ValueError("cycles is empty; at least one experiment is needed")
    if len(error_counts) != len(cycle_counts):
        raise ValueError(f"errors has {len(error_counts)} entries but cycles has {len(cycle_counts)}")
    if len(shot_counts) not in (1, len(cycle_counts)):
        raise ValueError(f"shots has {len(shot_counts)} entries but cycles has {len(cycle_counts)}")
    shot_counts = np.broadcast_to(shot_counts, cycle_counts.shape).copy()
    if cycle_counts.min() < 1:
        raise ValueError(f"cycles must be at least 1, got {cycle_counts.min():.0f}")
    if shot_counts.min() < 1:
        raise ValueError(f"shots must be at least 1, got {shot_counts.min():.0f}")
    if error_counts.min() < 0:
        raise ValueError(f"errors must not be negative, got {error_counts.min():.0f}")
    for num_errors, num_shots in zip(error_counts, shot_counts, strict=True):
        if num_errors > num_shots:
            raise ValueError(
                f"errors must not exceed shots, got {num_errors:.0f} errors in {num_shots:.0f} shots"
            )
    return cycle_counts, error_counts, shot_counts
