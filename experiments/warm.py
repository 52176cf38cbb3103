"""`qec warm`: compile the kernels of decoders now, so that later commands start at once."""

import argparse
import sys
import time

import stim

import decoders
from decoders.kernels.jit import cache_folder
from decoders.registry import decoder_class
from experiments.common.terminal import Progress
from experiments.kernel_caches import UNUSED_DAYS, remove_unused

_MOMENT = 3.0  # seconds without a word


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--decoders", nargs="+", default=None, metavar="NAME", help="default: all that compile anything"
    )
    parser.add_argument("--gaps", action="store_true", help="also what return_gap=True needs")
    parser.add_argument(
        "--clean",
        action="store_true",
        help="compile nothing: remove the compiled kernels of other versions, unless used within a week",
    )
    parser.epilog = "example:\n  qec warm --decoders mwpm mwpm-correlated"


def run(args: argparse.Namespace) -> int:
    """Compile each decoder with a small model, or load it from the cache, and print the seconds taken."""
    if args.clean:
        removed, kept = remove_unused(cache_folder)
        recent = f"; {len(kept)} used within {UNUSED_DAYS} days remain" if kept else ""
        print(f"{cache_folder.parent}: {len(removed)} folders of other versions removed{recent}")
        return 0
    names = decoders.names() if args.decoders is None else list(dict.fromkeys(args.decoders))
    classes = {
        name: decoder_class(name) for name in names
    }  # unknown names are refused before anything compiles
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z", distance=3, rounds=3, after_clifford_depolarization=0.01
    )
    dem = circuit.detector_error_model(decompose_errors=True)
    with Progress() as progress:
        for name in names:
            start = time.monotonic()
            gaps = args.gaps and classes[name].gives_gaps
            with progress.remind(f"compiling {name}", after=_MOMENT):
                decoders.from_dem(name, dem).warm_up(gaps=gaps)
            progress.clear()
            note = ", without gaps: it gives none" if args.gaps and not gaps else ""
            print(f"{name:<22} {time.monotonic() - start:6.1f} s{note}", flush=True)
    print(f"kernels are cached in {cache_folder.parent}", file=sys.stderr)
    return 0
