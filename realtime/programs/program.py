"""Programs: operations on patches, some of which depend on decoded outcomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.programs.kernels.records import OPERATION, Kind, Unsure
from realtime.programs.operations import Operation
from realtime.programs.reader import ProgramError, read_operations


@dataclass(frozen=True, kw_only=True)
class Program:
    """A valid program, repetitions unrolled.

    Attributes:
        name: for reports.
        patches: names.
        outcomes: names, in the order of their first measurement.
        operations: in order.
        results: names of the outcomes on which nothing depends: the program's results.
        shortest_life: fewest cycles of a patch from its preparation to the end of its measurement.
        decisions: number of waits.
        tiles: (column, row) of each patch; empty if the program gives none.
    """

    name: str
    patches: tuple[str, ...]
    outcomes: tuple[str, ...]
    operations: tuple[Operation, ...]
    results: frozenset[str]
    shortest_life: int
    decisions: int
    tiles: tuple[tuple[int, int], ...] = ()

    @classmethod
    def read(cls, path: Path | str) -> Program:
        """Read a program file; raises as `parse`, with the file's name, and OSError."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError:
            raise ProgramError(f"{path}: not text in UTF-8") from None
        except ProgramError as error:
            raise ProgramError(f"{path}, {error}") from None

    @classmethod
    def parse(cls, text: str) -> Program:
        """Parse a program.

        The first line is `{"program": NAME, "version": 1, "patches": [NAME, ...]}`, or has the tiles of the
        patches, `{NAME: [COLUMN, ROW], ...}`; each other line is one
        operation, see the page Feed-forward. Empty lines and lines that begin with # are skipped.

        Raises:
            ProgramError: the first fault, with its line and field.
        """
        return cls(**read_operations(text))

    def table(self) -> NDArray[Any]:
        """Return the operations for the kernels, OPERATION (operations,)."""
        table = np.zeros(len(self.operations), dtype=OPERATION)
        for name in OPERATION.names or ():
            table[name] = [int(getattr(operation, name)) for operation in self.operations]
        return table

    @property
    def num_lives(self) -> int:
        """Preparations in a shot."""
        return sum(operation.kind == Kind.PREPARE for operation in self.operations)

    @property
    def most_lives(self) -> int:
        """Preparations in a shot in which everything is repeated as often as it may be."""
        return self.num_lives + sum(operation.times for operation in self.operations)

    @property
    def has_merges(self) -> bool:
        """Whether patches are merged."""
        return any(operation.kind == Kind.MERGE for operation in self.operations)

    @property
    def needs_gaps(self) -> bool:
        """Whether an operation looks at the gap of an outcome."""
        return any(operation.unsure != Unsure.GO_ON for operation in self.operations)
