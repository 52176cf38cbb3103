"""Lifetimes of the logical qubit and of idling physical qubits under the same device model."""

import math
from statistics import median

import stim

from experiments.reproduce.engine.figure import Row
from experiments.reproduce.engine.published import value, words
from experiments.reproduce.work import chips
from qec import RotatedSurfaceCode, memory_circuit
from qec.statistics import Estimate, propagation


def logical(epsilon: Estimate, *, cycle_us: float) -> Estimate:
    """Lifetime of a logical qubit, averaged over the six Pauli eigenstates, in microseconds.

    1/T = (1/T_X + 1/T_Y + 1/T_Z)/3 with 1/T_Y = 1/T_X + 1/T_Z and T_X,Z = cycle / (2 epsilon): what arXiv
    2408.13687 compares with physical qubits.
    """

    def life(error: float) -> float:
        return 0.75 * cycle_us / (2 * error) if error > 0 else math.inf

    return Estimate(life(epsilon.value), life(epsilon.high), life(epsilon.low), confidence=epsilon.confidence)


def physical(chip: str, *, cycle_us: float, excess: bool) -> list[float]:
    """Lifetimes of the chip's qubits if they idle through a cycle as long as the code's, in microseconds.

    A depolarizing error of rate p flips each of the six Pauli eigenstates with probability 2 p / 3, so a
    cycle keeps the part 1 - 4 p / 3 of the polarization.

    Args:
        chip: the device.
        cycle_us: duration of a cycle.
        excess: whether the calibrated factor on all rates counts for idling alone, too.
    """
    whole = RotatedSurfaceCode(7 if chip == chips.CHIP_105 else 5, variant="zxxz")
    model = chips.device(chip)
    factor = 1.0 if excess else 1 / dict(model.parameters).get("excess", 1.0)
    idle = {c.kind: c.scaled(factor) for c in model.channels if c.kind in ("idle", "idle_measure_reset")}
    layers, slow = _layers(memory_circuit(whole, rounds=3))
    lives = []
    for place in whole.qubits:
        at = (float(place[0]), float(place[1]))
        kept = (1 - 4 / 3 * idle["idle"].rate_at(at)) ** layers
        kept *= (1 - 4 / 3 * idle["idle_measure_reset"].rate_at(at)) ** slow
        lives.append(-cycle_us / math.log(kept))
    return lives


def _layers(circuit: stim.Circuit) -> tuple[int, int]:
    """Layers of a cycle with operations in them, and how many of them measure or reset."""
    body = next(part.body_copy() for part in circuit if isinstance(part, stim.CircuitRepeatBlock))
    layers: list[set[str]] = [set()]
    for instruction in body:
        if instruction.name == "TICK":
            layers.append(set())
        elif instruction.name not in ("DETECTOR", "SHIFT_COORDS"):
            layers[-1].add(instruction.name)
    used = [layer for layer in layers if layer]
    return len(used), sum(not layer.isdisjoint({"R", "M", "MR"}) for layer in used)


def rows(chip: str, *, epsilon: Estimate, decoder: str) -> list[Row]:
    """Lifetimes and break-even beside the published ones."""
    cycle_us = value("memory.cycle_time").value
    life = logical(epsilon, cycle_us=cycle_us)
    alone = physical(chip, cycle_us=cycle_us, excess=False)
    strained = physical(chip, cycle_us=cycle_us, excess=True)
    best, middle = max(alone), median(alone)

    def over(reference: float) -> Estimate:
        return propagation.divide(life, Estimate(reference, reference, reference))

    return [
        Row(
            quantity="logical lifetime, d = 7",
            ours=life,
            published=words("memory.logical_lifetime"),
            kind="predicted",
            unit="us",
            note=f"decoder {decoder}",
        ),
        Row(
            quantity="median physical qubit",
            ours=f"{middle:.0f} us",
            published=words("memory.median_qubit_lifetime"),
            kind="input",
            note="idling by the published T1 and T2, without the calibrated factor",
        ),
        Row(
            quantity="best physical qubit",
            ours=f"{best:.0f} us",
            published=words("memory.best_qubit_lifetime"),
            kind="predicted",
            note="from the assumed spread of idling",
        ),
        Row(
            quantity="logical over best physical lifetime",
            ours=over(best),
            published=words("memory.break_even", note=False),
            kind="predicted",
            note=f"{number_words(over(max(strained)))} if the factor counted for idle qubits too",
        ),
        Row(
            quantity="logical over median physical lifetime",
            ours=over(middle),
            published="",
            kind="predicted",
        ),
    ]


def number_words(estimate: Estimate) -> str:
    """Value and interval, two digits behind the point."""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"
