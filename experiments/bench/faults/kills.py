"""Faults by which a process dies: source, daemon and consumer, killed at random moments."""

import contextlib
import threading

from experiments.bench.faults.consumer import Consumer
from experiments.bench.faults.feeder import Feeder, next_feeder
from experiments.bench.faults.outcome import Outcome
from experiments.bench.faults.stage import (
    PATIENCE_S,
    SHOTS_AFTER,
    SHOTS_BEFORE,
    Account,
    Snapshot,
    Stage,
)
from experiments.loop.parts import resident_kb
from realtime.kernels.clock import now_ns

# Time from the first shot to the kill, s.
_SHORTEST_S, _LONGEST_S = 0.02, 0.4
_SHOTS_TO_NOBODY = 10
# Longest time to wait for an answer before the next shot is sent.
_PATIENCE_S = 0.02


def kill_source(stage: Stage) -> Outcome:
    """Kill the source in the middle of its shots; another takes its stream as soon as it can."""
    outcome = Outcome(fault="source-kill", done=f"{stage.repeats} kills")
    account, rng = Account(stage.memory, outcome), stage.random("source")
    with stage.daemon(outcome) as daemon:
        with Feeder(daemon.control, stage.memory) as feeder:
            feeder.play(account, SHOTS_BEFORE)
        before = Snapshot.of(daemon)
        for number in range(stage.repeats):
            stage.show(f"source-kill: {number} of {stage.repeats}")
            with stage.source(daemon.control) as source:
                reports = source.play([stage.endless()])
                account.report(next(reports))
                timer = threading.Timer(rng.uniform(_SHORTEST_S, _LONGEST_S), source.kill)
                timer.start()
                with contextlib.suppress(RuntimeError):  # it has ended
                    for report in reports:
                        account.report(report)
                timer.join()
            account.end_fault()
            with next_feeder(daemon.control, stage.memory) as feeder:
                feeder.play(account, 1)
        before.close(outcome, Snapshot.of(daemon))
    account.close()
    return outcome


def kill_daemon(stage: Stage) -> Outcome:
    """Kill the daemon under a source that waits for the next one at the same address."""
    outcome = Outcome(fault="daemon-kill", done=f"{stage.repeats} kills")
    account, rng = Account(stage.memory, outcome), stage.random("daemon")
    with (
        stage.daemon(outcome) as daemon,
        stage.source(daemon.control, reconnect_s=PATIENCE_S) as source,
    ):
        reports = source.play([stage.endless()])
        for _ in range(SHOTS_BEFORE):
            account.report(next(reports))
        resident = resident_kb(source.pid) or 0
        for number in range(stage.repeats):
            stage.show(f"daemon-kill: {number} of {stage.repeats}")
            until = now_ns() + rng.uniform(_SHORTEST_S, _LONGEST_S) * 1e9
            while now_ns() < until:
                account.report(next(reports))
            daemon.kill()
            daemon.start()
            account.end_fault()
            for report in reports:
                if report["type"] == "shot":
                    account.report(report)
                if account.has_recovered:
                    break
        outcome.growth_kb = max(0, (resident_kb(source.pid) or 0) - resident)
        source.kill()
    left = [path.name for path in stage.folder.iterdir() if path.is_socket()]
    if left:
        outcome.broken.append(f"sockets left: {', '.join(sorted(left)[:3])}")
    account.close()
    return outcome


def kill_consumer(stage: Stage) -> Outcome:
    """Kill the process that takes the answers, while shots are sent; the next one connects in its place."""
    outcome = Outcome(fault="consumer-kill", done=f"{stage.repeats} kills")
    account, rng = Account(stage.memory, outcome), stage.random("consumer")
    with (
        stage.daemon(outcome) as daemon,
        Feeder(daemon.control, stage.memory, takes_answers=False) as feeder,
        contextlib.ExitStack() as consumers,
    ):
        consumer = consumers.enter_context(Consumer(daemon.control, feeder.welcome))
        _exchange(stage, account, feeder, consumer, shots=SHOTS_BEFORE)
        before = Snapshot.of(daemon)
        for number in range(stage.repeats):
            stage.show(f"consumer-kill: {number} of {stage.repeats}")
            timer = threading.Timer(rng.uniform(_SHORTEST_S, _LONGEST_S), consumer.kill)
            timer.start()
            while timer.is_alive():
                _exchange(stage, account, feeder, consumer, shots=1)
            timer.join()
            _send(stage, feeder, shots=_SHOTS_TO_NOBODY)
            consumer = consumers.enter_context(Consumer(daemon.control, feeder.welcome))
            feeder.miss(account)
            account.end_fault()
            _exchange(stage, account, feeder, consumer, shots=SHOTS_AFTER)
        before.close(outcome, Snapshot.of(daemon))
        feeder.miss(account)
    account.close()
    return outcome


def _send(stage: Stage, feeder: Feeder, *, shots: int) -> None:
    for index in range(shots):
        for message in feeder.frames(index % stage.memory.prepared.shots):
            feeder.send(message)


def _exchange(stage: Stage, account: Account, feeder: Feeder, consumer: Consumer, *, shots: int) -> None:
    """Send shots, and count the answers that the consumer takes; they may be those to earlier shots."""
    for index in range(shots):
        for message in feeder.frames(index % stage.memory.prepared.shots):
            feeder.send(message)
        newest = max(feeder.open)
        while newest in feeder.open and (found := consumer.take(timeout_s=_PATIENCE_S)) is not None:
            feeder.take(account, found[1], at_ns=found[0])
