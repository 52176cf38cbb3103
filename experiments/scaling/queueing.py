"""Event simulation of decoding: windows of many streams, a pool of cores, decisions served first."""

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Streams that share a pool of cores.

    Attributes:
        streams: logical qubits (patches).
        cores: of the pool; each serves one window at a time, to its end.
        period_us: time in which a stream completes a window.
        service_us: measured service times of windows, of which each window draws one.
        last_us: measured service times of last windows, those before a decision.
        last_every: windows of a stream per last window, on average.
    """

    streams: int
    cores: int
    period_us: float
    service_us: Sequence[float]
    last_us: Sequence[float]
    last_every: float

    def __post_init__(self) -> None:
        if min(self.streams, self.cores) < 1 or self.period_us <= 0 or self.last_every < 1:
            raise ValueError(
                f"streams={self.streams}, cores={self.cores}, period_us={self.period_us}, "
                f"last_every={self.last_every}: must be at least 1, 1, above 0, at least 1"
            )
        if not len(self.service_us) or not len(self.last_us):
            raise ValueError("service_us and last_us need at least one measured time each")

    @property
    def utilisation(self) -> float:
        """Work that arrives, divided by what the cores can do; above 1 the backlog grows without bound."""
        share = 1 / self.last_every
        mean = (1 - share) * float(np.mean(self.service_us)) + share * float(np.mean(self.last_us))
        return self.streams * mean / (self.cores * self.period_us)

    def scaled(self, factor: float) -> "Queue":
        """Return the same queue with all service times multiplied by a factor."""
        return replace(
            self,
            service_us=[factor * time for time in self.service_us],
            last_us=[factor * time for time in self.last_us],
        )


@dataclass(frozen=True, kw_only=True)
class Served:
    """Times of simulated windows, float64 (windows,), in order of arrival.

    Attributes:
        arrival_us: when the window's last data are there.
        wait_us: until a core takes it.
        service_us: until it is done after that.
        is_last: whether a decision waits for it, bool (windows,).
    """

    arrival_us: Floats
    wait_us: Floats
    service_us: Floats
    is_last: NDArray[np.bool_]

    @property
    def reaction_us(self) -> Floats:
        """Waiting plus service of last windows, float64."""
        return (self.wait_us + self.service_us)[self.is_last]

    def growth(self) -> float:
        """Slope of the waiting time of ordinary windows against time: 0 if the queue is stable.

        Of windows that a core took while data still came, since later ones compete with no decisions; of all
        windows, where these are fewer than three.
        """
        used = ~self.is_last & (self.arrival_us + self.wait_us <= self.arrival_us[-1])
        if used.sum() < 3:
            used = ~self.is_last
        times, waits = self.arrival_us[used], self.wait_us[used]
        return float(np.polyfit(times, waits, 1)[0])

    def after(self, warm_up: float) -> "Served":
        """Leave out the first part of the windows, in which the queue fills."""
        first = int(warm_up * len(self.arrival_us))
        return Served(
            arrival_us=self.arrival_us[first:],
            wait_us=self.wait_us[first:],
            service_us=self.service_us[first:],
            is_last=self.is_last[first:],
        )


def simulate_queue(queue: Queue, *, windows: int, seed: int) -> Served:
    """Simulate `windows` windows of each stream.

    Streams begin at random times within a period. Cores take windows in order of arrival, last windows
    before all others; nothing is interrupted.
    """
    generator = np.random.default_rng(seed)
    starts = np.sort(generator.uniform(0, queue.period_us, queue.streams))
    arrivals = (starts[np.newaxis, :] + queue.period_us * np.arange(windows)[:, np.newaxis]).reshape(-1)
    is_last = generator.random(arrivals.size) < 1 / queue.last_every
    services = np.where(
        is_last,
        generator.choice(np.asarray(queue.last_us, dtype=np.float64), arrivals.size),
        generator.choice(np.asarray(queue.service_us, dtype=np.float64), arrivals.size),
    )
    return Served(
        arrival_us=arrivals,
        wait_us=serve(arrivals, services, is_last, cores=queue.cores),
        service_us=services,
        is_last=is_last,
    )


def serve(arrivals: Floats, services: Floats, is_urgent: NDArray[np.bool_], *, cores: int) -> Floats:
    """Compute the waiting times in a queue of several servers, urgent customers first.

    Args:
        arrivals: float64 (customers,), ascending.
        services: float64 (customers,).
        is_urgent: bool (customers,).
        cores: servers.

    Returns:
        float64 (customers,).
    """
    waits = np.zeros(arrivals.size)
    free = [0.0] * cores
    urgent: deque[int] = deque()
    ordinary: deque[int] = deque()
    times, lengths, flags = arrivals.tolist(), services.tolist(), is_urgent.tolist()
    coming = 0
    for _ in range(arrivals.size):
        now = free[0]
        if not urgent and not ordinary and coming < len(times):
            now = max(now, times[coming])
        while coming < len(times) and times[coming] <= now:
            (urgent if flags[coming] else ordinary).append(coming)
            coming += 1
        customer = urgent.popleft() if urgent else ordinary.popleft()
        waits[customer] = now - times[customer]
        heapq.heapreplace(free, now + lengths[customer])
    return waits
