"""The rotated surface code: a stabilizer code, placed and cut as documented."""

import dataclasses
import pickle

import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from qec import RotatedSurfaceCode, code_by_name, code_names
from qec.codes import Code, Stabilizer

CODES = st.builds(
    RotatedSurfaceCode,
    distance_x=st.integers(2, 7),
    distance_z=st.integers(2, 7),
    variant=st.sampled_from(["css", "zxxz"]),
    gates=st.sampled_from(["cz", "cx"]),
    origin=st.tuples(st.integers(-3, 3).map(lambda c: 2 * c), st.integers(-3, 3).map(lambda c: 2 * c)),
)


def pauli_string(code: Code, paulis: dict[tuple[int, int], str]) -> stim.PauliString:
    return stim.PauliString("".join(paulis.get(data, "_") for data in code.data_qubits))


def stabilizer_string(code: Code, stabilizer: Stabilizer) -> stim.PauliString:
    return pauli_string(code, dict(zip(stabilizer.support, stabilizer.paulis, strict=True)))


@settings(max_examples=60, deadline=None)
@given(CODES)
def test_is_a_stabilizer_code_with_one_logical_qubit(code: RotatedSurfaceCode) -> None:
    checks = [stabilizer_string(code, s) for s in code.stabilizers]
    logical_x, logical_z = (pauli_string(code, dict(code.logical(b))) for b in "xz")
    assert all(a.commutes(b) for a in checks for b in checks)
    assert all(a.commutes(logical) for a in checks for logical in (logical_x, logical_z))
    assert not logical_x.commutes(logical_z)
    assert len(checks) == code.num_data_qubits - 1 == code.distance_x * code.distance_z - 1
    # from_stabilizers refuses anticommuting and (unless told) redundant generators.
    stim.Tableau.from_stabilizers([*checks, logical_z], allow_redundant=False, allow_underconstrained=False)
    assert (logical_x.weight, logical_z.weight) == (code.distance_x, code.distance_z)


@settings(max_examples=60, deadline=None)
@given(CODES)
def test_coordinates_and_schedule(code: RotatedSurfaceCode) -> None:
    x0, y0 = code.origin
    assert all(x % 2 and y % 2 for x, y in code.data_qubits)
    assert min(code.data_qubits) == (x0 + 1, y0 + 1)
    assert max(code.data_qubits) == (x0 + 2 * code.distance_z - 1, y0 + 2 * code.distance_x - 1)
    assert len(set(code.qubits)) == code.num_qubits == 2 * code.num_data_qubits - 1
    for s in code.stabilizers:
        assert all(c % 2 == 0 for c in s.coordinate)
        assert all(abs(x - s.coordinate[0]) == abs(y - s.coordinate[1]) == 1 for x, y in s.support)
        assert len(s.support) in (2, 4)
        if code.variant == "zxxz" and len(s.support) == 4:
            by_place = dict(zip(s.support, s.paulis, strict=True))
            assert "".join(by_place[at] for at in sorted(by_place)) in ("ZXXZ", "XZZX")
    for layer in range(4):
        busy = [s.schedule[layer] for s in code.stabilizers if s.schedule[layer] is not None]
        assert len(set(busy)) == len(busy), "a data qubit meets two checks in one layer"


def test_zxxz_checks_are_all_alike() -> None:
    """All full checks measure the same word in the same places: Z X X Z, or X Z Z X in the other half."""
    code = RotatedSurfaceCode(5, variant="zxxz")
    words = set()
    for s in code.stabilizers:
        if len(s.support) == 4:
            by_place = dict(zip(s.support, s.paulis, strict=True))
            words.add("".join(by_place[at] for at in sorted(by_place)))
    assert len(words) == 1


def test_checks_and_their_order_are_those_of_stim() -> None:
    circuit = stim.Circuit.generated("surface_code:rotated_memory_x", distance=5, rounds=2)
    code = RotatedSurfaceCode(5)
    coordinates = circuit.get_final_qubit_coordinates()
    measured = next(i for i in circuit if i.name == "MR").targets_copy()
    places = [tuple(int(c) for c in coordinates[t.value]) for t in measured]
    assert [s.coordinate for s in code.stabilizers] == places
    known_in_x = [s.coordinate for s in code.stabilizers if s.basis == "x"]
    first = {tuple(c[:2]) for c in circuit.get_detector_coordinates().values() if c[2] == 0}
    assert set(known_in_x) == first


def test_patches_of_the_paper() -> None:
    code = RotatedSurfaceCode(7, variant="zxxz")
    assert len(code.patches(3)) == 9
    assert len(code.patches(5)) == 4
    assert code.patches(7) == (code,)
    assert len(code.patches(3, step=1)) == 25
    assert len(set(code.patches(3))) == 9
    assert [p.origin for p in code.patches(5)] == [(0, 0), (4, 0), (0, 4), (4, 4)]
    assert len(RotatedSurfaceCode(5).patches(3)) == 4


@pytest.mark.parametrize("variant", ["css", "zxxz"])
@pytest.mark.parametrize("step", [1, 2])
def test_patches_are_cut_out_of_the_large_code(variant: str, step: int) -> None:
    code = RotatedSurfaceCode(7, variant=variant, gates="cx", origin=(2, 0))
    large = {s.coordinate: s for s in code.stabilizers}
    for patch in [*code.patches(3, step=step), *code.patches(5, step=step)]:
        assert (patch.variant, patch.gates) == (code.variant, code.gates)
        assert set(patch.data_qubits) <= set(code.data_qubits)
        assert patch.conjugated_qubits == code.conjugated_qubits & set(patch.data_qubits)
        for s in patch.stabilizers:
            if len(s.support) == 4:
                assert s == large[s.coordinate]
                continue
            # A weight-two check is what is left of the large code's check at that place.
            whole = large[s.coordinate]
            paulis = dict(zip(whole.support, whole.paulis, strict=True))
            assert s.basis == whole.basis
            assert all(paulis[at] == p for at, p in zip(s.support, s.paulis, strict=True))
            assert {at for at in whole.support if at in patch.data_qubits} == set(s.support)


def test_a_surface_patch_does_not_share_its_boundary() -> None:
    code = RotatedSurfaceCode(5)
    assert code.stabilizer_indices(code).tolist() == list(range(24))
    with pytest.raises(ValueError, match="not measured by the larger code"):
        code.stabilizer_indices(code.patches(3)[0])


def test_values_compare_hash_pickle_and_replace() -> None:
    code = RotatedSurfaceCode(distance_x=3, distance_z=5, variant="zxxz")
    assert code.stabilizers
    copy = pickle.loads(pickle.dumps(code))
    assert copy == code
    assert hash(copy) == hash(code)
    assert copy.stabilizers == code.stabilizers
    assert code.distance == 3
    assert (code.memory_distance("Z"), code.memory_distance("x")) == (3, 5)
    wider = dataclasses.replace(code, distance_x=7)
    assert (wider.distance, wider.num_data_qubits, wider.variant) == (5, 35, "zxxz")
    assert RotatedSurfaceCode(3) == RotatedSurfaceCode(distance_x=3, distance_z=3)
    assert RotatedSurfaceCode(3) != RotatedSurfaceCode(3, gates="cx")
    with pytest.raises(dataclasses.FrozenInstanceError):
        code.gates = "cx"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give either distance, or both"),
        ({"distance": 3, "distance_x": 3}, "give either distance, or both"),
        ({"distance_x": 3}, "give either distance, or both"),
        ({"distance": 1}, "distance must be an integer of at least 2, not 1"),
        ({"distance": 3.0}, "distance must be an integer of at least 2, not 3.0"),
        ({"distance_x": 3, "distance_z": 0}, "distance_z must be an integer of at least 2"),
        ({"distance": 3, "variant": "xyz"}, "variant must be 'css' or 'zxxz', not 'xyz'"),
        ({"distance": 3, "gates": "iswap"}, "gates must be 'cz' or 'cx', not 'iswap'"),
        ({"distance": 3, "origin": (1, 0)}, r"origin must be two even integers, not \(1, 0\)"),
        ({"distance": 3, "origin": 4}, "origin must be two even integers, not 4"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RotatedSurfaceCode(**arguments)  # type: ignore[arg-type]


def test_bad_patches_and_bases() -> None:
    code = RotatedSurfaceCode(5)
    with pytest.raises(ValueError, match="no patch of distance 7 in a code of distance 5"):
        code.patches(7)
    with pytest.raises(ValueError, match="distance of a patch must be an integer of at least 2"):
        code.patches(1)
    with pytest.raises(ValueError, match="step must be at least 1"):
        code.patches(3, step=0)
    with pytest.raises(ValueError, match="basis must be 'x' or 'z', not 'y'"):
        code.logical("y")


def test_codes_by_name() -> None:
    assert code_names() == ["repetition", "surface", "surface_zxxz"]
    assert code_by_name("surface", 5, gates="cx") == RotatedSurfaceCode(5, gates="cx")
    assert code_by_name("surface_zxxz", 3).key == "surface_zxxz_cz"
    assert code_by_name("repetition", 9).key == "repetition_cz"
    with pytest.raises(ValueError, match="unknown code 'toric'; known: repetition, surface, surface_zxxz"):
        code_by_name("toric", 3)
