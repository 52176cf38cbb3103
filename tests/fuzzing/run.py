"""Fuzz the readers, messages, sessions and matching, and compare random graphs with PyMatching.

Run from the root of the project:

    python -m tests.fuzzing.run --seconds 60
    python -m tests.fuzzing.run --subjects session frame --seconds 600 --out fuzzing
    python -m tests.fuzzing.run --nightly --out fuzzing

The seconds are shared by the subjects, random graphs among them. With the extra `fuzzing` installed,
mutations are guided by coverage; without it, and with --drawn, cases come from the strategies alone. The
folder --out keeps the cases that reached new branches, so that a later run begins with them, and the
findings, minimised.

A finding is an exception that is not the promised one-line error, a case of more than 20 s of processor
time or 4 GiB, memory that grows by more than 256 MiB, a crash, data that do not survive a round trip, or a
wrong weight. Exit status 1 if there is one.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.fuzzing.subjects import SUBJECTS
from tests.fuzzing.worker import ENDED, MAX_SECONDS, Case

ROOT = Path(__file__).resolve().parents[2]
GRAPHS = "graphs"
_NAMES = [*(subject.name for subject in SUBJECTS), GRAPHS]
_NIGHTLY_SECONDS, _NIGHTLY_GRAPHS = 600.0, 1_000_000
_START_SECONDS = 300.0  # compiling
_MINIMISE_SECONDS = 20.0
_CRASHES = 20  # of a subject, after which it is left


def main(arguments: list[str] | None = None) -> int:
    """Fuzz the chosen subjects, and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subjects", nargs="+", choices=_NAMES, default=_NAMES, metavar="NAME")
    parser.add_argument("--seconds", type=float, default=60.0, help="shared by the subjects; default: 60")
    parser.add_argument("--cases", type=int, default=0, help="at most, of each subject; default: any number")
    parser.add_argument("--seed", type=int, default=1, help="of mutations, strategies and graphs")
    parser.add_argument("--out", type=Path, help="folder of cases and findings; default: none is kept")
    parser.add_argument("--drawn", action="store_true", help="without guidance by coverage")
    nightly = f"{_NIGHTLY_SECONDS:.0f} s for each subject, and {_NIGHTLY_GRAPHS:,} graphs"
    parser.add_argument("--nightly", action="store_true", help=nightly)
    args = parser.parse_args(arguments)
    guided = not args.drawn and importlib.util.find_spec("atheris") is not None
    with contextlib.ExitStack() as stack:
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="fuzzing", dir=memory))
        out = args.out or Path(temporary) / "out"
        rows = []
        for name in args.subjects:
            seconds = _NIGHTLY_SECONDS if args.nightly else args.seconds / len(args.subjects)
            if name == GRAPHS:
                limit = (_NIGHTLY_GRAPHS, float("inf")) if args.nightly else (args.cases or 10**9, seconds)
                rows.append(try_graphs(*limit, seed=args.seed, out=out))
            else:
                mode = "guided" if guided else "drawn"
                rows.append(
                    try_subject(name, mode, seconds, args.cases, args.seed, out=out, temporary=temporary)
                )
            print(f"{name}: {rows[-1]['cases']} cases, {len(rows[-1]['findings'])} findings", flush=True)
        print(report(rows))
    return 1 if any(row["findings"] for row in rows) else 0


def try_subject(
    name: str, mode: str, seconds: float, cases: int, seed: int, *, out: Path, temporary: str
) -> dict[str, Any]:
    """Run the process of one subject until its time is up, again after each crash; return its numbers."""
    folder = out.resolve() / name
    folder.mkdir(parents=True, exist_ok=True)
    case = Case(folder / "case")
    case.end()
    start, tried, covered, crashes = time.monotonic(), 0, 0, 0
    environment = os.environ | {"TMPDIR": temporary, "PYTHONPATH": str(ROOT)}
    environment["PYTHONPATH"] += os.pathsep + os.environ.get("PYTHONPATH", "")

    def worker(mode: str, seconds: float) -> str:
        nonlocal tried, covered, crashes
        command = [
            sys.executable,
            "-m",
            "tests.fuzzing.worker",
            name,
            "--folder",
            str(folder),
            "--mode",
            mode,
        ]
        command += [f"--seconds={seconds}", f"--seed={seed + crashes}", f"--cases={cases}"]
        interpreted = {"NUMBA_DISABLE_JIT": "1"} if mode == "guided" else {}
        before = case.number
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment | interpreted,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, printed = process.communicate(timeout=seconds + _START_SECONDS)
        except subprocess.TimeoutExpired:
            printed = "no end"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        tried += case.number - before
        covered = max([covered, *map(int, re.findall(r" cov: (\d+) ", printed))])
        if process.returncode:
            crashes += 1
            _keep_crash(folder / "findings", case, process.returncode, printed)
        return printed

    while (left := seconds - (time.monotonic() - start)) > 0 and crashes < _CRASHES:
        worker(mode, max(1.0, left))
        if cases and tried >= cases:
            break
    if mode == "guided":
        worker("replay", 600.0)  # of the cases that reached new branches, compiled
    if list((folder / "findings").glob("*.json")):
        worker("minimise", _MINIMISE_SECONDS)
    findings = [json.loads(path.read_text()) for path in sorted((folder / "findings").glob("*.json"))]
    kept = len(list((folder / "kept").iterdir())) if (folder / "kept").is_dir() else 0
    spent = round(time.monotonic() - start, 1)
    return {
        "subject": name,
        "mode": mode,
        "cases": tried,
        "seconds": spent,
        "branches": covered,
        "kept": kept,
        "findings": findings,
    }


def _keep_crash(findings: Path, case: Case, code: int, printed: str) -> None:
    """Store the case at which a process ended."""
    findings.mkdir(exist_ok=True)
    stuck = code == -signal.SIGPROF
    kind = (
        f"no end in {MAX_SECONDS:.0f} s of processor time"
        if stuck
        else f"the process ended with status {code}"
    )
    name = f"{ENDED}{len(list(findings.glob(f'{ENDED}*.json')))}"
    (findings / name).write_bytes(case.data)
    (findings / f"{name}.json").write_text(json.dumps({"kind": kind, "message": printed[-6000:]}))


def try_graphs(number: int, seconds: float, *, seed: int, out: Path) -> dict[str, Any]:
    """Compare random graphs with PyMatching and brute force; return the numbers."""
    from tests.fuzzing.graphs import random_graph

    start = time.monotonic()
    done = shots = brute = unexplained = 0
    findings = []
    while done < number and time.monotonic() - start < seconds:
        try:
            found = random_graph(seed, done)
            shots, brute = shots + found.shots, brute + found.brute
            unexplained += found.unexplained
        except AssertionError as error:
            findings.append({"kind": "wrong weight", "message": f"graph {done} of seed {seed}: {error}"})
        done += 1
    return {
        "subject": GRAPHS,
        "mode": f"{shots:,} shots compared with PyMatching, {brute:,} enumerated, {unexplained:,} refused",
        "cases": done,
        "seconds": round(time.monotonic() - start, 1),
        "branches": 0,
        "kept": 0,
        "findings": findings,
    }


def report(rows: list[dict[str, Any]]) -> str:
    """Make the table of subjects and the list of findings."""
    lines = [
        "| subject | cases | seconds | branches | kept | findings |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        numbers = f"{row['cases']:,} | {row['seconds']} | {row['branches']:,} | {row['kept']}"
        lines.append(f"| {row['subject']} | {numbers} | {len(row['findings'])} |")
    lines += ["", *(f"{row['subject']}: {row['mode']}" for row in rows if row["subject"] == GRAPHS)]
    for row in rows:
        for finding in row["findings"]:
            lines.append(f"{row['subject']}: {finding['kind']}\n    {finding['message'][:500]}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
