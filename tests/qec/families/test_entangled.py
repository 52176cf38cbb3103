"""Memories whose measurement basis is chosen at the end."""

import pytest

from qec import codes, noise
from qec.families.entangled import entangled_memory_circuit
from qec.memory import memory_circuit

CODE = codes.code_by_name("surface_zxxz", 3, gates="cz")
NOISE = noise.si1000(0.003)


@pytest.mark.parametrize("gates", ["cz", "cx"])
def test_both_observables_are_protected_until_a_readout_measures_one(gates: str) -> None:
    code = codes.code_by_name("surface", 3, gates=gates)  # type: ignore[arg-type]
    for readout, measured in ((None, {0, 1}), ("z", {0}), ("x", {1})):
        circuit = entangled_memory_circuit(code, rounds=4, readout=readout, noise=NOISE)
        dem = circuit.detector_error_model(decompose_errors=True)  # stim checks that nothing is random
        flipped = {
            target.val
            for error in dem.flattened()
            if error.type == "error"
            for target in error.targets_copy()
            if target.is_logical_observable_id()
        }
        assert dem.num_observables == 2
        assert flipped == measured
        assert len(dem.shortest_graphlike_error()) == 3


@pytest.mark.parametrize("basis", ["z", "x"])
def test_errors_after_the_first_cycle_are_those_of_a_memory(basis: str) -> None:
    number = {"z": 0, "x": 1}[basis]

    def late_errors(circuit: object, observable: int) -> dict[tuple[object, ...], float]:
        dem = circuit.detector_error_model()  # type: ignore[attr-defined]
        at = dem.get_detector_coordinates()
        last = max(one[2] for one in at.values())
        found = {}
        for error in dem.flattened():
            if error.type == "error":
                targets = error.targets_copy()
                seen = sorted(
                    (at[one.val][2] - last, *at[one.val][:2])
                    for one in targets
                    if one.is_relative_detector_id()
                )
                flips = any(one.is_logical_observable_id() and one.val == observable for one in targets)
                if seen[0][0] >= -3:
                    found[(*seen, flips)] = error.args_copy()[0]
        return found

    memory = memory_circuit(CODE, rounds=8, basis=basis, noise=NOISE)
    entangled = entangled_memory_circuit(CODE, rounds=8, readout=basis, noise=NOISE)
    assert late_errors(entangled, number) == pytest.approx(late_errors(memory, 0))


def test_too_few_cycles_are_refused() -> None:
    with pytest.raises(ValueError, match="rounds=1: must be at least 2"):
        entangled_memory_circuit(CODE, rounds=1, readout="z", noise=NOISE)
