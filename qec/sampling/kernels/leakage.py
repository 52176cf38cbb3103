"""Pauli frames and leaked qubits through a circuit, one shot after the other."""

import numpy as np

from qec.sampling.kernels.errors import toggle
from qec.sampling.kernels.jit import kernel
from qec.sampling.kernels.random import next_float, next_word, start_stream

# What an operation is. Its fields: kind, qubit (or place), second qubit (or further argument).
GATE, CZ, CX, RESET_Z, RESET_X = np.int64(0), np.int64(1), np.int64(2), np.int64(3), np.int64(4)
MEASURE_Z, MEASURE_X, FLIP, DEPOLARIZE, DEPOLARIZE_TWO = (np.int64(kind) for kind in range(5, 10))
CYCLE, PAULI_ONE, PAULI_TWO = np.int64(10), np.int64(11), np.int64(12)
# Places in the array of rates.
(
    HEAT_CZ,
    HEAT_MEASURE,
    HEAT_CYCLE,
    TRANSPORT,
    DECAY,
    RESET,
    REMOVAL,
    READS_ONE,
    DEPOLARIZES,
) = (np.int64(place) for place in range(9))
NUM_RATES = 9


@kernel
def coin(state):
    """Zero or one."""
    return np.uint8(next_word(state) >> np.uint64(63))


@kernel
def randomise(state, qubit, x, z):
    """Put any of the four Paulis on a qubit."""
    x[qubit] ^= coin(state)
    z[qubit] ^= coin(state)


@kernel
def come_back(state, qubit, x, z, leaked):
    """Return a leaked qubit to a random state of its two levels."""
    leaked[qubit] = 0
    randomise(state, qubit, x, z)


@kernel
def kick(state, qubit, other_is_x, rates, x, z):
    """What a gate with a leaked partner does to a qubit."""
    if rates[DEPOLARIZES] > 0:
        randomise(state, qubit, x, z)
    elif other_is_x:
        x[qubit] ^= coin(state)
    else:
        z[qubit] ^= coin(state)


@kernel
def two_qubit_gate(state, is_cx, a, b, rates, x, z, leaked):
    """CZ, or CX from a to b, with what it does to leakage and leakage to it."""
    if leaked[a] == 0 and leaked[b] == 0:
        if is_cx:
            x[b] ^= x[a]
            z[a] ^= z[b]
        else:
            z[a] ^= x[b]
            z[b] ^= x[a]
        if rates[HEAT_CZ] > 0 and next_float(state) < rates[HEAT_CZ]:
            leaked[a if coin(state) else b] = 1
        return
    if leaked[a] and leaked[b]:
        return
    old, new = (a, b) if leaked[a] else (b, a)
    if rates[TRANSPORT] > 0 and next_float(state) < rates[TRANSPORT]:
        come_back(state, old, x, z, leaked)
        leaked[new] = 1
    else:
        kick(state, new, is_cx and new == b, rates, x, z)


@kernel
def pauli(state, qubit, which, x, z):
    """Put Pauli 1, 2, 3 (X, Y, Z) on a qubit."""
    if which != 3:
        x[qubit] ^= np.uint8(1)
    if which != 1:
        z[qubit] ^= np.uint8(1)


@kernel
def draw_pauli(draw, shares, last):
    """Number, from 1 to `last`, of the Pauli that a uniform draw below the channel's probability falls to.

    shares float64 (15,): cumulative probabilities.
    """
    which = np.int64(1)
    while which < last and draw >= shares[which - 1]:
        which += 1
    return which


@kernel
def run_shot(
    program, chances, channels, shares, data, rates, reference, state, x, z, leaked, record, population
):
    """One shot of a program; leaves the flips of all measurements in `record`.

    program int64 (operations, 3); chances float64 (operations,); channels int64 (operations,), rows of
    shares float64 (channels, 15) for general Pauli channels; population float64 (cycles,) counts leaked
    data qubits as each cycle begins, before they are removed.
    """
    x[:] = 0
    z[:] = 0
    leaked[:] = 0
    measured = 0
    cycle = 0
    for at in range(len(program)):
        kind, a, b = program[at, 0], program[at, 1], program[at, 2]
        chance = chances[at]
        if kind in (CZ, CX):
            two_qubit_gate(state, kind == CX, a, b, rates, x, z, leaked)
        elif kind == GATE:  # b: where x goes (x, z), where z goes (x, z)
            was_x, was_z = x[a], z[a]
            x[a] = (was_x & np.uint8(b & 1)) ^ (was_z & np.uint8(b >> 2 & 1))
            z[a] = (was_x & np.uint8(b >> 1 & 1)) ^ (was_z & np.uint8(b >> 3 & 1))
        elif kind == DEPOLARIZE:
            if next_float(state) < chance:
                pauli(state, a, 1 + np.int64(3 * next_float(state)), x, z)
        elif kind == DEPOLARIZE_TWO:
            if next_float(state) < chance:
                which = 1 + np.int64(15 * next_float(state))
                if which & 3:
                    pauli(state, a, which & 3, x, z)
                if which >> 2:
                    pauli(state, b, which >> 2, x, z)
        elif kind == FLIP:  # b: 1, 2, 3 for X, Y, Z
            if next_float(state) < chance:
                pauli(state, a, b, x, z)
        elif kind == PAULI_ONE:
            draw = next_float(state)
            if draw < chance:
                pauli(state, a, draw_pauli(draw, shares[channels[at]], 3), x, z)
        elif kind == PAULI_TWO:
            draw = next_float(state)
            if draw < chance:
                which = draw_pauli(draw, shares[channels[at]], 15)  # 4 * first + second
                if which >> 2:
                    pauli(state, a, which >> 2, x, z)
                if which & 3:
                    pauli(state, b, which & 3, x, z)
        elif kind in (MEASURE_Z, MEASURE_X):
            if leaked[a]:
                one = np.uint8(next_float(state) < rates[READS_ONE])
                record[measured] = one ^ reference[measured]
            else:
                record[measured] = x[a] if kind == MEASURE_Z else z[a]
                if chance > 0 and next_float(state) < chance:
                    record[measured] ^= np.uint8(1)
                if kind == MEASURE_Z:
                    z[a] ^= coin(state)
                else:
                    x[a] ^= coin(state)
                if rates[HEAT_MEASURE] > 0 and next_float(state) < rates[HEAT_MEASURE]:
                    leaked[a] = 1
            measured += 1
        elif kind in (RESET_Z, RESET_X):
            if leaked[a] and next_float(state) < rates[RESET]:
                leaked[a] = 0
            if leaked[a] == 0:
                x[a] = 0 if kind == RESET_Z else coin(state)
                z[a] = coin(state) if kind == RESET_Z else 0
        else:  # CYCLE
            for qubit in data:
                if leaked[qubit]:
                    population[cycle] += 1
                    if next_float(state) < rates[DECAY] or next_float(state) < rates[REMOVAL]:
                        come_back(state, qubit, x, z, leaked)
                elif rates[HEAT_CYCLE] > 0 and next_float(state) < rates[HEAT_CYCLE]:
                    leaked[qubit] = 1
            cycle += 1


@kernel
def run_shots(
    program,
    chances,
    channels,
    shares,
    data,
    rates,
    reference,
    num_qubits,
    parity_first,
    parities,
    num_detectors,
    seed,
    first_shot,
    events,
    flips,
    population,
):
    """Shots first_shot, first_shot + 1, ... to bit-packed events and flips of observables.

    Row n of `parities` (from parity_first[n] on) lists the measurements of detector n; observables follow.
    """
    state = np.zeros(4, dtype=np.uint64)
    x = np.zeros(num_qubits, dtype=np.uint8)
    z = np.zeros(num_qubits, dtype=np.uint8)
    leaked = np.zeros(num_qubits, dtype=np.uint8)
    record = np.zeros(len(reference), dtype=np.uint8)
    for shot in range(len(events)):
        start_stream(state, seed, np.uint64(first_shot + shot))
        run_shot(
            program,
            chances,
            channels,
            shares,
            data,
            rates,
            reference,
            state,
            x,
            z,
            leaked,
            record,
            population,
        )
        events[shot, :] = 0
        flips[shot, :] = 0
        for row in range(len(parity_first) - 1):
            odd = np.uint8(0)
            for at in range(parity_first[row], parity_first[row + 1]):
                odd ^= record[parities[at]]
            if odd:
                if row < num_detectors:
                    toggle(events[shot], row)
                else:
                    toggle(flips[shot], row - num_detectors)
