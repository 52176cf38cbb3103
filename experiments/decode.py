"""`qec decode`: a detector error model and a file of shots in, a file of predictions out."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
import stim

from decoders.model.text_files import read_dem_file
from experiments.common.numbers import estimate
from experiments.common.parser import add_hyperedges, decoder, whole
from experiments.common.preparation import make_decoder, preparation
from experiments.common.settings import DEFAULT_DECODER
from experiments.common.shot_files import (
    FORMATS,
    PackedBits,
    PredictionWriter,
    ShotReader,
    format_of,
    shots_per_piece,
)
from experiments.common.terminal import Progress
from qec import statistics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec decode`."""
    add = parser.add_argument
    formats = "|".join(FORMATS)
    add("--dem", required=True, metavar="FILE", help="detector error model (.dem) of the shots")
    add("--in", dest="shots_in", required=True, metavar="FILE", help="shots: detection events; - is stdin")
    add("--in_format", choices=FORMATS, metavar="FORMAT", help=f"{formats}; default: the file's ending")
    add(
        "--in_includes_appended_observables",
        action="store_true",
        help="each shot ends with the observables that really flipped: count errors against them",
    )
    add("--out", metavar="FILE", help="predicted observable flips; - is stdout")
    add("--out_format", choices=FORMATS, metavar="FORMAT", help=f"{formats}; default: the file's ending")
    add("--obs_in", metavar="FILE", help="observables that really flipped: count errors against them")
    add("--obs_in_format", choices=FORMATS, metavar="FORMAT", help=f"{formats}; default: the file's ending")
    add("--decoder", type=decoder, default=DEFAULT_DECODER, metavar="NAME", help="name of the decoder")
    add("--threads", type=whole(), default=1, metavar="N", help="for decoders that use them")
    add_hyperedges(parser, "default: refuse")


def _check(args: argparse.Namespace) -> None:
    if args.out is None and args.obs_in is None and not args.in_includes_appended_observables:
        raise ValueError("nothing to do: give --out for predictions, or --obs_in to count errors")
    if args.obs_in is not None and args.in_includes_appended_observables:
        raise ValueError(
            "observables from two places: give --obs_in or --in_includes_appended_observables, not both"
        )
    if args.obs_in == "-":
        raise ValueError("--obs_in must be a file: stdin is for --in")
    if args.out is None and args.out_format is not None:
        raise ValueError("--out_format without --out: say where the predictions go")
    if args.obs_in is None and args.obs_in_format is not None:
        raise ValueError("--obs_in_format without --obs_in: say where the observables are")


def _read_dem(path: str) -> stim.DetectorErrorModel:
    if not Path(path).is_file():
        raise FileNotFoundError(f"--dem {path}: no such file")
    try:
        dem = read_dem_file(path)
    except (ValueError, IndexError) as error:
        raise ValueError(f"--dem {path}: not a detector error model: {error}") from None
    if dem.num_observables == 0:
        raise ValueError(f"--dem {path}: it has no observable, so there is nothing to predict")
    return dem


def _open(name: str, flag: str, stack: ExitStack) -> BinaryIO:
    if name == "-":
        return sys.stdin.buffer
    if not Path(name).is_file():
        raise FileNotFoundError(f"{flag} {name}: no such file")
    return stack.enter_context(Path(name).open("rb"))


def _actual_flips(
    args: argparse.Namespace, dem: stim.DetectorErrorModel, num_shots: int, stack: ExitStack
) -> Iterator[PackedBits] | None:
    if args.obs_in is None:
        return None
    reader = ShotReader(
        file=_open(args.obs_in, "--obs_in", stack),
        name=args.obs_in,
        format=format_of(args.obs_in, given=args.obs_in_format, flag="--obs_in_format"),
        num_observables=dem.num_observables,
        shots_per_piece=num_shots,
    )
    return (flips for _, flips in reader)


def _count_errors(predictions: PackedBits, flips: PackedBits | None, *, num_done: int, obs_in: str) -> int:
    found = 0 if flips is None else len(flips)
    if flips is None or found != len(predictions):
        raise ValueError(
            f"{obs_in}: its shots do not match those of --in: after {num_done} shots one has {found} more, "
            f"the other {len(predictions)}"
        )
    return int(np.count_nonzero(np.any(predictions != flips, axis=1)))


def run(args: argparse.Namespace) -> int:
    """Decode a file of shots; see `add_arguments`."""
    _check(args)
    dem = _read_dem(args.dem)
    with Progress() as progress, preparation("qec decode", args.decoder, progress=progress):
        decoder = make_decoder("qec decode", args.decoder, dem, hyperedges=args.hyperedges or "refuse")
        decoder.warm_up()  # compiling is not decoding time
    appended = dem.num_observables if args.in_includes_appended_observables else 0
    piece = shots_per_piece(dem.num_detectors + appended)
    counts_errors = args.obs_in is not None or appended > 0
    num_shots = num_errors = decode_ns = 0
    with ExitStack() as stack:
        reader = ShotReader(
            file=_open(args.shots_in, "--in", stack),
            name=args.shots_in,
            format=format_of(args.shots_in, given=args.in_format, flag="--in_format"),
            num_detectors=dem.num_detectors,
            num_observables=appended,
            shots_per_piece=piece,
        )
        actual = _actual_flips(args, dem, piece, stack)
        writer = None
        if args.out is not None:
            writer = stack.enter_context(
                PredictionWriter(
                    path=None if args.out == "-" else Path(args.out),
                    stream=sys.stdout.buffer if args.out == "-" else None,
                    format=format_of(args.out, given=args.out_format, flag="--out_format"),
                    num_observables=dem.num_observables,
                )
            )
        progress = stack.enter_context(Progress())
        for events, stored_flips in reader:
            start = time.perf_counter_ns()
            predictions = decoder.decode_batch(events, bit_packed=True, threads=args.threads)
            decode_ns += time.perf_counter_ns() - start
            if writer is not None:
                writer.write(predictions)
            if counts_errors:
                flips = stored_flips if actual is None else next(actual, None)
                num_errors += _count_errors(
                    predictions, flips, num_done=num_shots, obs_in=args.obs_in or args.shots_in
                )
            num_shots += len(events)
            progress.show(f"{num_shots:,} shots decoded")
        if actual is not None and (surplus := next(actual, None)) is not None:
            _count_errors(surplus[:0], surplus, num_done=num_shots, obs_in=args.obs_in)
    _report(args, num_shots=num_shots, num_errors=num_errors if counts_errors else None, decode_ns=decode_ns)
    return 0


def _report(args: argparse.Namespace, *, num_shots: int, num_errors: int | None, decode_ns: int) -> None:
    # Predictions on stdout must stay alone there.
    stream = sys.stderr if args.out == "-" else sys.stdout
    per_shot = decode_ns / 1e3 / num_shots if num_shots else 0.0
    print(f"{num_shots} shots decoded with {args.decoder}, {per_shot:.3g} us a shot", file=stream)
    if num_errors is not None and num_shots:
        rate = statistics.logical_error_rate(errors=num_errors, shots=num_shots, confidence=0.95)
        print(f"{num_errors} errors, {estimate(rate)} a shot (95 %)", file=stream)
    if args.out not in (None, "-"):
        print(args.out, file=stream)
