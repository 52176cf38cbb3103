"""Leakage: off it is stim, on it does what single-qubit arithmetic says."""

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit
from qec.noise import Channel, Decoherence, Durations, NoiseModel, si1000, uniform
from qec.noise.paulis import PAULIS
from qec.sampling import LeakageModel, LeakageSampler
from tests.support.chance import assert_binomial, assert_equal_counts, sigmas


def bits(packed: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    return np.unpackbits(packed, axis=1, count=count, bitorder="little").astype(np.float32)


def sampled(text: str, shots: int = 2000, **model: float | str) -> NDArray[np.float32]:
    """Detection events of a small circuit, float32 (shots, detectors)."""
    circuit = stim.Circuit(text)
    sampler = LeakageSampler(circuit, model=LeakageModel(**model))  # type: ignore[arg-type]
    return bits(sampler.sample(shots=shots, seed=1).events, circuit.num_detectors)


# Every Pauli with a probability of its own.
WEIGHTED = NoiseModel(
    "weighted",
    (
        Channel("one_qubit", 0.03, weights=(("X", 1.0), ("Y", 4.0), ("Z", 2.0))),
        Channel("two_qubit", 0.06, weights=tuple((p, float(n + 1)) for n, p in enumerate(PAULIS[2]))),
        Channel("idle_measure_reset", 0.02, weights=(("Y", 1.0),)),
        Channel("readout", 0.02),
    ),
    decoherence=Decoherence(
        t1_us=30,
        t2_us=20,
        durations=Durations(one_qubit_ns=25, two_qubit_ns=40, measurement_ns=500, reset_ns=160),
    ),
)


@pytest.mark.parametrize(
    "circuit",
    [
        memory_circuit(RotatedSurfaceCode(3, variant="zxxz"), rounds=4, basis="x", noise=si1000(0.01)),
        memory_circuit(RepetitionCode(4, gates="cx"), rounds=5, basis="x", noise=uniform(0.03)),
        memory_circuit(RotatedSurfaceCode(3, variant="zxxz"), rounds=4, basis="x", noise=WEIGHTED),
    ],
    ids=["surface cz", "chain cx", "Pauli weights"],
)
def test_without_leakage_it_is_stim(circuit: stim.Circuit) -> None:
    shots = 20_000
    ours = LeakageSampler(circuit, model=LeakageModel()).sample(shots=shots, seed=2)
    a = np.hstack([bits(ours.events, circuit.num_detectors), bits(ours.flips, circuit.num_observables)])
    theirs = circuit.compile_detector_sampler(seed=3).sample(shots, append_observables=True)
    b = theirs.astype(np.float32)
    assert_equal_counts(a.T @ a, b.T @ b)
    assert not ours.population.any()
    assert len(ours.population) == 4 + (circuit.num_detectors == 18)


@pytest.mark.parametrize(
    "name", [name for name, data in stim.gate_data().items() if data.is_unitary and data.is_single_qubit_gate]
)
def test_every_one_qubit_gate_moves_errors_as_in_stim(name: str) -> None:
    inverse = stim.gate_data(name).inverse.name
    for prepare, measure in (("R", "M"), ("RX", "MX")):
        for error in ("X", "Y", "Z"):
            text = f"{prepare} 0\n{name} 0\n{error}_ERROR(1) 0\n{inverse} 0\n{measure} 0\nDETECTOR rec[-1]"
            expected = stim.Circuit(text).compile_detector_sampler().sample(1)[0, 0]
            assert sampled(text, shots=1)[0, 0] == expected


HEAT = "QUBIT_COORDS[data](0, 0) 0\nR 0 1\n"
CYCLE = "TICK[cycle]\n"


def test_population_follows_heating_decay_and_removal() -> None:
    circuit = stim.Circuit(HEAT + 12 * CYCLE + "M 0")
    shots = 30_000
    for decay, removal in ((0.0, 0.0), (0.2, 0.0), (0.1, 0.5)):
        model = LeakageModel(cycle=0.1, decay=decay, removal=removal)
        found = LeakageSampler(circuit, model=model).sample(shots=shots, seed=1).population
        expected = [0.0]
        for _ in range(11):
            stays = expected[-1] * (1 - decay) * (1 - removal)
            expected.append(stays + 0.1 * (1 - expected[-1]))
        assert np.abs(found - expected).max() < sigmas(3 * found.size) * np.sqrt(0.25 / shots)


def test_a_leaked_qubit_is_read_at_random_or_as_one() -> None:
    for prepare, reference in (("R", 0), ("R 0\nX", 1)):
        text = f"QUBIT_COORDS[data](0, 0) 0\n{prepare} 0\n{CYCLE}M 0\nDETECTOR rec[-1]"
        assert abs(sampled(text, cycle=1.0).mean() - 0.5) < 0.06
        assert (sampled(text, cycle=1.0, reads_one=1.0) == 1 - reference).all()
        assert (sampled(text, cycle=1.0, reads_one=0.0) == reference).all()


def test_the_partner_of_a_leaked_qubit_gets_a_kick() -> None:
    for gate, first, second in (("CZ", 0, 1), ("CZ", 1, 0), ("CX", 0, 1), ("CX", 1, 0)):
        for basis in ("", "X"):
            text = (
                f"QUBIT_COORDS[data](0, 0) 0\nR 0\nR{basis} 1\n{CYCLE}{gate} {first} {second}\nM{basis} 1\n"
                "DETECTOR rec[-1]"
            )
            if gate == "CX" and first == 1 and basis == "X":
                text = text.replace("R 0\n", "RX 0\n")  # else the result would be random in stim, too
            hit_is_x = gate == "CX" and first == 0
            seen = hit_is_x == (basis == "")
            rate = sampled(text, cycle=1.0).mean()
            assert abs(rate - 0.5) < 0.06 if seen else rate == 0
            assert abs(sampled(text, cycle=1.0, kick="depolarize").mean() - 0.5) < 0.06


def test_leakage_is_handed_on_and_reset() -> None:
    text = HEAT + CYCLE + "CZ 0 1\nM 1 0\nDETECTOR rec[-2]\nDETECTOR rec[-1]\nR 1\nM 1\nDETECTOR rec[-1]"
    handed = sampled(text, cycle=1.0, transport=1.0, reads_one=1.0)
    assert (handed[:, 0] == 1).all()
    assert abs(handed[:, 1].mean() - 0.5) < 0.06  # it came back in a random state
    assert not handed[:, 2].any()
    kept = sampled(text, cycle=1.0, transport=1.0, reads_one=1.0, reset=0.0)
    assert (kept[:, 2] == 1).all()
    stays = sampled(text, cycle=1.0, transport=0.0, reads_one=1.0)
    assert not stays[:, 0].any()
    assert (stays[:, 1] == 1).all()


def test_gates_and_measurements_heat() -> None:
    text = "R 0 1\nCZ 0 1\nM 0 1\nDETECTOR rec[-1]\nDETECTOR rec[-2]"
    found = sampled(text, cz=0.3, reads_one=1.0, shots=8000)
    assert not (found.sum(axis=1) == 2).any()
    assert np.abs(found.mean(axis=0) - 0.15).max() < 0.03
    again = sampled("R 0\nM 0 0\nDETECTOR rec[-2]\nDETECTOR rec[-1]", measurement=0.3, reads_one=1.0)
    assert not again[:, 0].any()
    assert abs(again[:, 1].mean() - 0.3) < 0.05


def test_any_shot_can_be_drawn_again_alone() -> None:
    circuit = memory_circuit(RotatedSurfaceCode(3), rounds=3, noise=WEIGHTED)
    sampler = LeakageSampler(circuit, model=LeakageModel(cz=0.01, transport=0.1, decay=0.1))
    whole = sampler.sample(shots=6, seed=3)
    part = sampler.sample(shots=2, seed=3, first_shot=4)
    assert np.array_equal(part.events, whole.events[4:])
    assert sampler.num_cycles == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SWAP 0 1", "SWAP cannot be sampled with leakage"),
        ("M 0\nCX rec[-1] 1", "no feedback"),
        ("MPP X0*X1", "MPP"),
        ("E(0.1) X0", "qubits only"),
    ],
)
def test_what_has_no_place_in_a_program_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LeakageSampler(stim.Circuit(text), model=LeakageModel())


@pytest.mark.parametrize(
    ("channel", "wanted"),
    [
        ("PAULI_CHANNEL_1(0.1, 0.2, 0.3) 0", {"X_": 0.1, "Y_": 0.2, "Z_": 0.3}),
        (
            "PAULI_CHANNEL_2(0.02,0.04,0.01,0.03,0.05,0.06,0.02,0.08,0.02,0.03,0.04,0.01,0.1,0.07,0.02) 0 1",
            dict(
                zip(
                    [p.replace("I", "_") for p in PAULIS[2]],
                    [0.02, 0.04, 0.01, 0.03, 0.05, 0.06, 0.02, 0.08, 0.02, 0.03, 0.04, 0.01, 0.1, 0.07, 0.02],
                    strict=True,
                )
            ),
        ),
    ],
    ids=["one qubit", "two qubits"],
)
def test_every_pauli_of_a_channel_has_its_probability(channel: str, wanted: dict[str, float]) -> None:
    """Bell pairs with reference qubits tell all Paulis apart."""
    text = (
        f"R 0 1 2 3\nH 0 1\nCX 0 2 1 3\n{channel}\nCX 0 2 1 3\nH 0 1\nM 0 1 2 3\n"
        "DETECTOR rec[-4]\nDETECTOR rec[-3]\nDETECTOR rec[-2]\nDETECTOR rec[-1]"
    )
    shots = 40_000
    found = sampled(text, shots=shots).astype(bool)
    seen = []
    for first in "_XYZ":
        for second in "_XYZ":
            wants = [first in "YZ", second in "YZ", first in "XY", second in "XY"]
            p = wanted.get(first + second, 1 - sum(wanted.values()) if first + second == "__" else 0.0)
            seen.append(((found == wants).all(axis=1).sum(), p))
    assert_binomial([count for count, _ in seen], shots, [p for _, p in seen])


def test_rates_of_cycles_need_tags() -> None:
    circuit = stim.Circuit.generated("repetition_code:memory", distance=3, rounds=3)
    with pytest.raises(ValueError, match=r"cycle, decay need to know data qubits and cycles.*TICK\[cycle\]"):
        LeakageSampler(circuit, model=LeakageModel(cycle=0.1, decay=0.1))
    LeakageSampler(circuit, model=LeakageModel(cz=0.1))
    half = stim.Circuit("QUBIT_COORDS[data](0) 0\nM 0"), stim.Circuit("TICK[cycle]\nM 0")
    for circuit in half:
        with pytest.raises(ValueError, match="cycle need to know data qubits and cycles"):
            LeakageSampler(circuit, model=LeakageModel(cycle=0.1))


def test_bad_numbers() -> None:
    with pytest.raises(ValueError, match=r"decay=1\.5"):
        LeakageModel(decay=1.5)
    with pytest.raises(ValueError, match="kick='hard'"):
        LeakageModel(kick="hard")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"stim\.Circuit"):
        LeakageSampler("M 0", model=LeakageModel())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shots=-1"):
        LeakageSampler(stim.Circuit("M 0"), model=LeakageModel()).sample(shots=-1, seed=1)
