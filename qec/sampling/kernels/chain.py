"""Shots of a repetition code: sub-chains cut out of them, events counted in them, bursts put into them.

A shot is a row of bits, layer after layer, each layer one bit per check from left to right (at most 64): the
order of stim's detectors. Layer t compares the checks of cycle t with those before; the last is the readout.
"""

import math

import numpy as np

from qec.sampling.kernels.errors import toggle
from qec.sampling.kernels.jit import interpreted, kernel
from qec.sampling.kernels.random import next_float, start_stream

if interpreted:

    def trailing_zeros(word: np.uint64) -> int:
        """Number of zero bits below the lowest one bit."""
        return int(word & (~word + np.uint64(1))).bit_length() - 1

else:
    from numba.cpython.unsafe.numbers import trailing_zeros  # type: ignore[assignment]

_ONE = np.uint64(1)
_NONE = np.uint64(0)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


@kernel
def low_bits(count):
    """A word of which the lowest `count` bits, 0 to 64, are set."""
    return _NONE if count == 0 else _ALL >> np.uint64(64 - count)


@kernel
def read_layers(bits, num_checks, layers):
    """Read a row of bytes as layers, uint64 (num_layers,)."""
    place = 0
    for layer in range(len(layers)):
        word = _NONE
        done = 0
        while done < num_checks:
            offset = place & 7
            taken = min(8 - offset, num_checks - done)
            part = (np.uint64(bits[place >> 3]) >> np.uint64(offset)) & low_bits(taken)
            word |= part << np.uint64(done)
            done += taken
            place += taken
        layers[layer] = word


@kernel
def write_layers(layers, first, count, bits):
    """Write the checks first, ..., first + count - 1 of all layers into a zeroed row of bytes."""
    mask = low_bits(count)
    place = 0
    for layer in range(len(layers)):
        word = (layers[layer] >> np.uint64(first)) & mask
        left = count
        while left > 0:
            offset = place & 7
            taken = min(8 - offset, left)
            bits[place >> 3] |= np.uint8((word & low_bits(taken)) << np.uint64(offset))
            word >>= np.uint64(taken)
            left -= taken
            place += taken


@kernel
def parity(word):
    """Whether an odd number of bits is set."""
    for shift in (32, 16, 8, 4, 2, 1):
        word ^= word >> np.uint64(shift)
    return np.uint8(word & _ONE)


@kernel
def cut_chains(events, flips, num_checks, num_layers, first, count, cut_events, cut_flips):
    """The same shots as a sub-chain of the checks first, ..., first + count - 1 sees them.

    Its observable is its last data qubit: the whole chain's, times the checks in between.
    """
    layers = np.zeros(num_layers, dtype=np.uint64)
    between = low_bits(num_checks) & ~low_bits(first + count)
    for shot in range(len(events)):
        read_layers(events[shot], num_checks, layers)
        cut_events[shot, :] = 0
        write_layers(layers, first, count, cut_events[shot])
        odd = _NONE
        for layer in range(num_layers):
            odd ^= layers[layer]
        cut_flips[shot, 0] = flips[shot, 0] ^ parity(odd & between)


@kernel
def count_windows(events, num_checks, num_layers, cycles, checks, totals, most, place):
    """Count events per shot, and in the fullest window of `checks` neighbours per stretch of `cycles` layers.

    totals int64 (shots,); most, place int64 (shots, stretches): the count and the window's first check.
    Layers behind the last whole stretch count in the totals only.
    """
    layers = np.zeros(num_layers, dtype=np.uint64)
    counts = np.zeros(num_checks, dtype=np.int64)
    for shot in range(len(events)):
        read_layers(events[shot], num_checks, layers)
        totals[shot] = 0
        stretch = 0
        for layer in range(num_layers):
            word = layers[layer]
            while word != _NONE:
                counts[np.int64(trailing_zeros(word))] += 1
                word &= word - _ONE
            if layer == num_layers - 1 or (layer + 1) % cycles == 0:
                for check in range(num_checks):
                    totals[shot] += counts[check]
                if stretch < most.shape[1] and (layer + 1) % cycles == 0:
                    inside = np.int64(0)
                    most[shot, stretch] = -1
                    for check in range(num_checks):
                        inside += counts[check]
                        if check >= checks:
                            inside -= counts[check - checks]
                        if check >= checks - 1 and inside > most[shot, stretch]:
                            most[shot, stretch] = inside
                            place[shot, stretch] = check - checks + 1
                stretch += 1
                counts[:] = 0


@kernel
def add_burst(bits, flips, num_checks, cycles, start, decay, peak, centre, radius, state):
    """Add the errors of one burst to one shot.

    Data qubit q at the start of cycle t, and the result of check q + 1/2 in cycle t, are flipped with
    probability peak * exp(-(t - start) / decay) * exp(-((q - centre) / radius)^2 / 2), t >= start.
    """
    for cycle in range(max(np.int64(0), np.int64(math.ceil(start))), cycles):
        rate = peak * math.exp(-(cycle - start) / decay)
        for half in range(2 * num_checks + 1):  # data qubits at even, checks at odd places
            away = (0.5 * half - centre) / radius
            if next_float(state) >= rate * math.exp(-0.5 * away * away):
                continue
            check = half >> 1
            if half & 1:
                toggle(bits, cycle * num_checks + check)
                toggle(bits, (cycle + 1) * num_checks + check)
                continue
            if check > 0:
                toggle(bits, cycle * num_checks + check - 1)
            if check < num_checks:
                toggle(bits, cycle * num_checks + check)
            else:
                flips[0] ^= np.uint8(1)


@kernel
def add_bursts(events, flips, num_checks, cycles, first_shot, bursts, longest, seed):
    """Add bursts to shots first_shot, first_shot + 1, ... that follow each other without pause.

    bursts float64 (bursts, 5): onset in cycles since shot 0, decay, peak, centre, radius. A burst is over
    `longest` of its decay times after its onset.
    """
    state = np.zeros(4, dtype=np.uint64)
    for shot in range(len(events)):
        begin = np.float64((first_shot + shot) * cycles)
        started = False
        for burst in range(len(bursts)):
            onset, decay = bursts[burst, 0], bursts[burst, 1]
            if onset >= begin + cycles or onset + longest * decay < begin:
                continue
            if not started:
                start_stream(state, seed, np.uint64(first_shot + shot))
                started = True
            add_burst(
                events[shot],
                flips[shot],
                num_checks,
                cycles,
                onset - begin,
                decay,
                bursts[burst, 2],
                bursts[burst, 3],
                bursts[burst, 4],
                state,
            )
