"""Detection fractions, by cycle and by stabilizer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from qec.statistics.binomial import exact_interval
from qec.statistics.estimate import Estimate, check_confidence, sigmas_of

Coordinates = Mapping[int, Sequence[float]] | NDArray[np.float64]

_SHOTS_AT_ONCE = 4096


def detection_fraction(
    *,
    detection_events: NDArray[np.generic],
    num_detectors: int,
    bit_packed: bool = False,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate the detection fraction of all detectors.

    The interval treats shots as independent but not the detectors of one shot: the number of events per shot
    gives, by its variance over shots, an effective number of trials, and the interval is that of Clopper and
    Pearson for that number, reduced by the squared ratio of the normal and Student's t quantiles (Korn and
    Graubard 1998). Where the variance is undetermined (a single shot, no event, all events), a shot counts
    as one trial, the most conservative choice.

    Args:
        detection_events: (shots, num_detectors) bool or 0/1 integers; or, if `bit_packed`, uint8
            (shots, ceil(num_detectors / 8)), least significant bit first.
        num_detectors: Number of detectors, at least one.
        bit_packed: Whether the events are packed.
        confidence: Coverage of the interval.

    Raises:
        ValueError: For a shape or dtype that does not fit, no shots, or no detectors.
    """
    if num_detectors < 1:
        raise ValueError(f"num_detectors must be at least 1, got {num_detectors}")
    groups = np.zeros(num_detectors, dtype=np.intp)
    return _fractions(
        detection_events, groups=groups, num_groups=1, bit_packed=bit_packed, confidence=confidence
    )[0]


def detection_fraction_by_cycle(
    *,
    detection_events: NDArray[np.generic],
    coordinates: Coordinates,
    bit_packed: bool = False,
    confidence: float = 0.95,
) -> dict[int, Estimate]:
    """Estimate the detection fraction of each cycle, averaged over its detectors.

    The cycle is the detector's third coordinate, or its last where it has fewer (stim's generated circuits).
    The first and the last layer have fewer detectors and fewer faults.

    Args:
        detection_events: As in `detection_fraction`.
        coordinates: Coordinates of every detector, as `stim.Circuit.get_detector_coordinates()` gives, or
            float64 (num_detectors, k) padded with NaN.
        bit_packed: As in `detection_fraction`.
        confidence: Coverage of each interval, which is made as in `detection_fraction`.

    Returns:
        Cycle -> fraction, in ascending order of cycles.

    Raises:
        ValueError: As `detection_fraction`; also for a detector without coordinates or with a time that is
            not a whole number.
    """
    times, _ = _split(coordinates)
    labels, groups = np.unique(times, return_inverse=True)
    found = _fractions(
        detection_events, groups=groups, num_groups=labels.size, bit_packed=bit_packed, confidence=confidence
    )
    return {int(label): estimate for label, estimate in zip(labels, found, strict=True)}


def detection_fraction_by_stabilizer(
    *,
    detection_events: NDArray[np.generic],
    coordinates: Coordinates,
    cycles: Collection[int] | None = None,
    bit_packed: bool = False,
    confidence: float = 0.95,
) -> dict[tuple[float, ...], Estimate]:
    """Estimate the detection fraction of each stabilizer, averaged over cycles.

    Args:
        detection_events: As in `detection_fraction`.
        coordinates: As in `detection_fraction_by_cycle`. Detectors that share all coordinates but time
            belong to one stabilizer.
        cycles: Cycles to average over, such as range(1, 25) to exclude the first and the last layer; None:
            all.
        bit_packed: As in `detection_fraction`.
        confidence: Coverage of each interval, which is made as in `detection_fraction`.

    Returns:
        Position (x, y), or (x,) for a chain, -> fraction, in ascending order.

    Raises:
        ValueError: As `detection_fraction_by_cycle`, or if no detector lies in `cycles`.
    """
    times, places = _split(coordinates)
    wanted = np.ones(times.size, dtype=bool) if cycles is None else np.isin(times, np.array(sorted(cycles)))
    if not wanted.any():
        raise ValueError(f"no detector in the given cycles: must be from {times.min()} to {times.max()}")
    labels = sorted({place for place, keep in zip(places, wanted, strict=True) if keep})
    index = {label: number for number, label in enumerate(labels)}
    groups = np.array(
        [index[place] if keep else -1 for place, keep in zip(places, wanted, strict=True)], dtype=np.intp
    )
    found = _fractions(
        detection_events, groups=groups, num_groups=len(labels), bit_packed=bit_packed, confidence=confidence
    )
    return dict(zip(labels, found, strict=True))


def _split(coordinates: Coordinates) -> tuple[NDArray[np.int64], list[tuple[float, ...]]]:
    """Return time and position of each detector."""
    if isinstance(coordinates, Mapping):
        if sorted(coordinates) != list(range(len(coordinates))):
            raise ValueError(f"coordinates must name detectors 0 to {len(coordinates) - 1} without a gap")
        rows = [tuple(map(float, coordinates[detector])) for detector in range(len(coordinates))]
    else:
        rows = [tuple(float(number) for number in row if not np.isnan(number)) for row in coordinates]
    if not rows:
        raise ValueError("coordinates is empty; at least one detector is needed")
    times, places = [], []
    for detector, row in enumerate(rows):
        if not row:
            raise ValueError(f"detector {detector} has no coordinates, so its cycle is unknown")
        position = min(2, len(row) - 1)
        if not row[position].is_integer():
            raise ValueError(f"detector {detector} has time {row[position]}, but cycles are whole numbers")
        times.append(int(row[position]))
        places.append(row[:position])
    return np.array(times, dtype=np.int64), places


def _fractions(
    detection_events: NDArray[np.generic],
    *,
    groups: NDArray[np.intp],
    num_groups: int,
    bit_packed: bool,
    confidence: float,
) -> list[Estimate]:
    """Estimate the fraction of each group of detectors; group -1 is excluded."""
    check_confidence(confidence)
    _check_events(detection_events, num_detectors=groups.size, bit_packed=bit_packed)
    order = np.argsort(groups, kind="stable")[np.count_nonzero(groups < 0) :]
    sizes = np.bincount(groups[order], minlength=num_groups)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    shots = detection_events.shape[0]
    total = np.zeros(num_groups, dtype=np.int64)
    squares = np.zeros(num_groups, dtype=np.int64)
    for start in range(0, shots, _SHOTS_AT_ONCE):
        block = np.asarray(detection_events[start : start + _SHOTS_AT_ONCE])
        if bit_packed:
            block = np.unpackbits(block, axis=1, count=groups.size, bitorder="little")
        fired = block[:, order].astype(np.bool_)
        counted = np.add.reduceat(fired, starts, axis=1, dtype=np.int64)
        total += counted.sum(axis=0)
        squares += (counted**2).sum(axis=0)
    return [
        _estimate(
            total=int(total[group]),
            squares=int(squares[group]),
            size=int(sizes[group]),
            shots=shots,
            confidence=confidence,
        )
        for group in range(num_groups)
    ]


def _estimate(*, total: int, squares: int, size: int, shots: int, confidence: float) -> Estimate:
    fraction = total / (size * shots)
    trials = float(shots)
    if shots > 1:
        # Integer arithmetic: the difference of two large sums must keep its digits.
        variance = (squares * shots - total * total) / (shots * (shots - 1)) / (size * size * shots)
        if variance > 0:
            wider = float(stdtrit(shots - 1, (1 + confidence) / 2)) / sigmas_of(confidence=confidence)
            trials = min(fraction * (1 - fraction) / variance / wider**2, float(size * shots))
    low, high = exact_interval(errors=fraction * trials, shots=trials, confidence=confidence)
    return Estimate(value=fraction, low=min(low, fraction), high=max(high, fraction), confidence=confidence)


def _check_events(detection_events: ArrayLike, *, num_detectors: int, bit_packed: bool) -> None:
    if not isinstance(detection_events, np.ndarray) or detection_events.ndim != 2:
        raise ValueError("detection_events must be a two-dimensional array: one row per shot")
    width = -(-num_detectors // 8) if bit_packed else num_detectors
    kind = "bit-packed bytes" if bit_packed else "columns"
    if detection_events.shape[1] != width:
        raise ValueError(
            f"detection_events has {detection_events.shape[1]} columns but {num_detectors} detectors need "
            f"{width} {kind}"
        )
    if bit_packed and detection_events.dtype != np.uint8:
        raise ValueError(f"bit-packed detection_events must be uint8, got {detection_events.dtype}")
    if detection_events.shape[0] == 0:
        raise ValueError("detection_events has no shots")
    if not bit_packed and detection_events.dtype != np.bool_:
        if detection_events.dtype.kind not in "iu":
            raise ValueError(f"detection_events must be bool or 0/1 integers, got {detection_events.dtype}")
        if detection_events.min() < 0 or detection_events.max() > 1:
            raise ValueError("detection_events must hold only 0 and 1 unless bit_packed=True")
