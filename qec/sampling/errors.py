"""Errors of a detector error model as flat arrays, with repeated cycles kept as repeats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import NDArray

from qec.sampling.kernels.errors import ERROR, GROUP

# Errors of one repeat are drawn together if their probabilities differ by less than this factor.
_SPREAD = 1.1
# Parts of the line, for each group, at which a search for an error begins.
_PARTS_PER_GROUP = 16


@dataclass(frozen=True, eq=False, kw_only=True)
class ErrorList:
    """Independent errors with their probabilities, detectors and observables.

    Errors are grouped by REPEAT block and by probability. Suggested decompositions (`^`) are ignored: all
    parts of an error are flipped together.

    Attributes:
        num_detectors, num_observables: of the whole model.
        groups: int64 (groups, 4): first error, number of errors, number of repeats, detectors per repeat.
        group_probability: float64 (groups,): the largest probability in the group.
        probability: float64 (errors,).
        target_first: int64 (errors + 1,): first index of each error's targets in `targets`.
        targets: int64: detectors as in the first repeat; observables as ~number, that is, -1 - number.
    """

    num_detectors: int
    num_observables: int
    groups: NDArray[np.int64]
    group_probability: NDArray[np.float64]
    probability: NDArray[np.float64]
    target_first: NDArray[np.int64]
    targets: NDArray[np.int64]

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> ErrorList:
        """Read a DEM; a REPEAT block outside others costs the same for any number of repeats.

        Raises:
            ValueError: an argument that is not a `stim.DetectorErrorModel`.
        """
        if not isinstance(dem, stim.DetectorErrorModel):
            raise ValueError(f"expected a stim.DetectorErrorModel, got {type(dem).__name__}")
        groups: list[tuple[int, int, int, int]] = []
        largest: list[float] = []
        probability: list[float] = []
        targets: list[tuple[int, ...]] = []
        for errors, repeats, period in _segments(dem):
            for group in _by_probability(errors):
                groups.append((len(probability), len(group), repeats, period))
                largest.append(max(p for p, _ in group))
                probability += [p for p, _ in group]
                targets += [where for _, where in group]
        sizes = np.array([len(where) for where in targets], dtype=np.int64)
        return cls(
            num_detectors=dem.num_detectors,
            num_observables=dem.num_observables,
            groups=np.array(groups, dtype=np.int64).reshape(-1, 4),
            group_probability=np.array(largest, dtype=np.float64),
            probability=np.array(probability, dtype=np.float64),
            target_first=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            targets=np.array([target for where in targets for target in where], dtype=np.int64),
        )

    @property
    def num_errors(self) -> int:
        """Number of errors, including all repeats."""
        return int((self.groups[:, 1] * self.groups[:, 2]).sum())

    def on_line(self) -> tuple[NDArray[np.void], NDArray[np.int32], NDArray[np.void]]:
        """Lay the errors out on a line, from which kernels draw them; see `qec.sampling.kernels.errors`.

        Returns:
            GROUP (groups + 1,), int32 (parts of the line,): the first group in each; ERROR (errors + 1,).
        """
        num_groups = len(self.groups)
        line = np.zeros(num_groups + 1, dtype=GROUP)
        certain = self.group_probability >= 1
        line["hazard"][:-1] = -np.log1p(-np.where(certain, 0.0, self.group_probability))
        for name, column in zip(("first", "size", "repeats", "period"), self.groups.T, strict=True):
            line[name][:-1] = column
        line["start"][1:] = np.cumsum(line["hazard"] * line["size"] * line["repeats"])[:-1]
        parts = _PARTS_PER_GROUP * max(1, num_groups)
        with np.errstate(divide="ignore"):
            line["inverse"] = 1 / line["hazard"]
        line["inverse"][-1] = parts / line["start"][-1] if line["start"][-1] > 0 else 0.0
        begin = np.arange(parts) * (line["start"][-1] / parts)
        guide = np.searchsorted(line["start"], begin, side="right") - 1
        errors = np.zeros(len(self.target_first), dtype=ERROR)
        errors["first_target"] = self.target_first
        errors["keep"][:-1] = self.probability / np.repeat(self.group_probability, self.groups[:, 1])
        return line, np.clip(guide, 0, max(num_groups - 1, 0)).astype(np.int32), errors


_Error = tuple[float, tuple[int, ...]]


def _segments(dem: stim.DetectorErrorModel) -> Iterator[tuple[list[_Error], int, int]]:
    """Iterate over errors with detectors of the first repeat, their repeats, and the shift per repeat."""
    alone: list[_Error] = []
    shift = 0
    for instruction in dem:
        if isinstance(instruction, stim.DemRepeatBlock):
            errors: list[_Error] = []
            period = _read(instruction.body_copy(), shift, errors)
            yield errors, instruction.repeat_count, period
            shift += instruction.repeat_count * period
        else:
            shift += _read_one(instruction, shift, alone)
    yield alone, 1, 0


def _read(dem: stim.DetectorErrorModel, shift: int, errors: list[_Error]) -> int:
    """Append all errors of a body with its blocks unrolled; return its shift of detectors."""
    start = shift
    for instruction in dem:
        if isinstance(instruction, stim.DemRepeatBlock):
            body = instruction.body_copy()
            for _ in range(instruction.repeat_count):
                shift += _read(body, shift, errors)
        else:
            shift += _read_one(instruction, shift, errors)
    return shift - start


def _read_one(instruction: stim.DemInstruction, shift: int, errors: list[_Error]) -> int:
    """Append an error; return the shift of detectors if the instruction is one."""
    if instruction.type == "shift_detectors":
        return int(instruction.targets_copy()[0])
    if instruction.type == "error":
        p = float(instruction.args_copy()[0])
        flipped: set[int] = set()
        for target in instruction.targets_copy():
            if not target.is_separator():
                detector = target.is_relative_detector_id()
                flipped ^= {target.val + shift if detector else ~target.val}
        if p > 0 and flipped:
            errors.append((p, tuple(sorted(flipped))))
    return 0


def _by_probability(errors: list[_Error]) -> Iterator[list[_Error]]:
    """Group errors of nearly the same probability; each group keeps the order in time."""
    left = sorted({p for p, _ in errors}, reverse=True)
    while left:
        most = left[0]
        # Few values: one group each, so that no draw is rejected.
        least = most if len(left) <= 16 else most / _SPREAD
        yield [error for error in errors if least <= error[0] <= most]
        left = [p for p in left if p < least]
