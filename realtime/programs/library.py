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


def merged_parity(*, cycles: int, merged: int) -> str:
    """Write the program of a merge in basis z, whose outcome is the parity of both patches' measurements.

    Args:
        cycles: before the merge and after it, at least 1.
        merged: cycles of the merge, at least 2.
    """
    return _text(
        "parity by a merge",
        {"a": [0, 0], "b": [0, 1]},
        [
            {"do": "prepare", "patch": "a"},
            {"do": "prepare", "patch": "b"},
            {"do": "idle", "cycles": cycles},
            {"do": "merge", "patches": ["a", "b"], "basis": "z", "cycles": merged, "outcome": "parity"},
            {"do": "idle", "cycles": cycles},
            {"do": "measure", "patch": "a", "basis": "z", "outcome": "first"},
            {"do": "measure", "patch": "b", "basis": "z", "outcome": "second"},
        ],
    )


def teleportation(*, cycles: int, merged: int, basis: str) -> str:
    """Write the program that moves a logical qubit to another patch: a merge, a measurement, two corrections.

    Args:
        cycles: before the merge, at least 1.
        merged: cycles of the merge, at least 2.
        basis: in which the result is measured, "z" or "x".
    """
    return _text(
        f"teleportation, measured in {basis}",
        {"source": [0, 0], "target": [1, 0]},
        [
            {"do": "prepare", "patch": "source"},
            {"do": "prepare", "patch": "target"},
            {"do": "idle", "cycles": cycles},
            {"do": "merge", "patches": ["source", "target"], "basis": "x", "cycles": merged, "outcome": "xx"},
            {"do": "idle", "cycles": 1},
            {"do": "measure", "patch": "source", "basis": "z", "outcome": "z"},
            {"do": "wait", "outcome": "z"},
            {"do": "correct", "patch": "target", "pauli": "x", "if": "z"},
            {"do": "wait", "outcome": "xx"},
            {"do": "correct", "patch": "target", "pauli": "z", "if": "xx"},
            {"do": "measure", "patch": "target", "basis": basis, "outcome": "result"},
        ],
    )


def merged_chain(*, decisions: int, cycles: int, merged: int) -> str:
    """Write a chain of dependent decisions on two patches, each after a merge of both in basis x.

    As in gates by teleportation, a logical qubit moves from patch to patch, and each measurement's basis
    depends on the last decoded outcome.

    Args:
        decisions: length of the chain, at least 1.
        cycles: of both patches before each merge, at least 1.
        merged: cycles of a merge, at least 2.
    """
    operations: list[dict[str, Any]] = [{"do": "prepare", "patch": "a"}]
    old, new = "a", "b"
    basis: str | dict[str, str] = "z"
    for number in range(1, decisions + 1):
        operations += [
            {"do": "prepare", "patch": new},
            {"do": "idle", "cycles": cycles},
            {"do": "merge", "patches": [old, new], "basis": "x", "cycles": merged, "outcome": f"x{number}"},
            {"do": "idle", "cycles": 1},
            {"do": "measure", "patch": old, "basis": basis, "outcome": f"m{number}"},
            {"do": "wait", "outcome": f"x{number}"},
            {"do": "wait", "outcome": f"m{number}"},
            {"do": "correct", "patch": new, "pauli": "x", "if": f"m{number}"},
            {"do": "correct", "patch": new, "pauli": "z", "if": f"x{number}"},
        ]
        basis = {"if": f"x{number}", "zero": "z", "one": "x"}
        old, new = new, old
    operations.append({"do": "measure", "patch": old, "basis": basis, "outcome": "result"})
    return _text(f"chain of {decisions} merges", {"a": [0, 0], "b": [1, 0]}, operations)


def surgery_cnot(*, cycles: int, merged: int, basis: str) -> str:
    """Write the program of a CNOT by lattice surgery (arXiv 1111.4022), whose corrections wait for outcomes.

    Args:
        cycles: before each merge, at least 1.
        merged: cycles of a merge, at least 2.
        basis: in which control and target are measured, "z" or "x".
    """
    both = [("control", "ancilla", "z", "zz"), ("ancilla", "target", "x", "xx")]
    merges = [
        (
            {"do": "idle", "cycles": cycles},
            {"do": "merge", "patches": [one, other], "basis": kind, "cycles": merged, "outcome": name},
        )
        for one, other, kind, name in both
    ]
    return _text(
        f"CNOT by surgery, measured in {basis}",
        {"control": [0, 0], "target": [1, 1], "ancilla": [0, 1]},
        [
            *({"do": "prepare", "patch": one} for one in ("control", "target", "ancilla")),
            *(operation for pair in merges for operation in pair),
            {"do": "idle", "cycles": 1},
            {"do": "measure", "patch": "ancilla", "basis": "z", "outcome": "last"},
            *({"do": "wait", "outcome": one} for one in ("zz", "xx", "last")),
            {"do": "correct", "patch": "target", "pauli": "x", "if": "zz"},
            {"do": "correct", "patch": "target", "pauli": "x", "if": "last"},
            {"do": "correct", "patch": "control", "pauli": "z", "if": "xx"},
            {"do": "measure", "patch": "control", "basis": basis, "outcome": "control"},
            {"do": "measure", "patch": "target", "basis": basis, "outcome": "target"},
        ],
    )


def _text(name: str, patches: list[str] | dict[str, list[int]], operations: list[dict[str, Any]]) -> str:
    head = {"program": name, "version": 1, "patches": patches}
    return "".join(f"{json.dumps(entry)}\n" for entry in (head, *operations))
