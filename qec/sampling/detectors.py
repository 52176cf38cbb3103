"""Detection events of a detector error model, equal in distribution to stim's."""

from __future__ import annotations

import numpy as np
import stim
from numpy.typing import NDArray

from qec.sampling.errors import ErrorList
from qec.sampling.kernels import errors as kernels

Packed = NDArray[np.uint8]


class DetectorSampler:
    """Sampler of a DEM, whose errors are independent, as in `dem.compile_sampler()`.

    Absent errors take no time: the distance to the next error is drawn (see `qec.sampling.kernels.errors`).
    Every shot has a generator, seeded by the seed and the shot's number, so any shot can be drawn again
    alone, and the result is the same for any split into calls and threads.

    Threads may share one sampler; `sample` releases the GIL.
    """

    def __init__(self, *, errors: ErrorList) -> None:
        self.errors = errors
        self._line = errors.on_line()

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> DetectorSampler:
        """Make the sampler of a DEM; see `ErrorList.from_dem`."""
        return cls(errors=ErrorList.from_dem(dem))

    @property
    def num_detectors(self) -> int:
        """Number of detectors."""
        return self.errors.num_detectors

    @property
    def num_observables(self) -> int:
        """Number of observables."""
        return self.errors.num_observables

    def sample(self, *, shots: int, seed: int, first_shot: int = 0) -> tuple[Packed, Packed]:
        """Draw shots number first_shot, ..., first_shot + shots - 1 of a seed.

        Args:
            shots: number of shots, at least 0.
            seed: 0 to 2^64 - 1.
            first_shot: number of the first shot, at least 0.

        Returns:
            Detection events, uint8 (shots, ceil(detectors / 8)), and flips of the observables, uint8
            (shots, ceil(observables / 8)), both bit-packed, least significant bit first.

        Raises:
            ValueError: a number outside its range.
        """
        if shots < 0 or first_shot < 0:
            raise ValueError(f"shots={shots}, first_shot={first_shot}: must be at least 0")
        events = np.empty((shots, (self.num_detectors + 7) // 8), dtype=np.uint8)
        flips = np.empty((shots, (self.num_observables + 7) // 8), dtype=np.uint8)
        self.sample_into(events, flips, seed=seed, first_shot=first_shot)
        return events, flips

    def sample_into(self, events: Packed, flips: Packed, *, seed: int, first_shot: int) -> None:
        """Draw shots as `sample` does, into C-contiguous arrays of the shapes that it returns."""
        kernels.sample_shots(
            *self._line,
            self.errors.targets,
            checked_seed(seed),
            np.int64(first_shot),
            events,
            flips,
        )


def checked_seed(seed: int) -> np.uint64:
    """Return a seed as uint64, for kernels.

    Raises:
        ValueError: not between 0 and 2^64 - 1.
    """
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed={seed}: must be between 0 and 2^64 - 1")
    return np.uint64(seed)
