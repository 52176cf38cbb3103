"""Screen of a sweep while it runs: fits that converge, and the circuits that are being sampled."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.common.fits import fit
from experiments.common.numbers import estimate
from experiments.monitor.error_rates import error_rows
from experiments.sweep.studies import Study, describe, split_common, studies


@dataclass(frozen=True, kw_only=True)
class SweepNews:
    """Counts so far.

    Attributes:
        rows: totals (`sinter.TaskStats`), those without shots left out.
        finished: part of each task that is done, by its strong_id.
        num_points: number of tasks.
    """

    rows: Sequence[Any]
    finished: Mapping[str, float]
    num_points: int


class SweepScreen:
    """Screen of `qec sweep`."""

    def __init__(self) -> None:
        self._text = ""
        self._news = SweepNews(rows=(), finished={}, num_points=0)

    def take(self, news: Any) -> None:
        """Take a line of progress, or the counts."""
        if isinstance(news, str):
            self._text = news
        else:
            self._news = news

    def draw(self, *, width: int, height: int) -> RenderableType:
        """Draw for a terminal of this size: fits first, then circuits, those with shots to come first."""
        parts: list[RenderableType] = [
            Text(f"qec sweep: {self._text}", no_wrap=True, overflow="ellipsis", style="bold")
        ]
        if not self._news.rows:
            return parts[0]
        room = height - 2
        try:
            found, _ = studies(self._news.rows)
        except ValueError:  # circuits without distance or cycles
            found = []
        if found:
            common, others = split_common(found)
            parts.append(Text(describe(common), no_wrap=True, overflow="ellipsis"))
            rows = [
                [describe(other), *cells]
                for study, other in zip(found, others, strict=True)
                for cells in error_rows(study.counts)
            ]
            room -= 2
            shown = max(1, min(len(rows), (2 * room) // 3))
            titles = ["", "d", "shots", "errors", "error per cycle [95 %]", "Lambda [95 %]"]
            parts += _table(titles, rows, shown)
            room -= shown + (shown < len(rows))
        waiting = sorted(
            self._news.rows, key=lambda row: (self._news.finished[row.strong_id] == 1, -row.shots)
        )
        if room >= 4:
            parts.append(Text())
            titles = ["circuit", "done", "shots", "errors", "error per cycle [95 %]"]
            names = _names(waiting)
            parts += _table(titles, [self._circuit(row, names) for row in waiting], room - 3)
        return Group(*parts)

    def _circuit(self, row: Any, names: Sequence[str]) -> list[str]:
        finished = self._news.finished[row.strong_id]
        labels = _labels(row)
        return [
            " ".join(f"{name}={labels[name]}" for name in names if name in labels),
            f"{math.floor(100 * finished)} %",
            f"{row.shots:,}",
            f"{row.errors:,}",
            _error(row),
        ]


def _labels(row: Any) -> dict[str, Any]:
    data = row.json_metadata
    return {**(data if isinstance(data, dict) else {"circuit": data}), "decoder": row.decoder}


def _names(rows: Sequence[Any]) -> list[str]:
    """Select the names that tell circuits apart: distance, cycles and basis, and others that differ."""
    labels = [_labels(row) for row in rows]
    names = list(dict.fromkeys(name for found in labels for name in found))
    differing = {name for name in names if len({str(found.get(name)) for found in labels}) > 1}
    first = [name for name in ("d", "r", "b") if name in names]
    return first + [name for name in names if name in differing and name not in first]


def _error(row: Any) -> str:
    try:
        (found,), _ = studies([row])
    except ValueError:
        return "-"
    return estimate(_only(found))


def _only(found: Study) -> Any:
    return fit(found.counts).distances[0].epsilon


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], shown: int) -> list[RenderableType]:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for at, title in enumerate(titles):
        table.add_column(title, justify="right" if at else "left", no_wrap=True)
    for row in rows[:shown]:
        table.add_row(*row)
    more = len(rows) - shown
    return [table, Text(f"... and {more} more")] if more > 0 else [table]
