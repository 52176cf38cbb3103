"""Screen of a real-time loop while it runs: counters, latencies, logical errors."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from experiments.common.fits import Count
from experiments.monitor.error_rates import error_rows, error_table
from experiments.monitor.screen import draw_screen
from experiments.monitor.watch import Sample

_KEPT = 600


@dataclass(frozen=True, kw_only=True)
class LoopNews:
    """State of the loop.

    Attributes:
        title: of the loop that runs.
        sample: counters and latencies of its streams; None where none runs.
        counts: logical errors so far, of all distances.
    """

    title: str
    sample: Sample | None
    counts: Sequence[Count]


class LoopScreen:
    """Screen of a real-time loop.

    Args:
        command: name of the command.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._text = ""
        self._news = LoopNews(title="", sample=None, counts=())
        self._history: deque[Sample] = deque(maxlen=_KEPT)

    def take(self, news: Any) -> None:
        """Take a line of progress, or the state of the loop."""
        if isinstance(news, str):
            self._text = news
            return
        if news.sample is not None:
            if self._history and self._history[-1].boot != news.sample.boot:
                self._history.clear()
            self._history.append(news.sample)
        self._news = news

    def draw(self, *, width: int, height: int) -> RenderableType:
        """Draw for a terminal of this size."""
        title = f"{self._command} {self._news.title}".strip()
        if self._history:
            return draw_screen(
                self._history,
                address=title,
                width=width,
                height=height - 1,
                counts=self._news.counts,
                note=self._text,
            )
        parts: list[RenderableType] = [Text(title), Text(self._text, no_wrap=True, overflow="ellipsis")]
        if self._news.counts:
            parts.append(error_table(error_rows(self._news.counts)))
        return Group(*parts)
