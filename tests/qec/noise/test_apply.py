"""Errors in their places, and nothing else changed."""

import collections

import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit, noise
from qec.codes import Code
from qec.noise import Channel, NoiseModel
from qec.noise.channel import KINDS

CODES = st.builds(
    RotatedSurfaceCode,
    distance_x=st.integers(2, 4),
    distance_z=st.integers(2, 4),
    variant=st.sampled_from(["css", "zxxz"]),
    gates=st.sampled_from(["cz", "cx"]),
) | st.builds(RepetitionCode, st.integers(2, 6), gates=st.sampled_from(["cz", "cx"]))


@st.composite
def models(draw: st.DrawFn) -> NoiseModel:
    kinds = draw(st.sets(st.sampled_from(sorted(KINDS))))
    channels = []
    for kind in sorted(kinds):
        rate = st.floats(0, KINDS[kind].limit)
        place = st.tuples(st.integers(0, 6), st.integers(0, 6))
        places = st.lists(
            place, min_size=KINDS[kind].num_qubits, max_size=KINDS[kind].num_qubits, unique=True
        )
        overrides = draw(st.dictionaries(places.map(lambda p: tuple(sorted(p))), rate, max_size=3))
        channels.append(Channel(kind, draw(rate), tuple(overrides.items())))
    return NoiseModel("drawn", tuple(channels))


def plain(circuit: stim.Circuit) -> list[tuple[str, str, list[float], list[stim.GateTarget]]]:
    """Circuit without noise, one line for each run of equal instructions."""
    lines: list[tuple[str, str, list[float], list[stim.GateTarget]]] = []
    for i in circuit.without_noise().flattened():
        args, targets = i.gate_args_copy(), i.targets_copy()
        if lines and lines[-1][:3] == (i.name, i.tag, args) and targets and i.name != "DETECTOR":
            lines[-1][3].extend(targets)
        else:
            lines.append((i.name, i.tag, args, targets))
    return lines


@settings(max_examples=60, deadline=None)
@given(CODES, models(), st.integers(1, 4), st.sampled_from("xz"))
def test_the_noiseless_part_stays(code: Code, model: NoiseModel, rounds: int, basis: str) -> None:
    clean = memory_circuit(code, rounds=rounds, basis=basis)
    before = str(clean)
    noisy = model.apply(clean)
    assert str(clean) == before
    assert plain(noisy) == plain(clean)
    assert noisy.num_detectors == clean.num_detectors
    assert noisy.get_detector_coordinates() == clean.get_detector_coordinates()
    assert len(noisy.detector_error_model().get_detector_coordinates()) == clean.num_detectors


def test_si1000_of_a_small_chain_line_by_line() -> None:
    """Two data qubits (0, 2), one measure qubit (1), two cycles: written out by hand from the definition."""
    noisy = memory_circuit(RepetitionCode(2), rounds=2, noise=noise.si1000(0.01))
    assert noisy == stim.Circuit("""
        QUBIT_COORDS[data](0, 0) 0
        QUBIT_COORDS(1, 0) 1
        QUBIT_COORDS[data](2, 0) 2
        R 0 2 1
        X_ERROR(0.02) 0 2 1
        TICK[cycle]
        H 1
        DEPOLARIZE1(0.001) 1 0 2
        TICK
        CZ 1 0
        DEPOLARIZE2(0.01) 1 0
        DEPOLARIZE1(0.001) 2
        TICK
        CZ 1 2
        DEPOLARIZE2(0.01) 1 2
        DEPOLARIZE1(0.001) 0
        TICK
        H 1
        DEPOLARIZE1(0.001) 1 0 2
        TICK
        M(0.05) 1
        DETECTOR(1, 0, 0) rec[-1]
        DEPOLARIZE1(0.001) 0 2
        DEPOLARIZE1(0.02) 0 2
        TICK[cycle]
        R 1
        X_ERROR(0.02) 1
        DEPOLARIZE1(0.001) 0 2
        DEPOLARIZE1(0.02) 0 2
        TICK
        H 1
        DEPOLARIZE1(0.001) 1 0 2
        TICK
        CZ 1 0
        DEPOLARIZE2(0.01) 1 0
        DEPOLARIZE1(0.001) 2
        TICK
        CZ 1 2
        DEPOLARIZE2(0.01) 1 2
        DEPOLARIZE1(0.001) 0
        TICK
        H 1
        DEPOLARIZE1(0.001) 1 0 2
        TICK
        M(0.05) 1
        SHIFT_COORDS(0, 0, 1)
        DETECTOR(1, 0, 0) rec[-1] rec[-2]
        M(0.05) 0 2
        DETECTOR(1, 0, 1) rec[-2] rec[-1] rec[-3]
        OBSERVABLE_INCLUDE(0) rec[-1]
    """)


@settings(max_examples=25, deadline=None)
@given(CODES, st.integers(1, 4), st.sampled_from("xz"))
def test_every_qubit_works_or_idles_in_every_layer(code: Code, rounds: int, basis: str) -> None:
    model = NoiseModel("idle", (Channel("idle", 0.25), Channel("idle_measure_reset", 0.125)))
    noisy = memory_circuit(code, rounds=rounds, basis=basis, noise=model)
    work: collections.Counter[int] = collections.Counter()
    waits: collections.Counter[int] = collections.Counter()
    slow = False
    num_layers = 0
    for i in [*noisy.flattened(), stim.CircuitInstruction("TICK", [])]:
        qubits = [t.value for t in i.targets_copy() if t.is_qubit_target]
        if i.name == "TICK":
            expected_waits = {q for q in range(code.num_qubits) if q not in work}
            assert set(waits) == (expected_waits if slow else set())
            work.clear(), waits.clear()
            slow, num_layers = False, num_layers + 1
        elif i.name == "DEPOLARIZE1" and i.gate_args_copy() == [0.125]:
            waits.update(qubits)
        elif i.name == "DEPOLARIZE1":
            assert set(qubits) == {q for q in range(code.num_qubits) if q not in work}
        elif i.name not in ("QUBIT_COORDS", "SHIFT_COORDS", "DETECTOR", "OBSERVABLE_INCLUDE"):
            work.update(qubits)
            slow = slow or i.name[0] in "RM"
        assert not waits or max(waits.values()) == 1
    assert num_layers >= 3 * rounds


def test_rates_of_places_reach_the_circuit() -> None:
    circuit = stim.Circuit("""
        QUBIT_COORDS(0, 0) 0
        QUBIT_COORDS(1, 1) 1
        QUBIT_COORDS(2, 2) 2
        R 0 1 2
        TICK
        H 0 1 2
        TICK
        CZ 1 0
        TICK
        M 0 1 2
    """)
    model = NoiseModel(
        "places",
        (
            Channel("one_qubit", 0.0, ((((2, 2),), 0.5),)),
            Channel("two_qubit", 0.0, ((((0, 0), (1, 1)), 0.25),)),
            Channel("readout", 0.0, ((((1, 1),), 0.125),)),
            Channel("reset", 0.0625, ((((0, 0),), 0.0),)),
            Channel("idle", 0.03125, ((((2, 2),), 0.375),)),
        ),
    )
    assert str(model.apply(circuit)) == str(
        stim.Circuit("""
            QUBIT_COORDS(0, 0) 0
            QUBIT_COORDS(1, 1) 1
            QUBIT_COORDS(2, 2) 2
            R 0 1 2
            X_ERROR(0.0625) 1 2
            TICK
            H 0 1 2
            DEPOLARIZE1(0.5) 2
            TICK
            CZ 1 0
            DEPOLARIZE2(0.25) 1 0
            DEPOLARIZE1(0.375) 2
            TICK
            M 0
            M(0.125) 1
            M 2
        """)
    )
    with pytest.raises(ValueError, match="the circuit has no QUBIT_COORDS"):
        model.apply(stim.Circuit("H 0"))


def test_a_qubit_used_twice_in_one_instruction_is_struck_after_each_use() -> None:
    model = NoiseModel(
        "gates", (Channel("two_qubit", 0.25), Channel("reset", 0.5), Channel("readout", 0.125))
    )
    noisy = model.apply(stim.Circuit("CX[tag] 0 1 1 2\nMRX 0 0\nM !1"))
    assert str(noisy) == str(
        stim.Circuit("""
            CX[tag] 0 1
            DEPOLARIZE2(0.25) 0 1
            CX[tag] 1 2
            DEPOLARIZE2(0.25) 1 2
            MRX(0.125) 0
            Z_ERROR(0.5) 0
            MRX(0.125) 0
            Z_ERROR(0.5) 0
            M(0.125) !1
        """)
    )


def test_controlled_by_records_is_bookkeeping() -> None:
    circuit = stim.Circuit("R 0 1\nTICK\nM 0\nTICK\nCX rec[-1] 1 sweep[0] 0\nTICK\nH 0\nTICK\nTICK\nM 0 1")
    noisy = noise.si1000(0.1).apply(circuit)
    assert "CX rec[-1] 1 sweep[0] 0\nTICK\nH 0\nDEPOLARIZE1(0.01) 0 1\nTICK\nTICK\n" in str(noisy)


def test_measure_resets_flip_the_result_and_the_new_state() -> None:
    model = NoiseModel("both", (Channel("readout", 0.125), Channel("reset", 0.25)))
    assert str(model.apply(stim.Circuit("MR 0\nMRY 1\nRX 2"))) == (
        "MR(0.125) 0\nX_ERROR(0.25) 0\nMRY(0.125) 1\nX_ERROR(0.25) 1\nRX 2\nZ_ERROR(0.25) 2"
    )


def test_repeat_blocks_stay() -> None:
    code = RotatedSurfaceCode(3)
    noisy = memory_circuit(code, rounds=1000, noise=noise.si1000(0.002))
    blocks = [i for i in noisy if isinstance(i, stim.CircuitRepeatBlock)]
    assert [b.repeat_count for b in blocks] == [998]
    once = memory_circuit(code, rounds=5).flattened()
    looped = noise.si1000(0.002).apply(memory_circuit(code, rounds=5)).flattened()
    assert noise.si1000(0.002).apply(once) == looped


@pytest.mark.parametrize(
    "line",
    [
        "X_ERROR(0.1) 0",
        "M(0.1) 0",
        "MPAD(0.1) 0",
        "E(0.1) X0",
        "DEPOLARIZE2(0.1) 0 1",
        "HERALDED_ERASE(0.1) 0",
    ],
)
@pytest.mark.parametrize("model", [noise.si1000(0.001), noise.uniform(0.001), NoiseModel("none", ())])
def test_circuits_with_noise_are_refused(line: str, model: NoiseModel) -> None:
    tags = "QUBIT_COORDS[data](0, 0) 0\nTICK[cycle]\n"
    assert model.apply(stim.Circuit(tags + "H 0 1"))
    with pytest.raises(ValueError, match="the circuit already has noise"):
        model.apply(stim.Circuit(tags + line))
    with pytest.raises(ValueError, match="the circuit already has noise"):
        model.apply(stim.Circuit(f"{tags}REPEAT 2 {{\nTICK\n{line}\n}}"))


def test_noise_is_not_applied_twice() -> None:
    model = noise.si1000(0.001)
    noisy = memory_circuit(RepetitionCode(3), rounds=3, noise=model)
    with pytest.raises(ValueError, match=r"the circuit already has noise \(X_ERROR\(0.002\)\)"):
        model.apply(noisy)


def test_circuits_that_a_model_cannot_read() -> None:
    with pytest.raises(
        ValueError, match=r"no qubit or Pauli product is measured twice.*QUBIT_COORDS\[data\]"
    ):
        noise.uniform(0.001).apply(stim.Circuit("R 0\nTICK\nM 0"))
    with pytest.raises(ValueError, match=r"every qubit is measured more than once.*QUBIT_COORDS\[data\]"):
        noise.uniform(0.001).apply(stim.Circuit("R 0\nM 0\nM 0"))
    # What asks for nothing is content with anything.
    generated = stim.Circuit.generated("color_code:memory_xyz", distance=3, rounds=4)
    gates_only = NoiseModel("gates", (Channel("two_qubit", 0.1), Channel("idle", 0.0)))
    assert gates_only.apply(generated).without_noise() == generated


def test_crosstalk_strikes_neighbours_of_different_gates() -> None:
    clean = stim.Circuit("""
        QUBIT_COORDS(0, 0) 0
        QUBIT_COORDS(1, 0) 1
        QUBIT_COORDS(2, 0) 2
        QUBIT_COORDS(3, 0) 3
        QUBIT_COORDS(4, 0) 4
        CZ 0 1 2 3
        TICK
        H 1 2
        TICK
        CZ 1 2 3 4
        M 0
    """)
    model = NoiseModel("m", (Channel("crosstalk", 0.01, (((((1.0, 0.0), (2.0, 0.0))), 0.02),)),))
    # 1-2 and 3-4 are neighbours by the second layer's gates, 0-1 and 2-3 by the first's; gates' own pairs and
    # the layer of Hadamards stay untouched, and 0 only measures while 2-3 cross.
    expected = clean.copy()
    expected.insert(6, stim.CircuitInstruction("DEPOLARIZE2", [1, 2], [0.02]))
    expected.append("DEPOLARIZE2", [2, 3], 0.01)
    assert model.apply(clean) == expected
