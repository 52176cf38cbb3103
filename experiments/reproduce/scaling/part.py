"""Part of the scaling section: words, rows, tables and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from experiments.reproduce.engine.figure import Picture, Row, Table


@dataclass(frozen=True, kw_only=True)
class Part:
    """Content of one part, in the terms of `engine.figure.Section`.

    Attributes:
        words: a paragraph for the summary.
        rows, tables, pictures, limits, data: as in a section.
    """

    words: str
    rows: Sequence[Row]
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    limits: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
