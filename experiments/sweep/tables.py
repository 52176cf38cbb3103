"""`qec counts`: CSV files of counts as one table with rates and intervals, in Parquet or CSV."""

import argparse
import io
import sys
from pathlib import Path
from typing import Any

from experiments.common.numbers import number
from experiments.common.parser import output, real
from experiments.common.terminal import table
from experiments.sweep import counts
from qec.files import write_file
from qec.statistics.counts_table import tabulate_counts

_EXTRA = "install the extra: pip install 'below-threshold[tables]'"
_MAX_LINES = 40  # on the terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec counts`."""
    add = parser.add_argument
    parser.epilog = "Rows of the same circuit and decoder are added up, in all files together."
    add("csv", nargs="+", metavar="CSV", help="files of qec sweep or sinter")
    add("--out", type=output(".parquet", ".csv"), metavar="FILE", help="write the table; .parquet or .csv")
    add("--confidence", type=real(0, 1), default=0.95, metavar="C", help="level of the likelihood intervals")


def run(args: argparse.Namespace) -> int:
    """Add up, print, write; see `add_arguments`."""
    rows, notes = counts.read([Path(name) for name in args.csv])
    for note in notes:
        print(f"qec counts: {note}", file=sys.stderr)
    if not rows:
        raise ValueError(f"{', '.join(args.csv)}: no rows yet; qec sweep makes them")
    try:
        found = tabulate_counts(map(_values, rows), confidence=args.confidence)
        if args.out:
            write_file(args.out, _bytes(found, args.out))
    except ModuleNotFoundError as error:
        raise ValueError(f"a table needs {error.name}: {_EXTRA}") from None
    print(_text(found))
    if args.out:
        print(f"\nTable: {args.out}, {len(found)} rows, {len(found.columns)} columns")
    return 0


def _values(row: Any) -> dict[str, Any]:
    names = ("decoder", "strong_id", "shots", "errors", "discards", "seconds")
    return {"metadata": row.json_metadata, **{name: getattr(row, name) for name in names}}


def _bytes(found: Any, path: str) -> bytes:
    if path.endswith(".csv"):
        text: str = found.to_csv(index=False, lineterminator="\n")
        return text.encode()
    import pyarrow  # noqa: F401 - names what is missing; pandas would blame several engines

    mixed = [name for name in found if _has_mixed_types(found[name])]
    stream = io.BytesIO()
    found.astype(dict.fromkeys(mixed, "string")).to_parquet(stream, index=False)
    return stream.getvalue()


def _has_mixed_types(column: Any) -> bool:
    """Test whether a column has values of several types, which Parquet cannot store."""
    return len({type(value) for value in column.dropna()}) > 1


def _text(found: Any) -> str:
    names = [name for name in ("c", "noise", "d", "r", "p", "b", "decoder") if name in found]
    common = [name for name in names if len(set(map(str, found[name]))) == 1]
    shown = [name for name in names if name not in common]
    rate = "error_per_cycle" if "error_per_cycle" in found else "error_rate"
    lines = []
    for _, row in found.head(_MAX_LINES).iterrows():
        interval = [number(float(row.get(f"{rate}{end}", float("nan")))) for end in ("", "_low", "_high")]
        lines.append([*(f"{row[name]}" for name in shown), f"{row['shots']}", f"{row['errors']}"])
        lines[-1].append("{} [{}, {}]".format(*interval))
    what = "error per cycle" if rate == "error_per_cycle" else "error per shot"
    text = table([*shown, "shots", "errors", f"{what}, interval"], lines, keys=max(1, len(shown)))
    rest = len(found) - len(lines)
    heading = ", ".join(f"{name} = {found[name].iloc[0]}" for name in common)
    return "\n".join(filter(None, [heading, text, f"  ... and {rest} more rows" if rest > 0 else ""]))
