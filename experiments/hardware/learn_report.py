"""What `qec learn` prints: which rates changed, and whether left-out shots agree."""

from collections.abc import Iterator

import numpy as np

from experiments.common.shot_files import PackedBits
from experiments.common.tables import number, table
from qec import statistics
from qec.priors import LearnedModel, chi_square_per_pair
from qec.priors.mechanisms import Floats, Mechanisms, probability


def report(learned: LearnedModel, *, events: PackedBits, shots: str, start: str) -> str:
    """The whole text, without a final newline.

    Args:
        learned: the model.
        events: packed detection events that it was learned from.
        shots: which these are, in words.
        start: name of the model that it started from.
    """
    mechanisms = learned.mechanisms
    lines = [
        f"learned from {learned.num_shots} shots ({shots}), starting from {start}: "
        f"{len(mechanisms.sets)} sets of detectors that errors flip",
        "",
        table(
            ("errors that flip", "sets", "rate at start", "learned", "ratio"),
            [
                (name, str(int(chosen.sum())), number(before), number(after), number(after / before))
                for name, chosen, before, after in _kinds(learned)
            ],
        ),
        "",
        "rates: expected errors a shot of each kind",
        "",
        _predictions(learned, events),
    ]
    if learned.gains:
        spread = learned.spread
        gain = learned.gains[spread]
        lines += [
            "",
            f"log-likelihood of left-out shots: {gain:+.4f} a shot over the start; spreads chosen by it: "
            f"kind {spread.kind:g}, place {spread.place:g}, single {spread.single:g}",
        ]
    return "\n".join(lines)


def _kinds(learned: LearnedModel) -> Iterator[tuple[str, np.ndarray, float, float]]:
    mechanisms = learned.mechanisms
    labels = np.array([_kind(mechanisms, detectors) for detectors in mechanisms.sets])
    before, after = probability(mechanisms.start), learned.rates
    for label in sorted(set(labels.tolist())):
        chosen = labels == label
        yield label, chosen, float(before[chosen].sum()), float(after[chosen].sum())
    yield "any", np.ones(len(labels), dtype=np.bool_), float(before.sum()), float(after.sum())


def _kind(mechanisms: Mechanisms, detectors: tuple[int, ...]) -> str:
    """Number of detectors, and of a pair whether it lies in space, in time or in both."""
    if len(detectors) != 2:
        return f"{len(detectors)} detector{'s' * (len(detectors) > 1)}"
    first, second = (np.array(mechanisms.coordinates.get(d, ())) for d in detectors)
    if first.size == 0 or first.shape != second.shape:
        return "2 detectors"
    time = min(2, first.size - 1)
    changed = first != second
    in_time, in_space = bool(changed[time]), bool(changed[:time].any())
    where = "space and time" if in_time and in_space else "time" if in_time else "space"
    return f"2 detectors, {where}"


def _predictions(learned: LearnedModel, events: PackedBits) -> str:
    """Detection fraction, and chi square per pair, by the start, by the learned rates and on shots."""
    mechanisms = learned.mechanisms
    observed = statistics.detection_fraction(
        detection_events=events, num_detectors=mechanisms.num_detectors, bit_packed=True
    ).value
    fractions = [mechanisms.detection_fractions(a).mean() for a in (mechanisms.start, learned.attenuations)]
    rows = [("detection fraction", *(f"{value:.4f}" for value in (*fractions, observed)))]
    if len(learned.folds):
        before, after = _left_out(learned, events)
        rows.append(("chi square per pair, left-out shots", number(before), number(after), "1"))
    return table(("", "start", "learned", "observed or ideal"), rows)


def _left_out(learned: LearnedModel, events: PackedBits) -> tuple[float, float]:
    found: list[tuple[float, float]] = []
    folds = len(learned.folds)
    mechanisms = learned.mechanisms

    def chi_square(rates: Floats, fold: int) -> float:
        return chi_square_per_pair(mechanisms, rates, detection_events=events[fold::folds])

    for fold, rates in enumerate(learned.folds):
        found.append((chi_square(mechanisms.start, fold), chi_square(rates, fold)))
    before, after = np.mean(found, axis=0).tolist()
    return before, after
