"""Compare predicted and observed coincidences of detectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from qec.priors.events import event_columns
from qec.priors.mechanisms import Floats, Indices, Mechanisms


def neighbouring_pairs(mechanisms: Mechanisms) -> Indices:
    """Return all pairs of detectors that an error flips together: (pairs, 2), the smaller first."""
    together = sparse.coo_array(mechanisms.incidence @ mechanisms.incidence.T)
    first, second = (axis.astype(np.intp) for axis in together.coords)
    table = np.stack([first, second], axis=1)[first < second]
    return np.asarray(table[np.lexsort(table.T[::-1])])


def chi_square_per_pair(
    mechanisms: Mechanisms, attenuations: Floats, *, detection_events: ArrayLike
) -> float:
    """Compute the mean squared deviation of neighbouring pairs' coincidences, in units of its variance.

    About 1 where the model is right; each pair's coincidences are binomial. NaN where no error flips two
    detectors.

    Args:
        mechanisms: errors of the model.
        attenuations: float64 (sets,).
        detection_events: shots that the attenuations were not learned from, as in `learn_error_model`.

    Raises:
        ValueError: events that do not fit the model.
    """
    pairs = neighbouring_pairs(mechanisms)
    columns = event_columns(detection_events, num_detectors=mechanisms.num_detectors)
    if not len(pairs):
        return float("nan")
    first, second = pairs.T
    incidence = mechanisms.incidence
    total = np.asarray(incidence @ attenuations)
    shared = sparse.csr_array(incidence * attenuations[None, :]) @ incidence.T
    both = np.asarray(shared.todense())[first, second]
    sign = np.where(mechanisms.certain, -1.0, 1.0)
    mean = sign * np.exp(-total)
    product = sign[first] * sign[second] * np.exp(-(total[first] + total[second] - 2 * both))
    expected = (1 - mean[first] - mean[second] + product) / 4
    shots = columns.num_shots
    variance = np.maximum(shots * expected * (1 - expected), 1e-12)
    return float(np.mean((columns.pairs(first, second) - shots * expected) ** 2 / variance))
