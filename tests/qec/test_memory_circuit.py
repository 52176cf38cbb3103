"""Memory circuits: deterministic detectors, full circuit distance, small for any number of cycles."""

import itertools
import time

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit, memory_metadata, noise
from qec.codes import Code

SURFACE = st.builds(
    RotatedSurfaceCode,
    distance_x=st.integers(2, 5),
    distance_z=st.integers(2, 5),
    variant=st.sampled_from(["css", "zxxz"]),
    gates=st.sampled_from(["cz", "cx"]),
    origin=st.sampled_from([(0, 0), (2, 0), (-4, 6)]),
)
CHAINS = st.builds(
    RepetitionCode,
    st.integers(2, 8),
    gates=st.sampled_from(["cz", "cx"]),
    basis=st.sampled_from("xz"),
)


def num_detectors(code: Code, rounds: int, basis: str) -> int:
    known = sum(s.basis == basis for s in code.in_basis(basis).stabilizers)
    return 2 * known + (rounds - 1) * code.num_stabilizers


@settings(max_examples=40, deadline=None)
@given(SURFACE | CHAINS, st.integers(1, 6), st.sampled_from("xz"))
def test_any_memory_is_deterministic(code: Code, rounds: int, basis: str) -> None:
    clean = memory_circuit(code, rounds=rounds, basis=basis)
    assert clean.num_detectors == num_detectors(code, rounds, basis)
    assert clean.num_observables == 1
    assert clean.num_measurements == rounds * code.num_stabilizers + code.num_data_qubits
    assert clean.num_qubits == code.num_qubits
    # Raises if a detector or the observable is not deterministic.
    noise.uniform(0.01).apply(clean).detector_error_model(decompose_errors=True)
    events, flips = clean.compile_detector_sampler(seed=1).sample(4, separate_observables=True)
    assert not events.any()
    assert not flips.any()
    assert memory_circuit(code, rounds=rounds, basis=basis.upper()) == clean


@settings(max_examples=25, deadline=None)
@given(SURFACE | CHAINS, st.integers(1, 4), st.sampled_from("xz"), st.sampled_from(["uniform", "si1000"]))
def test_any_memory_has_full_distance(code: Code, rounds: int, basis: str, model: str) -> None:
    noisy = memory_circuit(code, rounds=rounds, basis=basis, noise=noise.by_name(model, 0.01))
    assert len(noisy.shortest_graphlike_error()) == code.memory_distance(basis)


@pytest.mark.parametrize("distance", [3, 5, 7])
@pytest.mark.parametrize("variant", ["css", "zxxz"])
@pytest.mark.parametrize("gates", ["cz", "cx"])
@pytest.mark.parametrize("basis", ["x", "z"])
def test_surface_code_distance(distance: int, variant: str, gates: str, basis: str) -> None:
    code = RotatedSurfaceCode(distance, variant=variant, gates=gates)  # type: ignore[arg-type]
    noisy = memory_circuit(code, rounds=distance, basis=basis, noise=noise.si1000(0.001))
    assert len(noisy.shortest_graphlike_error()) == distance


@pytest.mark.parametrize(("gates", "basis"), [*itertools.product(["cz", "cx"], "xz")])
def test_repetition_code_distance(gates: str, basis: str) -> None:
    for distance in (3, 11, 29):
        code = RepetitionCode(distance, gates=gates)  # type: ignore[arg-type]
        noisy = memory_circuit(code, rounds=3, basis=basis, noise=noise.si1000(0.001))
        assert len(noisy.shortest_graphlike_error()) == distance


def test_a_bad_schedule_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turning both orders of interaction by a quarter lines hook errors up with the logical operators."""
    from qec.codes import surface

    x_steps, z_steps = surface._X_STEPS, surface._Z_STEPS
    monkeypatch.setattr(surface, "_X_STEPS", z_steps)
    monkeypatch.setattr(surface, "_Z_STEPS", x_steps)
    noisy = memory_circuit(RotatedSurfaceCode(5), rounds=5, noise=noise.uniform(0.001))
    assert len(noisy.shortest_graphlike_error()) < 5


@pytest.mark.parametrize("basis", ["x", "z"])
def test_detector_coordinates(basis: str) -> None:
    code = RotatedSurfaceCode(3, origin=(4, 2))
    circuit = memory_circuit(code, rounds=5, basis=basis)
    at = np.array([circuit.get_detector_coordinates()[i] for i in range(circuit.num_detectors)])
    known = [s.coordinate for s in code.stabilizers if s.basis == basis]
    every = [s.coordinate for s in code.stabilizers]
    expected = [(*c, 0) for c in known]
    expected += [(*c, t) for t in range(1, 5) for c in every]
    expected += [(*c, 5) for c in known]
    assert [tuple(row) for row in at] == expected
    coordinates = circuit.get_final_qubit_coordinates()
    assert {tuple(c) for c in coordinates.values()} == set(code.qubits)
    assert [tuple(coordinates[q]) for q in sorted(coordinates)] == list(code.qubits)


@pytest.mark.parametrize("code", [RotatedSurfaceCode(3), RepetitionCode(5, gates="cx")])
def test_a_million_cycles_are_a_small_circuit(code: Code) -> None:
    begin = time.perf_counter()
    circuit = memory_circuit(code, rounds=10**6, noise=noise.si1000(0.001))
    dem = circuit.detector_error_model()
    assert time.perf_counter() - begin < 5
    assert len(str(circuit)) < 20_000
    assert dem.num_detectors == num_detectors(code, 10**6, "z")


def test_repeated_cycles_are_the_unrolled_ones() -> None:
    """REPEAT, then flattened, is the circuit with each cycle written out: every middle cycle is the same."""
    code = RotatedSurfaceCode(3, variant="zxxz")
    body = next(i for i in memory_circuit(code, rounds=9) if isinstance(i, stim.CircuitRepeatBlock))
    assert body.repeat_count == 7
    short = next(i for i in memory_circuit(code, rounds=3) if isinstance(i, stim.CircuitRepeatBlock))
    assert short.body_copy() == body.body_copy()


def layers(circuit: stim.Circuit) -> list[list[stim.CircuitInstruction]]:
    """Operations between TICKs."""
    found: list[list[stim.CircuitInstruction]] = [[]]
    for instruction in circuit.flattened():
        if instruction.name == "TICK":
            found.append([])
        elif instruction.name not in ("DETECTOR", "OBSERVABLE_INCLUDE", "QUBIT_COORDS", "SHIFT_COORDS"):
            found[-1].append(instruction)
    return found


@settings(max_examples=25, deadline=None)
@given(SURFACE | CHAINS, st.integers(1, 4), st.sampled_from("xz"))
def test_each_qubit_has_at_most_one_operation_in_a_layer(code: Code, rounds: int, basis: str) -> None:
    allowed = {"cz": {"R", "H", "CZ", "M"}, "cx": {"R", "RX", "H", "CX", "MR", "M", "MX"}}[code.gates]
    circuit = memory_circuit(code, rounds=rounds, basis=basis)
    for layer in layers(circuit):
        used = [t.value for i in layer for t in i.targets_copy()]
        assert used, "a layer without operations"
        assert len(set(used)) == len(used)
        assert {i.name for i in layer} <= allowed
    ticks = [i.tag for i in circuit.flattened() if i.name == "TICK"]
    assert ticks.count("cycle") == rounds


def test_layers_of_a_surface_code_cycle() -> None:
    """R, H, CZ, H, CZ, CZ, H, CZ, H, M: the hardware's cycle, for all variants and bases."""
    for variant, basis in itertools.product(["css", "zxxz"], "xz"):
        code = RotatedSurfaceCode(5, variant=variant)  # type: ignore[arg-type]
        found = [
            "".join(sorted({i.name for i in layer}))
            for layer in layers(memory_circuit(code, rounds=3, basis=basis))
        ]
        assert found == ["R", "H", "CZ", "H", "CZ", "CZ", "H", "CZ", "H", "M"] * 3


def test_layers_with_cx_gates() -> None:
    """Stim's cycle, H, four times CX, H, MR; the ZXXZ code's basis changes fit into its Hadamard layers."""
    for variant, basis in itertools.product(["css", "zxxz"], "xz"):
        code = RotatedSurfaceCode(5, variant=variant, gates="cx")  # type: ignore[arg-type]
        first, *rest = layers(memory_circuit(code, rounds=3, basis=basis))
        assert {i.name[0] for i in first} == {"R"}
        found = [{i.name for i in layer} for layer in rest]
        cycle = [{"H"}, {"CX"}, {"CX"}, {"CX"}, {"CX"}, {"H"}]
        assert found[:-1] == [*cycle, {"MR"}, *cycle, {"MR"}, *cycle]
        assert found[-1] - {"M", "MX"} == {"MR"}


def test_data_qubits_are_tagged() -> None:
    code = RotatedSurfaceCode(3)
    circuit = memory_circuit(code, rounds=2)
    tagged = {
        tuple(int(c) for c in i.gate_args_copy())
        for i in circuit
        if i.name == "QUBIT_COORDS" and i.tag == "data"
    }
    assert tagged == set(code.data_qubits)


def test_metadata() -> None:
    code = RotatedSurfaceCode(distance_x=3, distance_z=5, variant="zxxz")
    assert memory_metadata(code, rounds=7, basis="X", noise=noise.si1000(0.003)) == {
        "c": "surface_zxxz_cz",
        "d": 3,
        "dx": 3,
        "dz": 5,
        "r": 7,
        "b": "x",
        "noise": "si1000",
        "p": 0.003,
    }
    assert memory_metadata(RepetitionCode(5), rounds=2) == {
        "c": "repetition_cz",
        "d": 5,
        "r": 2,
        "b": "z",
        "noise": "none",
    }


def test_bad_arguments() -> None:
    code = RotatedSurfaceCode(3)
    for rounds in (0, -1, 2.5, "3"):
        with pytest.raises(ValueError, match="rounds must be an integer of at least 1"):
            memory_circuit(code, rounds=rounds)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="basis must be 'x' or 'z', not 'y'"):
        memory_circuit(code, rounds=1, basis="y")
    with pytest.raises(ValueError, match=r"noise must be a NoiseModel.*not float"):
        memory_circuit(code, rounds=1, noise=0.01)  # type: ignore[arg-type]
    assert memory_circuit(code, rounds=np.int64(2)) == memory_circuit(code, rounds=2)  # type: ignore[arg-type]
