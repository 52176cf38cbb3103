"""Joint probabilities of all syndromes and logical classes of a small model."""

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point


@entry_point
def add_mechanism(table: NDArray[np.float64], mask: int, chance: float) -> None:
    """Apply one mechanism to a table of probabilities.

    Args:
        table: float64 (2**bits,): probability of each set of flips; read and written.
        mask: what the mechanism flips, not 0.
        chance: its probability.
    """
    for index in range(len(table)):
        other = index ^ mask
        if index < other:
            here, there = table[index], table[other]
            table[index] = (1.0 - chance) * here + chance * there
            table[other] = (1.0 - chance) * there + chance * here
