"""Finished blocks of a long record: on disk, and added up."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.reproduce.engine.figure import Record


class BlockFile:
    """Finished blocks, one JSON object a line; a line cut short by a crash is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rows: list[Record] = []
        whole = 0
        if path.exists():
            content = path.read_bytes()
            for line in content.splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                self.rows.append(json.loads(line))
                whole += len(line)
            if whole < len(content):
                with path.open("r+b") as file:
                    file.truncate(whole)

    def add(self, row: Record) -> None:
        """Append a block."""
        with self._path.open("a") as file:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")
        self.rows.append(row)


def sums(blocks: Sequence[Record], *, rounds: int) -> Record:
    """All blocks together; see `chain_record.run`."""
    ordered = sorted(blocks, key=lambda block: block["block"])

    def add(field: str) -> dict[str, Any]:
        totals: dict[str, Any] = {}
        for block in ordered:
            for key, value in block[field].items():
                if isinstance(value, list):
                    pair = totals.setdefault(key, [0, 0])
                    totals[key] = [pair[0] + value[0], pair[1] + value[1]]
                else:
                    totals[key] = totals.get(key, 0) + value
        return totals

    failed: dict[str, list[int]] = {}
    for block in ordered:
        for key, shots in block["failed"].items():
            failed.setdefault(key, []).extend(shots)
    shots = sum(block["shots"] for block in ordered)
    return {
        "shots": shots,
        "cycles": shots * rounds,
        "events": sum(block["events"] for block in ordered),
        "decoded": add("decoded"),
        "special": add("special"),
        "failed": failed,
        "flagged": [window for block in ordered for window in block["flagged"]],
        "ns": add("ns"),
        "seconds": sum(block["seconds"] for block in ordered),
    }
