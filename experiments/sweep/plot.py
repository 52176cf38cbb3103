"""`qec plot`: epsilon_d, Lambda and figures from the CSV files of a sweep."""

import argparse
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from experiments.common.numbers import estimate
from experiments.common.parser import check_writable, new_folder, output
from experiments.common.terminal import table
from experiments.plotting.series import SuppressionSeries
from experiments.sweep import counts, export
from experiments.sweep.studies import PLAIN, Key, Study, describe, plain_words, split_common, studies
from experiments.sweep.thresholds import Scan, scans

_TITLE_WIDTH = 56  # characters
_MAX_LINES = 7  # in a panel
_MAX_PANELS = 24  # in a file
_FEW_ERRORS = 10  # below, the mean of Lambda is more than 2 % too high (statistics.md)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec plot`."""
    parser.epilog = "Rows of the same circuit and decoder are added up, also across files."
    parser.add_argument(
        "csv", nargs="+", metavar="CSV", help="files of qec sweep or sinter, with metadata d and r"
    )
    parser.add_argument(
        "--out",
        type=new_folder,
        metavar="FOLDER",
        help="where the figures go, made if it is missing; default: the folder of the first CSV",
    )
    parser.add_argument(
        "--format", nargs="+", choices=["png", "svg", "pdf"], default=["png"], help="of the figures"
    )
    parser.add_argument(
        "--csv", dest="csv_file", type=output(), metavar="FILE", help="write epsilon_d and Lambda as CSV"
    )
    parser.add_argument(
        "--json", type=output(), metavar="FILE", help="write epsilon_d, Lambda and crossings as JSON"
    )
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
    beginning = (paths[0].parent if args.out is None else args.out) / paths[0].stem
    formats = list(dict.fromkeys(args.format))
    check_writable(beginning.with_name(f"{beginning.name}_suppression.{formats[0]}"))
    rows, notes = counts.read(paths)
    if not rows:
        raise ValueError(f"{', '.join(args.csv)}: no rows yet; qec sweep makes them")
    found, more_notes = studies(rows, keep=args.keep, ignore=args.ignore)
    for note in [*notes, *more_notes]:
        print(f"qec plot: {note}", file=sys.stderr)
    scanned = scans(found)
    print("\n\n".join([*map(_text, found), *filter(None, map(_crossings, scanned))]))
    print()
    if args.csv_file:
        export.write_fits_csv(args.csv_file, found)
        print(f"CSV: {args.csv_file}")
    if args.json:
        export.write_fits_json(args.json, found, scanned)
        print(f"JSON: {args.json}")
    for path in _draw(found, scanned, beginning, formats):
        print(f"Figure: {path}")
    return 0


def _draw(
    found: Sequence[Study], scanned: Sequence[Scan], beginning: Path, formats: Sequence[str]
) -> Iterator[Path]:
    """Draw epsilon_d against d and against p for each code and noise model, and the error against cycles."""
    # Matplotlib takes a while to import, and `qec plot --help` does not need it.
    from experiments.plotting import figures, overview, strengths

    together: dict[Key, list[Study]] = defaultdict(list)
    for study in found:
        together[_code_and_noise(study.key)].append(study)
    for key, group in together.items():
        name = key if len(together) > 1 else ()
        common, own = split_common(group)
        lines = {
            part: overview.suppression_series(plain_words(part) or dict(study.key)["decoder"], study.fits)
            for part, study in zip(own, group, strict=True)
        }
        for kind in formats:
            yield figures.draw_grid(
                path=_name(beginning, "suppression", name, kind), panels=_panels(lines), title=_title(common)
            )
        mine = [scan for scan in scanned if _code_and_noise(scan.key) == key]
        if mine:
            common = tuple(part for part in mine[0].key if all(part in scan.key for scan in mine))
            panels = [
                overview.strength_panel(
                    plain_words(tuple(part for part in scan.key if part not in common)),
                    scan.epsilons,
                    [(one.smaller, one.larger, one.strength) for one in scan.crossings],
                )
                for scan in mine
            ]
            for kind in formats:
                yield strengths.draw_strengths(
                    path=_name(beginning, "strength", name, kind), panels=panels, title=_title(common)
                )
    every = [(study, overview.cycle_series(study.counts, study.fits)) for study in found]
    drawn = [(study, series) for study, series in every if any(len(one.cycles) > 1 for one in series)]
    if not drawn:
        return
    common, own = split_common([study for study, _ in drawn])
    curves = {part: series for part, (_, series) in zip(own, drawn, strict=True)}
    parts = list(curves)
    for start in range(0, len(parts), _MAX_PANELS):
        batch = {_title(part): curves[part] for part in parts[start : start + _MAX_PANELS]}
        number = () if start == 0 else (("decoder", str(1 + start // _MAX_PANELS)),)
        for kind in formats:
            yield figures.draw_grid(
                path=_name(beginning, "cycles", number, kind), panels=batch, title=_title(common)
            )


def _code_and_noise(key: Key) -> Key:
    return tuple(part for part in key if part[0] in ("c", "noise"))


def _panels(lines: dict[Key, SuppressionSeries]) -> dict[str, list[SuppressionSeries]]:
    """Put all lines into one panel, or where they are many into one for each decoder."""
    panels: dict[str, list[SuppressionSeries]] = defaultdict(list)
    for part, line in lines.items():
        decoder = tuple(pair for pair in part if pair[0] == "decoder")
        split = len(lines) > _MAX_LINES and decoder and len(part) > 1
        rest = tuple(pair for pair in part if pair not in decoder)
        panels[plain_words(decoder) if split else ""].append(
            replace(line, label=plain_words(rest)) if split else line
        )
    return panels


def _title(key: Key) -> str:
    return textwrap.fill(plain_words(key), _TITLE_WIDTH)


def _name(beginning: Path, kind: str, key: Key, suffix: str) -> Path:
    words = [kind, *(value if name in PLAIN else name + value for name, value in key)]
    return beginning.with_name(
        f"{beginning.name}_{re.sub('[^A-Za-z0-9._-]+', '_', '_'.join(words))}.{suffix}"
    )


def _crossings(scan: Scan) -> str:
    known = [one for one in scan.crossings if one.strength is not None]
    if not known:
        return ""
    lines = [
        f"  d = {one.smaller} and {one.larger} cross at p = {estimate(one.strength)}"
        for one in known
        if one.strength is not None
    ]
    return "\n".join([describe(scan.key), *lines])


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
        fewest = min(rows, key=lambda row: int(row[4]))
        if int(fewest[4]) < _FEW_ERRORS:
            lines.append(f"  few errors at d = {fewest[0]}: trust the interval; values are skewed upwards")
    return "\n".join(lines)
