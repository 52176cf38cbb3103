"""Instructions of stim circuits, appended as text.

`stim.Circuit.append` takes about ten microseconds for each target; stim reads text a hundred times faster.
"""

from collections.abc import Iterable, Sequence

import stim


def append_instruction(
    circuit: stim.Circuit,
    name: str,
    targets: Iterable[int | str] = (),
    arguments: Sequence[float] = (),
    *,
    tag: str = "",
) -> None:
    """Append an instruction; stim joins it with the last one where both can be one.

    Args:
        circuit: circuit to extend.
        name: name of a gate, error channel or annotation.
        targets: qubits, or texts of targets such as "rec[-1]" and "X1*Z2".
        arguments: numbers in parentheses.
        tag: text in brackets.
    """
    label = f"[{tag.translate(_ESCAPED)}]" if tag else ""
    numbers = f"({', '.join(repr(float(number)) for number in arguments)})" if arguments else ""
    circuit.append_from_stim_program_text(f"{name}{label}{numbers} {' '.join(map(str, targets))}")


def record_targets(offsets: Iterable[int]) -> list[str]:
    """Return the texts of measurement records, -1 for the last measurement."""
    return [f"rec[{offset}]" for offset in offsets]


def group_text(group: Sequence[stim.GateTarget]) -> str:
    """Return the text of one target group of a gate or measurement, Pauli products with their combiners."""
    texts = [_target_text(target) for target in group]
    return ("*" if group[0].pauli_type in "XYZ" else " ").join(texts)


_ESCAPED = str.maketrans({"\\": "\\B", "\n": "\\n", "\r": "\\r", "]": "\\C"})


def _target_text(target: stim.GateTarget) -> str:
    if target.is_measurement_record_target:
        return f"rec[{target.value}]"
    if target.is_sweep_bit_target:
        return f"sweep[{target.value}]"
    pauli = target.pauli_type if target.pauli_type in "XYZ" else ""
    return f"{'!' if target.is_inverted_result_target else ''}{pauli}{target.value}"
