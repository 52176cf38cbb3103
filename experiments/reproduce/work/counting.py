"""Count logical errors of a simulated memory; the job of most figures."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

import decoders
from decoders.registry import decoder_class
from experiments.engine import Engine
from experiments.reproduce.engine.figure import Job, Record
from experiments.reproduce.work import chips
from qec import statistics

_SAMPLING_US = 0.0035  # times d^2
_WATCHED = 2048
# Decoders of up to twice this many times the cost of "mwpm" decode all shots, slower ones fewer.
_ENOUGH = 40.0
_REFERENCE_DISTANCE = 7


def job(
    *,
    chip: str,
    distance: int,
    patch: int,
    basis: str,
    cycles: int,
    shots: int,
    decoder: str,
    seed: int,
    scale: dict[str, float] | None = None,
) -> Job:
    """Count errors of one memory; see `count`."""
    # More errors take longer, and more than in proportion.
    more = max([1.0, *(scale or {}).values()]) ** 2
    cost = shots * cycles * cycle_us(distance, decoder, cycles=cycles) * 1e-6 * more
    arguments: dict[str, Any] = {
        "chip": chip,
        "model": chips.fingerprint(chip),
        "scale": scale or {},
        "distance": distance,
        "patch": patch,
        "basis": basis,
        "cycles": cycles,
        "shots": shots,
        "decoder": decoder,
        "seed": seed,
    }
    return Job(work=count, arguments=arguments, cost=cost + 0.1)


def count(
    *,
    chip: str,
    model: str,
    scale: dict[str, float],
    distance: int,
    patch: int,
    basis: str,
    cycles: int,
    shots: int,
    decoder: str,
    seed: int,
) -> Record:
    """Count the errors of a memory on a chip, decoded with the error model of the simulation.

    Returns:
        shots, errors, and of at most `_WATCHED` of these shots the detection fraction of each cycle with its
        95 % interval: `fractions`, a list of [cycle, value, low, high].
    """
    assert model == chips.fingerprint(chip)
    circuit = chips.circuit(chip, distance=distance, patch=patch, basis=basis, cycles=cycles, scale=scale)
    dem = circuit.detector_error_model(decompose_errors=True)
    decode = decoders.from_dem(decoder, dem)
    engine = Engine(dem=dem, decoder=decode)
    # Decoders see the same shots: only what is simulated goes into the seed.
    number = stream(seed, distance, patch, basis, cycles, scale)
    watched, _ = engine.sample(shots=min(shots, _WATCHED), seed=number)
    return {
        "shots": shots,
        "errors": engine.count(shots=shots, seed=number).errors,
        "fractions": _fractions(watched, circuit),
    }


def _fractions(found: NDArray[np.uint8], circuit: stim.Circuit) -> list[list[float]]:
    by_cycle = statistics.detection_fraction_by_cycle(
        detection_events=found, coordinates=circuit.get_detector_coordinates(), bit_packed=True
    )
    return [[cycle, e.value, e.low, e.high] for cycle, e in by_cycle.items()]


def stream(seed: int, *what: object) -> int:
    """Derive a seed from the arguments of a job."""
    words = [seed, *np.frombuffer(repr(what).encode(), dtype=np.uint8).tolist()]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def cycle_us(distance: int, decoder: str, *, cycles: int) -> float:
    """Estimate the time to simulate and decode a cycle, in microseconds."""
    found = decoder_class(decoder)
    decoding = found.rough_cost_us[distance] * math.pow(cycles / 30, found.rough_cost_growth)
    return decoding + _SAMPLING_US * distance**2


def is_fast(decoder: str) -> bool:
    """Whether a decoder can see all shots of the memories."""
    return _cost(decoder) < 2 * _ENOUGH


def is_fastest(decoder: str) -> bool:
    """Whether a decoder can see all shots of all memories, the long ones included."""
    return _cost(decoder) < 5


def fastest(names: Sequence[str]) -> str:
    """Choose the fastest decoder, the first of equals."""
    return min(names, key=_cost)


def affordable(decoder: str, shots: int) -> int:
    """Choose the number of shots of a decoder where a fast one gets `shots`."""
    return shots if is_fast(decoder) else max(100, round(shots * _ENOUGH / _cost(decoder)))


def _cost(decoder: str) -> float:
    """Decoding time in units of "mwpm"."""
    costs = [decoder_class(name).rough_cost_us[_REFERENCE_DISTANCE] for name in (decoder, "mwpm")]
    return costs[0] / costs[1]
