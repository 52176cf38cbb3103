"""Random numbers with one generator per stream, so that results do not depend on threads or order.

xoshiro256++ (Blackman and Vigna, arXiv 1805.01407), its state filled by SplitMix64 from a seed and the number
of a stream (a shot, a chain): streams can be drawn in any order, by any number of threads.
"""

import math

import numpy as np
from numpy.typing import NDArray

from qec.sampling.kernels.jit import kernel

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_ONE, _R23, _R45, _R11 = np.uint64(1), np.uint64(23), np.uint64(45), np.uint64(11)
_R17, _R19, _R41, _R27, _R30, _R31 = (np.uint64(r) for r in (17, 19, 41, 27, 30, 31))
_STEP = 2.0**-53
_LAYERS, _LAYER_BITS = 256, np.uint64(255)


@kernel
def mixed(word):
    """Apply SplitMix64's finalizer: every bit of the result depends on every bit of the word."""
    word = (word ^ (word >> _R30)) * _MIX_1
    word = (word ^ (word >> _R27)) * _MIX_2
    return word ^ (word >> _R31)


@kernel
def start_stream(state, seed, stream):
    """Seed a generator, uint64 (4,): the start of a stream of a seed."""
    word = mixed(np.uint64(seed) + _GOLDEN) ^ mixed(~(np.uint64(stream) * _GOLDEN))
    for at in range(4):
        word += _GOLDEN
        state[at] = mixed(word)


@kernel
def next_word(state):
    """Draw 64 random bits."""
    a, b, c, d = state[0], state[1], state[2], state[3]
    total = a + d
    result = ((total << _R23) | (total >> _R41)) + a
    shifted = b << _R17
    c ^= a
    d ^= b
    state[1] = b ^ c
    state[0] = a ^ d
    state[2] = c ^ shifted
    state[3] = (d << _R45) | (d >> _R19)
    return result


@kernel
def next_float(state):
    """Draw a number between 0 and 1, neither end included, in steps of 2^-53."""
    return (np.float64(next_word(state) >> _R11) + 0.5) * _STEP


@kernel
def next_below(state, limit):
    """Draw an integer from 0 to limit - 1; the bias is below limit / 2^53."""
    return np.int64(next_float(state) * limit)


def _ziggurat() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cut the area under exp(-x) into layers of equal area, the lowest with the tail beyond its right end.

    Returns:
        Right ends of the rectangles inside the layers, that of the highest layer (zero) first, and the width
        of the lowest layer with its tail made a rectangle: float64 (layers + 1,); exp(-x) at the right ends.
    """

    def ends(last: float) -> list[float]:
        area, found = (1 + last) * math.exp(-last), [last]
        while len(found) < _LAYERS:
            height = math.exp(-found[-1]) + area / found[-1]
            if height >= 1:
                return []
            found.append(-math.log(height))
        return found[::-1]

    low, high = 1.0, 20.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (low, middle) if ends(middle) else (middle, high)
    right = np.array([0.0, *ends(high)[1:]])
    return np.append(right, 1 + high), np.exp(-right)


_RIGHT, _HEIGHT = _ziggurat()


@kernel
def next_exponential(state):
    """Draw from the exponential distribution of mean one.

    By a ziggurat (Marsaglia and Tsang, Journal of Statistical Software 5, 8, 2000): 98 of 100 draws take no
    exponential function.
    """
    beyond = 0.0
    while True:
        word = next_word(state)
        layer = np.int64(word & _LAYER_BITS)
        x = (np.float64(word >> _R11) + 0.5) * _STEP * _RIGHT[layer + 1]
        if x < _RIGHT[layer]:
            return beyond + x
        if layer == _LAYERS - 1:
            beyond += _RIGHT[layer]  # the tail is distributed as the whole
        elif _HEIGHT[layer + 1] + next_float(state) * (_HEIGHT[layer] - _HEIGHT[layer + 1]) < math.exp(-x):
            return beyond + x
