"""Circuits of the families: checked by stim (determinism, distance, decomposition) and by counting."""

from collections import defaultdict

import numpy as np
import pytest
import stim

import qec
from qec import families, noise
from qec.codes.code import Basis
from qec.families.bias import with_bias
from qec.families.erasure import with_erasure
from qec.families.heavy_hexagon import heavy_hexagon_circuit
from qec.families.honeycomb import honeycomb_circuit
from qec.families.lattice_surgery import lattice_surgery_circuit
from qec.families.patch_growth import patch_growth_circuit
from qec.families.stability import stability_circuit
from qec.families.superdense import superdense_circuit
from qec.families.toric import toric_circuit
from qec.families.transversal_cnot import transversal_cnot_circuit

_SMALLEST = {name: families.family(name).cells[0][0] for name in families.names()}
# Hook errors of stim's colour code circuit halve its distance.
_FAULTS = {"colour-xyz": 2}
Symptom = tuple[frozenset[int], frozenset[int]]


def circuit(name: str, p: float = 0.002) -> stim.Circuit:
    return families.circuit(name, distance=_SMALLEST[name], p=p)


def whole_errors(dem: stim.DetectorErrorModel) -> dict[Symptom, float]:
    """Detectors and observables of every error, `^` ignored -> probability of an odd number."""
    found: dict[Symptom, float] = defaultdict(float)
    for instruction in dem.flattened():
        if instruction.type == "error":
            detectors: set[int] = set()
            observables: set[int] = set()
            for target in instruction.targets_copy():
                if target.is_relative_detector_id():
                    detectors ^= {target.val}
                elif target.is_logical_observable_id():
                    observables ^= {target.val}
            key = frozenset(detectors), frozenset(observables)
            (p,) = instruction.args_copy()
            found[key] = found[key] * (1 - p) + p * (1 - found[key])
    return dict(found)


def component_sizes(dem: stim.DetectorErrorModel) -> set[int]:
    return {
        sum(target.is_relative_detector_id() for target in group)
        for instruction in dem.flattened()
        if instruction.type == "error"
        for group in instruction.target_groups()
    }


@pytest.mark.parametrize("name", [name for name in families.names() if "erasure" not in name])
def test_without_noise_nothing_happens(name: str) -> None:
    clean = circuit(name, p=0)
    assert not clean.detector_error_model().num_errors
    events, flips = clean.compile_detector_sampler(seed=1).sample(16, separate_observables=True)
    assert events.shape[1] == circuit(name).num_detectors
    assert not events.any()
    assert not flips.any()


@pytest.mark.parametrize("name", families.names())
def test_every_detector_and_observable_can_flip(name: str) -> None:
    noisy = circuit(name)
    dem = noisy.detector_error_model(approximate_disjoint_errors=True)  # stim raises if anything is random
    errors = whole_errors(dem)
    assert frozenset().union(*(key[0] for key in errors)) == set(range(noisy.num_detectors))
    assert frozenset().union(*(key[1] for key in errors)) == set(range(noisy.num_observables))


@pytest.mark.parametrize("name", families.names())
def test_least_number_of_faults(name: str) -> None:
    noisy = circuit(name)
    found = noisy.search_for_undetectable_logical_errors(
        dont_explore_detection_event_sets_with_size_above=6,
        dont_explore_edges_with_degree_above=6,
        dont_explore_edges_increasing_symptom_degree=False,
    )
    assert len(found) == _FAULTS.get(name, _SMALLEST[name])


@pytest.mark.parametrize(
    ("name", "distance"),
    [
        ("toric", 4),
        ("xzzx", 5),
        ("stability", 5),
        ("honeycomb", 4),
        ("heavy-hexagon", 5),
        ("lattice-surgery", 5),
        ("transversal-cnot", 5),
        ("repetition-circuit", 29),
    ],
)
def test_graphlike_distance(name: str, distance: int) -> None:
    noisy = families.circuit(name, distance=distance, p=0.001)
    assert len(noisy.shortest_graphlike_error(ignore_ungraphlike_errors=True)) == distance


@pytest.mark.parametrize("name", families.names())
def test_models_are_graphlike_and_keep_whole_errors(name: str) -> None:
    noisy = circuit(name)
    dem = families.error_model(noisy)
    assert max(component_sizes(dem)) <= 2
    true = whole_errors(noisy.detector_error_model(approximate_disjoint_errors=True))
    ours = whole_errors(dem)
    assert ours.keys() == true.keys()
    assert all(np.isclose(ours[key], true[key], rtol=1e-9) for key in true)


def test_what_stim_cannot_decompose_is_split() -> None:
    noisy = families.circuit("superdense", distance=5, p=0.003)
    with pytest.raises(ValueError, match="decompose"):
        noisy.detector_error_model(decompose_errors=True)
    dem = families.error_model(noisy)
    assert component_sizes(dem) <= {0, 1, 2}
    true, ours = whole_errors(noisy.detector_error_model()), whole_errors(dem)
    assert ours.keys() == true.keys()
    assert all(np.isclose(ours[key], true[key], rtol=1e-9) for key in true)
    assert dem.num_detectors == noisy.num_detectors


def test_splitting_prefers_known_pieces() -> None:
    noisy = stim.Circuit("""
        CORRELATED_ERROR(0.1) X1 X2
        CORRELATED_ERROR(0.1) X0 X1 X2 X3 X4
        M 0 1 2 3 4
        DETECTOR rec[-5]
        DETECTOR rec[-4]
        DETECTOR rec[-3]
        DETECTOR rec[-2]
        DETECTOR rec[-1]
        OBSERVABLE_INCLUDE(0) rec[-5]
    """)
    (long,) = [i for i in families.graphlike_dem(noisy) if i.type == "error" and len(i.targets_copy()) > 4]
    pieces = {str(stim.DemInstruction("error", [0.1], group)) for group in long.target_groups()}
    assert len(pieces) == 3
    assert "error(0.1) D1 D2" in pieces  # and of D0, D3, D4 a pair and a single one, as new pieces
    assert sum("L0" in piece for piece in pieces) == 1


# --- single families


def test_heavy_hexagon_counts() -> None:
    distance, rounds = 5, 3
    clean = heavy_hexagon_circuit(distance=distance, rounds=rounds)
    kinds = [int(at[3]) for at in clean.get_detector_coordinates().values()]
    z_checks, strips, squares = (distance**2 - 1) // 2, distance - 1, (distance - 1) ** 2 // 2
    assert kinds.count(0) == z_checks * (rounds + 1)
    assert kinds.count(1) == strips * (rounds - 1)
    assert kinds.count(2) == 2 * squares * rounds
    # No qubit touches more than three others: the lattice is heavy-hexagonal.
    neighbours = defaultdict(set)
    for instruction in clean:
        if instruction.name == "CX":
            for one, other in instruction.target_groups():
                neighbours[one.value].add(other.value)
                neighbours[other.value].add(one.value)
    ancillas = set(neighbours) - {
        target.value
        for i in clean
        if i.name == "QUBIT_COORDS" and i.tag == "data"
        for target in i.targets_copy()
    }
    assert max(len(neighbours[qubit]) for qubit in ancillas) == 3


def test_superdense_measures_both_checks_of_every_face() -> None:
    clean = superdense_circuit(distance=5, rounds=4)
    kinds = [int(at[3]) // 3 for at in clean.get_detector_coordinates().values()]
    faces = 9  # (n - 1) / 2 for n = (3 d^2 + 1) / 4 = 19 data qubits
    assert (kinds.count(0), kinds.count(1)) == (faces * 3, faces * 5)


def test_stability_observable_needs_a_fault_in_every_cycle() -> None:
    for rounds in (2, 5):
        noisy = noise.uniform(0.001).apply(stability_circuit(width=4, rounds=rounds))
        assert len(noisy.shortest_graphlike_error()) == rounds


def test_honeycomb_observables_are_two_independent_operators() -> None:
    noisy = honeycomb_circuit(size=3, periods=2, p=0.001)
    assert noisy.num_observables == 2
    flips = {key[1] for key in whole_errors(noisy.detector_error_model())}
    assert {frozenset({0}), frozenset({1})} <= flips
    edges, faces = 9, 3  # of one colour
    # The last 12 of 13 rounds each give the faces of a colour; the first values of two colours are random.
    assert noisy.num_detectors == 2 * edges + (12 - 2 + 1) * faces


def with_logical_x(clean: stim.Circuit, *, shift: tuple[int, int]) -> stim.Circuit:
    """Flip the distance-3 patch at this place by its logical X, just after the first preparation."""
    numbers = {tuple(at): q for q, at in clean.get_final_qubit_coordinates().items()}
    first = next(place for place, instruction in enumerate(clean) if instruction.name == "R") + 1
    support = [at for at, _ in qec.RotatedSurfaceCode(3, gates="cx").logical("x")]
    flipped = clean[:first]
    flipped.append("X_ERROR", [numbers[x + shift[0], y + shift[1]] for x, y in support], 1)
    return flipped + clean[first:]


@pytest.mark.parametrize(
    ("clean", "shift", "expected"),
    [
        # Surgery: the patch's own Z and the ZZ result. CNOT: the control's Z is copied, the target's is not.
        (lattice_surgery_circuit(distance=3, rounds=2), (0, 0), [True, False, True]),
        (lattice_surgery_circuit(distance=3, rounds=2), (0, 8), [False, True, True]),
        (transversal_cnot_circuit(distance=3, rounds=2), (0, 0), [True, True]),
        (transversal_cnot_circuit(distance=3, rounds=2), (8, 0), [False, True]),
    ],
)
def test_logical_operations(clean: stim.Circuit, shift: tuple[int, int], expected: list[bool]) -> None:
    sampler = with_logical_x(clean, shift=shift).compile_detector_sampler(seed=1)
    events, flips = sampler.sample(4, separate_observables=True)
    assert not events.any()
    assert flips.tolist() == [expected] * 4


def test_biased_errors() -> None:
    noisy = stim.Circuit(
        "DEPOLARIZE1(0.3) 0\nDEPOLARIZE2(0.3) 0 1\nREPEAT 2 {\nDEPOLARIZE1(0.3) 1\n}\nX_ERROR(0.1) 0"
    )
    biased = stim.Circuit(
        "Y_ERROR(0.3) 0\nY_ERROR(0.1) 0 1\nE(0.1) Y0 Y1\nREPEAT 2 {\nY_ERROR(0.3) 1\n}\nX_ERROR(0.1) 0"
    )
    assert with_bias(noisy, {"Y": 1, "Z": 0}).approx_equals(biased, atol=1e-12)
    shares = with_bias(stim.Circuit("DEPOLARIZE1(0.3) 0"), {"X": 1, "Z": 2})
    assert [(i.name, i.gate_args_copy()) for i in shares] == [
        ("X_ERROR", [pytest.approx(0.1)]),
        ("Z_ERROR", [pytest.approx(0.2)]),
    ]


def test_erasures_are_heralded() -> None:
    clean = qec.memory_circuit(qec.RotatedSurfaceCode(3, gates="cx"), rounds=3)
    erased = with_erasure(clean, 0.2)
    assert erased.num_detectors == clean.num_detectors + 9 * 3
    events, flips = (
        with_erasure(clean, 0).compile_detector_sampler(seed=1).sample(8, separate_observables=True)
    )
    assert not events.any()
    assert not flips.any()
    heralds = [n for n, at in erased.get_detector_coordinates().items() if at[0] % 2 and at[1] % 2]
    assert len(heralds) == 27
    shots = erased.compile_detector_sampler(seed=2).sample(4000)
    assert abs(shots[:, heralds].mean() - 0.2) < 0.01
    # Where nothing is heralded nothing happens.
    silent = ~shots[:, heralds].any(axis=1)
    assert silent.any()
    assert not shots[silent].any()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: families.circuit("surfaces", distance=3, p=0.1),
            "unknown family 'surfaces'; known: surface-",
        ),
        (lambda: families.circuit("stability", distance=4, p=0.1, rounds=3), "rounds=3"),
        (lambda: families.circuit("honeycomb", distance=3, p=0.1), "distance=3"),
        (lambda: honeycomb_circuit(size=4, periods=1, p=0.1), "size=4"),
        (lambda: honeycomb_circuit(size=3, periods=0, p=0.1), "periods=0"),
        (lambda: families.circuit("superdense", distance=4, p=0.1), "distance=4"),
        (lambda: families.circuit("heavy-hexagon", distance=4, p=0.1), "distance=4"),
        (lambda: families.circuit("lattice-surgery", distance=4, p=0.1), "distance=4"),
        (lambda: families.circuit("toric", distance=1, p=0.1), "distance=1"),
        (lambda: families.circuit("toric", distance=3, p=0.1, rounds=0), "rounds=0"),
        (lambda: families.circuit("honeycomb", distance=2, p=2), "p=2: must be"),
        (lambda: families.circuit("surface-erasure", distance=3, p=-0.1), "p=-0.1: must be"),
        (lambda: stability_circuit(width=3, rounds=3), "width=3"),
        (lambda: with_bias(stim.Circuit(), {"W": 1}), "weights="),
        (lambda: with_bias(stim.Circuit(), {}), "weights="),
    ],
)
def test_wrong_use(call: object, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        call()  # type: ignore[operator]
    assert len(str(caught.value).splitlines()) == 1


def test_toric_rounds_and_observables() -> None:
    clean = toric_circuit(distance=3, rounds=4)
    assert clean.num_observables == 2
    assert clean.num_detectors == 9 * 2 * 4


@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize("heights", [(3, 6), (6, 3), (3, 5, 2, 5, 3)])
def test_growing_and_shrinking_patches(basis: Basis, heights: tuple[int, ...]) -> None:
    """Logical operators survive; the distance is the smallest height in basis Z, the width in basis X."""
    clean = patch_growth_circuit(heights=heights, width=4, rounds=2, basis=basis)
    dem = noise.uniform(0.001).apply(clean).detector_error_model(decompose_errors=True)  # deterministic
    assert len(dem.shortest_graphlike_error()) == (min(heights) if basis == "z" else 4)
    assert dem.num_observables == 1


def test_xx_surgery_is_zz_surgery_with_bases_exchanged() -> None:
    one, other = (
        noise.uniform(0.001).apply(lattice_surgery_circuit(distance=3, rounds=3, basis=basis))
        for basis in ("x", "z")
    )
    assert one.num_detectors == other.num_detectors
    for circuit in (one, other):
        assert len(circuit.detector_error_model(decompose_errors=True).shortest_graphlike_error()) == 3
    with pytest.raises(ValueError, match="basis='y': must be 'x' or 'z'"):
        lattice_surgery_circuit(distance=3, rounds=3, basis="y")  # type: ignore[arg-type]


def test_patches_that_are_too_small() -> None:
    with pytest.raises(ValueError, match=r"heights=\[3, 1\], width=3: must be at least 2"):
        patch_growth_circuit(heights=(3, 1), width=3, rounds=1)
    with pytest.raises(ValueError, match="rounds=0: must be at least 1"):
        patch_growth_circuit(heights=(3,), width=3, rounds=0)
