"""A device whose rates drift and on which two-level-system defects come and go."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qec.codes import Code
from qec.noise import Channel, NoiseModel
from qec.noise.channel import KINDS

Place = tuple[int, int]

# A slow part: each rate wanders by about a fifth within hours.
_WANDER = 0.2
_MEMORY_HOURS = 4.0
# A sudden part: now and then a defect comes into resonance with a qubit, whose rates jump until it leaves.
_DEFECTS_PER_HOUR = 1 / 100
_DEFECT_HOURS = 3.0
_BEFORE_HOURS = 500.0
_DEFECT_FACTOR = {"one_qubit": 4.0, "two_qubit": 8.0, "idle": 8.0, "idle_measure_reset": 8.0}


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Rates of a device over a time.

    ln of each rate's factor is an Ornstein-Uhlenbeck process of standard deviation 0.2 and correlation time
    4 h that begins at the device's rate. Defects strike each qubit on average every 100 h and stay 3 h,
    both exponentially distributed: the qubit's idling errors and those of its two-qubit gates are then eight
    times as frequent, its one-qubit gates' four times.

    Attributes:
        model: the device at time 0.
        code: the largest code on it; patches of it see the same qubits.
        hours: times of interest, increasing from 0.
        seed: of everything random.
    """

    model: NoiseModel
    code: Code
    hours: tuple[float, ...]
    seed: int

    @cached_property
    def _pairs(self) -> list[tuple[Place, Place]]:
        return [(check.coordinate, data) for check in self.code.stabilizers for data in check.support]

    @cached_property
    def defects(self) -> NDArray[np.bool_]:
        """Whether a defect is at work: (times, qubits), qubits in the order of `code.qubits`."""
        rng = np.random.default_rng([self.seed, 1])
        struck = np.zeros((len(self.hours), len(self.code.qubits)), dtype=np.bool_)
        times = np.array(self.hours)
        for qubit in range(struck.shape[1]):
            # Begun long before, so that the number of defects has no trend.
            time = rng.exponential(1 / _DEFECTS_PER_HOUR) - _BEFORE_HOURS
            while time < self.hours[-1]:
                end = time + rng.exponential(_DEFECT_HOURS)
                struck[:, qubit] |= (times >= time) & (times < end)
                time = end + rng.exponential(1 / _DEFECTS_PER_HOUR)
        return struck

    @cached_property
    def _wander(self) -> dict[tuple[str, tuple[Place, ...]], NDArray[np.float64]]:
        rng = np.random.default_rng([self.seed, 2])
        kept = np.exp(-np.diff(self.hours) / _MEMORY_HOURS)
        found = {}
        for channel, places in self._all_places():
            steps = rng.standard_normal(len(self.hours) - 1)
            logs = np.zeros(len(self.hours))
            for at, (keep, step) in enumerate(zip(kept, steps, strict=True), start=1):
                logs[at] = keep * logs[at - 1] + _WANDER * np.sqrt(1 - keep**2) * step
            found[channel.kind, places] = np.exp(logs)
        return found

    def _all_places(self) -> Iterator[tuple[Channel, tuple[Place, ...]]]:
        for channel in self.model.channels:
            if KINDS[channel.kind].num_qubits == 1:
                yield from ((channel, (qubit,)) for qubit in self.code.qubits)
            else:
                yield from ((channel, pair) for pair in self._pairs)

    def at(self, time: int) -> NoiseModel:
        """The noise model at one of the times, by its number."""
        struck = {q for q, hit in zip(self.code.qubits, self.defects[time], strict=True) if hit}
        overrides: dict[str, list[tuple[tuple[tuple[float, ...], ...], float]]] = {}
        for channel, places in self._all_places():
            factor = float(self._wander[channel.kind, places][time])
            if not struck.isdisjoint(places):
                factor *= _DEFECT_FACTOR.get(channel.kind, 1.0)
            at = tuple((float(x), float(y)) for x, y in places)
            rate = min(channel.rate_at(*at) * factor, KINDS[channel.kind].limit)
            overrides.setdefault(channel.kind, []).append((at, rate))
        channels = tuple(
            replace(channel, overrides=tuple(overrides[channel.kind]), spread=0.0)
            for channel in self.model.channels
        )
        return NoiseModel(f"{self.model.name} at {self.hours[time]:g} h", channels)
