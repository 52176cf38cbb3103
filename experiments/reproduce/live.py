"""Screen of `qec reproduce` while it runs: jobs of each figure, and logical errors as they converge."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.common.fits import Count
from experiments.monitor.error_rates import error_rows
from experiments.reproduce.engine.figure import Job
from experiments.reproduce.engine.records import RecordsFile

_NEEDED = {"distance", "basis", "cycles", "decoder"}


@dataclass(frozen=True, kw_only=True)
class ReproduceNews:
    """State of a run.

    Attributes:
        jobs: (done, all) of each figure.
        counts: logical errors of memories, by figure and decoder.
    """

    jobs: Mapping[str, tuple[int, int]]
    counts: dict[tuple[str, str], list[Count]]


def news_of(jobs: Mapping[str, Sequence[Job]], records: RecordsFile) -> ReproduceNews:
    """Collect the state of a run from its records.

    Only memories with the noise of the chip count, not those with scaled error rates.
    """
    counts: dict[tuple[str, str], list[Count]] = defaultdict(list)
    done = {}
    for figure, some in jobs.items():
        finished = [job for job in some if job in records]
        done[figure] = len(finished), len(some)
        for job in finished:
            found, record = job.arguments, records[job]
            if not found.keys() >= _NEEDED or not {"shots", "errors"} <= record.keys() or found.get("scale"):
                continue
            counts[figure, str(found["decoder"])].append(
                Count(found["distance"], found["basis"], found["cycles"], record["shots"], record["errors"])
            )
    return ReproduceNews(jobs=done, counts=dict(counts))


class ReproduceScreen:
    """Screen of `qec reproduce`."""

    def __init__(self) -> None:
        self._text = ""
        self._news = ReproduceNews(jobs={}, counts={})

    def take(self, news: Any) -> None:
        """Take a line of progress, or the state of the run."""
        if isinstance(news, str):
            self._text = news
        else:
            self._news = news

    def draw(self, *, width: int, height: int) -> RenderableType:
        """Draw for a terminal of this size; the latest figures come first."""
        jobs = Table(box=None, padding=(0, 2, 0, 0))
        jobs.add_column("figure", no_wrap=True)
        jobs.add_column("jobs done", justify="right", no_wrap=True)
        for figure, (done, total) in self._news.jobs.items():
            jobs.add_row(figure, f"{done} of {total}")
        parts: list[RenderableType] = [
            Text(f"qec reproduce: {self._text}", no_wrap=True, overflow="ellipsis")
        ]
        rates = Table(box=None, padding=(0, 1, 0, 0))
        for at, title in enumerate(
            ("figure", "decoder", "d", "shots", "errors", "error per cycle [95 %]", "Lambda [95 %]")
        ):
            rates.add_column(title, justify="right" if at > 1 else "left", no_wrap=True)
        room = height - len(self._news.jobs) - 4
        for (figure, decoder), counts in reversed(self._news.counts.items()):
            rows = error_rows(counts)
            room -= len(rows)
            if room < 0:
                break
            for cells in rows:
                rates.add_row(figure, decoder, *cells)
        parts.append(jobs)
        if rates.row_count:
            parts.append(rates)
        return Group(*parts)
