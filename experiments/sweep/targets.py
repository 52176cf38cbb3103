"""Lambda and the threshold as results that decide where shots are needed."""

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.common.fits import Count, fit
from experiments.sweep.plan import PointState
from qec.statistics import per_cycle
from qec.statistics.finite_size import ThresholdFit, threshold_fit

Floats = NDArray[np.float64]


class SuppressionTarget:
    """Lambda of one code, noise and decoder.

    The allocation assumes ln epsilon_d linear in d with one slope and a constant for each basis, and, where a
    distance and basis has several numbers of cycles, a free intercept; the result is that of
    `experiments.common.fits.fit`.

    Args:
        states: points with metadata d and r.
    """

    def __init__(self, states: Sequence[PointState]) -> None:
        self.states = states
        metadata = [state.point.metadata for state in states]
        self._distance = np.array([float(one["d"]) for one in metadata])
        self._cycles = np.array([float(one["r"]) for one in metadata])
        self._bases = [str(one.get("b", "")) for one in metadata]

    def half_width(self) -> float | None:
        """Return half of the interval of Lambda, relative to it."""
        found = fit(
            [
                Count(distance=int(d), basis=basis, cycles=int(r), shots=state.shots, errors=state.errors)
                for d, r, basis, state in zip(
                    self._distance, self._cycles, self._bases, self.states, strict=True
                )
            ]
        ).suppression
        if found is None or not np.isfinite([found.value.value, found.value.high]).all():
            return None
        return (found.value.high - found.value.low) / (2 * found.value.value)

    def gradients(self) -> tuple[Floats, Floats]:
        """Return the derivatives by ln Lambda, constants and intercepts."""
        rate = np.minimum([state.error_rate for state in self.states], 0.499)
        pairs = zip(rate, self._cycles, strict=True)
        epsilon = np.array([per_cycle(probability=float(p), cycles=float(r)) for p, r in pairs])
        by_log = (1 - 2 * rate) * self._cycles * epsilon / (1 - 2 * epsilon)
        columns = [-self._distance / 2 * by_log]
        columns += [by_log * _where(self._bases, basis) for basis in dict.fromkeys(self._bases)]
        places = list(zip(self._distance, self._bases, strict=True))
        for place in dict.fromkeys(places):
            here = _where(places, place)
            if len(set(self._cycles[here > 0])) > 1:
                columns.append(-(1 - 2 * rate) / 2 * here)
        return np.stack(columns, axis=1), np.eye(len(columns))[0]


class ThresholdTarget:
    """Threshold of one code, noise model and decoder; see `threshold_fit`.

    Args:
        states: points with metadata d and p.
    """

    def __init__(self, states: Sequence[PointState]) -> None:
        self.states = states
        self._strengths = [float(state.point.metadata["p"]) for state in states]
        self._distances = [float(state.point.metadata["d"]) for state in states]
        self._found: ThresholdFit | None = None

    def half_width(self) -> float | None:
        """Return half of the interval of the threshold, relative to it."""
        self._found = threshold_fit(
            strengths=self._strengths,
            distances=self._distances,
            errors=[state.errors for state in self.states],
            shots=[state.shots for state in self.states],
        )
        if self._found is None:
            return None
        one = self._found.threshold
        return (one.high - one.low) / (2 * one.value)

    def gradients(self) -> tuple[Floats, Floats] | None:
        """Return the derivatives of the last fit; points that it leaves out have none."""
        if self._found is None:
            return None
        found = self._found.gradients() * self._found.used[:, None]
        return found, np.eye(found.shape[1])[0]


def group_for_suppression(states: Sequence[PointState]) -> list[SuppressionTarget]:
    """Make a target of the points of each code, noise, strength and decoder.

    Raises:
        ValueError: points without distance and cycles, or a group with one distance.
    """
    groups = _grouped(states, lambda metadata: _without(metadata, "d", "r", "b"), needed=("d", "r"))
    for group in groups:
        if len({state.point.metadata["d"] for state in group}) < 2:
            raise ValueError(
                "--target_precision: Lambda needs at least two distances, and there is one for "
                + _without(group[0].point.metadata, "d", "r", "b")
            )
    return [SuppressionTarget(group) for group in groups]


def _grouped(
    states: Sequence[PointState], key: Callable[[Any], Hashable], *, needed: Sequence[str]
) -> list[list[PointState]]:
    groups: dict[Hashable, list[PointState]] = defaultdict(list)
    for state in states:
        metadata = state.point.metadata
        for name in needed:
            if name not in metadata:
                raise ValueError(
                    f"--target_precision: points need the metadata keys {' and '.join(needed)}, one has "
                    f"{metadata}"
                )
        groups[state.point.decoder, key(metadata)].append(state)
    return list(groups.values())


def _without(metadata: Any, *names: str) -> str:
    return json.dumps({name: value for name, value in metadata.items() if name not in names}, sort_keys=True)


def _where(values: Sequence[Hashable], value: Hashable) -> Floats:
    return np.array([one == value for one in values], dtype=np.float64)
