"""Reports of the real-time loop: percentiles with missing answers, tables, JSON, figure."""

import json
import math
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from experiments.loop import panels, report
from experiments.loop.parts import LoopSetting
from experiments.loop.promise import promise_of
from experiments.loop.results import LoopResult, Run, Shot, Spread, Tail
from experiments.loop.statistics import mean, ratio, reference
from realtime.placement import Placement, usable_cores


def run_of(
    cycles: int,
    *,
    shots: int = 10,
    wrong: int = 0,
    broken: int = 0,
    basis: str = "z",
    seed: int = 1,
    stream: int = 0,
) -> Run:
    random = np.random.default_rng(seed)
    good = [
        Shot(
            cycles=cycles,
            status="OK",
            wrong=at < wrong,
            same=True,
            decision_ns=int(random.gamma(9, 600)),
            loop_ns=int(random.gamma(9, 9000)),
            max_backlog=20 + at,
            index=at,
        )
        for at in range(shots - broken)
    ]
    return Run(
        cycles=cycles,
        basis=basis,
        stream=stream,
        shots=good + [Shot(cycles=cycles, status="GAP")] * broken,
        lateness=Spread.of([20, 30, 40]),
        overruns=0,
        seconds=1.0,
    )


def result_of(distance: int, *, broken: int = 0, streams: int = 1, beside: bool = False) -> LoopResult:
    spread = Spread(count=100, missing=0, mean=12.0, percentiles=(11.0, 13.0, 30.0, 60.0), maximum=90.0)
    return LoopResult(
        distance=distance,
        timed=[
            run_of(10**n, broken=broken if n == 4 else 0, seed=n + distance, stream=stream)
            for n in (2, 3, 4)
            for stream in range(streams)
        ],
        counted=[
            run_of(
                cycles, shots=4000, wrong=int(4000 * (0.5 - 0.5 * (1 - 0.02 / distance) ** cycles)), basis=b
            )
            for cycles in (10, 30)
            for b in "xz"
        ],
        windows=[Tail(points=[(10.0 * n, 0.5**n) for n in range(1, 20)], spread=spread)] * streams,
        backlog=[[(t * 1e-3, 20.0 + t % 7) for t in range(200)]] * streams,
        control=Tail(points=[(1.0 * n, 0.3**n) for n in range(1, 12)], spread=spread) if beside else None,
        detection_fraction=0.085,
        decoder_us=0.3,
    )


def test_percentiles_are_those_of_the_sorted_times() -> None:
    times = list(range(1000, 1_001_000, 1000))
    spread = Spread.of(times)
    assert (spread.mean, spread.maximum) == (500.5, 1000.0)
    assert spread.percentiles == (500.0, 900.0, 990.0, 999.0)


def test_missing_answers_are_infinite_in_percentiles() -> None:
    spread = Spread.of([1000] * 8 + [None, None])
    assert (spread.count, spread.missing, spread.mean) == (10, 2, 1.0)
    assert spread.percentiles == (1.0, math.inf, math.inf, math.inf)
    nothing = Spread.of([None])
    assert math.isnan(nothing.mean)
    assert nothing.to_json() == {
        "n": 1,
        "missing": 1,
        "unit": "us",
        **dict.fromkeys(["mean", "p50", "p90", "p99", "p99.9", "max"]),
    }


def test_broken_shots_have_no_latency() -> None:
    run = run_of(100, shots=10, broken=3)
    assert (run.decision.missing, run.loop.missing) == (3, 3)
    assert run.count("GAP") == 3
    assert run.max_backlog == 26


def test_tables_and_words() -> None:
    results = [result_of(3), result_of(5, broken=2)]
    text = report.latency_table(results, [("machine alone", Spread.of([10, 20]))])
    assert [line.split()[2] for line in text.splitlines()[1:5]] == ["decision", "loop", "window", "source"]
    assert "never" in text
    assert "machine alone" in text
    shots = report.shots_table(results)
    assert "2 (2 gap)" in shots
    assert "during" not in text
    beside = [result_of(3, beside=True, streams=2)]
    assert "3     all  machine, during" in report.latency_table(beside, [])
    assert "3, stream 1" in report.shots_table(beside)
    assert "during: while the timed shots ran" in report.explanation(beside, cycle_ns=1100)
    assert "8 of 8" in shots
    words = report.explanation(results, cycle_ns=1100)
    assert "d = 3: mean latency after 10,000 cycles / after 100: decision" in words
    assert "no core was free" in words
    assert "epsilon_3 = " in words
    assert "Lambda = " in words
    assert "63 +- 17 us" in words


def test_without_data_there_is_no_number() -> None:
    """Every shot of the longest length is broken: its percentiles, means and ratios are unknown."""
    results = [result_of(3, broken=10)]
    texts = (
        report.shots_table(results),
        report.latency_table(results, []),
        report.explanation(results, cycle_ns=1100),
    )
    assert not any("nan" in text for text in texts)
    assert "decision - (medians -)" in texts[2]


def test_a_source_that_waits_has_no_latencies() -> None:
    waiting = result_of(3)
    for run in [*waiting.timed, *waiting.counted]:
        object.__setattr__(run, "is_paced", False)
    table, words = report.shots_table([waiting]), report.explanation([waiting], cycle_ns=1100)
    assert "decision" not in table
    assert "backlog" not in table
    assert "not paced by the clock" in words
    assert "epsilon_3 = " in words
    assert "latency after" not in words
    (entry,) = report.to_json([waiting], setting={}, hiccups=[])["distances"]
    assert entry["ratios"] == []
    for name in ("decision", "loop", "source_lateness", "max_backlog"):
        assert entry["runs"][0][name] is None


@pytest.mark.parametrize("policy", ["drop-shot", "block"])
def test_a_run_says_before_it_begins_what_it_promises(policy: Literal["drop-shot", "block"]) -> None:
    few = Placement(usable=2, promise=False, note="2 cores usable, 4 needed: no latency promise")
    setting = LoopSetting(
        transport="inproc", placement=few, cycle_ns=1100.0, frame_cycles=10, decoder="mwpm", policy=policy
    )
    first = usable_cores()[0]
    words = promise_of(setting, busy={first: 0.97})
    assert max(map(len, words.splitlines())) <= 80
    if policy == "block":
        assert "not paced by the clock" in words
        return
    for part in (
        "no latency promise: 2 cores",
        "one process (inproc)",
        f"core {first} 97 %",
        "--policy block",
    ):
        assert part in words


def test_the_fit_takes_answered_shots_only() -> None:
    result = result_of(3)
    broken = run_of(10, shots=100, broken=100)
    found = report.fitted([result])
    with_broken = report.fitted([LoopResult(**{**vars(result), "counted": [*result.counted, broken]})])
    assert found is not None
    assert with_broken is not None
    assert found.distances[0].epsilon == with_broken.distances[0].epsilon
    assert report.fitted([LoopResult(**{**vars(result), "counted": [broken]})]) is None


def test_json_is_plain_and_finite() -> None:
    results = [result_of(3), result_of(5, broken=10)]
    data = report.to_json(results, setting={"a": 1}, hiccups=[("alone", Spread.of([None]))])
    text = json.dumps(data, allow_nan=False)
    again = json.loads(text)
    assert again["distances"][1]["runs"][2]["decision"]["mean"] is None
    low, high = again["distances"][0]["runs"][2]["decision"]["mean_interval"][1:]
    assert low < again["distances"][0]["runs"][2]["decision"]["mean"] < high
    assert again["distances"][0]["ratios"][0]["than_cycles"] == 100
    assert len(again["distances"][0]["runs"][0]["shots"]) == 10
    assert again["distances"][0]["runs"][3]["shots"] == 4000
    assert again["published"]["decision_latency_us"] == 63.0


@pytest.mark.parametrize("distances", [(5,), (3, 5, 7)])
def test_figure(tmp_path: Path, distances: tuple[int, ...]) -> None:
    results = [result_of(distance) for distance in distances]
    path = tmp_path / "loop.png"
    alone = results[0].windows[0]
    assert panels.draw(path, results, title="the loop", alone=alone) == path
    assert path.stat().st_size > 10_000


def test_figure_of_several_streams(tmp_path: Path) -> None:
    path = tmp_path / "loop.png"
    results = [result_of(5, streams=2, beside=True)]
    assert panels.draw(path, results, title="the loop", alone=None) == path


def test_a_mean_has_students_interval() -> None:
    found = mean([1000, 2000, 3000, None])
    assert found.value == 2.0
    assert found.high - found.value == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    assert found.low == 0.0  # no time is negative
    assert mean([5000]).high == math.inf
    assert math.isnan(mean([None]).value)


def with_times(cycles: int, times: dict[int, list[int]]) -> Run:
    shots = [
        Shot(cycles=cycles, status="OK", decision_ns=time, loop_ns=2 * time, index=index)
        for index, several in times.items()
        for time in several
    ]
    return Run(cycles=cycles, basis="z", shots=shots, lateness=Spread.of([1]), overruns=0, seconds=1.0)


def test_the_ratio_compares_shots_with_the_same_ending() -> None:
    """Endings differ fivefold and lengths by a tenth: paired, the tenth is seen; unpaired it would not be."""
    base = {index: 1000 + 1000 * (index % 5) for index in range(20)}
    long = with_times(10**6, {index: [round(1.1 * time)] for index, time in base.items()})
    short = with_times(10**4, {index + 20 * k: [time] for index, time in base.items() for k in range(10)})
    for kind in ("decision", "loop"):
        value, middle = ratio(long, short, kind)
        assert value.value == pytest.approx(1.1, rel=1e-3)
        assert value.high - value.low < 0.002
        assert middle == pytest.approx(1.1, rel=1e-3)


def test_the_ratios_interval_covers_what_endings_do_not_explain() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(40):
        long = with_times(10**6, {n: [int(random.gamma(9, 600))] for n in range(20)})
        short = with_times(10**4, {n: [int(random.gamma(9, 600)) for _ in range(10)] for n in range(20)})
        value, _ = ratio(long, short, "decision")
        covered += value.low <= 1.0 <= value.high
    assert covered >= 32  # 95 % of 40 is 38; three standard deviations below


def test_an_ending_that_was_never_answered_is_left_out() -> None:
    long = with_times(10**6, {0: [2000], 1: [9000]})
    short = with_times(10**4, {0: [1000, 1000]})
    assert ratio(long, short, "decision")[0].value == 2.0
    nothing = run_of(100, shots=3, broken=3)
    assert math.isnan(ratio(nothing, short, "decision")[0].value)


def test_what_is_compared() -> None:
    runs = [run_of(cycles) for cycles in (120, 960, 10_060, 100_080, 1_000_000)]
    assert reference(runs) is runs[2]
    assert reference(runs[:2]) is runs[0]
    assert reference(runs[:1]) is None
