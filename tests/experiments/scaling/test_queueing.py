"""Queueing of windows: against formulas and an independent recursion; overload; urgent windows first."""

import math

import numpy as np
import pytest

from experiments.scaling.queueing import Queue, serve, simulate_queue
from tests.support.chance import sigmas


def _waits_of_one_server(arrivals: np.ndarray, services: np.ndarray) -> np.ndarray:
    """Lindley's recursion, W_(n+1) = max(0, W_n + S_n - A_n), solved by cumulated sums."""
    steps = np.concatenate([[0.0], np.cumsum(services[:-1] - np.diff(arrivals))])
    return steps - np.minimum.accumulate(steps)


@pytest.mark.parametrize("kind", ["M/D/1", "M/M/1", "M/G/1"])
def test_mean_wait_is_that_of_pollaczek_and_khinchine(kind: str) -> None:
    generator = np.random.default_rng(3)
    number, load = 200_000, 0.7
    arrivals = np.cumsum(generator.exponential(1 / load, number))
    measured = {
        "M/D/1": np.ones(1),
        "M/M/1": -np.log((np.arange(1000) + 0.5) / 1000),
        "M/G/1": np.array([0.5, 0.5, 0.5, 2.5]),
    }[kind]
    measured = measured / measured.mean()
    waits = serve(arrivals, generator.choice(measured, number), np.zeros(number, dtype=np.bool_), cores=1)
    expected = load * (measured**2).mean() / (2 * (1 - load))
    # Waits are correlated over many customers: the error comes from means of long stretches.
    means = waits[number // 20 :].reshape(19, -1).mean(axis=1)
    assert abs(means.mean() - expected) < sigmas(1) * means.std(ddof=1) / math.sqrt(19)
    assert means.std(ddof=1) / math.sqrt(19) < 0.05 * expected


def test_waits_of_one_core_are_those_of_the_recursion() -> None:
    generator = np.random.default_rng(4)
    arrivals = np.sort(generator.uniform(0, 1000, 1000))
    services = generator.exponential(0.9, 1000)
    found = serve(arrivals, services, np.zeros(1000, dtype=np.bool_), cores=1)
    assert found == pytest.approx(_waits_of_one_server(arrivals, services), abs=1e-9)


def test_cores_take_windows_in_order_and_urgent_ones_first() -> None:
    arrivals = np.array([0.0, 0.0, 1.0, 2.0, 3.0])
    services = np.array([10.0, 4.0, 5.0, 5.0, 1.0])
    ordinary = np.zeros(5, dtype=np.bool_)
    # Two cores: free at 10 and 4; then 9 and 10; then 10 and 14.
    assert serve(arrivals, services, ordinary, cores=2).tolist() == [0, 0, 3, 7, 7]
    urgent = np.array([False, False, False, False, True])
    assert serve(arrivals, services, urgent, cores=2).tolist() == [0, 0, 4, 8, 1]


def _queue(**changes: float) -> Queue:
    values = {"streams": 5, "cores": 1, "period_us": 10.0, "last_every": 4.0} | changes
    return Queue(service_us=[1.0, 2.0], last_us=[1.0], **values)  # type: ignore[arg-type]


def test_overload_grows_without_bound_and_as_fast_as_the_excess() -> None:
    queue = _queue(cores=1, period_us=5.0)
    assert queue.utilisation == pytest.approx(5 * (0.75 * 1.5 + 0.25 * 1.0) / 5)
    short, long = (simulate_queue(queue, windows=windows, seed=1) for windows in (2000, 8000))
    # Decisions never wait long; ordinary windows get the rest of the time, and are behind by this.
    ordinary, rest = 0.75 * 1.5, 1 - 0.25 * 1.0
    assert long.growth() == pytest.approx(ordinary / rest - 1, rel=0.05)
    assert long.wait_us.max() == pytest.approx(4 * short.wait_us.max(), rel=0.15)
    assert long.reaction_us.max() < 5
    assert abs(simulate_queue(_queue(), windows=2000, seed=1).growth()) < 1e-3


def test_simulated_streams() -> None:
    served = simulate_queue(_queue(), windows=4000, seed=2)
    assert served.arrival_us.size == 5 * 4000
    assert (np.diff(served.arrival_us) >= 0).all()
    share = served.is_last.mean()
    assert abs(share - 0.25) < sigmas(1) * math.sqrt(0.25 * 0.75 / 20_000)
    assert set(served.service_us[served.is_last]) == {1.0}
    assert set(served.service_us[~served.is_last]) == {1.0, 2.0}
    later = served.after(0.5)
    assert later.arrival_us[0] == served.arrival_us[10_000]
    with pytest.raises(ValueError, match=r"last_every=0\.5: must be at least 1"):
        _queue(last_every=0.5)
