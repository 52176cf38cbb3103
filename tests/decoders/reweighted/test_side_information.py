"""Edge probabilities of heralded errors and soft readout: enumeration, and PyMatching made for each shot."""

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
import pymatching
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
import qec
from decoders import ReweightedDecoder, SideInformation
from decoders.reweighted.tagged_circuit import Channel
from qec.families.erasure import with_erasure
from qec.families.toric import toric_circuit
from tests.support.chance import sigmas


@st.composite
def heralded(draw: st.DrawFn) -> tuple[stim.Circuit, int, dict[tuple[int, ...], list[float]]]:
    """Qubits with heralded errors, shown by any detectors, also combined and with false reports.

    Returns:
        The circuit, its number of herald detectors, which come first, and for each of their patterns
        P(pattern) and P(pattern, an odd number of flips) of each qubit.
    """
    num_qubits = draw(st.integers(1, 2))
    probability = st.floats(0.01, 0.4)
    circuit = stim.Circuit()
    # Independent sources: outcomes with probability, index of the record that it flips, flipped qubit.
    sources: list[list[tuple[float, int | None, int | None]]] = []
    num_records = draw(st.integers(1, 3))
    for record in range(num_records):
        qubit = draw(st.integers(0, num_qubits - 1))
        if draw(st.booleans()):
            p = draw(probability)
            circuit.append("HERALDED_ERASE", [qubit], p)
            channel = [p / 4] * 4
        else:
            channel = [draw(st.floats(0, 0.2)) for _ in range(4)]
            circuit.append("HERALDED_PAULI_CHANNEL_1", [qubit], channel)
        outcomes: list[tuple[float, int | None, int | None]] = [(1 - sum(channel), None, None)]
        for p, is_flip in zip(channel, (False, True, True, False), strict=True):
            outcomes.append((p, record, qubit if is_flip else None))
        sources.append(outcomes)
    shown = draw(st.lists(st.integers(1, 2**num_records - 1), min_size=1, max_size=3))
    if draw(st.booleans()):  # false and missed reports
        p = draw(probability)
        circuit.append("MPAD", [0], p)
        sources.append([(1 - p, None, None), (p, num_records, None)])
        shown = [mask | draw(st.integers(0, 1)) << num_records for mask in shown]
        num_records += 1
    for mask in shown:
        records = [stim.target_rec(at - num_records) for at in range(num_records) if mask >> at & 1]
        circuit.append("DETECTOR", records)
    for qubit in range(num_qubits):
        p = draw(probability)
        circuit.append("X_ERROR", [qubit], p)
        sources.append([(1 - p, None, None), (p, None, qubit)])
        circuit.append("M", [qubit])
        circuit.append("DETECTOR", [stim.target_rec(-1)])

    sums: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0] * (num_qubits + 1))
    for chosen in itertools.product(*sources):
        p = float(np.prod([outcome[0] for outcome in chosen]))
        flipped_records = sum(1 << outcome[1] for outcome in chosen if outcome[1] is not None)
        pattern = tuple((mask & flipped_records).bit_count() % 2 for mask in shown)
        sums[pattern][-1] += p
        for qubit in range(num_qubits):
            if sum(outcome[2] == qubit for outcome in chosen) % 2:
                sums[pattern][qubit] += p
    return circuit, len(shown), sums


@settings(max_examples=60)
@given(model=heralded())
def test_edges_are_conditioned_exactly(
    model: tuple[stim.Circuit, int, dict[tuple[int, ...], list[float]]],
) -> None:
    circuit, num_heralds, sums = model
    side, soft = SideInformation(circuit), SideInformation(circuit, soft_readout=True)
    readout = soft.readout_probability[np.newaxis]
    heralds = side.herald_detectors
    assert heralds.tolist() == list(range(num_heralds))
    for pattern in itertools.product((0, 1), repeat=num_heralds):
        events = np.zeros((1, circuit.num_detectors), dtype=np.uint8)
        events[0, heralds] = pattern
        *flips, total = sums[pattern]
        if total == 0:
            with pytest.raises(ValueError, match="shot 0: no error of the circuit"):
                side.edge_probabilities(events)
            continue
        found = side.graph.edge_probability.copy()
        rows = side.edge_probabilities(events)
        found[rows.indices] = rows.data
        with_readout = soft.edge_probabilities(events, readout_probabilities=readout)[0]
        assert np.allclose(with_readout, found, rtol=1e-9, atol=1e-9)
        assert side.graph.edge_u[num_heralds:].tolist() == list(range(num_heralds, circuit.num_detectors))
        assert np.allclose(found[num_heralds:], np.array(flips) / total, rtol=1e-9, atol=1e-12)


def of_shot(circuit: stim.Circuit, fired: NDArray[Any], readout: NDArray[np.float64]) -> stim.Circuit:
    """The circuit of one shot: qubits reported are maximally mixed, readouts have errors of their own.

    Args:
        circuit: with HERALDED_ERASE, each report directly followed by its detectors, in order.
        fired: of the heralds, in order.
        readout: float64 (measurements,), errors of measurements.
    """
    found = stim.Circuit()
    number = measurement = 0
    for instruction in circuit.flattened():
        targets, first = instruction.targets_copy(), measurement
        measurement += instruction.num_measurements
        if instruction.name == "HERALDED_ERASE":
            erased = [target for at, target in enumerate(targets) if fired[number + at]]
            number += len(targets)
            found.append("MPAD", [0] * len(targets))
            found.append("X_ERROR", erased, 0.5)
            found.append("Z_ERROR", erased, 0.5)
        elif instruction.num_measurements:
            for at, group in enumerate(instruction.target_groups(), start=first):
                found.append(instruction.name, group, readout[at])
        else:
            found.append(instruction)
    return found


def memory(code: Any, basis: str = "z") -> stim.Circuit:
    noise = qec.noise.uniform(0.004)
    return with_erasure(qec.memory_circuit(code, rounds=3, basis=basis, noise=noise), 0.06)


CIRCUITS = {
    "repetition": lambda: memory(qec.RepetitionCode(5)),
    "surface": lambda: memory(qec.RotatedSurfaceCode(3), "x"),
    "zxxz": lambda: memory(qec.RotatedSurfaceCode(3, variant="zxxz")),
    "toric": lambda: with_erasure(qec.noise.uniform(0.004).apply(toric_circuit(distance=3, rounds=2)), 0.06),
}


@pytest.mark.parametrize("soft_readout", [False, True])
@pytest.mark.parametrize("name", CIRCUITS)
def test_weights_are_those_of_pymatching_made_for_each_shot(name: str, soft_readout: bool) -> None:
    circuit = CIRCUITS[name]()
    shots = 12
    events = circuit.compile_detector_sampler(seed=5).sample(shots)
    side = SideInformation(circuit, soft_readout=soft_readout)
    readout = np.tile(side.readout_probability, (shots, 1))
    given: NDArray[np.float64] | None = None
    if soft_readout:
        rng = np.random.default_rng(3)
        readout = rng.uniform(0, 0.5, readout.shape) ** 3
        given = readout
    rows = side.edge_probabilities(events, readout_probabilities=given)
    packed = np.packbits(events, axis=1, bitorder="little")
    again = side.edge_probabilities(packed, readout_probabilities=given, bit_packed=True)
    assert (rows != again).sum() == 0
    decoder = ReweightedDecoder(graph=side.graph)
    _, weights = decoder.decode_batch(events, edge_probabilities=rows, return_weights=True)
    heralds = side.herald_detectors
    for shot, weight in zip(range(shots), weights.tolist(), strict=True):
        model = of_shot(circuit, events[shot, heralds], readout[shot]).detector_error_model(
            decompose_errors=True, approximate_disjoint_errors=True
        )
        matching = pymatching.Matching.from_detector_error_model(model)
        rest = events[shot].copy()
        rest[heralds] = False
        _, expected = matching.decode(rest, return_weight=True)
        assert np.isclose(weight, expected, rtol=1e-5, atol=1e-4)


def test_known_heralds_lead_to_the_likeliest_class() -> None:
    """Enumerate all errors of a small repetition code for each pattern of heralds."""
    code = qec.RepetitionCode(3)
    clean = qec.memory_circuit(code, rounds=1, basis="z", noise=qec.noise.phenomenological(0.05))
    circuit = with_erasure(clean, 0.2)
    side = SideInformation(circuit)
    heralds = side.herald_detectors
    assert heralds.size == 3
    decoder = ReweightedDecoder(graph=side.graph)
    average = decoders.from_dem(
        "mwpm", circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    )
    best, ours, ignoring = 0.0, 0.0, 0.0
    for pattern in itertools.product((False, True), repeat=3):
        fired = np.array(pattern)
        p_pattern = float(np.prod(np.where(fired, 0.2, 0.8)))
        readout = side.readout_probability
        model = of_shot(circuit, fired, readout).detector_error_model(approximate_disjoint_errors=True)
        sums: dict[bytes, list[float]] = defaultdict(lambda: [0.0, 0.0])
        errors = [error for error in model if error.type == "error"]
        for present in itertools.product((False, True), repeat=len(errors)):
            events = np.zeros(circuit.num_detectors, dtype=np.bool_)
            events[heralds] = fired
            flip, p = 0, p_pattern
            for error, here in zip(errors, present, strict=True):
                p *= error.args_copy()[0] if here else 1 - error.args_copy()[0]
                if here:
                    for target in error.targets_copy():
                        if target.is_logical_observable_id():
                            flip ^= 1
                        else:
                            events[target.val] ^= True
            sums[events.tobytes()][flip] += p
        shots = np.array([np.frombuffer(key, dtype=np.bool_) for key in sums])
        chances = np.array(list(sums.values()))
        predicted = decoder.decode_batch(shots, edge_probabilities=side.edge_probabilities(shots))
        best += chances.max(axis=1).sum()
        ours += chances[np.arange(len(shots)), predicted[:, 0].astype(int)].sum()
        ignoring += chances[np.arange(len(shots)), average.decode_batch(shots)[:, 0].astype(int)].sum()
    assert best <= 1 + 1e-12
    assert 1 - ours < 1.01 * (1 - best)
    assert 1 - ignoring > 1.5 * (1 - best)


@pytest.mark.parametrize(
    ("probabilities", "paulis"),
    [((0.1, 0, 0, 0), ""), ((0, 0.1, 0, 0), "X"), ((0, 0, 0.2, 0), "Y"), ((0, 0, 0.1, 0.1), "XZ")],
)
def test_only_the_paulis_of_a_channel_are_followed(probabilities: tuple[float, ...], paulis: str) -> None:
    """Another Pauli might not be made of edges."""
    circuit = stim.Circuit()
    circuit.append("HERALDED_PAULI_CHANNEL_1", [0], probabilities)
    assert Channel.of(circuit[0]).paulis == tuple(paulis)
    circuit += stim.Circuit("DETECTOR rec[-1]\nX_ERROR(0.1) 0\nM 0\nDETECTOR rec[-1]")
    side = SideInformation(circuit)
    rows = side.edge_probabilities([[True, False]])
    found = side.graph.edge_probability.copy()
    found[rows.indices] = rows.data
    reported = (probabilities[1] + probabilities[2]) / sum(probabilities)
    flips = reported * 0.9 + (1 - reported) * 0.1
    assert np.isclose(found[1], flips, rtol=0, atol=1e-12)


def test_a_detector_with_other_measurements_is_no_herald_detector() -> None:
    circuit = stim.Circuit("""
        X_ERROR(0.1) 0
        HERALDED_ERASE(0.2) 1
        HERALDED_ERASE(0.3) 0
        M 0 1
        DETECTOR rec[-3]
        DETECTOR rec[-4] rec[-1]
        DETECTOR rec[-2] rec[-1]
    """)
    side = SideInformation(circuit)
    assert side.herald_detectors.tolist() == [0]
    graph = side.graph
    assert graph.edge_u.tolist() == [0, 1, 1, 2]
    assert graph.edge_v.tolist() == [-1, -1, 2, -1]
    # D1 is flipped by the report, and by X on qubit 1 with D2.
    assert np.allclose(graph.edge_probability, [0.5, 0.2, 0.1, 0.1])
    rows = side.edge_probabilities(np.eye(3, dtype=np.bool_)).toarray()
    assert np.flatnonzero(rows).tolist() == [3]
    assert rows[0, 3] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("X_ERROR(0.1) 0\nM 0\nDETECTOR rec[-1]", "no detector shows reports of HERALDED_ERASE or"),
        ("HERALDED_ERASE(0.1) 0\nM 0\nDETECTOR rec[-1]", "add 'DETECTOR rec\\[-1\\]' after each"),
        ("HERALDED_ERASE(1) 0\nDETECTOR rec[-1]\nM 0\nDETECTOR rec[-1]", "D0 cannot all be silent"),
        (
            "HERALDED_PAULI_CHANNEL_1(0, 0.1, 0, 0) 0\nDETECTOR rec[-1]\nM 0\nOBSERVABLE_INCLUDE(0) rec[-1]",
            "heralded channel 0 flips observables by X",
        ),
        (
            "".join("HERALDED_ERASE(0.1) 0\n" for _ in range(14))
            + "".join(f"DETECTOR rec[-{at}] rec[-{at + 1}]\n" for at in range(1, 14))
            + "M 0\nDETECTOR rec[-1]",
            "13 herald detectors depend on each other",
        ),
    ],
)
def test_refused_circuits(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SideInformation(stim.Circuit(text))


def test_refused_shots() -> None:
    circuit = stim.Circuit("HERALDED_ERASE(0.1) 0\nDETECTOR rec[-1]\nM(0.1) 0\nDETECTOR rec[-1]")
    side, soft = SideInformation(circuit), SideInformation(circuit, soft_readout=True)
    none = np.zeros((2, 2), dtype=np.bool_)
    with pytest.raises(ValueError, match=r"shape \(2, 3\), expected \(shots, 2\)"):
        side.edge_probabilities(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="integers 0 and 1"):
        side.edge_probabilities([[2, 0]])
    with pytest.raises(ValueError, match="soft_readout=True"):
        side.edge_probabilities(none, readout_probabilities=np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"are missing: must be \(shots, measurements\) = \(2, 2\)"):
        soft.edge_probabilities(none)
    with pytest.raises(ValueError, match="shot 1, measurement 0 has nan"):
        soft.edge_probabilities(none, readout_probabilities=[[0, 0.5], [np.nan, 0]])


def test_gaussian_readout() -> None:
    """The share of wrong outcomes among those with some probability is that probability."""
    rng = np.random.default_rng(1)
    sent = rng.random(100_000) < 0.5
    mean, deviation = (-1.0, 2.0), (1.0, 1.5)
    values = rng.normal(np.where(sent, *mean[::-1]), np.where(sent, *deviation[::-1]))
    outcomes, p = decoders.classify_gaussian(values, mean=mean, deviation=deviation)
    assert p.max() <= 0.5
    wrong = outcomes != sent
    for low, high in itertools.pairwise([0, 0.05, 0.2, 0.35, 0.5]):
        here = (p >= low) & (p < high)
        assert abs(wrong[here].mean() - p[here].mean()) < sigmas(4) * np.sqrt(p[here].mean() / here.sum())
    assert decoders.classify_ratio([0, -np.inf, np.log(9)]).outcomes.tolist() == [False, False, True]
    assert np.allclose(decoders.classify_ratio([0, -np.inf, np.log(9)]).error_probability, [0.5, 0, 0.1])
    with pytest.raises(ValueError, match="deviation="):
        decoders.classify_gaussian(values, mean=mean, deviation=(1, 0))
    with pytest.raises(ValueError, match="must be finite"):
        decoders.classify_gaussian([np.nan], mean=mean, deviation=deviation)
    with pytest.raises(ValueError, match="not be NaN"):
        decoders.classify_ratio([np.nan])


def test_soft_readout_of_products_of_paulis() -> None:
    circuit = stim.Circuit("R 0 1\nX_ERROR(0.02) 0\nMPP(0.1) Z0*Z1 !Z1\nDETECTOR rec[-2]\nDETECTOR rec[-1]")
    side = SideInformation(circuit, soft_readout=True)
    assert side.readout_probability.tolist() == [0.1, 0.1]
    found = side.edge_probabilities([[0, 0]], readout_probabilities=[[0.3, 0.2]])
    assert side.graph.edge_u.tolist() == [0, 1]
    np.testing.assert_allclose(found, [[0.3 * 0.98 + 0.7 * 0.02, 0.2]], rtol=1e-9)
