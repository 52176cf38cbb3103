"""Memories on a chip that continues: equal patches side by side, counted directly or by splitting."""

import math
from typing import Any

import stim

import decoders
from experiments.engine import Engine
from experiments.reproduce.engine.figure import Job, Record
from experiments.reproduce.work import chips
from experiments.reproduce.work.counting import stream
from qec import RotatedSurfaceCode, memory_circuit
from qec.sampling import estimate_rare_failures
from qec.statistics import Estimate, logical_error_rate, per_cycle

#: Patches of one distance on the chip.
TILES = 4
#: A memory takes so many cycles, in units of its distance.
CYCLES_PER_DISTANCE = 1
# Seconds for a shot of mwpm-correlated at distance 13 and the published rates; grows as the power.
_SECONDS_AT_13, _GROWTH = 3.5e-4, 6.0


def tile(distance: int, number: int) -> RotatedSurfaceCode:
    """Return one of the four patches that lie in the corners of a square of 2 d + 1 data qubits a side."""
    whole = RotatedSurfaceCode(2 * distance + 1, variant="zxxz")
    return whole.patches(distance, step=distance + 1)[number]


def tile_circuit(
    chip: str, *, scale: dict[str, float], distance: int, number: int, basis: str
) -> stim.Circuit:
    """Make the memory circuit of a tile on the model of a chip, with some rates scaled."""
    return memory_circuit(
        tile(distance, number),
        rounds=CYCLES_PER_DISTANCE * distance,
        basis=basis,
        noise=chips.device(chip, scale=scale),
    )


def count_job(
    *, chip: str, scale: dict[str, float], distance: int, number: int, basis: str, **rest: Any
) -> Job:
    """Make the job that counts errors of a memory on a tile; `rest`: shots, decoder, seed."""
    strength = max([1.0, *scale.values()]) * min([1.0, *scale.values()])
    cost = rest["shots"] * _SECONDS_AT_13 * (distance / 13) ** _GROWTH * strength**2
    return Job(
        work=count_errors_of_tile,
        arguments=_arguments(chip, scale, distance, number, basis) | rest,
        cost=0.2 + cost,
    )


def rare_job(
    *, chip: str, scale: dict[str, float], distance: int, number: int, basis: str, **rest: Any
) -> Job:
    """Make the job that estimates rare failures of a memory on a tile; `rest`: population, decoder, seed."""
    return Job(
        work=estimate_rare_failures_of_tile,
        arguments=_arguments(chip, scale, distance, number, basis) | rest,
        cost=1 + rest["population"] * 0.4 * (distance / 9) ** 7,
    )


def _arguments(chip: str, scale: dict[str, float], distance: int, number: int, basis: str) -> dict[str, Any]:
    return {
        "chip": chip,
        "model": chips.fingerprint(chip),
        "scale": scale,
        "distance": distance,
        "number": number,
        "basis": basis,
    }


def count_errors_of_tile(
    *,
    chip: str,
    model: str,
    scale: dict[str, float],
    distance: int,
    number: int,
    basis: str,
    shots: int,
    decoder: str,
    seed: int,
) -> Record:
    """Count the logical errors of a memory.

    Returns:
        shots, errors.
    """
    assert model == chips.fingerprint(chip)
    circuit = tile_circuit(chip, scale=scale, distance=distance, number=number, basis=basis)
    dem = circuit.detector_error_model(decompose_errors=True)
    engine = Engine(dem=dem, decoder=decoders.from_dem(decoder, dem))
    number = stream(seed, "tile", distance, number, basis, scale)
    return {"shots": shots, "errors": engine.count(shots=shots, seed=number).errors}


def estimate_rare_failures_of_tile(
    *,
    chip: str,
    model: str,
    scale: dict[str, float],
    distance: int,
    number: int,
    basis: str,
    population: int,
    decoder: str,
    seed: int,
) -> Record:
    """Estimate the failure probability of a memory as `qec rare` does.

    Returns:
        method, "splitting" or "direct"; probability: value and ends of the 95 % interval, None for infinity.
    """
    assert model == chips.fingerprint(chip)
    circuit = tile_circuit(chip, scale=scale, distance=distance, number=number, basis=basis)
    judge = decoders.from_dem(decoder, circuit.detector_error_model(decompose_errors=True))
    judge.warm_up()
    found = estimate_rare_failures(
        dem=circuit.detector_error_model(approximate_disjoint_errors=True),
        decode=lambda events: judge.decode_batch(events, bit_packed=True),
        seconds=1.0,  # the population decides
        population=population,
        seed=stream(seed, "rare", distance, number, basis, scale),
        confidence=0.95,
    )
    one = found.probability
    return {
        "method": found.method,
        "probability": [x if math.isfinite(x) else None for x in (one.value, one.low, one.high)],
    }


def counted(record: Record, distance: int) -> Estimate:
    """epsilon of a record of `count_errors_of_tile`, 95 %."""
    found = logical_error_rate(errors=record["errors"], shots=record["shots"], confidence=0.95)
    return _per_cycle((found.value, found.low, found.high), distance)


def estimated(record: Record, distance: int) -> Estimate:
    """epsilon of a record of `estimate_rare_failures_of_tile`, 95 %."""
    value, low, high = (0.5 if part is None else part for part in record["probability"])
    return _per_cycle((value, low, high), distance)


def _per_cycle(ends: tuple[float, float, float], distance: int) -> Estimate:
    cycles = CYCLES_PER_DISTANCE * distance
    return Estimate(*(per_cycle(probability=min(0.5, x), cycles=cycles) for x in ends))
