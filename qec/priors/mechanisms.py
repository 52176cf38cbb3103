"""Error mechanisms of a DEM as unknowns: one for each set of detectors that an error flips.

Detection events cannot distinguish errors that flip the same detectors, with any observables and any
suggested decomposition. Such errors share one unknown: the attenuation a = -ln(1 - 2 p), which
adds up where independent errors flip the same detectors. A learned attenuation is split among the errors of
a set in proportion to their initial values.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import stim
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_MAX_ERRORS = 2_000_000


@dataclass(frozen=True, eq=False)
class Mechanisms:
    """Unknowns of a DEM.

    Attributes:
        instructions: the DEM's instructions, blocks unrolled.
        positions: index among `instructions` of each learnable error.
        probabilities: float64, initial probability of each learnable error.
        inverted: bool, whether that is above one half: such an error is a certain flip and an error of the
            complementary probability.
        set_of: index in `sets` of each learnable error.
        sets: the distinct sets of detectors, each ascending.
        num_detectors: detectors of the DEM.
        certain: bool (num_detectors,), detectors that an odd number of inverted or certain errors flips.
        coordinates: detector -> coordinates.
    """

    instructions: Sequence[stim.DemInstruction]
    positions: Indices
    probabilities: Floats
    inverted: NDArray[np.bool_]
    set_of: Indices
    sets: Sequence[tuple[int, ...]]
    num_detectors: int
    certain: NDArray[np.bool_]
    coordinates: Mapping[int, Sequence[float]]

    @cached_property
    def start(self) -> Floats:
        """Initial attenuation of each set: float64 (sets,), above zero."""
        found = np.zeros(len(self.sets))
        np.add.at(found, self.set_of, attenuation(self.probabilities))
        return found

    @cached_property
    def sizes(self) -> Indices:
        """Number of detectors of each set."""
        return np.array([len(detectors) for detectors in self.sets], dtype=np.intp)

    @cached_property
    def incidence(self) -> sparse.csr_array:
        """Detectors (rows) that each set (column) flips, as float64 zeros and ones."""
        rows = np.array([d for detectors in self.sets for d in detectors], dtype=np.intp)
        columns = np.repeat(np.arange(len(self.sets)), self.sizes)
        shape = (self.num_detectors, len(self.sets))
        return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)

    def detection_fractions(self, attenuations: Floats) -> Floats:
        """Compute the probability that each detector fires: float64 (num_detectors,)."""
        quiet = np.asarray(self.incidence @ attenuations)
        fired: Floats = probability(quiet)
        return np.where(self.certain, 1 - fired, fired)

    def repeated_in_time(self) -> Indices:
        """Return the class of each set; sets that differ by a shift in time only share one.

        A set with a detector without coordinates is the only one of its class.
        """
        return _classes([self._shape(detectors, shift=(-1,)) for detectors in self.sets])

    def repeated_in_space(self) -> Indices:
        """Return the class of each set; sets that differ by a shift in space and time share one."""
        return _classes([self._shape(detectors, shift=(0, 1, -1)) for detectors in self.sets])

    def _shape(self, detectors: tuple[int, ...], *, shift: Sequence[int]) -> Hashable:
        places = [tuple(self.coordinates.get(d, ())) for d in detectors]
        lengths = {len(place) for place in places}
        if len(lengths) != 1 or min(lengths) == 0:
            return detectors
        table = np.array(places)
        # Time is the third coordinate, or the last where there are fewer; a fourth (colour) stays.
        time = min(2, table.shape[1] - 1)
        axes = {time if axis == -1 else axis for axis in shift if axis < table.shape[1]}
        for axis in axes:
            table[:, axis] -= table[:, axis].min()
        return tuple(sorted(map(tuple, np.round(table, 6).tolist())))

    def model(self, attenuations: Floats) -> stim.DetectorErrorModel:
        """Make the DEM with these attenuations: same errors, decompositions, observables and coordinates.

        Args:
            attenuations: float64 (sets,).
        """
        share = attenuation(self.probabilities) * (attenuations / self.start)[self.set_of]
        learned = probability(share)
        learned = np.where(self.inverted, 1 - learned, learned)
        new = dict(zip(self.positions.tolist(), learned.tolist(), strict=True))
        result = stim.DetectorErrorModel()
        for position, instruction in enumerate(self.instructions):
            if position in new:
                result.append(
                    stim.DemInstruction(
                        "error", [new[position]], instruction.targets_copy(), tag=instruction.tag
                    )
                )
            else:
                result.append(instruction)
        return result


def attenuation(probability: Floats) -> Floats:
    """Compute -ln(1 - 2 p)."""
    return np.asarray(-np.log1p(-2 * probability))


def probability(attenuation: Floats) -> Floats:
    """Compute (1 - exp(-a)) / 2."""
    return np.asarray(-np.expm1(-attenuation) / 2)


def read_mechanisms(
    dem: stim.DetectorErrorModel, *, coordinates: Mapping[int, Sequence[float]] | None = None
) -> Mechanisms:
    """Read the unknowns of a DEM.

    Errors of probability 0 or 1 and errors that flip no detector are unchanged.

    Args:
        dem: `repeat` blocks are unrolled, hyperedges need not be decomposed.
        coordinates: detector -> coordinates, if the DEM has none.

    Raises:
        ValueError: not a DEM, an error of probability 1/2 (it hides all others), nothing to learn, or more
        than
            two million errors.
    """
    if not isinstance(dem, stim.DetectorErrorModel):
        raise ValueError(f"expected a stim.DetectorErrorModel, got {type(dem).__name__}")
    if dem.num_errors > _MAX_ERRORS:
        raise ValueError(f"the DEM has {dem.num_errors} errors, more than {_MAX_ERRORS}: use fewer cycles")
    instructions = list(dem.flattened())
    known = {d: tuple(place) for d, place in dem.get_detector_coordinates().items() if place}
    known.update({} if coordinates is None else {d: tuple(place) for d, place in coordinates.items()})
    certain = np.zeros(dem.num_detectors, dtype=np.bool_)
    numbers: dict[tuple[int, ...], int] = {}
    positions, probabilities, inverted, set_of = [], [], [], []
    for position, instruction in enumerate(instructions):
        if instruction.type != "error":
            continue
        p = instruction.args_copy()[0]
        flipped: set[int] = set()
        for target in instruction.targets_copy():
            if target.is_relative_detector_id():
                flipped ^= {target.val}
        detectors = tuple(sorted(flipped))
        if p == 0.5 and detectors:
            raise ValueError(f"{instruction}: an error of probability 0.5 hides all others at its detectors")
        if p > 0.5:
            certain[list(detectors)] ^= True
        if p in (0.0, 1.0) or not detectors:
            continue
        positions.append(position)
        probabilities.append(min(p, 1 - p))
        inverted.append(p > 0.5)
        set_of.append(numbers.setdefault(detectors, len(numbers)))
    if not positions:
        raise ValueError(
            "the DEM has no error between 0 and 1 that flips a detector: there is nothing to learn"
        )
    return Mechanisms(
        instructions=instructions,
        positions=np.array(positions, dtype=np.intp),
        probabilities=np.array(probabilities),
        inverted=np.array(inverted, dtype=np.bool_),
        set_of=np.array(set_of, dtype=np.intp),
        sets=list(numbers),
        num_detectors=dem.num_detectors,
        certain=certain,
        coordinates=known,
    )


def _classes(labels: Sequence[Hashable]) -> Indices:
    numbers: dict[Hashable, int] = {}
    found: Callable[[Hashable], int] = lambda label: numbers.setdefault(label, len(numbers))  # noqa: E731
    return np.array([found(label) for label in labels], dtype=np.intp)
