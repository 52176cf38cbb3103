"""Sums over the blocks of a long record."""

from collections.abc import Sequence
from typing import Any

from experiments.reproduce.engine.figure import Record


def sums(blocks: Sequence[Record], *, rounds: int) -> Record:
    """Add up all blocks; see `chain_record.run`."""
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
