"""Shortening of long REPEAT blocks, and detection of the periodic part of a sequence of layers."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import stim
from numpy.typing import NDArray

# Repetitions kept of a block; enough for a bulk between first and last cycles that differ.
KEPT_REPEATS = 12

# Most instructions of a model whose nested blocks of few repetitions are expanded.
_MAX_EXPANDED = 10**6
# Longest period searched for, in layers.
_LONGEST_PERIOD = 2000


_Model = TypeVar("_Model", stim.DetectorErrorModel, stim.Circuit)


class Block(NamedTuple):
    """A REPEAT block that was shortened."""

    #: Its index among the instructions of the model after `_unnested`.
    number: int
    #: Detectors in one repetition.
    detectors: int
    #: Total repetitions, and those kept.
    repeats: int
    seen: int
    #: Detectors in the middle of the block. If they are periodic, so are the omitted ones.
    middle: slice

    @property
    def detectors_left_out(self) -> int:
        """Number of detectors in the omitted repetitions."""
        return (self.repeats - self.seen) * self.detectors


class Shortened(NamedTuple):
    """A model with short REPEAT blocks."""

    dem: stim.DetectorErrorModel
    blocks: list[Block]
    #: float64 (m,): total shift of the coordinates in the whole model.
    shift: NDArray[np.float64]


def shorten(dem: stim.DetectorErrorModel, *, seen: Mapping[int, int] | None = None) -> Shortened:
    """Shorten long REPEAT blocks.

    Args:
        dem: any model.
        seen: repetitions to keep, by block number (see `Block`); default KEPT_REPEATS.

    Raises:
        ValueError: there would be too many instructions after nested blocks are expanded.
    """
    unnested = _unnested(dem)
    if not any(isinstance(part, stim.DemRepeatBlock) for part in unnested):
        return Shortened(unnested, [], _total_shift(unnested)[0])
    short = stim.DetectorErrorModel()
    shift, offset = np.zeros(0), 0
    blocks = []
    for index, instruction in enumerate(unnested):
        if isinstance(instruction, stim.DemRepeatBlock):
            body, count = instruction.body_copy(), instruction.repeat_count
            inner, detectors = _total_shift(body)
            kept = min(count, (seen or {}).get(index, KEPT_REPEATS)) if detectors else count
            if kept < count:
                third = kept // 3 * detectors
                middle = slice(offset + third, offset + 2 * third)
                blocks.append(Block(index, detectors, count, kept, middle))
            short.append(stim.DemRepeatBlock(kept, body))
            offset += kept * detectors
            shift = _sum(shift, count * inner)
            continue
        if instruction.type == "shift_detectors":
            offset += instruction.targets_copy()[0]
            shift = _sum(shift, np.array(instruction.args_copy(), dtype=np.float64))
        short.append(instruction)
    return Shortened(short, blocks, shift)


def shorten_circuit(circuit: stim.Circuit, *, seen: int = KEPT_REPEATS) -> tuple[stim.Circuit, list[int]]:
    """Shorten long REPEAT blocks that have detectors.

    Returns:
        The circuit, and for each shortened block the number of omitted detectors.
    """
    short, left_out = stim.Circuit(), []
    for instruction in _unnested(circuit):
        if isinstance(instruction, stim.CircuitRepeatBlock) and instruction.repeat_count > seen:
            body = instruction.body_copy()
            if body.num_detectors:
                left_out.append((instruction.repeat_count - seen) * body.num_detectors)
                short.append(stim.CircuitRepeatBlock(seen, body))
                continue
        short.append(instruction)
    return short, left_out


class Run(NamedTuple):
    """Layers start..stop-1, which repeat with a period that divides both `start` and their number."""

    start: int
    stop: int
    period: int

    @property
    def num_periods(self) -> int:
        """Number of periods."""
        return (self.stop - self.start) // self.period


def repeating_part(kinds: NDArray[np.int64], *, including: NDArray[np.int64] | None = None) -> Run | None:
    """Find the periodic run of layers that leaves the fewest layers to store: those outside, plus one period.

    Args:
        kinds: int64 (layers,), equal for equal layers.
        including: layers that must be part of the run; default: none.

    Returns:
        A run of at least two periods; None if no layers repeat.
    """
    if including is None or not including.size:
        least, most = kinds.size, -1
    else:
        least, most = int(including.min()), int(including.max())
    num_layers = kinds.size
    best, fewest = None, num_layers
    for period in range(1, min(num_layers // 2, _LONGEST_PERIOD) + 1):
        if period >= fewest:
            break
        same = np.concatenate([[False], kinds[period:] == kinds[:-period], [False]])
        change = np.flatnonzero(np.diff(same))
        for first, behind in zip(change[::2], change[1::2], strict=True):
            start = -(-int(first) // period) * period
            stop = start + (int(behind) + period - start) // period * period
            stored = num_layers - (stop - start) + period
            if start > least or stop <= most:
                continue
            if stop - start >= 2 * period and stored < fewest:
                best, fewest = Run(start, stop, period), stored
    return best


def _unnested(model: _Model) -> _Model:
    """Expand blocks of few repetitions that contain blocks, and blocks with one repetition.

    Raises:
        ValueError: there would be too many instructions.
    """
    repeats = [part for part in model if isinstance(part, (stim.DemRepeatBlock, stim.CircuitRepeatBlock))]
    if not any(part.repeat_count == 1 or _is_nested(part) for part in repeats):
        return model
    size = _expanded_size(model)
    if size > _MAX_EXPANDED:
        raise ValueError(
            f"nested REPEAT blocks have {size} instructions when those of up to {KEPT_REPEATS} repetitions "
            f"are expanded, at most {_MAX_EXPANDED} are supported: use fewer levels"
        )
    return _expanded(model)


def _expanded_size(model: stim.DetectorErrorModel | stim.Circuit) -> int:
    """Count the instructions of `_expanded`, with one repetition of the blocks that are kept."""
    size = 0
    for part in model:
        if isinstance(part, (stim.DemRepeatBlock, stim.CircuitRepeatBlock)):
            times = part.repeat_count if part.repeat_count <= KEPT_REPEATS and _is_nested(part) else 1
            size += times * _expanded_size(part.body_copy())
        else:
            size += 1
    return size


def _expanded(model: _Model) -> _Model:
    """Write out the blocks that `_unnested` expands."""
    flat = type(model)()
    for instruction in model:
        if not isinstance(instruction, (stim.DemRepeatBlock, stim.CircuitRepeatBlock)):
            flat.append(instruction)
            continue
        count, body = instruction.repeat_count, _expanded(instruction.body_copy())
        if count == 1 or (_is_nested(instruction) and count <= KEPT_REPEATS):
            for _ in range(count):
                for inner in body:
                    flat.append(inner)
        else:
            flat.append(type(instruction)(count, body))
    return flat


def _is_nested(block: stim.DemRepeatBlock | stim.CircuitRepeatBlock) -> bool:
    return any(isinstance(inner, type(block)) for inner in block.body_copy())


def _total_shift(body: stim.DetectorErrorModel) -> tuple[NDArray[np.float64], int]:
    """Return by how much one repetition shifts coordinates, float64 (m,), and detectors."""
    shift = np.zeros(0)
    detectors = 0
    for instruction in body:
        if isinstance(instruction, stim.DemRepeatBlock):
            inner, count = _total_shift(instruction.body_copy())
            shift = _sum(shift, instruction.repeat_count * inner)
            detectors += instruction.repeat_count * count
        elif instruction.type == "shift_detectors":
            shift = _sum(shift, np.array(instruction.args_copy(), dtype=np.float64))
            detectors += instruction.targets_copy()[0]
    return shift, detectors


def _sum(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add vectors; the shorter one is padded with zeros."""
    total = np.zeros(max(one.size, other.size))
    total[: one.size] += one
    total[: other.size] += other
    return total
