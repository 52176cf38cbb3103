"""Faults on the way between a source and the daemon, made by a relay."""

from experiments.bench.faults.changes import ClockStep, Damage
from experiments.bench.faults.outcome import Outcome
from experiments.bench.faults.relay import Relay
from experiments.bench.faults.stage import SHOTS_AFTER, SHOTS_BEFORE, Account, Snapshot, Stage

#: Probability of a frame, or of an answer, to be hit.
PROBABILITY = 0.01
#: Jumps of the clock of a source, s.
CLOCK_STEPS_S = (-3600.0, -0.2, -0.005, 0.005, 5.0, 3600.0)


def damage(stage: Stage, kind: str) -> Outcome:
    """Let frames and answers be lost, delayed, changed, doubled or put out of order; see Damage."""
    outcome = Outcome(fault=kind)
    account = Account(stage.memory, outcome)
    with (
        stage.daemon(outcome) as daemon,
        Relay(daemon.control, stage.folder) as relay,
        stage.source(relay.control) as source,
    ):
        stage.play(source, account, SHOTS_BEFORE)
        before = Snapshot.of(daemon)
        change = Damage(kind=kind, probability=PROBABILITY, rng=stage.random(kind))
        relay.change = change
        stage.play(source, account, stage.shots)
        relay.change = None
        account.end_fault()
        stage.play(source, account, SHOTS_AFTER)
        before.close(outcome, Snapshot.of(daemon))
    account.close()
    outcome.done = f"{change.num_hit} of {change.num_seen} frames and answers"
    return outcome


def step_source_clock(stage: Stage) -> Outcome:
    """Let the time stamps of a source jump."""
    outcome = Outcome(fault="source-clock")
    account = Account(stage.memory, outcome)
    num_hit = 0
    with (
        stage.daemon(outcome) as daemon,
        Relay(daemon.control, stage.folder) as relay,
        stage.source(relay.control) as source,
    ):
        stage.play(source, account, SHOTS_BEFORE)
        before = Snapshot.of(daemon)
        for step_s in CLOCK_STEPS_S:
            change = ClockStep(step_ns=round(step_s * 1e9))
            relay.change = change
            stage.play(source, account, max(1, stage.shots // len(CLOCK_STEPS_S)))
            relay.change = None
            account.end_fault()
            stage.play(source, account, SHOTS_AFTER)
            num_hit += change.num_hit
        before.close(outcome, Snapshot.of(daemon))
    account.close()
    steps = ", ".join(f"{step:+g}" for step in CLOCK_STEPS_S)
    outcome.done = f"due times of {num_hit} frames jump by {steps} s"
    return outcome
