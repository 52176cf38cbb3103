"""`qec bench`: measurements of speed and accuracy, one module each."""

import argparse
import importlib

from experiments.common.parser import wrap_epilog

# Benchmark -> (module with `add_arguments(parser)` and `run(args) -> int`, one-line summary).
BENCHMARKS: dict[str, tuple[str, str]] = {
    "decoders": ("experiments.bench.speed.command", "our decoders against PyMatching on the same shots"),
    "accuracy": (
        "experiments.bench.accuracy.command",
        "logical errors against time: our decoders and other libraries",
    ),
    "codes": (
        "experiments.bench.codes.command",
        "logical errors on circuits of many families and on random models",
    ),
    "build": ("experiments.bench.speed.build", "time and memory of building decoders for long memories"),
    "engine": (
        "experiments.bench.speed.engine",
        "time of a shot in a sweep: our engine against sinter with PyMatching",
    ),
    "monitor": (
        "experiments.bench.watching",
        "latencies of a real-time loop that is watched, against the loop alone",
    ),
    "streaming": (
        "experiments.bench.streaming.command",
        "a shot of a million cycles: time, memory, logical errors",
    ),
    "check": (
        "experiments.bench.speed.check",
        "speed relative to PyMatching against recorded ratios",
    ),
    "transport": ("experiments.bench.transport", "frames to a daemon: sockets against shared memory"),
    "coverage": (
        "experiments.bench.coverage.command",
        "how often intervals contain the truth, in simulated data",
    ),
    "faults": (
        "experiments.bench.faults.command",
        "faults on purpose in a running real-time loop: no wrong answer, no growth",
    ),
    "programs": (
        "experiments.bench.programs.command",
        "reaction time and backlog of programs that wait for outcomes",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmarks with their options."""
    parser.epilog = "qec bench BENCHMARK --help lists the options. Quiet machines give better numbers."
    choices = parser.add_subparsers(
        dest="benchmark", required=True, metavar="BENCHMARK", help="what to measure:"
    )
    for name, (module, summary) in BENCHMARKS.items():
        own = choices.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        importlib.import_module(module).add_arguments(own)
        wrap_epilog(own)


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmark."""
    code: int = importlib.import_module(BENCHMARKS[args.benchmark][0]).run(args)
    return code
