"""Standard errors of learned rates."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from qec.priors.events import event_columns
from qec.priors.fitting import levels_of
from qec.priors.learning import LearnedModel
from qec.priors.likelihood import Floats, WindowModel, window_model
from qec.priors.mechanisms import Indices

_NUMBERS_AT_ONCE = 2**24
_MAX_SHOTS = 16384
_MAX_SETS = 6000


def standard_errors(learned: LearnedModel, *, detection_events: ArrayLike) -> Floats:
    """Compute the standard error of the natural logarithm of each learned attenuation.

    It is about the relative standard error of the rate.

    Overlapping windows count shots more than once, so the curvature of the composite likelihood overstates
    the precision: the covariance is that of its score over shots between two inverses of the penalised
    curvature (Godambe's sandwich; Varin, Reid, Firth 2011, section 2.3), with the spread of the true rates
    about the initial values as the variance of the penalty's gradient. Coverage is nominal
    if rates deviate from the initial values as `learned.spread` expects. A rate that the shots do not
    determine has the spread as its error.

    Args:
        learned: model with learned rates.
        detection_events: shots that it was learned from; the first 16,384 determine the variance of the
            score.

    Returns:
        float64 (sets,), in the order of `learned.mechanisms.sets`.

    Raises:
        ValueError: events that do not fit the model, or more than 6,000 sets (the matrices would not fit in
            memory).
    """
    mechanisms = learned.mechanisms
    num_sets = len(mechanisms.sets)
    if num_sets > _MAX_SETS:
        raise ValueError(f"{num_sets} sets of detectors: must be at most {_MAX_SETS}, use fewer cycles")
    events = np.asarray(detection_events)[:_MAX_SHOTS]
    columns = event_columns(events, num_detectors=mechanisms.num_detectors)
    model = window_model(learned.windows, incidence=mechanisms.incidence)
    bits = np.unpackbits(columns.words.view(np.uint8), axis=1, count=columns.num_shots, bitorder="little")
    bits ^= mechanisms.certain[:, None]
    information = np.zeros((num_sets, num_sets))
    variance = np.zeros((num_sets, num_sets))
    chances = model.probabilities(learned.attenuations).T
    by_log = [_by_log(model, learned.attenuations, chances[i], i) for i in range(len(model.windows))]
    for row, (sets, gradient) in zip(chances, by_log, strict=True):
        information[np.ix_(sets, sets)] += (gradient * row[:, None]).T @ gradient
    step = _NUMBERS_AT_ONCE // num_sets
    for start in range(0, columns.num_shots, step):
        part = bits[:, start : start + step]
        score = np.zeros((part.shape[1], num_sets))
        for window, (sets, gradient) in zip(model.windows, by_log, strict=True):
            seen = (1 << np.arange(len(window))) @ part[window].astype(np.intp)
            score[:, sets] += gradient[seen]
        variance += score.T @ score
    weight = 1 / model.multiplicity
    information *= learned.num_shots * weight
    variance *= learned.num_shots / columns.num_shots * weight**2
    prior = levels_of(mechanisms).covariance(learned.spread)
    # (F + K^-1)^-1 (J + K^-1) (F + K^-1)^-1 without the inverse of K, which may be singular.
    left = np.eye(num_sets) + prior @ information
    middle = prior @ variance @ prior + prior
    half = np.linalg.solve(left, middle)
    both = np.linalg.solve(left, half.T)
    return np.asarray(np.sqrt(np.maximum(np.diag(both), 0)))


def _by_log(model: WindowModel, attenuations: Floats, chances: Floats, index: int) -> tuple[Indices, Floats]:
    """Return the sets in a window, and the gradient of each pattern's log-probability by their
    log-attenuations.

    An error with pattern t in the window moves probability between x and x XOR t: the derivative of
    ln P(x) by its attenuation is (P(x XOR t) / P(x) - 1) / 2.
    """
    size = len(chances)
    rows = model.projection[index :: len(model.windows)].tocoo()
    left, sets = (axis.astype(np.intp) for axis in rows.coords)
    moved = np.arange(size)[:, None] ^ left[None, :]
    by_attenuation = (chances[moved] / chances[:, None] - 1) / 2
    return sets, by_attenuation * attenuations[sets]
