"""The work behind figures with leakage: memories with leaking qubits, decoded as if there were none."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import decoders
from experiments.reproduce.engine.figure import Job, Record
from experiments.reproduce.work import chips, counting
from qec.sampling import LeakageModel, LeakageSampler
from qec.statistics import detection_fraction_by_cycle

#: Published rates on the 72-qubit chip: of a CZ, and of heating, which strikes in measurements and waiting.
PUBLISHED_CZ: dict[str, float] = {"cz": 2.0e-4}
PUBLISHED_HEATING: dict[str, float] = {"measurement": 2.5e-4, "cycle": 2.5e-4}
#: Assumed: |2> lives half of T1 = 68 us, 1.1 us a cycle; one in a hundred CZs with a leaked qubit hands the
#: leakage on.
ASSUMED: dict[str, float] = {"decay": 0.032, "transport": 0.01}
REMOVAL: dict[str, float] = {"removal": 1.0}
# Processor time of sampling a shot per cycle, in microseconds.
_SAMPLING_US = {3: 2.4, 5: 6.8}


def jobs(
    *,
    chip: str,
    leakage: dict[str, float],
    distance: int,
    patch: int,
    basis: str,
    cycles: int,
    shots: int,
    portion: int,
    decoder: str,
    seed: int,
) -> Iterator[Job]:
    """Count errors of one memory in portions of its shots; see `count`."""
    us = _SAMPLING_US[distance] + counting.cycle_us(distance, decoder, cycles=cycles)
    for first in range(0, shots, portion):
        number = min(portion, shots - first)
        arguments: dict[str, Any] = {
            "chip": chip,
            "model": chips.fingerprint(chip),
            "leakage": leakage,
            "distance": distance,
            "patch": patch,
            "basis": basis,
            "cycles": cycles,
            "first": first,
            "shots": number,
            "decoder": decoder,
            "seed": seed,
        }
        yield Job(work=count, arguments=arguments, cost=1e-6 * us * cycles * number + 0.2)


def count(
    *,
    chip: str,
    model: str,
    leakage: dict[str, float],
    distance: int,
    patch: int,
    basis: str,
    cycles: int,
    first: int,
    shots: int,
    decoder: str,
    seed: int,
) -> Record:
    """Errors of a memory with leakage, decoded with the error model without it.

    Returns:
        shots; errors; fractions: detection fraction by cycle, [cycle, value, low, high]; population: leaked
        part of the data qubits as each cycle begins.
    """
    assert model == chips.fingerprint(chip)
    circuit = chips.circuit(chip, distance=distance, patch=patch, basis=basis, cycles=cycles)
    decode = decoders.from_dem(decoder, circuit.detector_error_model(decompose_errors=True))
    sampler = LeakageSampler(circuit, model=LeakageModel(**leakage))  # type: ignore[arg-type]
    number = counting.stream(seed, "leakage", distance, patch, basis, cycles, sorted(leakage.items()))
    found = sampler.sample(shots=shots, seed=number, first_shot=first)
    predictions = decode.decode_batch(found.events, bit_packed=True)
    fractions = detection_fraction_by_cycle(
        detection_events=found.events, coordinates=circuit.get_detector_coordinates(), bit_packed=True
    )
    return {
        "shots": shots,
        "errors": int(np.count_nonzero((predictions != found.flips).any(axis=1))),
        "fractions": [[cycle, e.value, e.low, e.high] for cycle, e in fractions.items()],
        "population": found.population.tolist(),
    }
