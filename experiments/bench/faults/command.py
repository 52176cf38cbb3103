"""`qec bench faults`: faults on purpose in a running real-time loop, and what becomes of every shot."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from experiments.bench.faults import connections, kills, load, machine
from experiments.bench.faults.outcome import HEADER, Outcome
from experiments.bench.faults.stage import Stage
from experiments.common.json_file import write_json
from experiments.common.machine import description
from experiments.common.parser import output, whole
from experiments.common.terminal import Progress, table
from realtime.kernels.clock import now_ns

#: Faults by name.
FAULTS: dict[str, Callable[[Stage], Outcome]] = {
    **{
        kind: partial(connections.damage, kind=kind)
        for kind in ("loss", "reordering", "delay", "duplication", "corruption")
    },
    "source-clock": connections.step_source_clock,
    "daemon-clock": machine.step_daemon_clock,
    "source-kill": kills.kill_source,
    "daemon-kill": kills.kill_daemon,
    "consumer-kill": kills.kill_consumer,
    "daemon-stop": machine.stop_daemon,
    "network-cut": machine.cut_network,
    "full-disk": machine.fill_disk,
    "overload": load.overload,
    "streams": load.play_many_streams,
    "slow-consumer": load.stop_consumer,
}
#: Faults that need namespaces of their own, and the options of unshare(1) for them.
NAMESPACES = {"network-cut": "-Urn", "full-disk": "-Urm"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench faults`."""
    add = parser.add_argument
    parser.epilog = (
        "Every answer is compared with offline decoding of the same shot. Exit code 1 if an answer with\n"
        "status OK is wrong, a shot has no outcome, memory grows, or no right answer follows a fault.\n"
        "Recovery: from the end of the fault, or from the start of the next process, to the first right\n"
        "answer; median and maximum. network-cut and full-disk need unshare(1) and user namespaces. All\n"
        "faults take four to eight minutes, with --repeats 67 (201 kills) about half an hour."
    )
    add("--faults", nargs="+", choices=tuple(FAULTS), metavar="FAULT", help=f"of {', '.join(FAULTS)}")
    add("--shots", type=whole(), default=300, metavar="N", help="under each fault of a connection")
    add("--repeats", type=whole(), default=4, metavar="N", help="kills of each process")
    add("--seed", type=whole(0), default=1, metavar="N", help="of the random choices")
    add("--out", type=output(), metavar="FILE", help="write the outcomes as JSON")


def run(args: argparse.Namespace) -> int:
    """Make the faults, print and write the outcomes; see `add_arguments`."""
    outcomes, skipped, began_ns = [], [], now_ns()
    with tempfile.TemporaryDirectory(prefix="qec-faults-") as folder, Progress() as progress:
        stage = Stage(
            folder=Path(folder), shots=args.shots, repeats=args.repeats, seed=args.seed, show=progress.show
        )
        for name in args.faults or FAULTS:
            progress.show(name)
            if name not in NAMESPACES:
                outcomes.append(_make(name, stage))
            elif _has_namespaces():
                outcomes.append(_in_namespace(name, args))
            else:
                skipped.append(name)
    rows = [outcome.row() for outcome in outcomes]
    print(description())
    print(table(HEADER, rows, left=1))
    print()
    for outcome in outcomes:
        print(f"{outcome.fault}: {outcome.done}")
    for name in skipped:
        print(f"{name}: left out, no user namespaces here (unshare {NAMESPACES[name]})")
    broken = [f"{outcome.fault}: {promise}" for outcome in outcomes for promise in outcome.promises()]
    shots, wrong = sum(outcome.shots for outcome in outcomes), sum(outcome.wrong for outcome in outcomes)
    print(f"\n{shots:,} shots, {wrong} wrong with status OK; {(now_ns() - began_ns) / 1e9:.0f} s")
    for promise in broken:
        print(f"NOT kept: {promise}")
    if args.out:
        data = {"machine": description(), "outcomes": [one.to_json() for one in outcomes], "broken": broken}
        write_json(args.out, data)
    return 1 if broken else 0


def _make(name: str, stage: Stage) -> Outcome:
    """Make a fault; what fails breaks the promise, and the next fault follows."""
    try:
        return FAULTS[name](stage)
    except (RuntimeError, OSError, ValueError) as error:
        return Outcome(fault=name, broken=[f"{type(error).__name__}: {error}"])


def _has_namespaces() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "-Urmn", "true"], capture_output=True).returncode == 0


def _in_namespace(name: str, args: argparse.Namespace) -> Outcome:
    """Make a fault in a child process with namespaces of its own."""
    command = ["unshare", NAMESPACES[name], "--kill-child", sys.executable, "-m", __name__, name]
    command += [str(args.shots), str(args.repeats), str(args.seed)]
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if child.returncode:
        return Outcome(fault=name, broken=[f"its process ended with status {child.returncode}"])
    return Outcome.from_json(json.loads(child.stdout.splitlines()[-1]))


def main(name: str, shots: str, repeats: str, seed: str) -> None:
    """Make one fault, and write its outcome as a line of JSON."""
    with tempfile.TemporaryDirectory(prefix="qec-faults-") as folder:
        stage = Stage(
            folder=Path(folder),
            shots=int(shots),
            repeats=int(repeats),
            seed=int(seed),
            show=lambda line: None,
        )
        print(json.dumps(_make(name, stage).to_json()))


if __name__ == "__main__":
    main(*sys.argv[1:])
