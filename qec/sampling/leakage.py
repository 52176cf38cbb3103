"""Leakage: qubits that leave the computational states, sampled together with the Pauli frame of a stim
circuit.

Approximations: a qubit is in its two computational states or leaked, without coherence between the two and
with a single leaked level (|2>); Pauli errors of the circuit are as in stim. One-qubit gates do not act on a
leaked qubit, a two-qubit gate acts on its partner instead (`kick`), and its measurement gives a result that
is independent of its earlier state. When it returns, it is in a random state. These are the assumptions of
the usual Pauli-plus models (as in the supplements of arXiv 2207.06431 and 2408.13687), without their fitted
rates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from qec.noise.leakage import LeakageModel
from qec.sampling.detectors import Packed, checked_seed
from qec.sampling.kernels import leakage as kernels
from qec.sampling.program import Program

__all__ = ["LeakageModel", "LeakageSampler", "LeakageShots"]


class LeakageShots(NamedTuple):
    """Shots with leakage.

    Attributes:
        events: uint8 (shots, ceil(detectors / 8)), bit-packed.
        flips: uint8 (shots, ceil(observables / 8)), bit-packed.
        population: float64 (cycles,): fraction of data qubits that are leaked at the start of each cycle,
            before leakage is removed.
    """

    events: Packed
    flips: Packed
    population: NDArray[np.float64]


class LeakageSampler:
    """Sampler of a noisy circuit with leakage; without leakage its distribution is that of stim.

    Every shot has its own generator, as in `DetectorSampler`. Threads may share one sampler.

    Args:
        circuit: noisy, with the tags of `memory_circuit`: `TICK[cycle]` where a cycle begins and
            `QUBIT_COORDS[data]` for data qubits. REPEAT blocks are unrolled.
        model: rates of leakage.

    Raises:
        ValueError: an unsupported instruction, or rates per cycle or of data qubits for a circuit without the
            tags.
    """

    def __init__(self, circuit: stim.Circuit, *, model: LeakageModel) -> None:
        self.model = model
        self._program = program = Program.from_circuit(circuit)
        self._rates = _as_array(model)
        by_cycle = [name for name in ("cycle", "decay", "removal") if getattr(model, name) > 0]
        if by_cycle and not (program.num_cycles and len(program.data)):
            raise ValueError(
                f"leakage rates {', '.join(by_cycle)} need to know data qubits and cycles, which "
                "this circuit does not tag: give it TICK[cycle] and QUBIT_COORDS[data], or leave them out"
            )

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
            raise ValueError(f"shots={shots}, first_shot={first_shot}: must be at least 0")
        program = self._program
        events = np.empty((shots, (program.num_detectors + 7) // 8), dtype=np.uint8)
        flips = np.empty((shots, (program.num_observables + 7) // 8), dtype=np.uint8)
        population = np.zeros(program.num_cycles)
        kernels.run_shots(
            program.operations,
            program.chances,
            program.channels,
            program.shares,
            program.data,
            self._rates,
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


def _as_array(model: LeakageModel) -> NDArray[np.float64]:
    """Return rates as an array for kernels: float64 (NUM_RATES,)."""
    rates = np.zeros(kernels.NUM_RATES)
    rates[kernels.HEAT_CZ] = model.cz
    rates[kernels.HEAT_MEASURE] = model.measurement
    rates[kernels.HEAT_CYCLE] = model.cycle
    rates[kernels.TRANSPORT] = model.transport
    rates[kernels.DECAY] = model.decay
    rates[kernels.RESET] = model.reset
    rates[kernels.REMOVAL] = model.removal
    rates[kernels.READS_ONE] = model.reads_one
    rates[kernels.DEPOLARIZES] = model.kick == "depolarize"
    return rates
