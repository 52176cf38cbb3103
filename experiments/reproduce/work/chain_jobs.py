"""Jobs of the figures of repetition codes: long records, single bursts, splitting."""

from functools import cache
from typing import Any

import numpy as np

import decoders
from experiments.reproduce.engine.figure import Job, Place, Record, Settings
from experiments.reproduce.work import chain_record, chain_scan
from experiments.reproduce.work.chain_record import ChainRecord, chain_model
from qec.sampling import BurstModel, ChainShots, DetectorSampler
from qec.sampling.splitting import Splitting

DISTANCE = 29
ROUNDS = 1000
#: The only fitted parameter: at this strength of uniform noise Lambda of d = 5 to 11 is the published 8.4.
P = 0.0079
DISTANCES = tuple(range(3, DISTANCE + 1, 2))
#: Cycles and checks of the window in which a burst is looked for.
WINDOW = (100, 10)
#: Windows that reach the threshold by chance in a record, on average, at most.
FALSE_ALARMS = 0.01
#: Plain matching: the chain's errors have no decompositions for a correlated decoder to use.
DECODER = "mwpm"
PUBLISHED_RATE = 6 / 2e10
# Smaller distances on as many cycles as their failures need, larger ones than 17 to see that there are none.
_SHARES = {3: 0.01, 5: 0.02, 7: 0.05, 9: 0.1, 11: 0.3, 13: 1.0, 15: 1.0, 17: 1.0, 29: 1.0}
_REST = 0.1
_BLOCK = 1000


def decoded_record(settings: Settings) -> Job:
    """Make the job of an hour of the device, decoded at d = 29."""
    cycles = 10_000_000 if settings.quick else 3_000_000_000
    shares = {d: _SHARES.get(d, _REST) for d in DISTANCES}
    if settings.quick:
        shares |= {3: 1.0, 5: 0.3, 7: 1.0, 9: 1.0, 11: 1.0}
    return _record_job(settings, cycles=cycles, shares=shares, rate=PUBLISHED_RATE, cost=0.5e-6 * cycles)


def searched_record(settings: Settings) -> Job:
    """Make the job of a record as long as the published one; only what looks like a burst is decoded."""
    cycles = 100_000_000 if settings.quick else 20_000_000_000
    rate = 6 / cycles
    return _record_job(
        settings, cycles=cycles, shares=dict.fromkeys(DISTANCES, 0.0), rate=rate, cost=0.07e-6 * cycles
    )


def _record_job(
    settings: Settings, *, cycles: int, shares: dict[int, float], rate: float, cost: float
) -> Job:
    arguments: dict[str, Any] = {
        "distance": DISTANCE,
        "rounds": ROUNDS,
        "p": P,
        "seed": settings.seed,
        "rate": rate,
        "decoder": DECODER,
        "block": _BLOCK,
        "shares": {str(distance): share for distance, share in shares.items()},
        "blocks": cycles // (_BLOCK * ROUNDS),
        "false_alarms": FALSE_ALARMS,
    }
    return Job(work=work_on_record, arguments=arguments, cost=cost, alone=True)


def work_on_record(*, place: Place, **arguments: Any) -> Record:
    """Run a record, see `chain_record.run`; add the threshold and its expected false alarms."""
    record, false_alarms = make_record(**arguments)
    done = chain_record.run(record, blocks=arguments["blocks"], place=place)
    return {**done, "threshold": record.threshold, "false_alarms": false_alarms}


def make_record(
    *,
    distance: int,
    rounds: int,
    p: float,
    seed: int,
    rate: float,
    decoder: str,
    block: int,
    shares: dict[str, float],
    blocks: int,
    false_alarms: float,
) -> tuple[ChainRecord, float]:
    """Make a record with the threshold of its scan, and bound the false alarms."""
    cycles, checks = WINDOW
    sampler = _sampler(distance, rounds, p)
    windows = blocks * block * ((rounds + 1) // cycles) * (distance - checks)
    threshold, expected = chain_scan.threshold(
        sampler.errors,
        num_checks=distance - 1,
        cycles=cycles,
        checks=checks,
        windows=windows,
        false_alarms=false_alarms,
    )
    record = ChainRecord(
        distance=distance,
        rounds=rounds,
        p=p,
        seed=seed,
        rate=rate,
        decoder=decoder,
        block=block,
        shares={int(d): share for d, share in shares.items()},
        window=WINDOW,
        threshold=threshold,
    )
    return record, expected


@cache
def _sampler(distance: int, rounds: int, p: float) -> DetectorSampler:
    return DetectorSampler.from_dem(chain_model(distance=distance, rounds=rounds, p=p))


#: Peak and radius of bursts, of which nothing is published: as assumed everywhere here, smaller, larger.
SIZES: dict[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "assumed": (BurstModel.peak, BurstModel.radius),
    "smaller": ((0.05, 0.25), (3.0, 6.0)),
    "larger": ((0.2, 0.5), (6.0, 14.0)),
}


# Quick or not -> portions, and bursts in each.
_NUMBERS_OF_BURSTS = {True: (2, 40), False: (20, 100)}


def burst_jobs(settings: Settings, size: str = "assumed") -> list[Job]:
    """Make the jobs that simulate single bursts of a size, instead of waiting for them in a record."""
    portions, bursts = _NUMBERS_OF_BURSTS[settings.quick]
    if size != "assumed":
        portions //= 2
    peak, radius = SIZES[size]
    return [
        Job(
            work=strike,
            arguments={
                "peak": list(peak),
                "radius": list(radius),
                "distance": DISTANCE,
                "rounds": ROUNDS,
                "p": P,
                "bursts": bursts,
                "first": portion * bursts,
                "seed": settings.seed,
                "decoder": DECODER,
            },
            cost=0.03 * bursts + 3,
        )
        for portion in range(portions)
    ]


def strike(
    *,
    distance: int,
    rounds: int,
    p: float,
    peak: tuple[float, float],
    radius: tuple[float, float],
    bursts: int,
    first: int,
    seed: int,
    decoder: str,
) -> Record:
    """Simulate single bursts, far enough apart, and count the shots that fail at each distance.

    Returns:
        shots; bursts: how many; failed: distance -> number of failing shots of each burst.
    """
    record = ChainRecord(
        distance=distance,
        rounds=rounds,
        p=p,
        seed=seed,
        rate=1.0,
        decoder=decoder,
        block=1,
        shares=dict.fromkeys(range(3, distance + 1, 2), 1.0),
        window=WINDOW,
        threshold=0,
        peak=(peak[0], peak[1]),
        radius=(radius[0], radius[1]),
    )
    apart = 2 + int(record.bursts.longest * record.bursts.decay[1] / rounds)
    failed: dict[str, list[int]] = {str(d): [] for d in record.shares}
    for number in range(first, first + bursts):
        generator = np.random.default_rng([seed, number, 0x57B1])
        # Far from the shots of any record with the same seed.
        shot = (1 << 40) + number * apart
        onset = (shot + float(generator.random())) * rounds
        burst = record.bursts.draw(generator, onset=onset, num_data=distance)
        events, flips = record.sample(shot, apart, [burst])
        for d in record.shares:
            failed[str(d)].append(int(record.failures(events, flips, d).sum()))
    return {"shots": bursts * apart, "shots_per_burst": apart, "bursts": bursts, "failed": failed}


#: Distance -> (population, proposals, estimates) of the full run; the smaller ones check the method.
_SPLITTING = {
    3: (128, 8.0, 24),
    5: (128, 8.0, 24),
    7: (128, 16.0, 24),
    9: (128, 16.0, 24),
    11: (128, 16.0, 24),
    13: (128, 16.0, 16),
    17: (128, 16.0, 10),
    21: (128, 16.0, 8),
    25: (64, 12.0, 8),
    29: (64, 12.0, 8),
}
_QUICK_SPLITTING = {
    5: (64, 8.0, 3),
    9: (64, 8.0, 3),
    13: (64, 8.0, 3),
    21: (48, 6.0, 3),
}


def splitting_jobs(settings: Settings) -> dict[int, list[Job]]:
    """Make the jobs of each distance: independent estimates of its failure probability."""
    plan = _QUICK_SPLITTING if settings.quick else _SPLITTING
    return {
        distance: [
            Job(
                work=split,
                arguments={
                    "distance": distance,
                    "chain": DISTANCE,
                    "rounds": 2 * distance,
                    "p": P,
                    "population": population,
                    "proposals": proposals,
                    "top": 4.0 if distance < 21 else 5.0,
                    "shots": 8000,
                    "seed": settings.seed * 1000 + number,
                    "decoder": DECODER,
                },
                cost=2.5e-7 * population * proposals * distance**4,
            )
            for number in range(estimates)
        ]
        for distance, (population, proposals, estimates) in plan.items()
    }


def split(
    *,
    distance: int,
    chain: int,
    rounds: int,
    p: float,
    population: int,
    proposals: float,
    top: float,
    shots: int,
    seed: int,
    decoder: str,
) -> Record:
    """Estimate the failure probability of a short memory of the central sub-chain without bursts, once.

    Returns:
        probability; levels: steps down; start: failure probability at the top.
    """
    whole = ChainShots(distance=chain, rounds=rounds)
    model = chain_model(distance=chain, rounds=rounds, p=p)
    dem = whole.cut_model(model, first=(chain - distance) // 2, distance=distance)
    judge = decoders.from_dem(decoder, dem)
    splitting = Splitting(
        dem=dem,
        fails=lambda events, flips: (judge.decode_batch(events, bit_packed=True) != flips)[:, 0],
        population=population,
        proposals=proposals,
    )
    found = splitting.estimate(top=top, shots=shots, seed=seed)
    return {"probability": found.probability, "levels": len(found.scales), "start": found.start}
