"""Cells and costs of `qec bench decoders` as tables, rows of CSV files and a figure."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from experiments.bench.speed.cells import PATHS, Cell
from experiments.bench.speed.costs import Cost
from experiments.bench.speed.probe import REFERENCE
from experiments.common.tables import number, table

COLUMNS = [
    *("code", "distance", "cycles", "p", "decoder", "num_detectors", "shots", "events_per_shot"),
    *("pymatching_ns_per_event", "pymatching_path", "ns_per_event", "path"),
    *("ratio", "ratio_low", "ratio_high", "ratio_packed", "ratio_bool"),
    *("turns", "weight_mismatches", "bar", "met"),
]
TIME_COLUMNS = ["code", "distance", "p", "library", "path", "turn", "shots", "events", "ns"]
COST_COLUMNS = [
    "part",
    "quantity",
    "decoder",
    "pymatching",
    "ours",
    "ratio",
    "ratio_low",
    "ratio_high",
    "met",
]


def cell_row(cell: Cell) -> list[object]:
    """What `COLUMNS` name."""
    point, ratio = cell.point, cell.ratio
    return [
        *(point.code, point.distance, point.rounds, point.p, cell.decoder, cell.num_detectors, cell.shots),
        round(cell.events / cell.shots, 4),
        *(round(cell.reference_per_event, 2), cell.reference_path),
        *(round(cell.own_per_event, 2), cell.own_path),
        *(round(ratio.median, 4), round(ratio.low, 4), round(ratio.high, 4)),
        *(round(cell.like_for_like(path).median, 4) for path in PATHS),
        cell.turns,
        *(_blank(cell.mismatches), _blank(cell.bar), _blank(cell.met)),
    ]


def time_rows(cells: Sequence[Cell]) -> list[list[object]]:
    """Every single time of cells that were measured in the same turns, as `TIME_COLUMNS` name them."""
    point = cells[0].point
    libraries = [(REFERENCE, cells[0].reference_ns), *((cell.decoder, cell.own_ns) for cell in cells)]
    return [
        [point.code, point.distance, point.p, library, path, turn, cells[0].shots, cells[0].events, ns]
        for library, times in libraries
        for path in PATHS
        for turn, ns in enumerate(times[path])
    ]


def cost_row(cost: Cost) -> list[object]:
    """What `COST_COLUMNS` name."""
    ratio = cost.ratio
    ends = ("", "", "") if ratio is None else (ratio.median, ratio.low, ratio.high)
    return [cost.part, cost.quantity, cost.decoder, _blank(cost.reference), cost.own, *ends, _blank(cost.met)]


def cell_table(cells: Sequence[Cell]) -> str:
    """All cells, and for each decoder a line that sums them up."""
    header = ["code", "d", "p", "decoder", "events/shot", "PyMatching", "ours", "ratio", "mismatches", "bar"]
    rows = [
        [
            *(cell.point.code, str(cell.point.distance), f"{cell.point.p:g}", cell.decoder),
            number(cell.events / cell.shots),
            f"{number(cell.reference_per_event)} {cell.reference_path:<6}",
            f"{number(cell.own_per_event)} {cell.own_path:<6}",
            str(cell.ratio),
            "-" if cell.mismatches is None else str(cell.mismatches),
            "-" if cell.bar is None else f"{cell.bar} {_verdict(cell.met)}",
        ]
        for cell in cells
    ]
    return "\n".join(
        [
            "Times in ns per detection event, each library on the faster of its two batch calls;",
            f"ratio: PyMatching / ours, median (least-most) of {cells[0].turns} turns;",
            "mismatches: shots whose weight, as an integer, is not PyMatching's.",
            table(header, rows),
            *_sums(cells),
        ]
    )


def _sums(cells: Sequence[Cell]) -> Iterator[str]:
    for name in dict.fromkeys(cell.decoder for cell in cells):
        mine = [cell for cell in cells if cell.decoder == name]
        barred = [cell.met for cell in mine if cell.met is not None]
        compared = [cell for cell in mine if cell.mismatches is not None]
        yield (
            f"{name}: {sum(barred)} of {len(barred)} bars met, median ratio "
            f"{median(cell.ratio.median for cell in mine):.2f}, weights of "
            f"{sum(cell.mismatches or 0 for cell in compared)} of "
            f"{sum(cell.shots for cell in compared):,} shots differ"
        )


def cost_table(costs: Sequence[Cost]) -> str:
    """All costs."""
    return table(
        ["quantity", "decoder", "PyMatching", "ours", "ratio", "bar"],
        [
            [
                cost.quantity,
                cost.decoder,
                "-" if cost.reference is None else number(cost.reference),
                number(cost.own),
                "-" if cost.ratio is None else str(cost.ratio),
                _verdict(cost.met),
            ]
            for cost in costs
        ],
    )


def draw(cells: Sequence[Cell], path: Path) -> Path:
    """Ratio against distance; codes measured at one distance only are drawn if there are no others."""
    # Matplotlib takes a while to import, and `qec bench --help` does not need it.
    from experiments.plotting import figures

    distances: dict[str, set[int]] = defaultdict(set)
    for cell in cells:
        distances[cell.point.code].add(cell.point.distance)
    codes = [code for code, found in distances.items() if len(found) > 1] or list(distances)
    lines: dict[str, dict[int, float]] = defaultdict(dict)
    for cell in cells:
        if cell.point.code in codes:
            words = [f"p = {100 * (cell.point.p or 0):g} %"]
            words += [cell.point.code] if len(codes) > 1 else []
            words += [cell.decoder] if len({cell.decoder for cell in cells}) > 1 else []
            lines[", ".join(words)][cell.point.distance] = cell.ratio.median
    return figures.draw_ratio(
        path=path,
        series=[
            figures.RatioSeries(label=label, distances=list(line), ratios=list(line.values()))
            for label, line in lines.items()
        ],
        y_label="decoding time, PyMatching / ours",
        reference_label="as fast as PyMatching",
        title=f"{codes[0].capitalize()} code, one core" if len(codes) == 1 else "One core",
    )


def _verdict(met: bool | None) -> str:
    return "-" if met is None else "met" if met else "MISSED"


def _blank(value: object) -> object:
    """A cell of a CSV file: empty for None, yes and no for bool."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else value
