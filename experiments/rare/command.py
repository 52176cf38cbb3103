"""`qec rare`: error per cycle far below direct sampling, by splitting, with an interval."""

import argparse
import contextlib
import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import stim

import decoders
from experiments.cluster.pool import Pool, connect
from experiments.common.circuit_file import read_decodable_circuit
from experiments.common.growing_file import GrowingFile
from experiments.common.noise_options import add_noise, has_own_rates, noise_name
from experiments.common.parser import decoder, output, real, whole
from experiments.common.points import Point, decoding_model, rounds_of
from experiments.common.preparation import make_decoder, preparation, small_model
from experiments.common.settings import DEFAULT_DECODER
from experiments.common.terminal import Progress, table
from experiments.common.workers import interrupts_kept_from_workers
from qec.sampling import RareFailures, SplittingTask, estimate_rare_failures, run_splitting_task
from qec.sampling.detectors import Packed
from qec.statistics import Estimate, per_cycle

#: Columns that say which measurement a line is; one that is in the file is not made again.
_KEY = ["circuit", "code", "noise", "p", "distance", "cycles", "basis", "decoder", "seed"]
_RESULTS = [
    *("method", "population", "top", "start", "estimates", "probability", "low", "high"),
    *("epsilon", "epsilon_low", "epsilon_high", "confidence", "cpu_seconds", "seconds"),
]
_COLUMNS = [*_KEY, *_RESULTS]
_WAKE_SECONDS = 0.5


@dataclass(frozen=True)
class _Memory:
    """A memory to measure: its circuit, and the first columns of its line."""

    circuit: stim.Circuit
    cycles: int
    columns: dict[str, str]

    @property
    def title(self) -> str:
        return self.columns["circuit"] or f"d = {self.columns['distance']}, p = {self.columns['p']}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec rare`."""
    add = parser.add_argument
    parser.epilog = (
        "Splitting: failing sets of errors are sampled at stronger noise, where failures are frequent,\n"
        "and followed down to the given one. 16 independent estimates; their scatter gives the interval.\n"
        "Results that are in the CSV file already are not measured again."
    )
    add("--distances", nargs="+", type=whole(), default=[7, 9, 11], metavar="D", help="code distances")
    add("--p", nargs="+", type=real(0), default=[0.001], metavar="P", help="strengths of the noise model")
    add("--code", default="surface", help="surface, surface_zxxz, repetition")
    add("--basis", default="z", metavar="B", help="x or z")
    add("--rounds", default="d", metavar="R", help="cycles, such as 30 or 3d; of --circuit, its cycles")
    add_noise(parser)
    add("--circuit", metavar="FILE", help="a stim circuit, instead of --distances, --p, --code and --noise")
    add("--decoder", type=decoder, default=DEFAULT_DECODER, metavar="NAME", help="decoder")
    add("--minutes", type=real(0), default=2.0, metavar="M", help="time for each memory")
    add("--population", type=whole(2), metavar="N", help="failing sets per estimate, instead of --minutes")
    add("--seed", type=whole(0), default=1, metavar="N", help="random seed")
    add("--threads", type=whole(), default=1, metavar="N", help="estimates that run at the same time")
    add(
        "--cluster",
        metavar="ADDRESS",
        help="workers of a dask scheduler, as for qec sweep; local starts as many as --threads says",
    )
    add("--out", type=output(".csv"), metavar="CSV", help="append the results to this file")


def run(args: argparse.Namespace) -> int:
    """Measure, print, write; see `add_arguments`."""
    memories = _memories(args)
    known = _known(Path(args.out)) if args.out else {}
    lines = []
    with Progress() as progress, contextlib.ExitStack() as stack:
        with preparation("qec rare", args.decoder, progress=progress):
            decoders.from_dem(args.decoder, small_model()).warm_up()
        pool = None
        if args.cluster is not None and any(_key(memory.columns) not in known for memory in memories):
            stack.enter_context(interrupts_kept_from_workers())
            pool = stack.enter_context(connect(args.cluster, workers=args.threads))
        for memory in memories:
            line = known.get(_key(memory.columns))
            if line is None:
                line = _measure(memory, args, pool, progress=progress)
                if args.out:
                    _append(Path(args.out), line)
            lines.append(line)
    print(_text(lines))
    if args.out:
        print(f"\nCSV: {args.out}")
    return 0


def _memories(args: argparse.Namespace) -> list[_Memory]:
    """List what to measure; raises before any work begins."""
    common = {"decoder": args.decoder, "seed": str(args.seed)}
    if args.circuit:
        if not args.rounds.isdigit():
            raise ValueError(f"--rounds {args.rounds}: --circuit needs its number of cycles, such as 30")
        circuit = read_decodable_circuit(args.circuit)
        blank = dict.fromkeys(("code", "noise", "p", "distance", "basis"), "")
        columns = {"circuit": args.circuit, **blank, "cycles": args.rounds, **common}
        return [_Memory(circuit, rounds_of(args.rounds, distance=1), columns)]
    noise = noise_name(args.noise, args.bias)
    memories = []
    for p in [None] if has_own_rates(noise) else dict.fromkeys(args.p):
        for distance in dict.fromkeys(args.distances):
            cycles = rounds_of(args.rounds, distance=distance)
            point = Point(args.code, "cx", distance, cycles, args.basis.lower(), noise, p)
            circuit = point.circuit()
            if point.leakage is not None:
                raise ValueError(f"--noise {noise}: leaks, which no error model expresses; use qec sweep")
            columns = {
                "circuit": "",
                "code": args.code,
                "noise": noise,
                "p": "" if p is None else f"{p:g}",
                "distance": str(distance),
                "cycles": str(cycles),
                "basis": point.basis,
                **common,
            }
            memories.append(_Memory(circuit, cycles, columns))
    return memories


def _measure(
    memory: _Memory, args: argparse.Namespace, pool: Pool | None, *, progress: Progress
) -> dict[str, str]:
    progress.show(f"{memory.title}: making the decoder")
    decoder = make_decoder("qec rare", args.decoder, decoding_model(memory.circuit))
    decoder.warm_up()

    def decode(events: Packed) -> Packed:
        predictions: Packed = decoder.decode_batch(events, bit_packed=True)
        return predictions

    def show(done: int, total: int) -> None:
        progress.show(f"{memory.title}: {done} of {total} estimates, {time.monotonic() - begin:.0f} s")

    elsewhere_cpu = 0.0

    def elsewhere(tasks: Sequence[SplittingTask]) -> list[float]:
        nonlocal elsewhere_cpu
        assert pool is not None
        for number, task in enumerate(tasks):
            pool.submit(_estimate, str(memory.circuit), args.decoder, number, task)
        values: dict[int, float] = {}
        while len(values) < len(tasks):
            for number, value, seconds in pool.results(seconds=_WAKE_SECONDS):
                values[number] = value
                elsewhere_cpu += seconds
                show(len(values), len(tasks))
        return [values[number] for number in range(len(tasks))]

    begin, cpu = time.monotonic(), time.process_time()
    progress.show(f"{memory.title}: looking for failures at stronger noise")
    found = estimate_rare_failures(
        dem=_sampled_model(memory.circuit),
        decode=decode,
        seconds=60 * args.minutes,
        seed=int(np.random.SeedSequence([args.seed, memory.cycles]).generate_state(1)[0]),
        threads=args.threads if pool is None else pool.slots,
        population=args.population,
        progress=show,
        share=None if pool is None else elsewhere,
    )
    return (
        memory.columns
        | _columns(found, memory.cycles)
        | {
            "cpu_seconds": f"{time.process_time() - cpu + elsewhere_cpu:.1f}",
            "seconds": f"{time.monotonic() - begin:.1f}",
        }
    )


def _sampled_model(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    return circuit.detector_error_model(approximate_disjoint_errors=True)


@lru_cache(maxsize=4)
def _prepared(circuit: str, name: str) -> tuple[stim.DetectorErrorModel, decoders.Decoder]:
    """Make the model and the decoder of a memory, once in a worker."""
    given = stim.Circuit(circuit)
    return _sampled_model(given), decoders.from_dem(name, decoding_model(given))


def _estimate(circuit: str, name: str, number: int, task: SplittingTask) -> tuple[int, float, float]:
    """Make an estimate on a worker; returns its number, the value, and the seconds it took."""
    dem, decoder = _prepared(circuit, name)
    begin = time.thread_time()
    value = run_splitting_task(
        task, dem=dem, decode=lambda events: decoder.decode_batch(events, bit_packed=True)
    )
    return number, value, time.thread_time() - begin


def _columns(found: RareFailures, cycles: int) -> dict[str, str]:
    one = found.probability
    epsilon = [per_cycle(probability=min(0.5, x), cycles=cycles) for x in (one.value, one.low, one.high)]
    return {
        "method": found.method,
        "population": str(found.population),
        "top": f"{found.top:.6g}",
        "start": f"{found.start:.6g}",
        "estimates": " ".join(f"{value:.6g}" for value in found.values),
        "probability": f"{one.value:.6g}",
        "low": f"{one.low:.6g}",
        "high": f"{one.high:.6g}",
        "epsilon": f"{epsilon[0]:.6g}",
        "epsilon_low": f"{epsilon[1]:.6g}",
        "epsilon_high": f"{epsilon[2]:.6g}",
        "confidence": f"{one.confidence:g}",
    }


def _key(line: dict[str, str]) -> tuple[str, ...]:
    return tuple(line[name] for name in _KEY)


def _known(path: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """Read the measurements of an earlier run."""
    if not path.exists() or path.stat().st_size == 0:
        return {}
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames == _COLUMNS:
                # A line that a stop cut short has empty columns at its end.
                return {_key(line): line for line in reader if line["seconds"]}
    except (csv.Error, UnicodeDecodeError):
        pass
    raise ValueError(f"{path}: is no table of qec rare, give another --out")


def _append(path: Path, line: dict[str, str]) -> None:
    with GrowingFile(path) as file:
        written = path.read_bytes()
        file.cut(written[written.rfind(b"\n") + 1 :])
        if path.stat().st_size == 0:
            file.append(",".join(_COLUMNS))
        text = io.StringIO()
        csv.DictWriter(text, _COLUMNS, lineterminator="").writerow(line)
        file.append(text.getvalue())


def _text(lines: list[dict[str, str]]) -> str:
    header = ["memory", "cycles", "method", "epsilon [68 %]", "+-", "failures per shot", "processor, s"]
    rows = []
    for line in lines:
        value, low, high = (float(line[name]) for name in ("epsilon", "epsilon_low", "epsilon_high"))
        bars = Estimate(value, low, high)
        rows.append(
            [
                line["circuit"] or f"d={line['distance']} p={line['p'] or line['noise']}",
                line["cycles"],
                line["method"],
                f"{value:.3g} [{low:.3g}, {high:.3g}]",
                f"{50 * (bars.plus + bars.minus) / value:.0f} %" if value else "",
                f"{float(line['probability']):.3g}",
                line["cpu_seconds"],
            ]
        )
    return table(header, rows, left=1)
