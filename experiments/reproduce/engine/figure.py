"""Interface of the figures of `qec reproduce`: jobs, records, and a section of the report."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from experiments.common.numbers import number
from qec.statistics import Estimate

Record = dict[str, Any]
#: What the report says of its settings.
FULL, QUICK = "full", "quick: few shots, wide intervals"

Kind = Literal["input", "calibrated", "predicted", "measured"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of a report.

    Attributes:
        quick: fewer shots, wider intervals; all figures together under five minutes on two cores.
        seed: of everything random.
        workers: processes (or threads of a job that runs alone).
        decoders: names of decoders, the first one used where a figure needs only one.
        watts_per_core: power of a core, for the decoding load of a large machine; changes no job.
    """

    quick: bool
    seed: int
    workers: int
    decoders: tuple[str, ...]
    watts_per_core: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Resources of a job that runs alone.

    Attributes:
        workers: threads or processes it may use.
        folder: a folder of its own that stays until its record is written: state to resume from.
        say: takes a line of progress.
    """

    workers: int
    folder: Path
    say: Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One computation, whose record is kept on disk.

    Attributes:
        work: a function at the top level of a module; called as `work(**arguments)` in a worker process, or,
            if `alone`, as `work(**arguments, place=...)` in the main process while no worker runs. Returns
            what JSON can hold; the key "shots" is added up in the report.
        arguments: all that the record depends on, the seed included: plain JSON values.
        cost: seconds that it takes one core, roughly; only for the time left.
        alone: whether it needs the machine for itself (threads of its own, latencies).
    """

    work: Callable[..., Record]
    arguments: Mapping[str, Any]
    cost: float
    alone: bool = False

    @property
    def key(self) -> str:
        """Name of the record: equal for equal work with equal arguments.

        The packages between `experiments.reproduce` and the module do not count, so that records stay valid
        when a module moves.
        """
        module = self.work.__module__.rpartition(".")[2]
        what = json.dumps(
            [f"experiments.reproduce.{module}", self.work.__qualname__, dict(self.arguments)], sort_keys=True
        )
        return hashlib.sha256(what.encode()).hexdigest()[:24]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the comparison with the paper.

    Attributes:
        quantity: what it is.
        ours: an estimate with its interval, or words.
        published: as `experiments.reproduce.engine.published.words` gives it; "" where nothing was published.
        kind: "input" (taken from the paper), "calibrated", "predicted", or "measured" (on this machine).
        note: what a reader must know to compare the two.
        scale: factor on an estimate's numbers before they are shown, for example 1e3.
        unit: shown after the numbers.
    """

    quantity: str
    ours: Estimate | str
    published: str
    kind: Kind
    note: str = ""
    scale: float = 1.0
    unit: str = ""

    def our_words(self) -> str:
        """Our value with its interval."""
        if isinstance(self.ours, str):
            return self.ours
        value, low, high = (
            number(self.scale * part) for part in (self.ours.value, self.ours.low, self.ours.high)
        )
        return f"{value} [{low}, {high}]" + (f" {self.unit}" if self.unit else "")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A further table of a section; cells are text."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of a section.

    Attributes:
        name: of its file, without the ending; unique among all figures.
        caption: what is shown.
        draw: takes the path of the PNG to write; matplotlib is imported inside.
    """

    name: str
    caption: str
    draw: Callable[[Path], object]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Section of the report.

    Attributes:
        summary: one or two plain paragraphs, Markdown without headings: what was simulated, what came out.
        calibrated: what was calibrated, and by what; "nothing" is an answer.
        predicted: what follows without further adjustment.
        rows: our values and the published ones.
        tables: further tables.
        pictures: figures.
        limits: what the simulation lacks or approximates, one sentence each.
        data: numbers for results.json, beyond the rows.
    """

    summary: str
    calibrated: str
    predicted: str
    rows: Sequence[Row]
    pictures: Sequence[Picture]
    tables: Sequence[Table] = ()
    limits: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


class Records(Protocol):
    """Finished records."""

    def __getitem__(self, job: Job) -> Record:
        """Look up the record of a job."""
        ...


class Figure(Protocol):
    """A module in `experiments/reproduce/` that the registry names.

    Attributes:
        TITLE: heading in the report.
    """

    TITLE: str

    def jobs(self, settings: Settings) -> list[Job]:
        """List the jobs of the figure; equal settings give equal jobs."""
        ...

    def section(self, settings: Settings, records: Records) -> Section:
        """Make the report's section from the records of all jobs."""
        ...
