"""Logical circuits: their action by stabiliser flows, their detectors and distances by stim."""

import re
from collections.abc import Callable

import pytest
import stim

from qec import circuits, noise
from qec.circuits import LogicalCircuit
from qec.codes.code import Basis, Gates
from qec.families import lattice_surgery_circuit, surgery_cnot_circuit

_GATES: list[Gates] = ["cx", "cz"]


def opened(tiles: dict[str, tuple[int, int]], gates: Gates = "cx") -> LogicalCircuit:
    """Begin with patches in an unknown state, and one cycle."""
    program = LogicalCircuit(distance=3, gates=gates)
    for name, tile in tiles.items():
        program.prepare(name, tile=tile, basis=None)
    program.idle(1)
    return program


Cnot = Callable[[LogicalCircuit], None]
_CNOTS: dict[str, tuple[dict[str, tuple[int, int]], Cnot]] = {
    "transversal": ({"c": (0, 0), "t": (1, 0)}, lambda program: program.transversal_cnot("c", "t")),
    "surgery": (
        {"c": (0, 0), "t": (1, 1)},
        lambda program: program.cnot("c", "t", ancilla=(0, 1), cycles=1),
    ),
    "surgery with routing": (
        {"c": (2, 3), "t": (0, 1)},
        lambda program: program.cnot("c", "t", ancilla=(2, 1), cycles=2),
    ),
}


@pytest.mark.parametrize("gates", _GATES)
@pytest.mark.parametrize("name", list(_CNOTS))
def test_a_cnot_is_one(name: str, gates: Gates) -> None:
    tiles, apply = _CNOTS[name]
    program = opened(tiles, gates)
    apply(program)
    program.idle(1)
    flows = {
        ("X", ""): ("X", "X"),
        ("Z", ""): ("Z", ""),
        ("", "X"): ("", "X"),
        ("", "Z"): ("Z", "Z"),
        ("Y", ""): ("Y", "X"),
    }
    for before, after in flows.items():
        inputs, outputs = (
            {patch: pauli for patch, pauli in zip("ct", side, strict=True) if pauli}
            for side in (before, after)
        )
        assert program.circuit.has_flow(program.flow(inputs, outputs), unsigned=True)
        # A sign that no measurement explains is no flow: the same without the Pauli frame.
        bare = program.flow(inputs, outputs)
        if bare.measurements_copy():
            other = stim.Flow(input=bare.input_copy(), output=bare.output_copy())
            assert not program.circuit.has_flow(other, unsigned=True)
    assert not program.circuit.has_flow(program.flow({"c": "X"}, {"c": "X"}), unsigned=True)


@pytest.mark.parametrize("gates", _GATES)
@pytest.mark.parametrize("basis", ["z", "x"])
def test_merges_measure_products_and_keep_what_commutes(basis: Basis, gates: Gates) -> None:
    places = {"a": 0, "b": 1, "d": 3}  # tile 2 is routing space
    program = opened({name: (0, at) if basis == "z" else (at, 0) for name, at in places.items()}, gates)
    first, second = program.merge("d", "a", "b", basis=basis, cycles=2)
    program.idle(1)
    again, _ = program.merge("a", "b", "d", basis=basis, cycles=1)
    program.idle(1)
    circuit = program.circuit
    mine, other = ("Z", "X") if basis == "z" else ("X", "Z")
    for inputs, outcomes in (
        ({"a": mine, "b": mine}, [first]),
        ({"b": mine, "d": mine}, [second]),
        ({"a": mine, "b": mine}, [again]),
        ({"a": mine, "d": mine}, [first ^ second]),
    ):
        assert circuit.has_flow(program.flow(inputs, {}, outcomes), unsigned=True)
    assert circuit.has_flow(program.flow({}, {}, [first, again]), unsigned=True)
    for name in places:
        assert circuit.has_flow(program.flow({name: mine}, {name: mine}), unsigned=True)
        assert not circuit.has_flow(program.flow({name: other}, {name: other}), unsigned=True)
    every = dict.fromkeys(places, other)
    assert circuit.has_flow(program.flow(every, every), unsigned=True)


def teleported(gates: Gates, distance: int = 3) -> tuple[LogicalCircuit, list[int]]:
    """Make Bell pairs by both kinds of CNOT, measure them, and a product by surgery; all observables."""
    program = LogicalCircuit(distance=distance, gates=gates)
    program.prepare("a", tile=(0, 0), basis="x")
    program.prepare("b", tile=(1, 1), basis="z")
    program.idle(distance)
    program.cnot("a", "b", ancilla=(0, 1), cycles=distance)
    program.idle(1)
    program.prepare("e", tile=(0, 1), basis="z")
    program.idle(1)
    program.transversal_cnot("b", "e")
    program.idle(distance)
    [parity] = program.merge("a", "e", basis="z", cycles=distance)  # a and e agree
    numbers = [program.observable(parity)]
    program.idle(distance)
    ends = [program.measure(name, basis="x") for name in "abe"]
    numbers.append(program.observable(ends[0] ^ ends[1] ^ ends[2]))
    return program, numbers


@pytest.mark.parametrize("gates", _GATES)
def test_a_program_is_deterministic_and_as_distant_as_its_patches(gates: Gates) -> None:
    program, numbers = teleported(gates)
    assert numbers == [0, 1]
    assert program.patches == {}
    for model in (noise.uniform(0.001), noise.si1000(0.001), noise.phenomenological(0.001)):
        noisy = model.apply(program.circuit)
        dem = noisy.detector_error_model(decompose_errors=True)  # raises if anything is random
        assert dem.num_detectors == program.circuit.num_detectors
        assert {
            target.val
            for error in dem.flattened()
            for target in error.targets_copy()
            if target.is_relative_detector_id()
        } == set(range(dem.num_detectors))
    noisy = noise.uniform(0.001).apply(program.circuit)
    assert len(noisy.shortest_graphlike_error()) == 3
    # Nothing that can be predicted is left out.
    assert program.circuit.count_determined_measurements() == dem.num_detectors + len(numbers)


@pytest.mark.parametrize("gates", _GATES)
def test_phase_gates_carry_x_to_y_after_a_merge(gates: Gates) -> None:
    program = opened({"a": (0, 0), "b": (0, 1)}, gates)
    program.merge("a", "b", basis="z", cycles=1)
    program.idle(1)
    program.phase_gate("a")
    program.idle(1)
    flow, circuit = program.flow, program.circuit
    for before, after in (("X", "Y"), ("Y", "X")):
        inputs, outputs = {"a": before, "b": "X"}, {"a": after, "b": "X"}
        assert circuit.has_flow(flow(inputs, outputs), unsigned=True)
        # S, and not its inverse: X becomes Y, and Y becomes -X.
        assert circuit.has_flow(flow(inputs, outputs)) == (before == "X")
    assert circuit.has_flow(flow({"a": "Z"}, {"a": "Z"}))
    program.phase_gate("a", "b", inverse=True)
    program.idle(1)
    assert program.circuit.has_flow(program.flow({"a": "X", "b": "X"}, {"a": "X", "b": "Y"}), unsigned=True)
    assert program.circuit.has_flow(program.flow({"a": "Z"}, {"a": "Z"}))


@pytest.mark.parametrize("gates", _GATES)
def test_gates_in_a_row_act_as_their_tableau(gates: Gates) -> None:
    program = opened({"a": (0, 0), "b": (1, 1)}, gates)
    program.phase_gate("a")
    program.transversal_cnot("a", "b")
    program.phase_gate("a", "b")
    program.phase_gate("b")
    program.cnot("b", "a", ancilla=(1, 0), cycles=1)
    program.phase_gate("a", inverse=True)
    program.transversal_cnot("a", "b")
    program.idle(1)
    expected = stim.Tableau.from_circuit(stim.Circuit("S 0\nCX 0 1\nS 0 1 1\nCX 1 0\nS_DAG 0\nCX 0 1"))
    for at, patch in enumerate("ab"):
        for pauli, image in (("X", expected.x_output(at)), ("Z", expected.z_output(at))):
            outputs = {name: "_XYZ"[image[k]] for k, name in enumerate("ab") if image[k]}
            assert program.circuit.has_flow(program.flow({patch: pauli}, outputs), unsigned=True)


@pytest.mark.parametrize("gates", _GATES)
def test_a_patch_is_measured_in_y(gates: Gates) -> None:
    program = opened({"a": (0, 0)}, gates)
    outcome = program.measure("a", basis="y")
    measured = stim.Flow(
        input=opened({"a": (0, 0)}).flow({"a": "Y"}, {}).input_copy(),
        measurements=sorted(outcome.measurements),
    )
    assert program.circuit.has_flow(measured, unsigned=True)


def y_memory(gates: Gates, distance: int) -> stim.Circuit:
    program = LogicalCircuit(distance=distance, gates=gates)
    program.prepare("a", tile=(0, 0), basis="x")
    program.idle(distance)
    program.phase_gate("a")
    program.idle(distance)
    program.observable(program.measure("a", basis="y"))
    return program.circuit


@pytest.mark.parametrize("gates", _GATES)
def test_folding_keeps_detectors_and_distance(gates: Gates) -> None:
    circuit = y_memory(gates, 3)
    assert circuit.count_determined_measurements() == circuit.num_detectors + 1
    for model in (noise.uniform(0.001), noise.si1000(0.001), noise.phenomenological(0.001)):
        noisy = model.apply(circuit)
        noisy.detector_error_model(decompose_errors=True)  # raises if anything is random
        shortest = noisy.search_for_undetectable_logical_errors(
            dont_explore_detection_event_sets_with_size_above=6,
            dont_explore_edges_with_degree_above=6,
            dont_explore_edges_increasing_symptom_degree=False,
        )
        assert len(shortest) == 3
    larger = noise.uniform(0.001).apply(y_memory(gates, 5))
    assert len(larger.shortest_graphlike_error(ignore_ungraphlike_errors=True)) == 5


def test_both_gate_sets_have_the_same_detectors() -> None:
    one, other = (teleported(gates)[0].circuit for gates in _GATES)
    assert one.get_detector_coordinates() == other.get_detector_coordinates()
    names = {"R", "H", "CZ", "M", "TICK", "QUBIT_COORDS", "DETECTOR", "OBSERVABLE_INCLUDE"}
    assert {op.name for op in other} <= names
    assert {op.name for op in y_memory("cz", 3)} == names | {"S", "S_DAG"}
    # Nothing is turned back and forth.
    assert other.num_ticks < 2.2 * one.num_ticks


@pytest.mark.parametrize("cycles", [1, 2, 3, 4])
def test_cycles_of_a_merge_are_the_distance_of_its_outcome(cycles: int) -> None:
    program = LogicalCircuit(distance=3)
    for name, row in (("a", 0), ("b", 1)):
        program.prepare(name, tile=(0, row), basis="z")
    program.idle(1)
    program.observable(program.merge("a", "b", basis="z", cycles=cycles)[0])
    program.idle(1)
    noisy = noise.uniform(0.001).apply(program.circuit)
    assert len(noisy.shortest_graphlike_error()) == min(cycles, 3)


@pytest.mark.parametrize("basis", ["z", "x"])
def test_two_patches_are_those_of_the_family(basis: Basis) -> None:
    program = LogicalCircuit(distance=3)
    for name, at in (("a", 0), ("b", 1)):
        program.prepare(name, tile=(0, at) if basis == "z" else (at, 0), basis=basis)
    program.idle(2)
    [product] = program.merge("a", "b", basis=basis, cycles=2)
    program.idle(2)
    for name in "ab":
        program.observable(program.measure(name, basis=basis))
    program.observable(product)
    model = noise.uniform(0.002)
    mine = model.apply(program.circuit).detector_error_model()
    other = model.apply(lattice_surgery_circuit(distance=3, rounds=2, basis=basis)).detector_error_model()
    assert mine.num_detectors == other.num_detectors
    chances = [
        sorted(error.args_copy()[0] for error in dem.flattened() if error.type == "error")
        for dem in (mine, other)
    ]
    assert chances[0] == pytest.approx(chances[1])


def test_a_bell_pair_by_surgery_fails_by_as_many_errors_as_its_distance() -> None:
    noisy = noise.uniform(0.001).apply(surgery_cnot_circuit(distance=3, rounds=3))
    assert noisy.num_observables == 1
    assert len(noisy.shortest_graphlike_error()) == 3


def two_patches() -> LogicalCircuit:
    return opened({"a": (0, 0), "b": (0, 2), "e": (1, 1)})


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: LogicalCircuit(distance=4), "distance=4: must be odd"),
        (lambda: LogicalCircuit(distance=3, gates="cnot"), "gates='cnot': must be 'cx' or 'cz'"),
        (lambda: LogicalCircuit(distance=3).idle(1), "no patch exists"),
        (lambda: two_patches().idle(-1), "cycles=-1: must be at least 0"),
        (lambda: two_patches().prepare("a", tile=(5, 5), basis="z"), "patch 'a' exists already"),
        (lambda: two_patches().prepare("f", tile=(0, 2), basis="z"), "is taken by patch 'b'"),
        (lambda: two_patches().prepare("f", tile=(0, 1), basis="y"), "basis='y': must be 'x' or 'z'"),
        (lambda: two_patches().merge("a", "e", basis="z", cycles=1), "must be in one column"),
        (lambda: two_patches().merge("a", basis="z", cycles=1), "two or more different ones"),
        (lambda: two_patches().merge("a", "f", basis="z", cycles=1), "patch 'f' does not exist"),
        (lambda: two_patches().merge("a", "b", basis="z", cycles=0), "takes at least 1"),
        (lambda: two_patches().measure("f", basis="z"), "patches at this point: a, b, e"),
        (lambda: two_patches().transversal_cnot("a", "a"), "must be two patches"),
        (lambda: two_patches().cnot("a", "e", ancilla=(1, 0), cycles=1), "in the column of the control"),
        (lambda: two_patches().measure("a", basis="w"), "basis='w': must be 'x', 'y' or 'z'"),
        (lambda: two_patches().phase_gate("f"), "patch 'f' does not exist"),
        (lambda: two_patches().phase_gate("a", "a"), "patches ['a', 'a']: name each once"),
        (lambda: two_patches().phase_gate(), "no patch: name at least one"),
        (lambda: two_patches().flow({"a": "W"}, {}), "pauli 'W'"),
        (lambda: circuits.with_cz_gates(stim.Circuit("CY 0 1")), "CY: only R, RX"),
    ],
)
def test_wrong_use_is_refused_by_name(use: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        use()
    assert "\n" not in str(caught.value)


def test_a_patch_in_the_way_and_one_without_cycles() -> None:
    program = opened({"a": (0, 0), "b": (0, 1), "e": (0, 2)})
    with pytest.raises(ValueError, match="is in the way of the merge"):
        program.merge("a", "e", basis="z", cycles=1)
    program.prepare("f", tile=(0, 3), basis="z")
    with pytest.raises(ValueError, match="no cycle yet"):
        program.merge("e", "f", basis="z", cycles=1)


@pytest.mark.parametrize("gates", ["cx", "cz"])
def test_encoded_patches_are_prepared_without_errors_and_protect_both_operators(gates: Gates) -> None:
    bases: tuple[Basis, Basis] = ("z", "x")
    for basis in bases:
        circuit = circuits.LogicalCircuit(distance=3, gates=gates)
        circuit.prepare_encoded("a", tile=(0, 0))
        circuit.include_operator("a", basis=basis, observable=0)
        circuit.idle(2)
        circuit.observable(circuit.measure("a", basis=basis), number=0)
        noisy = noise.si1000(0.003).apply(circuit.circuit)
        first = next(one for one in noisy if one.name not in ("QUBIT_COORDS", "MPP", "OBSERVABLE_INCLUDE"))
        assert first.name == "TICK"
        # All checks of both cycles are compared, and half of them with the readout.
        assert noisy.num_detectors == 2 * 8 + 4
        assert len(noisy.shortest_graphlike_error()) == 3


@pytest.mark.parametrize("gates", _GATES)
def test_operators_that_a_merge_makes_random_are_compared_with_their_values_after_it(gates: Gates) -> None:
    circuit = circuits.LogicalCircuit(distance=3, gates=gates)
    for name, row in (("a", 0), ("b", 1)):
        circuit.prepare_encoded(name, tile=(0, row))
        circuit.include_operator(name, basis="x", observable=0)
    circuit.idle(2)
    circuit.merge("a", "b", basis="z", cycles=3)
    product = circuit.circuit
    circuit.include_operator("a", basis="x", observable=1)
    assert circuit.circuit != product
    circuit.idle(3)
    first, second = circuit.measure("a", basis="x"), circuit.measure("b", basis="x")
    assert circuit.observable(first ^ second, number=0) == 0
    assert circuit.circuit.num_observables == 2
    # X of a is random, and the circuit refused, unless it is compared with its value after the merge.
    with pytest.raises(ValueError, match="non-deterministic"):
        circuit.circuit.detector_error_model()
    assert circuit.observable(first, number=1) == 1
    assert noise.si1000(0.003).apply(circuit.circuit).detector_error_model().num_observables == 2
