"""`qec bench build`: time and memory of building decoders for long memories, against PyMatching."""

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pymatching
import stim

import decoders
from experiments.common.progress import Progress
from experiments.common.tables import number

_TASKS = {"repetition": "repetition_code:memory", "surface": "surface_code:rotated_memory_x"}
_P = 0.001
_PEERS = {"mwpm": "pymatching", "mwpm-correlated": "pymatching-correlated"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench build`."""
    add = parser.add_argument
    parser.epilog = (
        "Every decoder is built in a process of its own, ours and PyMatching's alternately. Compiled kernels "
        "are loaded before the clock starts; the DEM is not part of time or memory. Memory: growth of the "
        "process's peak."
    )
    add("--codes", nargs="+", choices=list(_TASKS), default=list(_TASKS), help="default: both")
    add(
        "--decoders",
        nargs="+",
        choices=list(_PEERS),
        default=["mwpm"],
        metavar="NAME",
        help=f"{', '.join(_PEERS)}; default: mwpm",
    )
    add("--distance", type=int, default=5, metavar="D", help="default: 5")
    add("--cycles", type=int, default=100_000, metavar="R", help="default: 100000")
    add("--flattened", action="store_true", help="without `repeat` blocks in the DEM")
    add(
        "--irregular",
        action="store_true",
        help="probabilities of all errors times factors at random from 0.5 to 1.5: no cycle is like another",
    )
    add("--repeats", type=int, default=3, metavar="N", help="processes of each; default: 3")
    add("--child", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Measure and print a table."""
    if args.child:
        print(json.dumps(measure(**json.loads(args.child))))
        return 0
    for flag, least in (("cycles", 2), ("distance", 2), ("repeats", 1)):
        if getattr(args, flag) < least:
            raise ValueError(f"--{flag} is {getattr(args, flag)}: it must be at least {least}")
    processes = "one process" if args.repeats == 1 else f"{args.repeats} processes"
    print(f"d = {args.distance}, {args.cycles} cycles, p = {_P}; each value the median of {processes}")
    print("time, memory: ours divided by PyMatching's\n")
    print(f"{'code':>10} {'decoder':>21} {'build (s)':>9} {'peak (MB)':>9} {'time':>6} {'memory':>6}")
    with Progress() as progress:
        for code in args.codes:
            for name in args.decoders:
                lines = _compare(args, code=code, name=name, progress=progress)
                progress.clear()
                print("\n".join(lines), flush=True)
    return 0


def _compare(args: argparse.Namespace, *, code: str, name: str, progress: Progress) -> list[str]:
    """Lines of the table: PyMatching, and the decoder with its ratios."""
    found: dict[str, list[dict[str, float]]] = {name: [], _PEERS[name]: []}
    for repeat in range(args.repeats):
        for each in found:
            progress.show(f"{code}, {each}: process {repeat + 1} of {args.repeats}")
            found[each].append(_in_a_process(args, code=code, name=each))
    seconds, peak = (
        [statistics.median(row[key] for row in rows) for rows in found.values()]
        for key in ("seconds", "peak_mb")
    )
    time_ratio = statistics.median(
        ours["seconds"] / theirs["seconds"] for ours, theirs in zip(*found.values(), strict=True)
    )
    memory_ratio = peak[0] / peak[1] if peak[1] else math.nan
    return [
        f"{code:>10} {_PEERS[name]:>21} {number(seconds[1]):>9} {peak[1]:9.0f}",
        f"{code:>10} {name:>21} {number(seconds[0]):>9} {peak[0]:9.0f} {time_ratio:6.2f} {memory_ratio:6.2f}",
    ]


def measure(
    *, code: str, name: str, distance: int, cycles: int, flattened: bool, irregular: bool
) -> dict[str, float]:
    """Build a decoder once; returns seconds and the growth of the peak memory in MB."""

    def model(rounds: int) -> stim.DetectorErrorModel:
        circuit = stim.Circuit.generated(
            _TASKS[code],
            distance=distance,
            rounds=rounds,
            after_clifford_depolarization=_P,
            before_round_data_depolarization=_P,
            before_measure_flip_probability=_P,
            after_reset_flip_probability=_P,
        )
        dem = circuit.detector_error_model(decompose_errors=True)
        if irregular:
            return _with_random_factors(dem.flattened())
        return dem.flattened() if flattened else dem

    def build(dem: stim.DetectorErrorModel) -> Any:
        if name in _PEERS:
            return decoders.from_dem(name, dem)
        # Not by our adapter, which reads the DEM once more to check it.
        return pymatching.Matching.from_detector_error_model(
            dem, enable_correlations=name == "pymatching-correlated"
        )

    build(model(20))  # loads or compiles the kernels
    dem = model(cycles)
    before = _peak_kb(reset=True)
    start = time.perf_counter()
    kept = build(dem)
    seconds = time.perf_counter() - start
    peak = _peak_kb()
    del kept
    return {"seconds": seconds, "peak_mb": (peak - before) / 1024}


def _peak_kb(*, reset: bool = False) -> int:
    """Read the peak resident memory in kB; on Linux since the last reset, elsewhere of the whole process."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if reset:
        Path("/proc/self/clear_refs").write_text("5")  # what made the model may have taken more than a build
    (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1])


def _with_random_factors(dem: stim.DetectorErrorModel) -> stim.DetectorErrorModel:
    """Multiply each probability of a flattened model by a number from 0.5 to 1.5."""
    rng = np.random.default_rng(1)
    changed = stim.DetectorErrorModel()
    for instruction in dem:
        if instruction.type == "error":
            (probability,) = instruction.args_copy()
            factor = rng.uniform(0.5, 1.5)
            instruction = stim.DemInstruction("error", [probability * factor], instruction.targets_copy())
        changed.append(instruction)
    return changed


def _in_a_process(args: argparse.Namespace, *, code: str, name: str) -> dict[str, float]:
    arguments = {
        "code": code,
        "name": name,
        "distance": args.distance,
        "cycles": args.cycles,
        "flattened": args.flattened,
        "irregular": args.irregular,
    }
    command = [sys.executable, "-m", "experiments.cli", "bench", "build", "--child", json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
