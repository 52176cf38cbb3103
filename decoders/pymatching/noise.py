"""Random errors of a graph whose edges have probabilities."""

import numpy as np
from numpy.typing import NDArray

from decoders.pymatching.edges import BOUNDARY, EdgeColumns

# One generator for all graphs, as PyMatching has it. Seeded by the operating system until `set_seed`.
_random = [np.random.default_rng()]


def set_seed(seed: int) -> None:
    """Seed the generator of `Matching.add_noise` and `rand_float`."""
    _random[0] = np.random.default_rng(seed)


def randomize() -> None:
    """Seed the generator of `Matching.add_noise` and `rand_float` from the operating system."""
    _random[0] = np.random.default_rng()


def rand_float(from_: float, to: float) -> float:
    """Draw a number uniformly from an interval."""
    return float(_random[0].uniform(from_, to))


def sample_errors(
    columns: EdgeColumns, *, num_nodes: int, num_fault_ids: int, boundary: set[int]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Flip each edge with its probability.

    Returns:
        uint8 (num_fault_ids,), the fault ids flipped, and uint8 (num_nodes,), the syndrome, which is 0 at
        boundary nodes.
    """
    flipped = _random[0].random(columns.probability.size) < columns.probability
    ends = np.concatenate([columns.node1[flipped], columns.node2[flipped]])
    syndrome = np.bincount(ends[ends != BOUNDARY], minlength=num_nodes) % 2
    syndrome[list(boundary)] = 0
    of_flipped = np.repeat(flipped, np.diff(columns.fault_start))
    faults = np.bincount(columns.fault_ids[of_flipped], minlength=num_fault_ids) % 2
    return faults.astype(np.uint8), syndrome.astype(np.uint8)
