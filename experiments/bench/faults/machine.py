"""Faults of the machine: clocks that jump, a daemon that stands still, a full disk, a network that is cut."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from experiments.bench.faults.feeder import Feeder
from experiments.bench.faults.outcome import Outcome
from experiments.bench.faults.stage import (
    PATIENCE_S,
    SHOTS_AFTER,
    SHOTS_BEFORE,
    Account,
    Snapshot,
    Stage,
)
from experiments.bench.faults.stepped_daemon import CLOCK_FILE, Offset
from realtime.kernels.clock import now_ns
from realtime.service.client import Client, DaemonProcess
from realtime.source.recording import read_recording

CLOCK_STEPS_S = (0.02, 5.0, 3600.0, -0.02, -5.0, -3600.0)
#: Times for which the daemon stands still, and for which the network is cut, s: a source takes a daemon that
#: has not answered for three seconds as lost.
SHORT_S, LONG_S = 1.0, 8.0
_DISK = "disk"
_DISK_MB = 2
_RETRY_S = 10.0


def step_daemon_clock(stage: Stage) -> Outcome:
    """Let the clock of the daemon jump, and back."""
    outcome = Outcome(fault="daemon-clock")
    account = Account(stage.memory, outcome)
    clock = Offset(stage.model.with_name(CLOCK_FILE))
    clock.set(0)
    module = "experiments.bench.faults.stepped_daemon"
    with (
        stage.daemon(outcome, module=module) as daemon,
        stage.source(daemon.control, reconnect_s=PATIENCE_S) as source,
    ):
        stage.play(source, account, SHOTS_BEFORE)
        before = Snapshot.of(daemon)
        for step_s in CLOCK_STEPS_S:
            stage.show(f"daemon-clock: {step_s:+g} s")
            reports = source.play([stage.endless(seconds=1.0)])
            account.report(next(reports))
            clock.set(round(step_s * 1e9))  # in the middle of the shots
            for report in reports:
                if report["type"] == "shot":
                    account.report(report)
            clock.set(0)
            account.end_fault()
            stage.play(source, account, SHOTS_AFTER)
        before.close(outcome, Snapshot.of(daemon))
    account.close()
    outcome.done = f"jumps by {', '.join(f'{step:+g}' for step in CLOCK_STEPS_S)} s, and back"
    return outcome


def stop_daemon(stage: Stage) -> Outcome:
    """Stop the daemon's process for a while, as a machine that is paused."""
    outcome = Outcome(fault="daemon-stop", done=f"for {SHORT_S:g} and {LONG_S:g} s")
    account = Account(stage.memory, outcome)
    with stage.daemon(outcome) as daemon:

        def stop(is_on: bool) -> None:
            os.kill(daemon.pid, signal.SIGSTOP if is_on else signal.SIGCONT)

        _interrupt(stage, account, daemon, stop)
    account.close()
    return outcome


def cut_network(stage: Stage) -> Outcome:
    """Take the network between source and daemon away, in a network namespace with only a loopback device."""
    outcome = Outcome(fault="network-cut", done=f"for {SHORT_S:g} and {LONG_S:g} s, tcp")
    account = Account(stage.memory, outcome)

    def cut(is_on: bool) -> None:
        subprocess.run(["ip", "link", "set", "lo", "down" if is_on else "up"], check=True)

    cut(False)
    with stage.daemon(outcome, bind="tcp://127.0.0.1:*") as daemon:
        _interrupt(stage, account, daemon, cut)
    account.close()
    return outcome


def _interrupt(
    stage: Stage, account: Account, daemon: DaemonProcess, interrupt: Callable[[bool], None]
) -> None:
    """Interrupt a source's way to the daemon twice: briefly, and until it takes the daemon as lost."""
    with stage.source(daemon.control, reconnect_s=PATIENCE_S) as source:
        stage.play(source, account, SHOTS_BEFORE)
        before = Snapshot.of(daemon)
        for seconds in (SHORT_S, LONG_S):
            stage.show(f"{account.outcome.fault}: {seconds:g} s")
            reports = source.play([stage.endless(seconds=seconds + 1.0)])
            account.report(next(reports))
            interrupt(True)
            time.sleep(seconds)
            interrupt(False)
            account.end_fault()
            for report in reports:
                if report["type"] == "shot":
                    account.report(report)
            stage.play(source, account, SHOTS_AFTER)
        before.close(account.outcome, Snapshot.of(daemon))


def fill_disk(stage: Stage) -> Outcome:
    """Fill the disk while the daemon records, and make room again; in a namespace with a disk of its own."""
    outcome = Outcome(fault="full-disk")
    account = Account(stage.memory, outcome)
    disk = stage.folder / _DISK
    disk.mkdir()
    size = f"size={_DISK_MB}m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=True)
    folder = disk / "recordings"
    with stage.daemon(outcome, record=str(folder)) as daemon, Feeder(daemon.control, stage.memory) as feeder:
        play = partial(_play_until, feeder, account, daemon)
        play(SHOTS_BEFORE, lambda counts: counts["messages"] > 0)
        before = Snapshot.of(daemon)
        ballast = _fill(disk / "ballast")
        lost = play(stage.shots, lambda counts: counts["missing"] > 0)
        ballast.unlink()
        freed_ns = int(now_ns())
        account.end_fault(freed_ns)
        recorded = _recorded(daemon)["messages"]
        resumed = play(SHOTS_AFTER, lambda counts: counts["messages"] > recorded)
        resumed_s = (now_ns() - freed_ns) / 1e9
        feeder.play(account, SHOTS_AFTER)
        before.close(outcome, Snapshot.of(daemon))
        counts = _recorded(daemon)
    account.close()
    files = sorted(folder.iterdir())
    shots = sum(read_recording(file).num_shots for file in files)
    subprocess.run(["umount", str(disk)], check=True)
    if not (lost and resumed):
        outcome.broken.append(f"recording: {counts}, resumed: {resumed}, {resumed_s:.1f} s later")
    outcome.done = (
        f"{counts['missing']:,} of {counts['missing'] + counts['messages']:,} messages not recorded, and "
        f"counted; recording resumed after {resumed_s:.1f} s; {len(files)} complete files with {shots} shots"
    )
    return outcome


def _play_until(
    feeder: Feeder,
    account: Account,
    daemon: DaemonProcess,
    shots: int,
    condition: Callable[[dict[str, int]], bool],
) -> bool:
    """Play shots until the recorder's counts fulfil a condition; on a busy machine it writes late.

    Returns:
        Whether they do before the recorder's next attempts are over.
    """
    end_ns = now_ns() + _RETRY_S * 1e9
    while True:
        feeder.play(account, shots)
        if condition(_recorded(daemon)):
            return True
        if now_ns() > end_ns:
            return False


def _fill(path: Path) -> Path:
    """Fill a disk with a file."""
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    with contextlib.suppress(OSError):
        while os.write(file, bytes(1 << 12)):
            pass
    os.close(file)
    return path


def _recorded(daemon: DaemonProcess) -> dict[str, int]:
    with Client(daemon.control) as client:
        found: dict[str, int] = client.stats()["streams"][0]["recorded"]
    return found
