"""Programs with feed-forward that measure a decoder: their text, as a program file holds it."""

import json
from typing import Any


def feed_forward_memory(
    *,
    cycles: int,
    gap: float | None = None,
    below: str | dict[str, int] = "discard",
    result_gap: float | None = None,
) -> str:
    """Write the program of a memory that waits for the correction that another patch's outcome decides.

    Both patches are kept for `cycles` cycles; one is measured. The other idles until the decoded outcome
    has arrived, is corrected and measured, and the next shot begins. A decoder that is slower than the data
    has to decode the idle cycles of one shot before the outcome of the next.

    Args:
        cycles: before the measurement, at least 1.
        gap: log-odds; the program is unsure of outcomes with a smaller gap. None: it does not look at gaps.
        below: what it does then: "discard" the shot, or {"repeat": times}: prepare and measure the ancilla
            again while the memory idles.
        result_gap: shots whose result has a smaller gap are discarded; None: all count.
    """
    wait: dict[str, Any] = {"do": "wait", "outcome": "parity"}
    if gap is not None:
        wait |= {"gap": gap, "below": below}
    last = [{"do": "wait", "outcome": "result", "gap": result_gap, "below": "discard"}] if result_gap else []
    order = ("ancilla", "memory") if gap is None else ("memory", "ancilla")  # the ancilla may be repeated
    return _text(
        "feed-forward memory",
        ["ancilla", "memory"],
        [
            *({"do": "prepare", "patch": one} for one in order),
            {"do": "idle", "cycles": cycles},
            {"do": "measure", "patch": "ancilla", "basis": "z", "outcome": "parity"},
            wait,
            {"do": "correct", "patch": "memory", "pauli": "x", "if": "parity"},
            {"do": "measure", "patch": "memory", "basis": "z", "outcome": "result"},
            *last,
        ],
    )


def decision_chain(*, decisions: int, cycles: int) -> str:
    """Write a chain of dependent decisions on two patches, alternately measured and prepared.

    As in gates by teleportation, the basis in which a patch is measured depends on the last patch's outcome.
    The patches are independent memories: `cycles` cycles take the place of the joint measurement that would
    entangle them.

    Args:
        decisions: length of the chain, at least 1.
        cycles: that both patches are kept before one of them is measured, at least 1.
    """
    operations: list[dict[str, Any]] = [
        {"do": "prepare", "patch": "a"},
        {"do": "prepare", "patch": "b"},
        {"do": "idle", "cycles": cycles},
        {"do": "measure", "patch": "a", "basis": "z", "outcome": "m1"},
    ]
    waiting, measured = "b", "a"
    for number in range(1, decisions + 1):
        last = number == decisions
        operations.append({"do": "wait", "outcome": f"m{number}"})
        if not last:
            operations.append({"do": "prepare", "patch": measured})
            operations.append({"do": "idle", "cycles": cycles})
        operations.append(
            {
                "do": "measure",
                "patch": waiting,
                "basis": {"if": f"m{number}", "zero": "z", "one": "x"},
                "outcome": "result" if last else f"m{number + 1}",
            }
        )
        waiting, measured = measured, waiting
    return _text(f"chain of {decisions} decisions", ["a", "b"], operations)


def _text(name: str, patches: list[str], operations: list[dict[str, Any]]) -> str:
    head = {"program": name, "version": 1, "patches": patches}
    return "".join(f"{json.dumps(entry)}\n" for entry in (head, *operations))
