"""Cores, traffic and speed-up of a large machine, and measured service times."""

from dataclasses import replace

import numpy as np
import pytest
import stim

from experiments.scaling.machine_load import (
    FRAME_CYCLES,
    Layout,
    cores_needed,
    simulate_load,
    speed_needed,
    speed_up_needed,
)
from experiments.scaling.queueing import Queue, simulate_queue
from experiments.scaling.service_times import measure_service_times
from realtime.protocol import wire

LAYOUT = Layout(patches=100, distance=5, cycle_us=1.0, reaction_us=10.0, cycles=1e6)
QUEUE = Queue(streams=10, cores=1, period_us=20.0, service_us=[8.0, 12.0], last_us=[5.0], last_every=10)


def test_traffic_is_that_of_frames_of_the_protocol() -> None:
    frame = wire.encode_frame(
        session=1,
        stream=0,
        shot=0,
        sequence=0,
        first_cycle=0,
        due_ns=0,
        kind=wire.Payload.EVENTS,
        rows=np.zeros((FRAME_CYCLES, 3), dtype=np.uint8),
        bits_per_cycle=24,
    )
    assert LAYOUT.data_bytes_per_us == len(frame) / FRAME_CYCLES
    assert LAYOUT.result_bytes_per_us(20) == (wire.RESULT.itemsize + 1) / 20


def test_cores_keep_the_backlog_bounded() -> None:
    cores = cores_needed(QUEUE)
    assert cores == 6  # 10 x 9.5 us in 20 us is 4.75 cores at 100 %, 5.3 at 90 %
    load = simulate_load(replace(QUEUE, cores=cores), cycle_us=1.0, windows=400, seed=1)
    assert load.is_stable
    assert load.cores_per_patch == 0.6
    assert 5.0 < load.mean_us.value <= load.p99_us.value < 20.0
    assert load.backlog_cycles >= 12.0
    assert not simulate_load(QUEUE, cycle_us=1.0, windows=400, seed=1).is_stable
    # Far beyond what a core can do, hardly a window is served while data come.
    hopeless = simulate_load(QUEUE.scaled(100.0), cycle_us=1.0, windows=40, seed=1)
    assert hopeless.growth > 10


def test_speed_for_a_reaction_time() -> None:
    alone = Queue(streams=1, cores=1, period_us=20.0, service_us=[30.0], last_us=[15.0], last_every=5)
    factor = speed_needed(alone, budget_us=10.0, windows=500, seed=1)
    # Without waiting 15 us shrink to 10 us; utilisation is then below 1, so nothing waits at all.
    assert factor == pytest.approx(2 / 3, rel=0.01)
    run = simulate_queue(alone.scaled(factor), windows=500, seed=1)
    assert np.quantile(run.reaction_us, 0.99) <= 10.0
    assert speed_needed(alone, budget_us=1e5, windows=500, seed=1) == 1.0
    # Measured times that scatter leave the answer uncertain.
    vague = replace(alone, last_us=[5.0] * 30 + [15.0])
    found = speed_up_needed(vague, budget_us=10.0, windows=500, seed=1)
    assert found.low < found.value < 1.5 < found.high


def test_service_times_of_windows_and_ends() -> None:
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=5,
        rounds=60,
        before_round_data_depolarization=0.05,
        before_measure_flip_probability=0.05,
    )
    found = measure_service_times(circuit, decoder="mwpm", commit=20, buffer=5, windows=30, ends=16, seed=1)
    assert (found.commit, found.buffer) == (20, 5)
    assert len(found.windows) >= 30
    assert len(found.last) >= 16
    assert min(found.windows) > 0
    assert min(found.last) >= 0
