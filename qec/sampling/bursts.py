"""Rare bursts of correlated errors on many neighbouring qubits, for hundreds of cycles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Burst:
    """One burst: an error rate that rises at once and decays exponentially.

    Attributes:
        onset: cycles since the record's start.
        decay: cycles in which the rate of errors falls by a factor e.
        peak: probability of an error per qubit and cycle at the centre, at the onset.
        centre: position on the chain, in data qubits from its left end.
        radius: distance in data qubits at which the rate has fallen by exp(-1/2).
    """

    onset: float
    decay: float
    peak: float
    centre: float
    radius: float


@dataclass(frozen=True, kw_only=True)
class BurstModel:
    """Distribution of bursts: a Poisson process in time, uniform along the chain.

    The times are published for a chip of the same kind (Nature 638, 920: one burst an hour of 3e9 cycles,
    decays of 400 to 700 us at 1.1 us a cycle). Peak and radius are not: the defaults are assumptions:
    from a tenth to full mixing, and "tens of qubits": a radius of 4 to 12 data qubits, with their measure
    qubits, to either side.

    Attributes:
        rate: bursts per cycle.
        decay: shortest and longest decay in cycles; uniform between.
        peak: smallest and largest peak, at most 1/2; uniform between.
        radius: smallest and largest radius in data qubits; uniform between.
        longest: decay times after its onset at which a burst ends.

    Raises:
        ValueError: a rate below 0, a range that is empty or outside these limits.
    """

    rate: float = 1 / 3e9
    decay: tuple[float, float] = (364.0, 636.0)
    peak: tuple[float, float] = (0.1, 0.5)
    radius: tuple[float, float] = (4.0, 12.0)
    longest: float = 12.0

    def __post_init__(self) -> None:
        if not self.rate >= 0:
            raise ValueError(f"rate={self.rate} bursts per cycle: must be at least 0")
        limits = {"decay": np.inf, "peak": 0.5, "radius": np.inf}
        for name, limit in limits.items():
            low, high = getattr(self, name)
            if not 0 < low <= high <= limit:
                raise ValueError(f"{name}=({low}, {high}): must be two numbers, 0 < low <= high <= {limit:g}")
        if not self.longest > 0:
            raise ValueError(f"longest={self.longest} decay times: must be above 0")

    def bursts(self, *, cycles: int, num_data: int, seed: int) -> list[Burst]:
        """Draw the bursts of a record of `cycles` cycles on a chain of `num_data` data qubits.

        A longer record with the same seed begins with the bursts of a shorter one.
        """
        found: list[Burst] = []
        onset = 0.0
        while self.rate > 0:
            generator = np.random.default_rng([seed, len(found), 0xB0857])
            onset += float(generator.exponential(1 / self.rate))
            if onset >= cycles:
                break
            found.append(self.draw(generator, onset=onset, num_data=num_data))
        return found

    def draw(self, generator: np.random.Generator, *, onset: float, num_data: int) -> Burst:
        """Draw a burst with a given onset."""
        return Burst(
            onset=onset,
            decay=float(generator.uniform(*self.decay)),
            peak=float(generator.uniform(*self.peak)),
            centre=float(generator.uniform(-0.5, num_data - 0.5)),
            radius=float(generator.uniform(*self.radius)),
        )


def as_rows(bursts: list[Burst]) -> NDArray[np.float64]:
    """Return bursts as an array for kernels, by onset: float64 (bursts, 5)."""
    rows = [(b.onset, b.decay, b.peak, b.centre, b.radius) for b in sorted(bursts, key=lambda b: b.onset)]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)
