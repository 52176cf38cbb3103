"""Learn all rates of a detector error model from detection events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from qec.priors.events import event_columns
from qec.priors.fitting import Levels, Spread, fit, levels_of
from qec.priors.likelihood import Floats, WindowModel, window_model
from qec.priors.mechanisms import Mechanisms, probability, read_mechanisms
from qec.priors.windows import cover

WINDOW = 10
MAX_DETECTORS = 12
#: Spreads that `learn_error_model` tries in this order; it stops at the first that is worse than the one
#: before.
SPREADS = (
    Spread(kind=0.5, place=0.1, single=0.0),
    Spread(kind=1.0, place=0.3, single=0.1),
    Spread(kind=1.0, place=0.5, single=0.2),
    Spread(kind=1.0, place=0.5, single=0.4),
    Spread(kind=1.0, place=1.0, single=0.8),
)


@dataclass(frozen=True, eq=False)
class LearnedModel:
    """Detector error model with learned rates, and their cross-validation.

    Attributes:
        error_model: the DEM: errors, decompositions, observables and coordinates of the start, new rates.
        mechanisms: its unknowns, with their initial attenuations.
        attenuations: learned -ln(1 - 2 p) of each set of detectors, float64 (sets,).
        spread: the spread that was used.
        gains: spread -> gain in log-likelihood per shot over the initial rates on left-out shots, for each
            spread that was tried; empty if the spread was given. Each detector counts about once.
        folds: attenuations learned with `spread` from all shots but those of one fold, float64 (folds, sets);
            fold i is the shots i, i + folds, ...; empty if the spread was given.
        num_shots: shots learned from.
        windows: (windows, size), detectors of each window.
    """

    error_model: stim.DetectorErrorModel
    mechanisms: Mechanisms
    attenuations: Floats
    spread: Spread
    gains: Mapping[Spread, float]
    folds: Floats
    num_shots: int
    windows: NDArray[np.intp]

    @property
    def rates(self) -> Floats:
        """Learned probability that an odd number of a set's errors occurs: float64 (sets,)."""
        return probability(self.attenuations)


def learn_error_model(
    *,
    detection_events: ArrayLike,
    error_model: stim.DetectorErrorModel,
    coordinates: Mapping[int, Sequence[float]] | None = None,
    spread: Spread | Sequence[Spread] = SPREADS,
    folds: int = 2,
    window_size: int = WINDOW,
) -> LearnedModel:
    """Learn the rates of all errors of a DEM, hyperedges included, from detection events.

    The rates maximise a composite likelihood: the sum, over small overlapping windows of detectors that
    together hold every set that an error flips, of the log-likelihood of the patterns seen there, in which
    independent errors enter exactly (see `qec.priors.likelihood`). Deviations from the initial rates
    are penalised, jointly for errors that repeat in time and space (see `qec.priors.fitting`); the strength
    is chosen by the likelihood of left-out detection events. Observables are not used.

    Args:
        detection_events: bool (shots, num_detectors) or bit-packed uint8 (shots, ceil(num_detectors / 8)),
            least significant bit first; memory maps and strided views are read in chunks.
        error_model: errors and their initial rates. Errors of probability 0 or 1 and errors that
            flip no detector are unchanged.
        coordinates: detector -> coordinates, if the DEM has none; without coordinates no errors repeat.
        spread: expected deviation from the initial rates; of several the best is chosen by cross-validation,
            in their order until one is worse than the one before.
        folds: parts of the shots for cross-validation.
        window_size: detectors of a window; larger windows carry more information and take longer. Increased
            where an error flips more detectors.

    Raises:
        ValueError: events that do not fit the DEM, too few shots to leave some out, an error of probability
            1/2 or of more than 12 detectors, or a DEM without anything to learn.
    """
    tried = (spread,) if isinstance(spread, Spread) else tuple(spread)
    if not tried:
        raise ValueError("spread: must be at least one")
    if folds < 2:
        raise ValueError(f"folds={folds}: must be at least 2")
    if not 1 <= window_size <= MAX_DETECTORS:
        raise ValueError(f"window_size={window_size}: must be between 1 and {MAX_DETECTORS}")
    mechanisms = read_mechanisms(error_model, coordinates=coordinates)
    largest = int(mechanisms.sizes.max())
    if largest > MAX_DETECTORS:
        which = mechanisms.sets[int(mechanisms.sizes.argmax())]
        raise ValueError(
            f"an error flips {largest} detectors (D{which[0]} ...), at most {MAX_DETECTORS} can be learned"
        )
    windows = cover(mechanisms.sets, num_detectors=mechanisms.num_detectors, size=max(window_size, largest))
    model = window_model(windows, incidence=mechanisms.incidence)
    num_folds = 1 if len(tried) == 1 else folds
    counts = _counts(np.asarray(detection_events), mechanisms, windows, num_folds)
    levels = levels_of(mechanisms)
    num_shots = int(sum(part[:, 0].sum() for part in counts))
    gains: dict[Spread, float] = {}
    left_out = np.empty((0, len(mechanisms.sets)))
    best = tried[0]
    if len(tried) > 1:
        best, gains, left_out = _choose(model, counts, start=mechanisms.start, levels=levels, tried=tried)
    learned = fit(
        model,
        np.sum(counts, axis=0),
        start=mechanisms.start,
        levels=levels,
        spread=best,
        initial=left_out.mean(axis=0) if len(left_out) else None,
    )
    return LearnedModel(
        error_model=mechanisms.model(learned),
        mechanisms=mechanisms,
        attenuations=learned,
        spread=best,
        gains=gains,
        folds=left_out,
        num_shots=num_shots,
        windows=windows,
    )


def learn_halves(
    *,
    detection_events: ArrayLike,
    error_models: stim.DetectorErrorModel | tuple[stim.DetectorErrorModel, stim.DetectorErrorModel],
    coordinates: Mapping[int, Sequence[float]] | None = None,
    spread: Spread | Sequence[Spread] = SPREADS,
) -> tuple[LearnedModel, LearnedModel]:
    """Learn a model for the even shots from the odd ones, and a model for the odd shots from the even ones.

    The spread is chosen within each half. Shots are counted from 0.

    Args:
        detection_events: as in `learn_error_model`.
        error_models: initial rates: one DEM, or one for the even and one for the odd shots.
        coordinates: as in `learn_error_model`.
        spread: as in `learn_error_model`.

    Returns:
        The model for decoding even shots, and that for odd shots.

    Raises:
        ValueError: as in `learn_error_model`.
    """
    events = np.asarray(detection_events)
    starts = error_models if isinstance(error_models, tuple) else (error_models, error_models)
    for_even, for_odd = (
        learn_error_model(
            detection_events=events[other::2], error_model=start, coordinates=coordinates, spread=spread
        )
        for other, start in ((1, starts[0]), (0, starts[1]))
    )
    return for_even, for_odd


def _counts(
    events: NDArray[np.generic], mechanisms: Mechanisms, windows: NDArray[np.intp], folds: int
) -> list[Floats]:
    """Count the patterns in each fold, without flips by certain errors."""
    if events.ndim == 2 and 0 < len(events) < folds:
        raise ValueError(
            f"{len(events)} shots in {folds} folds: give more shots, or a single spread to learn without "
            "leaving some out"
        )
    columns = np.arange(2 ** windows.shape[1])
    bits = 1 << np.arange(windows.shape[1], dtype=np.intp)
    masks = (mechanisms.certain[windows] * bits).sum(axis=1)
    found = []
    for fold in range(folds):
        seen = event_columns(events[fold::folds], num_detectors=mechanisms.num_detectors).patterns(windows)
        found.append(np.ascontiguousarray(np.take_along_axis(seen, columns ^ masks[:, None], axis=1).T))
    return found


def _choose(
    model: WindowModel,
    counts: Sequence[Floats],
    *,
    start: Floats,
    levels: Levels,
    tried: Sequence[Spread],
) -> tuple[Spread, dict[Spread, float], Floats]:
    """Find the spread that predicts left-out shots best, the gain of each spread, and the best rates."""
    total = np.sum(counts, axis=0)
    num_shots = float(total[:, 0].sum())
    before = sum(model.log_likelihood(start, part) for part in counts)
    initial: list[Floats | None] = [None] * len(counts)
    gains: dict[Spread, float] = {}
    rates: dict[Spread, list[Floats]] = {}
    for spread in tried:
        rates[spread] = []
        value = 0.0
        for fold, part in enumerate(counts):
            learned = fit(
                model, total - part, start=start, levels=levels, spread=spread, initial=initial[fold]
            )
            initial[fold] = learned
            rates[spread].append(learned)
            value += model.log_likelihood(learned, part)
        gains[spread] = (value - before) / model.multiplicity / num_shots
        if gains[spread] < max(gains.values()):
            break  # looser ones would be worse still
    best = max(gains, key=lambda spread: gains[spread])
    return best, gains, np.array(rates[best])
