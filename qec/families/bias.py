"""Replace depolarizing channels by biased errors."""

from collections.abc import Mapping

import stim


def with_bias(circuit: stim.Circuit, weights: Mapping[str, float]) -> stim.Circuit:
    """Replace every depolarizing channel of a circuit by independent, biased errors.

    DEPOLARIZE1(p) becomes X, Y and Z errors whose probabilities add up to p in the ratio of the weights.
    DEPOLARIZE2(p) becomes, for each Pauli P with its share of p, the errors IP, PI and PP with a third of
    that. Errors are independent, as in a DEM, so that the DEM is exact. Flips at resets and measurements are
    kept. The Pauli weights of noise models describe disjoint errors instead: see
    `qec.noise.NoiseModel.biased` and `qec.noise.Channel`.

    Args:
        circuit: with noise.
        weights: "X", "Y", "Z" -> weight; a missing one is zero.

    Raises:
        ValueError: another Pauli, a negative weight, or all weights zero.
    """
    total = sum(weights.values())
    if total <= 0 or min(weights.values()) < 0 or not weights.keys() <= {"X", "Y", "Z"}:
        raise ValueError(
            f"weights={dict(weights)}: give weights of X, Y, Z of at least 0 with a positive sum"
        )
    share = {pauli: weight / total for pauli, weight in weights.items() if weight}
    biased = stim.Circuit()
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            body = with_bias(instruction.body_copy(), weights)
            biased.append(stim.CircuitRepeatBlock(instruction.repeat_count, body, tag=instruction.tag))
        elif instruction.name == "DEPOLARIZE1":
            (p,) = instruction.gate_args_copy()
            for pauli, part in share.items():
                biased.append(f"{pauli}_ERROR", instruction.targets_copy(), p * part)
        elif instruction.name == "DEPOLARIZE2":
            (p,) = instruction.gate_args_copy()
            for pauli, part in share.items():
                biased.append(f"{pauli}_ERROR", instruction.targets_copy(), p * part / 3)
                for pair in instruction.target_groups():
                    both = [stim.target_pauli(target.value, pauli) for target in pair]
                    biased.append("CORRELATED_ERROR", both, p * part / 3)
        else:
            biased.append(instruction)
    return biased
