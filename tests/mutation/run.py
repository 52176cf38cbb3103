"""Break the project in many ways, one at a time, and report which changes no test notices.

Run from the root of the project, with the extra `mutation` installed:

    python -m tests.mutation.run --count 150 --out mutation.jsonl

Each change is made in a copy of the tree. The output has one line for each, so that a run continues where it
was stopped; `--report` prints the table of such a file. Takes hours: the kernels compile for many changes.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.mutation.mutants import Mutant, choose
from tests.mutation.subjects import SUBJECTS, Step, Subject

ROOT = Path(__file__).resolve().parents[2]
_COPIED = (
    "qec",
    "decoders",
    "realtime",
    "experiments",
    "tests",
    "docs",
    "data",
    "pyproject.toml",
    "README.md",
)
# A change may allocate without end; the tests themselves take less than half of this.
_MAX_MEMORY = 12 << 30
# Time allowed: that of the unchanged tree, many times over where it is short.
_TIMES, _AT_LEAST = 4.0, 90.0


def main() -> int:
    """Run the changes that the output does not have yet, and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [subject.name for subject in SUBJECTS]
    parser.add_argument("--count", type=int, default=150, help="changes, shared by the subjects")
    parser.add_argument("--seed", type=int, default=1, help="of the choice of changes")
    parser.add_argument("--subjects", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("mutation.jsonl"))
    parser.add_argument("--report", action="store_true", help="only print the table of --out")
    args = parser.parse_args()
    if not args.report:
        chosen = [subject for subject in SUBJECTS if subject.name in args.subjects]
        with tempfile.TemporaryDirectory(prefix="mutation") as folder:
            tree = Path(folder)
            _copy(tree)
            for place, subject in enumerate(chosen):
                share = args.count // len(chosen) + (place < args.count % len(chosen))
                _try_all(subject, tree, share, args.seed, args.out)
    print(report(read(args.out)))
    return 0


def _copy(tree: Path) -> None:
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, tree / name)


def _try_all(subject: Subject, tree: Path, count: int, seed: int, out: Path) -> None:
    done = {(row["file"], row["line"], row["after"]) for row in read(out)}
    mutants = choose(tree, subject.sources, count=count, seed=seed)
    left = [one for one in mutants if (one.file, one.line, one.after) not in done]
    if not left:
        return
    limits = []
    for step in subject.steps:
        start = time.monotonic()
        failed = _run(step, tree, limit=3600.0)
        if failed is not None:
            raise SystemExit(f"{subject.name}: the tests fail without any change: {failed}")
        limits.append(max(_AT_LEAST, _TIMES * (time.monotonic() - start)))
    for mutant in left:
        start = time.monotonic()
        file = tree / mutant.file
        original = file.read_text(encoding="utf-8")
        file.write_text(mutant.source, encoding="utf-8")
        noticed = None
        try:
            for step, limit in zip(subject.steps, limits, strict=True):
                noticed = _run(step, tree, limit=limit)
                if noticed is not None:
                    break
        finally:
            file.write_text(original, encoding="utf-8")
        _add(out, subject, mutant, noticed, time.monotonic() - start)


def _run(step: Step, tree: Path, *, limit: float) -> str | None:
    """Run tests until the first failure; return what failed, or None."""
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "--no-header",
        *step.tests,
    ]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    environment |= {"PYTHONPATH": str(tree), "NUMBA_CACHE_DIR": str(tree / "kernels")} | step.environment
    process = subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=_limit_memory,
    )
    try:
        printed, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        return f"no end in {limit:.0f} s"
    finally:
        # Processes that the tests started end with them.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode == 0:
        return None
    lines = [line for line in printed.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0][:200] if lines else f"pytest ended with {process.returncode}"


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))


def _add(out: Path, subject: Subject, mutant: Mutant, noticed: str | None, seconds: float) -> None:
    row = {
        "subject": subject.name,
        "file": mutant.file,
        "line": mutant.line,
        "operator": mutant.operator.removeprefix("core/"),
        "before": mutant.before,
        "after": mutant.after,
        "noticed": noticed,
        "seconds": round(seconds, 1),
    }
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def read(out: Path) -> list[dict[str, Any]]:
    """Read the rows of an output; none if it does not exist."""
    if not out.exists():
        return []
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def report(rows: list[dict[str, Any]]) -> str:
    """Make the table of subjects and the list of changes that no test noticed."""
    total = Counter(row["subject"] for row in rows)
    noticed = Counter(row["subject"] for row in rows if row["noticed"])
    lines = ["| subject | changes | noticed |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {total[name]} | {noticed[name]} |" for name in total]
    lines += [f"| all | {sum(total.values())} | {sum(noticed.values())} |", ""]
    for row in rows:
        if not row["noticed"]:
            lines += [f"{row['file']}:{row['line']} ({row['operator']})"]
            lines += [f"    - {row['before']}", f"    + {row['after']}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
