"""The repetition code and the sub-chains of a long chain."""

import pickle

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit, noise, patch_detectors


@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize("distance", [2, 3, 8])
def test_checks_and_logicals(basis: str, distance: int) -> None:
    code = RepetitionCode(distance, basis=basis, origin=(4, 2))  # type: ignore[arg-type]
    assert code.data_qubits == tuple((4 + 2 * i, 2) for i in range(distance))
    assert [s.coordinate for s in code.stabilizers] == [(5 + 2 * i, 2) for i in range(distance - 1)]
    assert all(s.paulis == 2 * basis.upper() and s.basis == basis for s in code.stabilizers)
    other = "z" if basis == "x" else "x"
    assert code.logical(basis) == ((code.data_qubits[-1], basis.upper()),)
    assert code.logical(other) == tuple((data, other.upper()) for data in code.data_qubits)
    assert code.in_basis(other).basis == other
    assert code.in_basis(other).in_basis(basis) == code
    assert pickle.loads(pickle.dumps(code)) == code
    assert code.memory_distance("x") == code.memory_distance("z") == code.distance == distance


def test_sub_chains() -> None:
    chain = RepetitionCode(29, gates="cx")
    assert len(chain.patches(5)) == 25
    assert len(chain.patches(5, step=5)) == 5
    third = chain.patches(11)[2]
    assert third == RepetitionCode(11, gates="cx", origin=(4, 0))
    assert chain.stabilizer_indices(third).tolist() == list(range(2, 12))
    assert chain.observable_stabilizers(third).tolist() == list(range(12, 28))
    assert chain.observable_stabilizers(chain.patches(5)[-1]).size == 0
    with pytest.raises(ValueError, match="no patch of distance 31 in a code of distance 29"):
        chain.patches(31)
    with pytest.raises(ValueError, match="stabilizer ZZ at"):
        chain.stabilizer_indices(RepetitionCode(3, origin=(54, 0)))
    with pytest.raises(ValueError, match="stabilizer XX at"):
        chain.observable_stabilizers(RepetitionCode(3, basis="x"))


@settings(max_examples=15, deadline=None)
@given(st.data(), st.sampled_from("xz"), st.sampled_from(["cz", "cx"]), st.integers(1, 5))
def test_subsampled_shots_are_shots_of_the_sub_chain(
    data: st.DataObject, basis: str, gates: str, rounds: int
) -> None:
    """Oracle: the same measurements, read by the sub-chain's own circuit."""
    chain = RepetitionCode(data.draw(st.integers(3, 9)), gates=gates).in_basis(basis)  # type: ignore[arg-type]
    distance = data.draw(st.integers(2, chain.distance))
    patch = data.draw(st.sampled_from(chain.patches(distance)))
    circuit = memory_circuit(chain, rounds=rounds, basis=basis, noise=noise.uniform(0.05))
    shots = circuit.compile_sampler(seed=7).sample(50)

    def read(circuit: stim.Circuit, shots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        events, flips = circuit.compile_m2d_converter().convert(
            measurements=np.ascontiguousarray(shots), separate_observables=True
        )
        return events, flips

    events, flips = read(circuit, shots)
    first = (patch.origin[0] - chain.origin[0]) // 2
    n, m = chain.num_stabilizers, patch.num_stabilizers
    columns = [cycle * n + first + i for cycle in range(rounds) for i in range(m)]
    columns += [rounds * n + first + i for i in range(m + 1)]
    expected_events, expected_flips = read(
        memory_circuit(patch, rounds=rounds, basis=basis), shots[:, columns]
    )

    detectors = patch_detectors(chain, patch, rounds=rounds)
    np.testing.assert_array_equal(events[:, detectors], expected_events)
    between = chain.observable_stabilizers(patch)
    by_layer = events.reshape(len(events), rounds + 1, n)
    parity = by_layer[:, :, between].sum(axis=(1, 2)) % 2 == 1
    np.testing.assert_array_equal(flips[:, 0] ^ parity, expected_flips[:, 0])
    assert events.any()


def test_patch_detectors_of_surface_codes_are_refused() -> None:
    code = RotatedSurfaceCode(5)
    with pytest.raises(ValueError, match="give a chain"):
        patch_detectors(code, code, rounds=3)
    with pytest.raises(ValueError, match="rounds must be an integer of at least 1"):
        patch_detectors(RepetitionCode(5), RepetitionCode(3), rounds=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"distance": 1}, "distance must be an integer of at least 2, not 1"),
        ({"distance": 3, "gates": "cnot"}, "gates must be 'cz' or 'cx', not 'cnot'"),
        ({"distance": 3, "basis": "y"}, "basis must be 'x' or 'z', not 'y'"),
        ({"distance": 3, "origin": (1, 0)}, "origin must be two even integers"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RepetitionCode(**arguments)  # type: ignore[arg-type]
