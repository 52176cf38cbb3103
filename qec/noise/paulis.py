"""Pauli weights: division of the probability of an error channel among Pauli operators."""

import math
from collections.abc import Iterable, Mapping
from itertools import product

import stim

from qec.instructions import append_instruction
from qec.noise.checks import is_number

#: Number of qubits -> Paulis of an error, in the order of stim's PAULI_CHANNEL_1 and _2.
PAULIS: Mapping[int, tuple[str, ...]] = {
    1: ("X", "Y", "Z"),
    2: tuple(a + b for a, b in product("IXYZ", repeat=2))[1:],
}

Weights = tuple[tuple[str, float], ...]


def check_weights(what: str, num_qubits: int, weights: Mapping[str, float] | Weights) -> Weights:
    """Check relative probabilities of Paulis.

    Args:
        what: the channel, for error messages.
        num_qubits: 1 or 2.
        weights: Pauli (such as "Z" or "IZ") -> weight; absent ones are 0.

    Returns:
        Weights above 0 in the order of `PAULIS`; empty if all are equal, which is depolarizing.

    Raises:
        ValueError: an unknown Pauli, one given twice, only zeros, a weight that is not a number of 0 or more.
    """
    pairs = tuple(weights.items() if isinstance(weights, Mapping) else weights)
    known = PAULIS[num_qubits]
    cleaned: dict[str, float] = {}
    for pauli, weight in pairs:
        if pauli not in known:
            raise ValueError(f"weights of {what}: unknown Pauli {pauli!r}; known: {', '.join(known)}")
        if pauli in cleaned:
            raise ValueError(f"weights of {what}: {pauli} is given twice")
        if not is_number(weight) or not 0 <= float(weight) < math.inf:
            raise ValueError(f"weights of {what}: {pauli} must be a number, 0 or more, not {weight!r}")
        cleaned[pauli] = float(weight)
    found = tuple((pauli, cleaned[pauli]) for pauli in known if cleaned.get(pauli, 0.0) > 0)
    if pairs and not found:
        raise ValueError(f"weights of {what}: at least one must be above 0")
    return () if len({weight for _, weight in found}) == 1 and len(found) == len(known) else found


def biased_weights(num_qubits: int, eta: float) -> dict[str, float]:
    """Compute the weights of dephasing-biased noise.

    Each product of I and Z weighs 2 eta, every other Pauli 1. For one qubit eta is p_Z / (p_X + p_Y) (arXiv
    1708.08474); eta = 1/2 is depolarizing for one qubit and for two, infinity is pure dephasing.

    Raises:
        ValueError: eta is not a number of at least 0.
    """
    if not is_number(eta) or not float(eta) >= 0:
        raise ValueError(f"bias must be a number, 0 or more (inf: Z errors only), not {eta!r}")
    dephasing = [pauli for pauli in PAULIS[num_qubits] if set(pauli) <= {"I", "Z"}]
    if math.isinf(eta):
        return dict.fromkeys(dephasing, 1.0)
    return {pauli: 2 * float(eta) if pauli in dephasing else 1.0 for pauli in PAULIS[num_qubits]}


def append_channel(
    out: stim.Circuit, num_qubits: int, targets: Iterable[int], rate: float, weights: Weights
) -> None:
    """Append an error channel: DEPOLARIZE without weights, else the shortest equivalent instruction.

    Args:
        out: circuit to extend.
        num_qubits: 1 or 2 qubits for each error.
        targets: qubits; for two-qubit errors a flat list of pairs.
        rate: probability of any error.
        weights: as `check_weights` returns them.
    """
    if not weights:
        append_instruction(out, f"DEPOLARIZE{num_qubits}", targets, [rate])
    elif num_qubits == 1 and len(weights) == 1:
        append_instruction(out, f"{weights[0][0]}_ERROR", targets, [rate])
    else:
        total = sum(weight for _, weight in weights)
        share = {pauli: rate * weight / total for pauli, weight in weights}
        arguments = [share.get(pauli, 0.0) for pauli in PAULIS[num_qubits]]
        append_instruction(out, f"PAULI_CHANNEL_{num_qubits}", targets, arguments)
