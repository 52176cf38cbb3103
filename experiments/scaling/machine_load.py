"""Load of a whole machine: cores, reaction time, traffic and power from a layout and service times."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from experiments.scaling.queueing import Queue, simulate_queue
from qec.statistics import Estimate
from realtime.protocol.wire import HEADER, RESULT, payload_bytes, row_bytes

#: Cycles of data in a frame, as `qec realtime` sends them.
FRAME_CYCLES = 10
#: Most utilisation that is planned for.
BUSIEST = 0.9
_WARM_UP = 0.1
_RUNS = 10
_STABLE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A published layout of an algorithm on surface codes.

    Attributes:
        patches: logical qubits on the board, all decoded all the time.
        distance: of the code.
        cycle_us: time of a cycle.
        reaction_us: assumed time from a measurement to the operation that depends on it.
        cycles: of the algorithm.
    """

    patches: int
    distance: int
    cycle_us: float
    reaction_us: float
    cycles: float

    @property
    def data_bytes_per_us(self) -> float:
        """Bytes of detection events per microsecond and patch, headers included."""
        bits = self.distance**2 - 1
        payload = payload_bytes(cycles=FRAME_CYCLES, bits_per_cycle=bits, final_bits=0)
        return (HEADER.itemsize + payload) / (FRAME_CYCLES * self.cycle_us)

    def result_bytes_per_us(self, commit: int) -> float:
        """Bytes of corrections per microsecond and patch: one commit frame for each window."""
        return (RESULT.itemsize + row_bytes(1)) / (commit * self.cycle_us)


@dataclass(frozen=True, kw_only=True)
class Load:
    """Decoding load of pools of cores, each serving the same number of patches.

    Attributes:
        queue: of one pool.
        mean_us, p99_us: reaction time, wait and service of last windows; 95 % intervals from runs that each
            have a bootstrap replicate of the measured times.
        backlog_cycles: cycles that the decoder is behind the data when it finishes a window, 99 % quantile.
        growth: slope of the wait against time; stable below 0.001.
    """

    queue: Queue
    mean_us: Estimate
    p99_us: Estimate
    backlog_cycles: float
    growth: float

    @property
    def is_stable(self) -> bool:
        """Whether the backlog stays bounded."""
        return self.queue.utilisation < 1 and self.growth < _STABLE

    @property
    def cores_per_patch(self) -> float:
        """Cores of the pool divided by its patches."""
        return self.queue.cores / self.queue.streams


def cores_needed(queue: Queue) -> int:
    """Fewest cores for a pool's streams at the busiest utilisation that is planned for."""
    return max(1, math.ceil(replace(queue, cores=1).utilisation / BUSIEST))


def simulate_load(queue: Queue, *, cycle_us: float, windows: int, seed: int) -> Load:
    """Simulate a pool several times; `windows` of each stream and run."""
    whole = [
        simulate_queue(one, windows=windows, seed=seed * _RUNS + number)
        for number, one in enumerate(_replicates(queue, seed))
    ]
    runs = [run.after(_WARM_UP) for run in whole]
    lags = np.concatenate([run.wait_us + run.service_us for run in runs])
    return Load(
        queue=queue,
        mean_us=_spread([float(run.reaction_us.mean()) for run in runs]),
        p99_us=_spread([float(np.quantile(run.reaction_us, 0.99)) for run in runs]),
        backlog_cycles=float(np.quantile(lags, 0.99)) / cycle_us,
        growth=float(np.mean([run.growth() for run in whole])),
    )


def _replicates(queue: Queue, seed: int) -> list[Queue]:
    """Draw the measured times again with replacement: they are few, and so is what is known of their tail."""
    generator = np.random.default_rng([seed, 0xB007])
    return [
        replace(
            queue,
            service_us=generator.choice(queue.service_us, len(queue.service_us)).tolist(),
            last_us=generator.choice(queue.last_us, len(queue.last_us)).tolist(),
        )
        for _ in range(_RUNS)
    ]


def _spread(values: Sequence[float]) -> Estimate:
    """Middle of bootstrap replicates, and a 95 % interval from their standard deviation, in the logarithm."""
    logs = np.log(values)
    middle = float(logs.mean())
    width = float(stdtrit(len(values) - 1, 0.975)) * float(logs.std(ddof=1))
    return Estimate(*(math.exp(middle + side * width) for side in (0, -1, 1)))


def speed_up_needed(queue: Queue, *, budget_us: float, windows: int, seed: int) -> Estimate:
    """Find how many times faster all service must be for 99 % of the reactions to fit into a budget.

    Each of several bootstrap replicates of the measured times is searched by `speed_needed`.
    """
    return _spread(
        [
            1 / speed_needed(one, budget_us=budget_us, windows=windows, seed=seed + number)
            for number, one in enumerate(_replicates(queue, seed))
        ]
    )


def speed_needed(queue: Queue, *, budget_us: float, windows: int, seed: int) -> float:
    """Find the factor on all service times with which 99 % of the reactions fit into a budget.

    By bisection in the logarithm; the same random numbers at all factors, so that the quantile grows with
    the factor.
    """
    low, high = math.log(1e-6), 0.0
    if _p99(queue, 1.0, windows, seed) <= budget_us:
        return 1.0
    while high - low > 0.005:
        middle = (low + high) / 2
        if _p99(queue, math.exp(middle), windows, seed) <= budget_us:
            low = middle
        else:
            high = middle
    return math.exp(low)


def _p99(queue: Queue, factor: float, windows: int, seed: int) -> float:
    run = simulate_queue(queue.scaled(factor), windows=windows, seed=seed).after(_WARM_UP)
    return float(np.quantile(run.reaction_us, 0.99))
