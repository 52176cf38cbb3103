"""`qec plot`: epsilon_d, Lambda and figures from the CSV files of a sweep."""

import argparse
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from experiments.common.tables import estimate, table
from experiments.sweep import counts
from experiments.sweep.studies import PLAIN, Key, Study, describe, split_common, studies

_TITLE_WIDTH = 56  # characters


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec plot`."""
    parser.epilog = "Rows of the same circuit and decoder are added up, also across files."
    parser.add_argument(
        "csv", nargs="+", metavar="CSV", help="files of qec sweep or sinter, with metadata d and r"
    )
    parser.add_argument("--out", metavar="FOLDER", help="where the figures go; default: beside the first CSV")
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="KEY",
        help="metadata key to group by even if it changes with the distance; such keys (number of qubits, "
        "path of the circuit) are otherwise left out, with a note; may be repeated",
    )
    parser.add_argument(
        "--ignore",
        action="append",
        default=[],
        metavar="KEY",
        help="metadata key to leave out of the grouping; may be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Print the fits and draw the figures; see `add_arguments`."""
    paths = [Path(name) for name in args.csv]
    rows, notes = counts.read(paths)
    if not rows:
        raise ValueError(f"{', '.join(args.csv)}: no rows yet; qec sweep makes them")
    folder = paths[0].parent if args.out is None else Path(args.out)
    if not folder.is_dir():
        raise FileNotFoundError(f"--out {folder}: no such folder, make it first")
    found, more_notes = studies(rows, keep=args.keep, ignore=args.ignore)
    for note in [*notes, *more_notes]:
        print(f"qec plot: {note}", file=sys.stderr)
    print("\n\n".join(_text(study) for study in found))
    print()
    for path in _draw(found, folder / paths[0].stem):
        print(f"Figure: {path}")
    return 0


def _draw(found: Sequence[Study], beginning: Path) -> Iterator[Path]:
    """For each code and noise model epsilon_d against d, then for each study the error against cycles."""
    # Matplotlib takes a while to import, and `qec plot --help` does not need it.
    from experiments.plotting import figures, overview

    together: dict[Key, list[Study]] = defaultdict(list)
    for study in found:
        together[tuple(part for part in study.key if part[0] in ("c", "noise"))].append(study)
    for key, group in together.items():
        common, own = split_common(group)
        yield figures.draw_suppression(
            path=_name(beginning, "suppression", key if len(together) > 1 else ()),
            series=[
                overview.suppression_series(describe(part) or dict(study.key)["decoder"], study.fits)
                for part, study in zip(own, group, strict=True)
            ],
            title=textwrap.fill(describe(common), _TITLE_WIDTH),
        )
    _, own = split_common(found)
    for part, study in zip(own, found, strict=True):
        series = overview.cycle_series(study.counts, study.fits)
        if any(len(one.cycles) > 1 for one in series):
            yield figures.draw_cycles(
                path=_name(beginning, "cycles", part),
                series=series,
                title=textwrap.fill(describe(study.key), _TITLE_WIDTH),
            )


def _name(beginning: Path, kind: str, key: Key) -> Path:
    words = [kind, *(value if name in PLAIN else name + value for name, value in key)]
    return beginning.with_name(f"{beginning.name}_{re.sub('[^A-Za-z0-9._-]+', '_', '_'.join(words))}.png")


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
    if study.discards:
        lines.append(f"  discarded, and not counted above: {study.discards} shots")
    if study.fits.suppression is not None:
        lines.append(f"  Lambda = {estimate(study.fits.suppression.value)}")
    return "\n".join(lines)
