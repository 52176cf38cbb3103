"""Likelihood of error rates from the patterns of small windows of detectors.

The probability of every pattern of a window follows exactly from the rates: with independent errors the
mean of the product of (1 - 2 x_i) over a set S of detectors is the product of (1 - 2 p_m) over the errors
that flip an odd number of S, and a Walsh-Hadamard transform turns these means into probabilities. The sum
of the windows' log-likelihoods is a composite likelihood (Varin, Reid, Firth, Statistica Sinica 21, 5
(2011)): windows overlap, so that it is not the likelihood of the shots, but its maximum is consistent, and
its score has mean zero at the true rates.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]

_SMALLEST = 1e-13  # rounding can give impossible patterns a negative probability


@dataclass(frozen=True, eq=False)
class WindowModel:
    """Probabilities of the patterns of windows, as functions of attenuations.

    Attributes:
        windows: (windows, size) detectors.
        projection: (2**size * windows, sets), zeros and ones: the pattern that an error causes in a window.
            Errors without detectors in the window have no entry.
    """

    windows: NDArray[np.intp]
    projection: sparse.csr_array

    @cached_property
    def _back(self) -> sparse.csr_array:
        return sparse.csr_array(self.projection.T)

    @property
    def multiplicity(self) -> float:
        """Number of windows per detector, averaged over the detectors that are in any."""
        return self.windows.size / len(np.unique(self.windows))

    def probabilities(self, attenuations: Floats) -> Floats:
        """Compute the probability of each pattern of each window: float64 (2**size, windows)."""
        return _patterns(self._means(attenuations))

    def log_likelihood(self, attenuations: Floats, counts: Floats) -> float:
        """Compute the composite log-likelihood of pattern counts (2**size, windows)."""
        return float(np.sum(counts * np.log(self.probabilities(attenuations))))

    def score(self, attenuations: Floats, counts: Floats) -> tuple[float, Floats]:
        """Compute the composite log-likelihood and its gradient by the attenuations."""
        means = self._means(attenuations)
        found = _patterns(means)
        value = float(np.sum(counts * np.log(found)))
        by_exponent = transform(counts / found)
        by_exponent *= means
        by_exponent /= -len(means)
        by_pattern = _odd(by_exponent)
        return value, np.asarray(self._back @ by_pattern.ravel())

    def _means(self, attenuations: Floats) -> Floats:
        """Compute the mean of the product of (1 - 2 x_i) over each set of a window's detectors."""
        shown = np.asarray(self.projection @ attenuations).reshape(-1, len(self.windows))
        return np.asarray(np.exp(-_odd(shown)))


def window_model(windows: NDArray[np.intp], *, incidence: sparse.csr_array) -> WindowModel:
    """Make the model of windows.

    Args:
        windows: (windows, size) detectors.
        incidence: (detectors, sets), 1 where an error flips a detector.
    """
    num_windows, size = windows.shape
    num_detectors, num_sets = incidence.shape
    rows = np.repeat(np.arange(num_windows), size)
    bits = np.tile(2.0 ** np.arange(size), num_windows)
    places = sparse.csr_array((bits, (rows, windows.ravel())), shape=(num_windows, num_detectors))
    shown = sparse.coo_array(places @ incidence)  # the value is the pattern
    row = shown.data.astype(np.int64) * num_windows + shown.coords[0]
    return WindowModel(
        windows=windows,
        projection=sparse.csr_array(
            (np.ones(len(row)), (row, shown.coords[1])), shape=(num_windows * 2**size, num_sets)
        ),
    )


def transform(table: Floats) -> Floats:
    """Compute the Walsh-Hadamard transform along the first axis, whose length is a power of two."""
    length, *rest = table.shape
    half = 1
    while half < length:
        pairs = table.reshape(length // (2 * half), 2, half, *rest)
        table = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
        half *= 2
    return table.reshape(length, *rest)


def _odd(table: Floats) -> Floats:
    """Sum for each set S over the patterns that overlap it in an odd number of detectors."""
    return np.asarray((table.sum(axis=0) - transform(table)) / 2)


def _patterns(means: Floats) -> Floats:
    return np.asarray(np.maximum(transform(means) / len(means), _SMALLEST))
