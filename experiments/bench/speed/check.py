"""`qec bench check`: speed relative to PyMatching against recorded ratios.

A time is the processor time of this thread, and of many short alternating calls the shortest counts: what
other programs do to a call only makes it longer. The ratio to PyMatching on the same shots takes out most of
what processors differ in.
"""

import argparse
import csv
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pymatching

import decoders
from experiments.bench.speed.probe import in_new_process
from experiments.common import machine
from experiments.common.parser import output, real, whole
from experiments.common.points import Point
from experiments.common.terminal import Progress, fold, table
from qec.files import write_file

#: Ratios recorded in the tree.
RECORD = Path(__file__).with_name("recorded_ratios.csv")
#: Loss of speed, relative to PyMatching, at which the check fails.
MAX_LOSS = 0.15
#: The same of the short form, whose few calls vary more: up to 11 % between installations of one machine.
MAX_LOSS_SHORT = 0.25
#: The same on another processor, where ratios differ; a kernel that is not optimised loses more.
MAX_LOSS_ELSEWHERE = 0.5
_COLUMNS = ["decoder", "d", "p", "ratio", "processor"]
# Measurements of a cell that seems slower: a slower program stays slower, a disturbed one does not.
_ATTEMPTS = 4


class Task(NamedTuple):
    """Decoder, distance of the surface code (as many cycles), strength of uniform noise, shots of a call."""

    decoder: str
    distance: int
    p: float
    shots: int


TASKS = (
    Task("mwpm", 5, 0.001, 3000),
    Task("mwpm", 5, 0.005, 600),
    Task("mwpm", 11, 0.001, 300),
    Task("mwpm", 11, 0.005, 40),
    Task("mwpm-correlated", 5, 0.003, 300),
    Task("mwpm-correlated", 11, 0.003, 30),
)
#: Those of `--short`: both decoders, in seconds.
SHORT_TASKS = (TASKS[1], TASKS[4])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench check`."""
    parser.epilog = (
        "Ratio: PyMatching's processor time divided by ours, on the same shots; of the shortest calls.\n"
        f"Exit code 1 if one is more than {100 * MAX_LOSS:.0f} % below the recorded one, in four tries;\n"
        f"with --short {100 * MAX_LOSS_SHORT:.0f} %.\n"
        "On another processor than the recorded one, record ratios of your own first (--record);\n"
        f"--short accepts a loss of {100 * MAX_LOSS_ELSEWHERE:.0f} % there."
    )
    add = parser.add_argument
    add("--repeats", type=whole(), default=40, metavar="N", help="calls of each")
    add("--most_loss", type=real(above=0, below=1), metavar="X", help="accepted loss")
    add("--short", action="store_true", help="only d = 5, once for each decoder: some seconds, as CI does")
    add("--recorded", default=str(RECORD), metavar="FILE", help="CSV of recorded ratios; default: the tree's")
    add(
        "--record", type=output(), metavar="FILE", help="write the measured ratios as CSV, and do not compare"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print and compare; see `add_arguments`."""
    if args.record and args.short:
        raise ValueError("--record writes the ratios of all cells: leave out --short")
    recorded, where = ({}, "") if args.record else read_record(Path(args.recorded))
    tasks, most_loss = (SHORT_TASKS, MAX_LOSS_SHORT) if args.short else (TASKS, MAX_LOSS)
    most_loss = args.most_loss or most_loss
    here = machine.exact_processor()
    elsewhere = bool(recorded) and where != here
    if elsewhere and not args.short:
        raise ValueError(
            f"{args.recorded}: recorded on '{where}', and this is '{here}': record ratios of this processor "
            "with --record FILE, and compare with --recorded FILE"
        )
    for name in dict.fromkeys(task.decoder for task in tasks):
        # Kernels that this process compiles itself are slower than those from the cache.
        in_new_process("first_call", name, _point(tasks[0]).circuit())
    print(fold(machine.description()), flush=True)
    if elsewhere:
        most_loss = max(most_loss, MAX_LOSS_ELSEWHERE)
        print(fold(f"recorded on '{where}': a loss of {100 * most_loss:.0f} % is accepted"))
    rows, slower = [], []
    with Progress() as progress:
        for at, task in enumerate(tasks):
            progress.show(f"{at} of {len(tasks)}: {task.decoder}, d = {task.distance}, p = {task.p:g}")
            functions = calls_of(task)
            known = recorded.get(_key(task))
            found, attempts = measure_ratio(functions, repeats=args.repeats), 1
            while known and found < known * (1 - most_loss) and attempts < _ATTEMPTS:
                found = max(found, measure_ratio(functions, repeats=args.repeats))
                attempts += 1
            if known and found < known * (1 - most_loss):
                slower.append(task)
            rows.append(
                [*_key(task), f"{found:.3f}", f"{known:.3f}" if known else "-", _change(found, known)]
            )
    print(table(["decoder", "d", "p", "ratio", "recorded", "change"], rows, left=1))
    if args.record:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *([*row[:4], here] for row in rows)])
        write_file(args.record, text.getvalue())
        print(f"Recorded: {args.record}")
    for task in slower:
        print(f"slower than recorded: {task.decoder}, d = {task.distance}, p = {task.p:g}")
    return 1 if slower else 0


def read_record(path: Path) -> tuple[dict[tuple[str, str, str], float], str]:
    """Read recorded ratios, and the processor they belong to.

    Raises:
        ValueError: not such a file, or a cell without a record.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text())))
        found = {(row["decoder"], row["d"], row["p"]): float(row["ratio"]) for row in rows}
        processors = {row["processor"] for row in rows}
    except (KeyError, TypeError, ValueError, csv.Error):
        raise ValueError(f"{path}: no file of recorded ratios: make one with --record") from None
    if not found:
        raise ValueError(f"{path}: no file of recorded ratios: make one with --record")
    missing = [task for task in TASKS if _key(task) not in found]
    if missing:
        raise ValueError(f"{path}: no ratio of {missing[0].decoder}, d = {missing[0].distance}: use --record")
    return found, ", ".join(sorted(processors))


def calls_of(task: Task) -> dict[str, Callable[[], object]]:
    """Make the calls of both libraries, on the same bit-packed shots; each has run once."""
    circuit = _point(task).circuit()
    dem = circuit.detector_error_model(decompose_errors=True)
    packed = circuit.compile_detector_sampler(seed=1).sample(task.shots, bit_packed=True)
    correlated: dict[str, Any] = {"enable_correlations": True} if "correlated" in task.decoder else {}
    reference = pymatching.Matching.from_detector_error_model(dem, **correlated)
    own = decoders.from_dem(task.decoder, dem)
    functions: dict[str, Callable[[], object]] = {
        "own": lambda: own.decode_batch(packed, bit_packed=True),
        "reference": lambda: reference.decode_batch(
            packed, bit_packed_shots=True, bit_packed_predictions=True, **correlated
        ),
    }
    for function in functions.values():
        function()
    return functions


def measure_ratio(
    functions: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    clock: Callable[[], int] = time.thread_time_ns,
) -> float:
    """Divide the shortest processor time of "reference" by that of "own", called alternately."""
    shortest: dict[str, int] = {}
    for _ in range(repeats):
        for name, function in functions.items():
            start = clock()
            function()
            passed = clock() - start
            shortest[name] = min(shortest.get(name, passed), passed)
    return shortest["reference"] / max(1, shortest["own"])


def _point(task: Task) -> Point:
    return Point("surface", "cx", task.distance, task.distance, "z", "uniform", task.p)


def _key(task: Task) -> tuple[str, str, str]:
    return task.decoder, str(task.distance), f"{task.p:g}"


def _change(found: float, known: float | None) -> str:
    return "-" if not known else f"{100 * (found / known - 1):+.0f} %"
