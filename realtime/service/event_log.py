"""Structured log of a daemon: one line for each event, as text or as JSON."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from realtime.kernels.clock import now_ns, utc_time

LogForm = Literal["none", "text", "json"]
#: Time between two writings of the counted events, and lines of one name in each, before "others".
_INTERVAL_NS = 1_000_000_000
_MAX_LINES = 10
#: Name of an event, and the fields that say of what.
_Key = tuple[str, tuple[tuple[str, Any], ...]]


class EventLog:
    """Writer of events. Only one thread may use it.

    Args:
        form: "text", "json" (an object a line), or "none".
        write: receives each line, without its end.
    """

    def __init__(self, form: LogForm, *, write: Callable[[str], None]) -> None:
        if form not in ("none", "text", "json"):
            raise ValueError(f"no log is named '{form}': choose from none, text, json")
        self._form, self._write = form, write
        self._second_ns = 0
        self._waiting: dict[_Key, dict[str, int]] = {}

    def event(self, name: str, *, level: str = "info", **fields: Any) -> None:
        """Write an event.

        Args:
            name: of the event, for example "session opened".
            level: "info" or "warning".
            fields: what to say about it: numbers, strings, or lists and dictionaries of these.
        """
        if self._form == "none":
            return
        if self._form == "json":
            line = json.dumps({"time": utc_time(), "level": level, "event": name, **fields})
        else:
            words = [f"{key}={_plain(value)}" for key, value in fields.items() if value not in (None, "", {})]
            line = " ".join([utc_time(), level, name + (":" if words else ""), *words])
        self._write(line)

    def count(self, name: str, numbers: Mapping[str, int], **of: Any) -> None:
        """Add to the numbers of a frequent event, which is written once a second at most; see `flush`.

        Args:
            name: of the event; its level is "warning".
            numbers: to add; zeros are left out.
            of: fields of what is counted, such as the stream; each has its own numbers.
        """
        kept = {reason: number for reason, number in numbers.items() if number}
        if kept:
            key: _Key = (name, tuple(of.items()))
            if key not in self._waiting and sum(known == name for known, _ in self._waiting) >= _MAX_LINES:
                key = (name, (("others", True),))
            waiting = self._waiting.setdefault(key, {})
            for reason, number in kept.items():
                waiting[reason] = waiting.get(reason, 0) + number

    def flush(self, *, now: bool = False) -> None:
        """Write the counted events, if the last time was a second ago, or at once."""
        time = int(now_ns())
        if now or time - self._second_ns > _INTERVAL_NS:
            self._second_ns = time
            for name, of in list(self._waiting):
                self.event(name, level="warning", **dict(of), **self._waiting.pop((name, of)))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    text = json.dumps(value) if isinstance(value, list | dict) else str(value)
    is_word = text.isprintable() and " " not in text  # a line end would begin another event
    return text if is_word or isinstance(value, list | dict) else json.dumps(text)
