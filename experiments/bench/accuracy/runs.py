"""Failed shots and decoding times of each decoder, in a file that can be continued."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import stim
from numpy.typing import NDArray

from experiments.common.growing_file import GrowingFile
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
    """Name a cell in the file."""
    return json.dumps(asdict(point), sort_keys=True)


class Shots:
    """The shots of a cell, piece by piece."""

    def __init__(self, circuit: stim.Circuit, *, seed: int) -> None:
        self._circuit = circuit
        self._seed = seed
        self._kept: dict[int, tuple[Packed, Packed]] = {}

    def piece(self, number: int) -> tuple[Packed, Packed]:
        """Sample detection events and observable flips, bit-packed, of the shots from number x PIECE on."""
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
    """File of all runs, one JSON record a line.

    Args:
        path: the file; made if there is none.
        again: decoders whose records are dropped, to be measured again.

    Raises:
        ValueError: on entering, a line is not such a record (a half-written last one is dropped).
    """

    def __init__(self, path: Path, *, again: Iterable[str] = ()) -> None:
        self._file = GrowingFile(path, advice="give another --data")
        self._again = set(again)
        self._runs: dict[tuple[str, str], Run] = {}
        self._fingerprints: dict[str, str] = {}

    def __enter__(self) -> Self:
        kept: list[dict[str, Any]] = []
        dropped = 0

        def take(record: dict[str, Any]) -> None:
            nonlocal dropped
            if record["cell"] and record.get("decoder") in self._again:
                dropped += 1
                return
            self._take(record)
            kept.append(record)

        self._file.__enter__()
        try:
            self._file.load(take)
            if dropped:
                self._file.replace(map(json.dumps, kept))
        except BaseException:
            self._file.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__()

    def _take(self, record: dict[str, Any]) -> None:
        cell = record["cell"]
        if "fingerprint" in record:
            self._fingerprints[cell] = record["fingerprint"]
            return
        run = self.run(cell, record["decoder"])
        if record["first"] != run.shots:
            raise ValueError("a gap between shots")
        first, last, failed, ns = (record[name] for name in ("first", "last", "failed", "ns"))
        if any(type(number) is not int for number in (first, last, ns, *failed)) or ns < 0 or last < first:
            raise ValueError("not whole numbers from 0 up")
        if failed != sorted({number for number in failed if first <= number < last}):
            raise ValueError("failed shots that are not among the shots, or not ascending")
        run.shots = last
        run.failed += failed
        run.time_ns += ns

    def _append(self, record: dict[str, Any]) -> None:
        self._take(record)
        self._file.append(json.dumps(record))

    def run(self, cell: str, decoder: str) -> Run:
        """Look up the run of a decoder, an empty one if it is new."""
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
                f"{self._file.path} holds other shots (another seed or release of stim): give another --data"
            )

    def add(self, cell: str, decoder: str, *, failed: Iterable[int], last: int, time_ns: int) -> None:
        """Record the shots up to `last`, exclusive."""
        first = self.run(cell, decoder).shots
        record = {"cell": cell, "decoder": decoder, "first": first, "last": last}
        self._append(record | {"failed": [int(shot) for shot in failed], "ns": int(time_ns)})
