"""What each decoder got wrong and how long it took, shot by shot, in a file that can be continued."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import stim
from numpy.typing import NDArray

from experiments.common.points import Point

#: Shots are sampled in pieces; a piece has a seed of its own, so that any piece can be had at any time.
PIECE = 2000

Packed = NDArray[np.uint8]


@dataclass
class Run:
    """One decoder in one cell.

    Attributes:
        shots: the shots 0..shots-1 of the cell are decoded.
        failed: numbers of those that it predicted wrongly, ascending.
        time_ns: decoding time of all of them.
        note: why it takes no further part, if so.
    """

    shots: int = 0
    failed: list[int] = field(default_factory=list)
    time_ns: int = 0
    note: str = ""

    @property
    def microseconds(self) -> float:
        """Mean decoding time of a shot."""
        return self.time_ns / self.shots / 1000


def cell_name(point: Point) -> str:
    """What names a cell in the file."""
    return json.dumps(asdict(point), sort_keys=True)


class Shots:
    """The shots of a cell, piece by piece."""

    def __init__(self, circuit: stim.Circuit, *, seed: int) -> None:
        self._circuit = circuit
        self._seed = seed
        self._kept: dict[int, tuple[Packed, Packed]] = {}

    def piece(self, number: int) -> tuple[Packed, Packed]:
        """Detection events and observable flips, bit-packed, of the shots from number x PIECE on."""
        if number not in self._kept:
            seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1, np.uint64)[0] >> 1)
            sampler = self._circuit.compile_detector_sampler(seed=seed)
            if len(self._kept) >= 4:  # decoders are at different pieces, the slow ones for long
                self._kept.pop(next(iter(self._kept)))
            self._kept[number] = sampler.sample(PIECE, bit_packed=True, separate_observables=True)
        return self._kept[number]

    def fingerprint(self) -> str:
        """Changes when the same seed gives other shots, as with another release of stim."""
        return hashlib.sha256(b"".join(part.tobytes() for part in self.piece(0))).hexdigest()[:16]


class RunFile:
    """All runs, kept in a file of one JSON record a line; each record is written at once.

    Args:
        path: the file; made if there is none.
        again: decoders whose records are dropped, to be measured anew.

    Raises:
        ValueError: on entering, a line is not such a record (a half-written last one is dropped).
    """

    def __init__(self, path: Path, *, again: Iterable[str] = ()) -> None:
        self._path = path
        self._again = set(again)
        self._runs: dict[tuple[str, str], Run] = {}
        self._fingerprints: dict[str, str] = {}

    def __enter__(self) -> Self:
        kept = []
        lines = self._path.read_text(encoding="utf-8").split("\n") if self._path.exists() else []
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line) if line else None
                if record is None or record.get("decoder") in self._again:
                    continue
                self._take(record)
            except (ValueError, KeyError, TypeError, AttributeError):
                if number == len(lines):
                    continue  # its writer was stopped
                raise ValueError(
                    f"{self._path}, line {number}: not a record of this benchmark: give another --data"
                ) from None
            kept.append(line)
        self._path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _take(self, record: dict[str, Any]) -> None:
        cell = record["cell"]
        if "fingerprint" in record:
            self._fingerprints[cell] = record["fingerprint"]
            return
        run = self.run(cell, record["decoder"])
        if record["first"] != run.shots:
            raise ValueError("a gap between shots")
        run.shots = record["last"]
        run.failed += record["failed"]
        run.time_ns += record["ns"]

    def _append(self, record: dict[str, Any]) -> None:
        self._take(record)
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def run(self, cell: str, decoder: str) -> Run:
        """The run of a decoder, an empty one if it is new."""
        return self._runs.setdefault((cell, decoder), Run())

    def check(self, cell: str, fingerprint: str) -> None:
        """Make sure that the shots are those of the file.

        Raises:
            ValueError: they are not.
        """
        known = self._fingerprints.get(cell)
        if known is None:
            self._append({"cell": cell, "fingerprint": fingerprint})
        elif known != fingerprint:
            raise ValueError(
                f"{self._path} holds other shots (another seed or release of stim): give another --data"
            )

    def add(self, cell: str, decoder: str, *, failed: Iterable[int], last: int, time_ns: int) -> None:
        """Record the shots up to `last`, exclusive."""
        first = self.run(cell, decoder).shots
        record = {"cell": cell, "decoder": decoder, "first": first, "last": last}
        self._append(record | {"failed": [int(shot) for shot in failed], "ns": int(time_ns)})
