"""Failure probability of a decoder far below direct sampling, with an interval, in a given time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import stim
from numpy.typing import NDArray

from qec.sampling.detectors import Packed
from qec.sampling.splitting import Splitting
from qec.statistics import Estimate, logical_error_rate, positive_mean

#: Function from bit-packed detection events, uint8 (shots, bytes), to bit-packed predictions of observables.
Decode = Callable[[Packed], Packed]
#: Called with the number of finished estimates, and of all.
Progress = Callable[[int, int], None]

#: Independent estimates of one run; their scatter gives the interval.
ESTIMATES = 16
# Proposals per member and step, in units of the expected number of errors.
_PROPOSALS = 10.0
# Splitting begins where a failing set costs as many shots of direct sampling as proposals in two steps.
_STEPS_SAVED = 2
# Failures expected in the shots that look for that strength, and the factor between two looks.
_LOOK_FAILURES, _LOOK_STEP = 20, 1.15
# Part of the time that is planned, since estimates differ.
_PLANNED = 0.9
_SHOTS_PER_MEMBER = 100  # of direct sampling
# Members of the population in the estimate that is timed, and least members of the others.
_PILOT, _LEAST = 16, 32
_LEAST_SHOTS, _MAX_SHOTS = 2000, 1 << 30


@dataclass(frozen=True, kw_only=True)
class SplittingTask:
    """One independent estimate, which any process can make.

    Attributes:
        population: members.
        top: factor of the odds of all errors at which splitting starts.
        start: failure probability there.
        seed: of the estimate.
    """

    population: int
    top: float
    start: float
    seed: int


def run_splitting_task(task: SplittingTask, *, dem: stim.DetectorErrorModel, decode: Decode) -> float:
    """Make one of the estimates of `estimate_rare_failures`, with the same model and decoder."""
    return _estimate(_splitting(dem, decode), task.population, task.top, task.start, task.seed)


@dataclass(frozen=True, kw_only=True)
class RareFailures:
    """Failure probability of a decoder, with its interval.

    Attributes:
        probability: per shot. From splitting: mean of independent estimates, with Student's t in the
            logarithm.
        method: "splitting", or "direct" if failures are frequent enough to be counted.
        values: the independent estimates; empty for direct sampling.
        population: members of each estimate, or shots of direct sampling.
        top: factor of the odds of all errors at which splitting starts; 1 for direct sampling.
        start: failure probability there.
    """

    probability: Estimate
    method: Literal["splitting", "direct"]
    values: tuple[float, ...]
    population: int
    top: float
    start: float


def estimate_rare_failures(
    *,
    dem: stim.DetectorErrorModel,
    decode: Decode,
    seconds: float,
    seed: int,
    threads: int = 1,
    population: int | None = None,
    confidence: float = 0.6827,
    progress: Progress | None = None,
    share: Callable[[Sequence[SplittingTask]], Sequence[float]] | None = None,
) -> RareFailures:
    """Estimate how often a decoder fails on a DEM, by splitting over the strength of the noise.

    Independent estimates by `Splitting` start at a strength where failures are frequent. The size of their
    populations fills the time; the cost is measured on a small one. Each estimate is unbiased, so the mean of
    several is as well, and their scatter includes what slow chains add. The interval is blind to failures
    that none of the populations has found: repeat with another seed, or with more time, where it matters.

    Args:
        dem: errors that are drawn; decompositions are ignored.
        decode: made for `dem`; called by several threads at once.
        seconds: time to aim at.
        seed: of all random numbers, 0 to 2^63 - 1.
        threads: estimates that run at the same time.
        population: members of each estimate, instead of those that fill the time; makes results
            reproducible. Direct sampling takes 100 shots for each.
        confidence: of the interval.
        progress: called after each estimate.
        share: makes the estimates in other processes, `threads` at a time, and returns them in this order;
            see `run_splitting_task`. Direct sampling stays in this process.

    Returns:
        The estimate; its interval is [0, inf] if all populations died out.

    Raises:
        ValueError: a number outside its range, or a decoder that does not fail at any strength.

    Examples:
        >>> import decoders, stim
        >>> from qec.sampling import estimate_rare_failures
        >>> circuit = stim.Circuit.generated(
        ...     "repetition_code:memory", distance=7, rounds=7, before_round_data_depolarization=0.003
        ... )
        >>> dem = circuit.detector_error_model()
        >>> decoder = decoders.from_dem("mwpm", dem)
        >>> found = estimate_rare_failures(
        ...     dem=dem,
        ...     decode=lambda events: decoder.decode_batch(events, bit_packed=True),
        ...     seconds=1,
        ...     seed=1,
        ...     population=100,
        ... )
        >>> truth = 7 * 35 * (2 / 3 * 0.003) ** 4  # nearly: four of seven qubits in one cycle
        >>> 0.7 < found.probability.value / truth < 1.3
        True
    """
    if seconds <= 0 or threads < 1 or (population is not None and population < 2):
        raise ValueError(
            f"seconds={seconds}, threads={threads}, population={population}: must be above 0, at least 1, "
            "at least 2"
        )

    begin = time.monotonic()
    splitting = _splitting(dem, decode)
    looks = np.random.SeedSequence([seed, 0]).generate_state(2, np.uint64)
    top, fraction = _find_top(splitting, seed=int(looks[0]))
    seeds = [int(word) for word in np.random.SeedSequence([seed, 1]).generate_state(ESTIMATES, np.uint64)]
    if top == 1:
        rest = seconds - (time.monotonic() - begin)
        shots = None if population is None else population * _SHOTS_PER_MEMBER
        return _sample_directly(splitting, seeds, rest, threads, shots, confidence, progress)
    if population is None:
        start = time.monotonic()
        _estimate(splitting, _PILOT, top, fraction, int(looks[1]))
        each = (time.monotonic() - start) / _PILOT
        rest = _PLANNED * (seconds - (time.monotonic() - begin))
        population = max(_LEAST, math.floor(rest / (each * math.ceil(ESTIMATES / threads))))
    done: list[float] = []

    def run(number: int) -> float:
        value = _estimate(splitting, population, top, fraction, seeds[number])
        done.append(value)
        if progress is not None:
            progress(len(done), ESTIMATES)
        return value

    if share is None:
        values: Sequence[float] = _in_threads(run, threads)
    else:
        tasks = [SplittingTask(population=population, top=top, start=fraction, seed=one) for one in seeds]
        values = share(tasks)
    return RareFailures(
        probability=positive_mean(values, confidence=confidence),
        method="splitting",
        values=tuple(values),
        population=population,
        top=top,
        start=fraction,
    )


def _splitting(dem: stim.DetectorErrorModel, decode: Decode) -> Splitting:
    def fails(events: Packed, flips: Packed) -> NDArray[np.bool_]:
        failed: NDArray[np.bool_] = (decode(events) != flips).any(axis=1)
        return failed

    return Splitting(dem=dem, fails=fails, population=_PILOT, proposals=_PROPOSALS)


def _find_top(splitting: Splitting, *, seed: int) -> tuple[float, float]:
    """Find the lowest strength, in steps, at which failures are frequent, and the failing fraction there."""
    scale = 1.0
    while True:
        probability = splitting.scaled(scale)
        frequent = 1 / (_STEPS_SAVED * _PROPOSALS * max(1.0, float(probability.sum())))
        shots = math.ceil(_LOOK_FAILURES / frequent)
        fraction = splitting.sample_fraction(scale=scale, shots=shots, seed=seed)
        if fraction >= frequent:
            return scale, fraction
        if probability.max() > 0.5:
            raise ValueError(
                f"fewer than {frequent:.2g} of the shots fail, even with errors of a probability above 1/2: "
                "too few to start"
            )
        scale *= _LOOK_STEP


def _estimate(splitting: Splitting, population: int, top: float, fraction: float, seed: int) -> float:
    shots = math.ceil(max(population, _LOOK_FAILURES) / fraction)
    return splitting.estimate(top=top, shots=shots, seed=seed, population=population).probability


def _sample_directly(
    splitting: Splitting,
    seeds: list[int],
    seconds: float,
    threads: int,
    shots: int | None,
    confidence: float,
    progress: Progress | None,
) -> RareFailures:
    if shots is None:
        start = time.monotonic()
        splitting.sample_fraction(scale=1.0, shots=_LEAST_SHOTS, seed=seeds[0])
        speed = _LEAST_SHOTS / (time.monotonic() - start)
        shots = min(_MAX_SHOTS, max(_LEAST_SHOTS, int(speed * seconds * threads)))
    each = math.ceil(shots / ESTIMATES)
    done: list[float] = []

    def run(number: int) -> float:
        value = splitting.sample_fraction(scale=1.0, shots=each, seed=seeds[number])
        done.append(value)
        if progress is not None:
            progress(len(done), ESTIMATES)
        return value

    shots = each * ESTIMATES
    errors = round(sum(_in_threads(run, threads)) * each)
    found = logical_error_rate(errors=errors, shots=shots, confidence=confidence)
    return RareFailures(
        probability=found,
        method="direct",
        values=(),
        population=shots,
        top=1.0,
        start=found.value,
    )


def _in_threads(run: Callable[[int], float], threads: int) -> list[float]:
    """Run all estimates, in the order of their numbers."""
    if threads == 1:
        return [run(number) for number in range(ESTIMATES)]
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(run, range(ESTIMATES)))
