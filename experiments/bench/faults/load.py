"""Faults of load: data ten times too fast, 64 streams at once, a consumer that does not read."""

import os
import signal

from experiments.bench.faults.consumer import Consumer
from experiments.bench.faults.feeder import Feeder, next_feeder
from experiments.bench.faults.outcome import Outcome
from experiments.bench.faults.stage import CYCLES, SHOTS_AFTER, SHOTS_BEFORE, Account, Snapshot, Stage
from realtime.kernels.clock import now_ns
from realtime.service.client import Client
from realtime.source.jobs import Job

OVERLOAD = 10
_OVERLOAD_SHOTS, _OVERLOAD_CYCLES, _FRAME_CYCLES = 6, 100_000, 64
NUM_STREAMS = 64
# Slow enough for 64 streams on two cores: 14,000 frames a second.
_MANY_CYCLE_NS = 500_000.0
_SLOW_SHOTS = 4000


def overload(stage: Stage) -> Outcome:
    """Send cycles ten times as fast as the decoder can decode them."""
    outcome = Outcome(fault="overload")
    shots = stage.make_shots(distance=7, cycles=_OVERLOAD_CYCLES, count=2)
    short = stage.make_shots(distance=7, cycles=CYCLES, count=8)
    account, after = Account(shots, outcome), Account(short, outcome)
    with stage.daemon(outcome, model=str(stage.slow_model()), max_load=0.0) as daemon:
        with Client(daemon.control) as client:
            service_ns = float(client.stats()["streams"][0]["service_ns_per_cycle"])
        cycle_ns = service_ns / OVERLOAD
        pace = max(1, round(cycle_ns))
        with Feeder(daemon.control, shots, policy="drop-shot", cycle_ns=pace) as feeder:
            feeder.play(account, 2)
            before = Snapshot.of(daemon)
            for number in range(_OVERLOAD_SHOTS):
                start_ns = int(now_ns()) + 1_000_000
                messages = feeder.frames(
                    number % 2, start_ns=start_ns, cycle_ns=cycle_ns, frame_cycles=_FRAME_CYCLES
                )
                for at, message in enumerate(messages):
                    while now_ns() < start_ns + (at + 1) * _FRAME_CYCLES * cycle_ns:
                        pass
                    feeder.send(message)
                for result in feeder.answers(timeout_s=10.0):
                    feeder.take(account, result)
                feeder.miss(account)
            after.end_fault()
            feeder.shots = short
            feeder.play(after, SHOTS_AFTER)
            before.close(outcome, Snapshot.of(daemon))
    after.close()
    outcome.done = (
        f"{_OVERLOAD_SHOTS} shots of {_OVERLOAD_CYCLES:,} cycles of {cycle_ns:.0f} ns, for a decoder that "
        f"needs {service_ns:.0f} ns"
    )
    return outcome


def play_many_streams(stage: Stage) -> Outcome:
    """Serve 64 streams at once, and kill their source."""
    outcome = Outcome(fault="streams")
    account = Account(stage.memory, outcome)
    with stage.daemon(outcome, streams=NUM_STREAMS, max_load=0.0) as daemon:
        with stage.source(daemon.control, streams=NUM_STREAMS, cycle_ns=_MANY_CYCLE_NS) as source:
            stage.play(source, account, 1)
            before = Snapshot.of(daemon)
            stage.play(source, account, max(1, stage.shots // NUM_STREAMS))
            reports = source.play([Job(folder=str(stage.memory.prepared.folder), shots=1 << 40)])
            for _ in range(NUM_STREAMS):
                account.report(next(reports))
            source.kill()
        account.end_fault()
        for stream in range(NUM_STREAMS):
            with next_feeder(daemon.control, stage.memory, stream=stream) as feeder:
                feeder.play(account, 1)
        before.close(outcome, Snapshot.of(daemon))
    account.close()
    outcome.done = f"one source, {NUM_STREAMS} decoders; then the source is killed"
    return outcome


def stop_consumer(stage: Stage) -> Outcome:
    """Stop the process that takes the answers, until the daemon has no room for more."""
    outcome = Outcome(fault="slow-consumer")
    account = Account(stage.memory, outcome)
    with (
        stage.daemon(outcome) as daemon,
        Feeder(daemon.control, stage.memory, takes_answers=False) as feeder,
        Consumer(daemon.control, feeder.welcome) as consumer,
    ):
        # The consumer may not be connected yet: what is lost now does not count.
        _play(stage, Account(stage.memory, Outcome(fault="")), feeder, consumer, shots=SHOTS_BEFORE)
        before = Snapshot.of(daemon)
        os.kill(consumer.process.pid, signal.SIGSTOP)
        for number in range(_SLOW_SHOTS):
            for message in feeder.frames(number % stage.memory.prepared.shots, frame_cycles=50):
                feeder.send(message)
        os.kill(consumer.process.pid, signal.SIGCONT)
        while (found := consumer.take(timeout_s=2.0)) is not None:
            feeder.take(account, found[1], at_ns=found[0])
        feeder.miss(account)
        account.end_fault()
        _play(stage, account, feeder, consumer, shots=SHOTS_AFTER)
        after = Snapshot.of(daemon)
        before.close(outcome, after)
    account.close()
    if outcome.failed["MISSING"] != outcome.refused["results_dropped"]:
        outcome.broken.append("answers are missing that the daemon did not count")
    outcome.done = f"{_SLOW_SHOTS} shots while the process that takes the answers is stopped"
    return outcome


def _play(stage: Stage, account: Account, feeder: Feeder, consumer: Consumer, *, shots: int) -> None:
    for number in range(shots):
        for message in feeder.frames(number % stage.memory.prepared.shots):
            feeder.send(message)
        while feeder.open and (found := consumer.take(timeout_s=5.0)) is not None:
            feeder.take(account, found[1], at_ns=found[0])
        feeder.miss(account)
