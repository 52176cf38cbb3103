"""Bursts on repetition codes: the floor, with a decoder that knows a burst's rates and one that does not."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders import ReweightedDecoder
from decoders.model.matching_graph import MatchingGraph
from experiments.reproduce.engine.figure import Job, Record, Records, Settings
from experiments.reproduce.work import chain_jobs
from experiments.reproduce.work.chain_record import ChainRecord
from qec.sampling import Burst
from qec.statistics import Estimate, propagation

#: Failing shots of each burst, not told and told: int64 (bursts, 2).
Pairs = NDArray[np.int64]

DISTANCES = (9, 13, 17, 21, 25, 29)
_QUICK_DISTANCES = (9, 13)
# Quick or not -> portions, and bursts in each.
_NUMBERS = {True: (1, 4), False: (8, 50)}
#: Sizes of bursts, as the repetition figure names them.
SIZES = ("assumed", "smaller")
# Where a burst's rate at its centre has fallen to this part of the ordinary rate, both decoders are alike.
_NEGLIGIBLE = 0.1
_LARGEST = 0.499


def jobs(settings: Settings) -> list[Job]:
    """List jobs: portions of single bursts, as the repetition figure assumes them."""
    return [job for size in SIZES for job in _jobs_of_size(settings, size)]


def _jobs_of_size(settings: Settings, size: str) -> list[Job]:
    portions, bursts = _NUMBERS[settings.quick]
    distances = _QUICK_DISTANCES if settings.quick else DISTANCES
    peak, radius = chain_jobs.SIZES[size]
    return [
        Job(
            work=compare_burst_decoders,
            arguments={
                "chain": chain_jobs.DISTANCE,
                "rounds": chain_jobs.ROUNDS,
                "p": chain_jobs.P,
                "peak": list(peak),
                "radius": list(radius),
                "distances": list(distances),
                "bursts": bursts,
                "first": portion * bursts,
                "seed": settings.seed,
                "decoder": chain_jobs.DECODER,
            },
            cost=0.05 * bursts * len(distances),
        )
        for portion in range(portions)
    ]


def compare_burst_decoders(
    *,
    chain: int,
    rounds: int,
    p: float,
    peak: Sequence[float],
    radius: Sequence[float],
    distances: list[int],
    bursts: int,
    first: int,
    seed: int,
    decoder: str,
) -> Record:
    """Decode the shots of single bursts without and with the burst's rates.

    Returns:
        shots; bursts; for each distance a list with one [not told, told] for each burst: failing shots.
    """
    record = ChainRecord(
        distance=chain,
        rounds=rounds,
        p=p,
        seed=seed,
        rate=1.0,
        decoder=decoder,
        block=1,
        shares=dict.fromkeys(distances, 1.0),
        window=chain_jobs.WINDOW,
        threshold=0,
        peak=(peak[0], peak[1]),
        radius=(radius[0], radius[1]),
    )
    told = {distance: _told_decoder(record, distance) for distance in distances}
    failed: dict[str, list[list[int]]] = {str(distance): [] for distance in distances}
    shots = 0
    for number in range(first, first + bursts):
        generator = np.random.default_rng([seed, number, 0x57B2])
        shot = (1 << 41) + number * 64
        onset = (shot + float(generator.random())) * rounds
        burst = record.bursts.draw(generator, onset=onset, num_data=chain)
        active = active_shots(burst, first_shot=shot, rounds=rounds, p=p)
        events, flips = record.sample(shot, active, [burst])
        shots += active
        for distance in distances:
            not_told = int(record.failures(events, flips, distance).sum())
            begin = record.first_qubit(distance)
            cut, actual = record.shots.cut(events, flips, first=begin, distance=distance)
            rates = [
                edge_rates(
                    told[distance].graph,
                    burst,
                    distance=distance,
                    rounds=rounds,
                    first_qubit=begin,
                    begin=(shot + index) * rounds,
                )
                for index in range(active)
            ]
            predicted = told[distance].decode_batch(cut, edge_probabilities=np.array(rates), bit_packed=True)
            failed[str(distance)].append([not_told, int((predicted != actual).any(axis=1).sum())])
    return {"shots": shots, "bursts": bursts, "failed": failed}


def active_shots(burst: Burst, *, first_shot: int, rounds: int, p: float) -> int:
    """Number of shots, from the one of the onset on, in which the burst matters."""
    duration = burst.decay * np.log(max(np.e, burst.peak / (_NEGLIGIBLE * p)))
    return int((burst.onset + duration) // rounds) - first_shot + 1


def _told_decoder(record: ChainRecord, distance: int) -> ReweightedDecoder:
    model = record.shots.cut_model(record.dem, first=record.first_qubit(distance), distance=distance)
    return ReweightedDecoder.from_dem(model)


def edge_rates(
    graph: MatchingGraph, burst: Burst, *, distance: int, rounds: int, first_qubit: int, begin: float
) -> NDArray[np.float64]:
    """Probabilities of all edges of a sub-chain's shot with a burst, as `add_bursts` draws it.

    Args:
        graph: of the sub-chain, detectors by layer and check.
        burst: with its onset in cycles of the record.
        distance: data qubits of the sub-chain.
        rounds: cycles of the shot; the layer after them, of the readout, has no errors of bursts.
        first_qubit: place of its first data qubit in the chain.
        begin: first cycle of the shot in the record.

    Returns:
        float64 (edges,).
    """
    checks = distance - 1
    u, v = (np.asarray(end, dtype=np.int64) for end in (graph.edge_u, graph.edge_v))
    u, v = np.where(u < 0, v, u), np.where(u < 0, u, v)
    early, late = np.minimum(u, np.where(v < 0, u, v)), np.maximum(u, v)
    layer, check = np.divmod(early, checks)
    outer = v < 0
    is_data = outer | ((late - early == 1) & (late // checks == layer))
    is_check = ~outer & (late - early == checks)
    # A data qubit's number is that of the check after it; an edge to the boundary is an end of the chain.
    qubit = np.where(outer & (check == 0), 0, check + 1)
    place = first_qubit + np.where(is_data, qubit, check + 0.5)
    since = begin + layer - burst.onset
    away = (place - burst.centre) / burst.radius
    rate = burst.peak * np.exp(-np.maximum(since, 0.0) / burst.decay) * np.exp(-(away**2) / 2)
    rate = np.where((is_data | is_check) & (since >= 0) & (layer < rounds), np.minimum(rate, _LARGEST), 0.0)
    p = np.asarray(graph.edge_probability, dtype=np.float64)
    found: NDArray[np.float64] = p * (1 - rate) + rate * (1 - p)
    return found


def failures(settings: Settings, records: Records, size: str) -> dict[int, Pairs]:
    """Distance -> failing shots of each burst, not told and told: int64 (bursts, 2)."""
    found: dict[int, list[list[int]]] = {}
    for job in _jobs_of_size(settings, size):
        for distance, pairs in records[job]["failed"].items():
            found.setdefault(int(distance), []).extend(pairs)
    return {distance: np.array(pairs, dtype=np.int64) for distance, pairs in found.items()}


def per_burst(counts: NDArray[np.integer[Any]]) -> Estimate:
    """Mean of the numbers of failing shots, with a 95 % interval from their scatter.

    Without any failure the upper end is that of a Poisson count.
    """
    if not counts.any():
        return Estimate(0.0, 0.0, 3.69 / counts.size)
    return _at_least(propagation.from_sigma(float(counts.mean()), _error(counts)))


def gain(pairs: Pairs) -> Estimate:
    """Part of the failing shots that the decoder that is told avoids; below 0 if it fails more often.

    The difference is that of the same shots; the interval is that of a ratio by the delta method, at most 1.
    """
    not_told, told = pairs[:, 0].astype(np.float64), pairs[:, 1].astype(np.float64)
    mean = float(not_told.mean())
    if mean == 0:
        return Estimate(math.nan, -math.inf, 1.0)
    ratio = float(told.mean()) / mean
    sigma = _error(told - ratio * not_told) / mean
    found = propagation.from_sigma(1 - ratio, max(sigma, 1 / (mean * len(pairs))))
    return Estimate(found.value, found.low, min(1.0, found.high))


def _error(values: NDArray[Any]) -> float:
    return float(values.std(ddof=1)) / math.sqrt(values.size)


def _at_least(found: Estimate) -> Estimate:
    return Estimate(found.value, max(0.0, found.low), found.high)
