"""`qec circuit`: write the circuit that --distance, --basis and --noise stand for."""

import argparse
import sys

from experiments.common.parser import output, whole
from experiments.common.points import decoding_model
from experiments.loop import options
from qec.files import write_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec circuit`."""
    parser.epilog = (
        "Without --out the circuit goes to stdout. qec serve --model FILE decodes it as qec serve does with\n"
        "the same options."
    )
    options.add_code(parser, distance=5, seed=False)
    parser.add_argument(
        "--cycles", type=whole(), default=options.SERVED_CYCLES, metavar="N", help="of the memory"
    )
    parser.add_argument("--dem", action="store_true", help="write the decoders' error model instead")
    parser.add_argument("--out", type=output(), metavar="FILE", help="file to write")


def run(args: argparse.Namespace) -> int:
    """Write the circuit."""
    point = options.memory_point(args, cycles=args.cycles)
    circuit = point.circuit()
    text = str(decoding_model(circuit) if args.dem else circuit) + "\n"
    if point.leakage is not None:
        print("qec circuit: the device's leakage is left out, circuits cannot express it", file=sys.stderr)
    if args.out is None:
        print(text, end="")
    else:
        write_file(args.out, text)
        print(f"{args.out}: {circuit.num_detectors:,} detectors, {args.cycles:,} cycles")
    return 0
