"""Sampling of memories: by stim, or with leakage where the noise model has it."""

import threading
from typing import TYPE_CHECKING

import numpy as np
import stim
from numpy.typing import NDArray

from qec.noise import LeakageModel

if TYPE_CHECKING:
    from qec.sampling import LeakageSampler

Packed = NDArray[np.uint8]

# The program of a circuit with leakage is held unrolled: some 20 operations of 100 bytes for a measurement.
_MAX_MEASUREMENTS = 1 << 18


_first_lock = threading.Lock()
_first_done = False


def take_first_sample() -> None:
    """Take this process's first sample of stim, which can hang if two threads take it at once."""
    global _first_done
    with _first_lock:
        if not _first_done:
            stim.Circuit("X_ERROR(0.1) 0\nM 0\nDETECTOR rec[-1]").compile_detector_sampler(seed=0).sample(1)
            _first_done = True


class MemorySampler:
    """Detection events and observables of a memory, one call after the other.

    Args:
        circuit: with noise.
        leakage: how qubits leak; None: not at all.
        seed: of everything; None: drawn from the system.

    Raises:
        ValueError: a circuit that cannot be sampled with leakage.
    """

    def __init__(self, circuit: stim.Circuit, *, leakage: LeakageModel | None, seed: int | None) -> None:
        self._stim: stim.CompiledDetectorSampler | None = None
        if leakage is None:
            self._stim = circuit.compile_detector_sampler(seed=seed)
            return
        self._leaking = leakage_sampler(circuit, leakage)
        self._seed = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self._next_shot = 0
        self._leaking.sample(shots=0, seed=0)  # compiles

    def sample(self, shots: int) -> tuple[Packed, Packed]:
        """Draw the next shots: events and flips, bit-packed uint8 (shots, bytes) each."""
        if self._stim is not None:
            events, flips = self._stim.sample(shots, separate_observables=True, bit_packed=True)
            return events, flips
        found = self._leaking.sample(shots=shots, seed=self._seed, first_shot=self._next_shot)
        self._next_shot += shots
        return found.events, found.flips


def leakage_sampler(circuit: stim.Circuit, leakage: LeakageModel) -> "LeakageSampler":
    """Make the sampler of a circuit with leakage.

    Raises:
        ValueError: a circuit that is too long to be held unrolled, or that has other gates.
    """
    check_size(circuit)
    # Compiled code takes a while to import, and most memories do not leak.
    from qec.sampling import LeakageSampler

    return LeakageSampler(circuit, model=leakage)


def check_size(circuit: stim.Circuit) -> None:
    """Raise ValueError if a circuit is too long to be sampled with leakage."""
    if circuit.num_measurements > _MAX_MEASUREMENTS:
        raise ValueError(
            f"circuits with leakage are simulated with at most {_MAX_MEASUREMENTS:,} measurements, "
            f"and this one has {circuit.num_measurements:,}: take fewer cycles, or a device without [leakage]"
        )
