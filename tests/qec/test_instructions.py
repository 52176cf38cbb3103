"""Instructions appended as text are those that stim appends."""

import stim
from hypothesis import given
from hypothesis import strategies as st

from qec.instructions import append_instruction, group_text, record_targets

_TAGS = st.text("ab ]\\\n\r[)(", max_size=5)
_RATES = st.floats(0, 1)
_QUBITS = st.lists(st.integers(0, 1 << 20), min_size=1, max_size=5)


@given(_QUBITS, _RATES, _TAGS)
def test_every_digit_and_tag_is_kept(qubits: list[int], rate: float, tag: str) -> None:
    found, expected = stim.Circuit("H 1"), stim.Circuit("H 1")
    for name, arguments in (("H", []), ("X_ERROR", [rate]), ("PAULI_CHANNEL_1", [rate / 3] * 3)):
        append_instruction(found, name, qubits, arguments, tag=tag)
        expected.append(name, qubits, arguments, tag=tag)
    append_instruction(found, "SHIFT_COORDS", [], (rate, 1))
    expected.append("SHIFT_COORDS", [], (rate, 1))
    assert found == expected
    assert found[1 if tag == "" else 2].gate_args_copy() == [rate]


def test_targets_of_every_kind() -> None:
    circuit = stim.Circuit("""
        M 0 !1
        CX rec[-1] 2 sweep[5] 3 4 5
        MPP X0*!Y1*Z2 !Z3
        SPP[t] X1*X2
        MPAD 0 1
        DETECTOR(0.1, 1e-7) rec[-1] rec[-2]
    """)
    found = stim.Circuit()
    for instruction in circuit:
        groups = map(group_text, instruction.target_groups())
        append_instruction(found, instruction.name, groups, instruction.gate_args_copy(), tag=instruction.tag)
    assert found == circuit
    append_instruction(found, "OBSERVABLE_INCLUDE", ["X3"], [2])
    append_instruction(found, "DETECTOR", record_targets([-1, -2]))
    assert found[-1].targets_copy() == [stim.target_rec(-1), stim.target_rec(-2)]
