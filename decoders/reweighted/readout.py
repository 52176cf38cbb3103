"""Outcomes and their error probabilities from the analog values of a readout."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Readout(NamedTuple):
    """Outcomes of measurements, and how certain they are."""

    #: bool, shape of the values.
    outcomes: NDArray[np.bool_]
    #: float64, shape of the values: probability that the outcome is wrong, at most 1/2.
    error_probability: NDArray[np.float64]


def classify_gaussian(
    values: ArrayLike, *, mean: tuple[ArrayLike, ArrayLike], deviation: tuple[ArrayLike, ArrayLike]
) -> Readout:
    """Classify analog values that are normally distributed around one mean for 0 and another for 1.

    Args:
        values: float, (shots, measurements) or any other shape.
        mean: mean value of outcome 0 and of outcome 1; numbers, or arrays that broadcast with values.
        deviation: standard deviation for outcome 0 and for outcome 1, likewise.

    Raises:
        ValueError: a value is not finite, or a deviation is not positive.
    """
    found = np.asarray(values, dtype=np.float64)
    spread = np.asarray(deviation[0], dtype=np.float64), np.asarray(deviation[1], dtype=np.float64)
    for size in spread:
        if not (np.isfinite(size) & (size > 0)).all():
            raise ValueError(f"deviation={deviation}: must be positive and finite")
    if not np.isfinite(found).all():
        raise ValueError(
            "values must be finite numbers: replace a readout that failed by the middle of the means"
        )
    offsets = [(found - np.asarray(center)) / size for center, size in zip(mean, spread, strict=True)]
    return classify_ratio((offsets[0] ** 2 - offsets[1] ** 2) / 2 + np.log(spread[0] / spread[1]))


def classify_ratio(ratio: ArrayLike) -> Readout:
    """Classify log-likelihood ratios log(P(signal | 1) / P(signal | 0)).

    The likelier outcome is recorded; 0 and 1 are equally likely beforehand, as matching knows more.

    Args:
        ratio: float, (shots, measurements) or any other shape; may be infinite.

    Raises:
        ValueError: a ratio is not a number.
    """
    found = np.asarray(ratio, dtype=np.float64)
    if np.isnan(found).any():
        raise ValueError("log-likelihood ratios must not be NaN: 0 means no information")
    return Readout(found > 0, 1 / (1 + np.exp(np.minimum(np.abs(found), 700))))
