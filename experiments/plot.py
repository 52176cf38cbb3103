"""`qec plot`: epsilon_d, Lambda and figures from the CSV files of a sweep."""

import argparse
import sys
from pathlib import Path

from experiments import counts
from experiments.studies import Study, describe, studies
from experiments.tables import estimate, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec plot`."""
    parser.epilog = "Rows of the same circuit and decoder are added up, also across files."
    parser.add_argument(
        "csv", nargs="+", metavar="CSV", help="files of qec sweep or sinter, with metadata d and r"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the figures go; default: beside the first CSV")


def run(args: argparse.Namespace) -> int:
    """Print the fits and draw the figures; see `add_arguments`."""
    paths = [Path(name) for name in args.csv]
    rows, notes = counts.read(paths)
    if not rows:
        raise ValueError(f"{', '.join(args.csv)}: no rows yet; qec sweep makes them")
    folder = paths[0].parent if args.out is None else Path(args.out)
    if not folder.is_dir():
        raise FileNotFoundError(f"--out {folder}: no such folder, make it first")
    found, more_notes = studies(rows)
    for note in [*notes, *more_notes]:
        print(f"qec plot: {note}", file=sys.stderr)
    print("\n\n".join(_text(study) for study in found))
    return 0


def _text(study: Study) -> str:
    rows = []
    for fitted in study.fits.distances:
        mine = [count for count in study.counts if count.distance == fitted.distance]
        rows.append(
            [
                str(fitted.distance),
                ",".join(str(cycles) for cycles in sorted({count.cycles for count in mine})),
                ",".join(sorted({count.basis.upper() for count in mine})),
                str(sum(count.shots for count in mine)),
                str(sum(count.errors for count in mine)),
                estimate(fitted.epsilon),
            ]
        )
    lines = [
        describe(study.key),
        table(["d", "cycles", "bases", "shots", "errors", "epsilon_d [95 %]"], rows),
    ]
    if study.fits.suppression is not None:
        lines.append(f"  Lambda = {estimate(study.fits.suppression.value)}")
    return "\n".join(lines)
