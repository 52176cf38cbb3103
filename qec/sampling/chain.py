"""Shots of a long repetition code and of its sub-chains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from qec.sampling.bursts import Burst, BurstModel, as_rows
from qec.sampling.detectors import checked_seed
from qec.sampling.kernels import chain as kernels

Packed = NDArray[np.uint8]
# Bursts use separate generators, so that all other errors are the same with and without them.
_BURST_SEED = 0x5EED0FB0857


class WindowCounts(NamedTuple):
    """Numbers of detection events of shots, in total and in the windows with the most events.

    Attributes:
        totals: int64 (shots,).
        most: int64 (shots, stretches): largest count of a window in each stretch.
        place: int64 (shots, stretches): first check of that window.
    """

    totals: NDArray[np.int64]
    most: NDArray[np.int64]
    place: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ChainShots:
    """Layout of a repetition code's shots: `rounds` + 1 layers of `distance` - 1 detectors.

    That is the order of detectors in `memory_circuit` and in stim's generated circuits. The observable is the
    last data qubit.

    Raises:
        ValueError: distance not from 2 to 65, rounds below 1.
    """

    distance: int
    rounds: int

    def __post_init__(self) -> None:
        if not 2 <= self.distance <= 65 or self.rounds < 1:
            raise ValueError(f"distance={self.distance}, rounds={self.rounds}: must be 2 to 65, at least 1")

    @property
    def num_checks(self) -> int:
        """Checks, and so detectors per layer."""
        return self.distance - 1

    @property
    def num_layers(self) -> int:
        """Layers, including that of the readout."""
        return self.rounds + 1

    @property
    def num_bytes(self) -> int:
        """Bytes of one bit-packed shot."""
        return (self.num_checks * self.num_layers + 7) // 8

    def cut(self, events: Packed, flips: Packed, *, first: int, distance: int) -> tuple[Packed, Packed]:
        """Cut out the sub-chain of data qubits first, ..., first + distance - 1.

        Args:
            events, flips: bit-packed shots of this chain.
            first: the sub-chain's first data qubit, from 0.
            distance: its number of data qubits.

        Returns:
            The shots of the sub-chain; its observable is its last data qubit.

        Raises:
            ValueError: events of another shape, or a sub-chain that does not lie in the chain.
        """
        self._check(events)
        self._check_part(first, distance)
        part = ChainShots(distance=distance, rounds=self.rounds)
        cut_events = np.empty((len(events), part.num_bytes), dtype=np.uint8)
        cut_flips = np.empty((len(events), 1), dtype=np.uint8)
        kernels.cut_chains(
            events, flips, self.num_checks, self.num_layers, first, distance - 1, cut_events, cut_flips
        )
        return cut_events, cut_flips

    def cut_model(
        self, dem: stim.DetectorErrorModel, *, first: int, distance: int
    ) -> stim.DetectorErrorModel:
        """Cut the DEM down to a sub-chain as it is measured inside the whole chain.

        The qubits at its ends have errors from the checks outside it, which a separate chain does not have: a
        decoder of the sub-chain needs this model. Coordinates are left out.

        Raises:
            ValueError: a DEM of another size, or a sub-chain that does not lie in the chain.
        """
        self._check_part(first, distance)
        if dem.num_detectors != self.num_checks * self.num_layers:
            raise ValueError(
                f"a model of {dem.num_detectors} detectors: this chain has "
                f"{self.num_checks * self.num_layers}"
            )
        return _cut(dem, num_checks=self.num_checks, first=first, count=distance - 1)

    def count(self, events: Packed, *, cycles: int, checks: int) -> WindowCounts:
        """Count detection events, in total and in windows of `cycles` layers and `checks` neighbouring
        checks.

        Windows are adjacent in time and at all positions along the chain.

        Raises:
            ValueError: events of another shape, or a window larger than a shot.
        """
        self._check(events)
        if not (1 <= cycles <= self.num_layers and 1 <= checks <= self.num_checks):
            raise ValueError(
                f"a window of {cycles} cycles and {checks} checks: must be at most {self.num_layers} and "
                f"{self.num_checks}"
            )
        shape = (len(events), self.num_layers // cycles)
        found = WindowCounts(
            totals=np.zeros(len(events), dtype=np.int64),
            most=np.zeros(shape, dtype=np.int64),
            place=np.zeros(shape, dtype=np.int64),
        )
        kernels.count_windows(events, self.num_checks, self.num_layers, cycles, checks, *found)
        return found

    def add_bursts(
        self,
        events: Packed,
        flips: Packed,
        *,
        bursts: list[Burst],
        first_shot: int,
        seed: int,
        longest: float = BurstModel.longest,
    ) -> None:
        """Add the errors of bursts to shots, in place.

        Shots follow each other without a pause: shot n begins with cycle n * rounds of the record. A burst
        flips data qubits and results of checks independently (see `Burst`).

        Raises:
            ValueError: events of another shape.
        """
        self._check(events)
        if bursts:
            kernels.add_bursts(
                events,
                flips,
                self.num_checks,
                self.rounds,
                np.int64(first_shot),
                as_rows(bursts),
                float(longest),
                checked_seed(seed ^ _BURST_SEED),
            )

    def _check_part(self, first: int, distance: int) -> None:
        if not (first >= 0 and distance >= 2 and first + distance <= self.distance):
            raise ValueError(
                f"first={first}, distance={distance}: no sub-chain of {self.distance} data qubits"
            )

    def _check(self, events: Packed) -> None:
        if events.ndim != 2 or events.shape[1] != self.num_bytes or events.dtype != np.uint8:
            raise ValueError(
                f"events {events.dtype} {events.shape}: expected bit-packed uint8 (shots, {self.num_bytes})"
            )


def _cut(dem: stim.DetectorErrorModel, *, num_checks: int, first: int, count: int) -> stim.DetectorErrorModel:
    """Keep only detectors of the checks first, ..., first + count - 1, and the observable at their end."""
    cut = stim.DetectorErrorModel()
    for instruction in dem:
        if isinstance(instruction, stim.DemRepeatBlock):
            body = _cut(instruction.body_copy(), num_checks=num_checks, first=first, count=count)
            cut.append(stim.DemRepeatBlock(instruction.repeat_count, body))
        elif instruction.type == "shift_detectors":
            layers = instruction.targets_copy()[0] // num_checks
            cut.append("shift_detectors", [], [layers * count])
        elif instruction.type == "error":
            inside: set[int] = set()
            flip = False
            for target in instruction.targets_copy():
                if target.is_logical_observable_id():
                    flip = not flip
                elif target.is_relative_detector_id():
                    layer, check = divmod(target.val, num_checks)
                    if first <= check < first + count:
                        inside ^= {layer * count + check - first}
                    flip ^= check >= first + count
            targets = [stim.target_relative_detector_id(detector) for detector in sorted(inside)]
            if flip:
                targets.append(stim.target_logical_observable_id(0))
            if inside:
                cut.append("error", instruction.args_copy(), targets)
    return cut
