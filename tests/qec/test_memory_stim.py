"""Against stim's own generated circuits: the same detector error model, detectors matched by coordinates."""

import math

import pytest
import stim

from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit, noise
from qec.codes import Code

Symptom = tuple[frozenset[tuple[float, ...]], frozenset[int]]


def errors_by_place(circuit: stim.Circuit) -> dict[Symptom, float]:
    """(flipped detectors by place and cycle, observables) -> probability of an odd number of errors."""
    dem = circuit.detector_error_model().flattened()
    places = {i: tuple(at) for i, at in dem.get_detector_coordinates().items()}
    assert len(set(places.values())) == circuit.num_detectors
    errors: dict[Symptom, float] = {}
    for instruction in dem:
        if instruction.type != "error":
            continue
        targets = instruction.targets_copy()
        # On the line y = 0 stim leaves y out.
        detectors = frozenset(
            (at[0], at[1] if len(at) == 3 else 0.0, at[-1])
            for at in (places[t.val] for t in targets if t.is_relative_detector_id())
        )
        symptom = (detectors, frozenset(t.val for t in targets if t.is_logical_observable_id()))
        before, p = errors.get(symptom, 0.0), instruction.args_copy()[0]
        errors[symptom] = before * (1 - p) + p * (1 - before)
    return errors


def assert_same_model(ours: stim.Circuit, theirs: stim.Circuit) -> None:
    a, b = errors_by_place(ours), errors_by_place(theirs)
    assert a.keys() == b.keys()
    assert all(math.isclose(a[key], b[key], rel_tol=1e-9) for key in a)
    assert len(a) > 5


@pytest.mark.parametrize("distance", [3, 5])
@pytest.mark.parametrize("rounds", [1, 2, 3, 6])
@pytest.mark.parametrize(
    ("task", "basis"),
    [
        ("surface_code:rotated_memory_x", "x"),
        ("surface_code:rotated_memory_z", "z"),
        ("repetition_code:memory", "z"),
    ],
)
def test_uniform_noise_is_stims(task: str, basis: str, distance: int, rounds: int) -> None:
    surface = task.startswith("surface")
    code: Code = RotatedSurfaceCode(distance, gates="cx") if surface else RepetitionCode(distance, gates="cx")
    p = 0.007
    theirs = stim.Circuit.generated(
        task,
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    )
    assert_same_model(memory_circuit(code, rounds=rounds, basis=basis, noise=noise.uniform(p)), theirs)


@pytest.mark.parametrize("basis", ["x", "z"])
def test_phenomenological_noise_is_stims(basis: str) -> None:
    p = 0.02
    theirs = stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}",
        distance=3,
        rounds=4,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
    )
    for gates in ("cx", "cz"):
        code = RotatedSurfaceCode(3, gates=gates)  # type: ignore[arg-type]
        ours = memory_circuit(code, rounds=4, basis=basis, noise=noise.phenomenological(p))
        assert_same_model(ours, theirs)


def test_each_channel_alone_is_stims() -> None:
    """Four different strengths, so that no channel can stand in for another."""
    model = noise.NoiseModel(
        "four",
        tuple(
            noise.Channel(kind, rate)
            for kind, rate in [
                ("one_qubit", 0.001),
                ("two_qubit", 0.001),
                ("cycle_data", 0.002),
                ("readout", 0.003),
                ("reset", 0.004),
            ]
        ),
    )
    theirs = stim.Circuit.generated(
        "surface_code:rotated_memory_x",
        distance=3,
        rounds=3,
        after_clifford_depolarization=0.001,
        before_round_data_depolarization=0.002,
        before_measure_flip_probability=0.003,
        after_reset_flip_probability=0.004,
    )
    code = RotatedSurfaceCode(3, gates="cx")
    assert_same_model(memory_circuit(code, rounds=3, basis="x", noise=model), theirs)
