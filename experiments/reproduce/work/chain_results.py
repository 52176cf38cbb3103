"""Logical errors per cycle and bursts from the records of long chains."""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import gammaincinv

from experiments.reproduce.engine.figure import Job, Record, Records, Settings
from experiments.reproduce.work import chain_jobs, chain_scan, estimates
from experiments.reproduce.work.chain_record import ChainRecord
from experiments.reproduce.work.chain_scan import FoundBurst
from qec.sampling import Burst
from qec.statistics import Estimate, per_cycle, positive_mean


class Search(NamedTuple):
    """Detected bursts of a record, compared with the simulated ones."""

    record: ChainRecord
    #: Every burst, and what was found of it.
    pairs: list[tuple[Burst, FoundBurst | None]]
    #: Number of windows called a burst that were none.
    num_false: int
    #: Number of bursts that such a record has on average.
    mean: float

    @property
    def num_found(self) -> int:
        """Bursts that were found."""
        return sum(found is not None for _, found in self.pairs)

    def words(self) -> str:
        """Describe the outcome."""
        return f"{self.num_found} of {len(self.pairs)}, {self.num_false} false"


def search(job: Job, done: Record) -> Search:
    """Compare the bursts of a record with those found in its detection events."""
    record, _ = chain_jobs.make_record(**job.arguments)
    bursts = record.bursts.bursts(cycles=done["cycles"], num_data=record.distance, seed=record.seed)
    found = chain_scan.find(done["flagged"], rounds=record.rounds, cycles=record.window[0])
    pairs, false = chain_scan.match(found, bursts, longest=record.bursts.longest)
    return Search(record, list(pairs), len(false), record.rate * done["cycles"])


def from_counts(errors: int, shots: int, *, cycles: int) -> Estimate:
    """epsilon from one number of cycles, as in the paper: P = (1 - (1 - 2 epsilon)^cycles) / 2."""
    found = estimates.probability(errors, shots)
    value, low, high = (
        per_cycle(probability=part, cycles=cycles) for part in (found.value, found.low, found.high)
    )
    return Estimate(value, low, high)


def direct(record: Record) -> dict[int, Estimate]:
    """Distance -> epsilon met in a record outside bursts."""
    return {
        int(distance): from_counts(errors, shots, cycles=chain_jobs.ROUNDS)
        for distance, (shots, errors) in record["decoded"].items()
        if shots
    }


def split(settings: Settings, records: Records) -> dict[int, Estimate]:
    """Distance -> epsilon by splitting."""
    found = {}
    for distance, jobs in chain_jobs.splitting_jobs(settings).items():
        rounds = int(jobs[0].arguments["rounds"])
        p = positive_mean([records[job]["probability"] for job in jobs])
        parts = (per_cycle(probability=min(0.5, x), cycles=rounds) for x in (p.value, p.low, p.high))
        found[distance] = Estimate(*parts)
    return found


def failures_per_burst(
    settings: Settings, records: Records, quiet: dict[int, Estimate], *, size: str = "assumed"
) -> dict[int, Estimate]:
    """Distance -> shots that one burst makes fail, on average; what fails without bursts is taken away."""
    done = [records[job] for job in chain_jobs.burst_jobs(settings, size)]
    found = {}
    for distance in chain_jobs.DISTANCES:
        counts = np.array([count for record in done for count in record["failed"][str(distance)]])
        background = done[0]["shots_per_burst"] * chain_jobs.ROUNDS * quiet[distance].value
        middle = max(0.0, float(counts.mean()) - background)
        total = int(counts.sum())
        if total == 0:
            found[distance] = Estimate(0.0, 0.0, float(gammaincinv(1, 0.975)) / counts.size)
            continue
        sigma = float(counts.std(ddof=1)) / math.sqrt(counts.size)
        found[distance] = Estimate(middle, max(0.0, middle - 1.96 * sigma), middle + 1.96 * sigma)
    return found


def combined(
    exact: dict[int, Estimate], rare: dict[int, Estimate], *, trusted: float = 0.3
) -> dict[int, Estimate]:
    """epsilon without bursts at all distances: met where that is sure, else split or between split ones.

    Args:
        exact: from a record.
        rare: by splitting.
        trusted: largest relative width of an interval for what was met to be used.
    """
    known = dict(rare)
    known |= {d: e for d, e in exact.items() if e.low > 0 and (e.high - e.low) / e.value < 2 * trusted}
    places = sorted(known)
    logs = np.log([[known[d].value, known[d].low or 1e-300, known[d].high] for d in places])
    found = {}
    for distance in chain_jobs.DISTANCES:
        if not places[0] <= distance <= places[-1]:  # on the straight line through the nearest two
            near, next_one = (0, 1) if distance < places[0] else (-1, -2)
            step = (logs[near] - logs[next_one]) / (places[near] - places[next_one])
            column = logs[near] + step[0] * (distance - places[near])
        else:
            column = np.array([np.interp(distance, places, logs[:, part]) for part in range(3)])
        found[distance] = Estimate(*(float(x) for x in np.exp(column)))
    return found
