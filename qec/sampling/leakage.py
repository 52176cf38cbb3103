"""Leakage: qubits that leave their two levels, sampled beside the Pauli frame of a stim circuit.

What it approximates: a qubit is in its two levels or leaked, without coherence between the two and with
one leaked level only (|2>); Pauli errors of the circuit are as in stim. A leaked qubit takes part in nothing:
a one-qubit gate passes it by, a two-qubit gate hits its partner instead (`kick`), its measurement gives a
result that says nothing about it. When it comes back, it is in a random state. These are the assumptions of
the usual Pauli-plus models (as in the supplements of arXiv 2207.06431 and 2408.13687), without their fitted
rates.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from qec.kernels import leakage as kernels
from qec.sampling.detectors import Packed, checked_seed
from qec.sampling.program import Program

Kick = Literal["phase", "depolarize"]


@dataclass(frozen=True, kw_only=True)
class LeakageModel:
    """How qubits leak, spread leakage and come back; all numbers are probabilities.

    Attributes:
        cz: that one of the two qubits of a CZ or CX, either with the same probability, leaks.
        measurement: that a measured qubit leaks.
        cycle: that a data qubit leaks in the time of a cycle in which others are measured and reset.
        transport: that in a CZ or CX with one leaked qubit its partner takes the leakage over.
        decay: that a leaked data qubit falls back in a cycle by itself.
        reset: that a reset brings a leaked qubit back.
        removal: that leakage removal, at the end of each cycle, brings a leaked data qubit back; 0 is none.
        reads_one: that a leaked qubit is read as 1.
        kick: what a gate does to the partner of a leaked qubit: "phase", a random flip of the kind that the
            other qubit's state would cause (Z in a CZ), or "depolarize", any Pauli.

    Raises:
        ValueError: a number outside [0, 1], an unknown kick.
    """

    cz: float = 0.0
    measurement: float = 0.0
    cycle: float = 0.0
    transport: float = 0.0
    decay: float = 0.0
    reset: float = 1.0
    removal: float = 0.0
    reads_one: float = 0.5
    kick: Kick = "phase"

    def __post_init__(self) -> None:
        for name in ("cz", "measurement", "cycle", "transport", "decay", "reset", "removal", "reads_one"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value}: a probability, from 0 to 1")
        if self.kick not in ("phase", "depolarize"):
            raise ValueError(f"kick={self.kick!r}: 'phase' or 'depolarize'")

    @property
    def rates(self) -> NDArray[np.float64]:
        """As the kernels take them."""
        rates = np.zeros(kernels.NUM_RATES)
        rates[kernels.HEAT_CZ] = self.cz
        rates[kernels.HEAT_MEASURE] = self.measurement
        rates[kernels.HEAT_CYCLE] = self.cycle
        rates[kernels.TRANSPORT] = self.transport
        rates[kernels.DECAY] = self.decay
        rates[kernels.RESET] = self.reset
        rates[kernels.REMOVAL] = self.removal
        rates[kernels.READS_ONE] = self.reads_one
        rates[kernels.DEPOLARIZES] = self.kick == "depolarize"
        return rates


class LeakageShots(NamedTuple):
    """Shots with leakage.

    Attributes:
        events: uint8 (shots, ceil(detectors / 8)), bit-packed.
        flips: uint8 (shots, ceil(observables / 8)), bit-packed.
        population: float64 (cycles,): part of the data qubits that is leaked as each cycle begins, before
            leakage is removed.
    """

    events: Packed
    flips: Packed
    population: NDArray[np.float64]


class LeakageSampler:
    """Samples a noisy circuit with leakage; without leakage its distribution is stim's.

    Every shot has a generator of its own, as in `DetectorSampler`. Threads may share one sampler.

    Args:
        circuit: noisy, with the tags of `memory_circuit`: `TICK[cycle]` where a cycle begins and
            `QUBIT_COORDS[data]` for data qubits. REPEAT blocks are unrolled.
        model: how qubits leak.

    Raises:
        ValueError: an instruction that the sampler does not know.
    """

    def __init__(self, circuit: stim.Circuit, *, model: LeakageModel) -> None:
        self.model = model
        self._program = Program.from_circuit(circuit)

    @property
    def num_cycles(self) -> int:
        """Cycles of the circuit."""
        return self._program.num_cycles

    def sample(self, *, shots: int, seed: int, first_shot: int = 0) -> LeakageShots:
        """Draw shots number first_shot, first_shot + 1, ... of a seed.

        Raises:
            ValueError: a negative number, a seed beyond 2^64 - 1.
        """
        if shots < 0 or first_shot < 0:
            raise ValueError(f"shots={shots}, first_shot={first_shot}: at least 0")
        program = self._program
        events = np.empty((shots, (program.num_detectors + 7) // 8), dtype=np.uint8)
        flips = np.empty((shots, (program.num_observables + 7) // 8), dtype=np.uint8)
        population = np.zeros(program.num_cycles)
        kernels.run_shots(
            program.operations,
            program.chances,
            program.data,
            self.model.rates,
            program.reference,
            np.int64(program.num_qubits),
            program.parity_first,
            program.parities,
            np.int64(program.num_detectors),
            checked_seed(seed),
            np.int64(first_shot),
            events,
            flips,
            population,
        )
        return LeakageShots(events, flips, population / max(1, shots * len(program.data)))
