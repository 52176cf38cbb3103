"""Plans of a sweep: exact totals, each result once, and rare points neither starved nor last."""

import heapq
import math
from collections.abc import Sequence

import numpy as np

from experiments.engine.kernels.draw import BLOCK
from experiments.sweep.plan import LimitPlan, Plan, PointState, Portions
from experiments.sweep.portions import PointTask, PortionCounts


def states(number: int, *, shots: int = 0) -> list[PointState]:
    return [PointState(PointTask(str(k), b"", "mwpm", {}), k, 100, shots=shots) for k in range(number)]


def simulate(
    plan: Plan, *, rates: Sequence[float], seconds: Sequence[float], workers: int
) -> tuple[float, list[float]]:
    """Run a plan on simulated workers; returns the time of the end, and that of each point's first result."""
    rng = np.random.default_rng(1)
    portions = Portions(plan)
    clock, running, free = 0.0, [], workers
    starts = [math.inf] * len(rates)
    ranges: dict[str, list[tuple[int, int]]] = {}
    while True:
        while free and (portion := portions.give(workers)) is not None:
            free -= 1
            kind = int(portion.point.strong_id)
            ranges.setdefault(portion.point.strong_id, []).append((portion.first, portion.shots))
            duration = portion.shots * seconds[kind]
            heapq.heappush(running, (clock + duration, portion.number, kind, portion.shots, duration))
        if not running:
            break
        clock, number, kind, shots, duration = heapq.heappop(running)
        free += 1
        errors = int(rng.binomial(shots, rates[kind]))
        found = PortionCounts(number, shots, errors, 0, duration)
        assert portions.take(found) is not None
        assert portions.take(found) is None  # a worker that was thought lost answers, too
        starts[kind] = min(starts[kind], clock)
    for found_ranges in ranges.values():  # no shot is drawn twice, none is left out
        firsts, sizes = zip(*found_ranges, strict=True)
        assert list(firsts) == np.cumsum([0, *sizes[:-1]]).tolist()
    return clock, starts


def test_totals_are_exact_and_portions_are_whole_blocks() -> None:
    points = states(3, shots=1000)
    plan = LimitPlan(points, max_shots=1_000_000, max_errors=None)
    simulate(plan, rates=[0.1, 0.01, 0.0], seconds=[1e-5, 1e-4, 1e-3], workers=7)
    assert [state.shots for state in points] == [1_000_000] * 3
    assert plan.progress() == [1.0] * 3
    assert plan.choose(7) is None
    points = states(1)
    points[0].returned, points[0].seconds, points[0].assigned = 500_000, 1.0, 500_123
    assert (points[0].assigned + points[0].portion_shots(1e9)) % BLOCK == 0


def test_rare_points_neither_starve_nor_come_last() -> None:
    """One of ten points needs nearly all shots, and is the last in the list."""
    points = states(10)
    rates, seconds = [0.1] * 9 + [1e-5], [1e-5] * 10
    plan = LimitPlan(points, max_shots=10**9, max_errors=1000)
    clock, starts = simulate(plan, rates=rates, seconds=seconds, workers=8)
    assert all(1000 <= state.errors < 1400 for state in points)
    work = sum(state.shots * seconds[0] for state in points)
    assert clock < 1.1 * work / 8  # so no worker waited for the rare point at the end
    assert max(starts) < 0.02 * clock


def test_a_cheap_point_does_not_wait_for_an_expensive_one() -> None:
    points = states(2)
    plan = LimitPlan(points, max_shots=100_000, max_errors=None)
    clock, _ = simulate(plan, rates=[0.1, 0.1], seconds=[1e-2, 1e-5], workers=2)
    assert clock < 1.05 * (1000 + 1) / 2
    assert points[1].shots == 100_000
