"""`qec bench coverage`: how often every published interval contains the truth, in simulated data."""

import argparse
import csv
import io
from collections.abc import Sequence

from experiments.bench.coverage import counted, derived
from experiments.bench.coverage.cases import MARGIN, Coverage, measure
from experiments.common.numbers import number
from experiments.common.parser import output, whole
from experiments.common.terminal import Progress, table
from qec.files import write_file

_HEADER = ["interval", "conditions", "sets", "stated", "covered", "high", "low", "median", "mean", ""]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench coverage`."""
    add = parser.add_argument
    parser.epilog = (
        "Data sets of known truth are drawn and given to the function that makes the interval. high, low:\n"
        "intervals wholly above and below the truth. median, mean: of the estimates divided by the truth,\n"
        f"mean of the finite ones. Exit code 1 if a coverage is significantly more than {100 * MARGIN:g} %\n"
        "below the stated confidence."
    )
    add("--repetitions", type=whole(10), default=1000, metavar="N", help="about this many data sets a case")
    add("--only", metavar="TEXT", help="only intervals with this text in their names")
    add("--seed", type=whole(0), default=1, metavar="N", help="of the random numbers")
    add("--csv", type=output(), metavar="FILE", help="write the table as CSV")


def run(args: argparse.Namespace) -> int:
    """Simulate, print and write; see `add_arguments`."""
    chosen = [
        case
        for module in (counted, derived)
        for case in module.cases()
        if args.only is None or args.only.lower() in case.quantity.lower()
    ]
    if not chosen:
        raise ValueError(f"--only {args.only}: no such interval; without --only all are listed")
    found = []
    with Progress() as progress:
        for at, case in enumerate(chosen):
            progress.show(f"{at} of {len(chosen)} cases: {case.quantity}")
            found.append(measure(case, repetitions=args.repetitions, seed=args.seed))
    rows = [_row(one) for one in found]
    for quantity in dict.fromkeys(row[0] for row in rows):
        print(quantity)
        print(table(_HEADER[1:], [row[1:] for row in rows if row[0] == quantity], left=1))
        print()
    if args.csv:
        stream = io.StringIO()
        csv.writer(stream, lineterminator="\n").writerows([[*_HEADER[:-1], "note"], *rows])
        write_file(args.csv, stream.getvalue())
        print(f"CSV: {args.csv}")
    missing = [one for one in found if not one.holds]
    if missing:
        print(f"{len(missing)} of {len(found)} intervals cover less often than stated")
    return 1 if missing else 0


def _row(one: Coverage) -> Sequence[str]:
    return [
        one.case.quantity,
        one.case.conditions,
        str(one.repetitions),
        f"{100 * one.stated:.4g} %",
        f"{100 * one.covered:.1f}({100 * one.covered_error:.1f}) %",
        f"{100 * one.too_high:.1f} %",
        f"{100 * one.too_low:.1f} %",
        number(one.median),
        number(one.mean),
        "" if one.holds else "too few",
    ]
