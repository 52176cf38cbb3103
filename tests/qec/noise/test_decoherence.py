"""T1, T2 and durations: against density matrices, and layer by layer in circuits."""

import math
import re

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qec import RotatedSurfaceCode, memory_circuit
from qec.noise import Channel, Decoherence, Durations, NoiseModel
from qec.noise.decoherence import twirled

Matrix = NDArray[np.complex128]
ONE, X, Y, Z = (
    np.array(m, dtype=np.complex128)
    for m in ([[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]])
)
DURATIONS = Durations(one_qubit_ns=25, two_qubit_ns=40, measurement_ns=500, reset_ns=160)


def decohered(rho: Matrix, *, t: float, t1: float, t2: float) -> Matrix:
    """Amplitude damping, then dephasing for what T2 says beyond it, by their Kraus operators."""
    gamma = 1 - math.exp(-t / t1)
    damping = [
        np.array([[1, 0], [0, math.sqrt(1 - gamma)]], dtype=np.complex128),
        np.array([[0, math.sqrt(gamma)], [0, 0]], dtype=np.complex128),
    ]
    rho = sum((k @ rho @ k.conj().T for k in damping), np.zeros((2, 2), dtype=np.complex128))
    # 1 / T2 = 1 / (2 T1) + 1 / T_phi
    flip = (1 - math.exp(-t * (1 / t2 - 1 / (2 * t1)))) / 2
    return (1 - flip) * rho + flip * Z @ rho @ Z


@settings(deadline=None, max_examples=100)
@given(
    t=st.floats(1.0, 1e6),
    t1=st.floats(1e3, 1e6),
    part=st.floats(0.01, 1.0),
    angles=st.tuples(st.floats(0, math.pi), st.floats(0, 2 * math.pi)),
)
def test_twirl_of_amplitude_damping_and_dephasing(
    t: float, t1: float, part: float, angles: tuple[float, float]
) -> None:
    t2 = 2 * t1 * part
    state = np.array([math.cos(angles[0] / 2), np.exp(1j * angles[1]) * math.sin(angles[0] / 2)])
    rho = np.outer(state, state.conj())
    # The twirl: the average over Paulis before and after.
    averaged = sum(p @ decohered(p @ rho @ p, t=t, t1=t1, t2=t2) @ p for p in (ONE, X, Y, Z)) / 4
    errors = twirled(t, t1_ns=t1, t2_ns=t2)
    ours = (1 - sum(errors)) * rho
    for probability, p in zip(errors, (X, Y, Z), strict=True):
        assert probability >= 0
        ours = ours + probability * p @ rho @ p
    np.testing.assert_allclose(ours, averaged, atol=1e-12)


@given(t=st.floats(1e-6, 1e9), t1=st.floats(1.0, 1e9))
def test_short_waits_at_the_limit_are_legal(t: float, t1: float) -> None:
    errors = twirled(t, t1_ns=t1, t2_ns=2 * t1)
    assert min(errors) >= 0
    assert sum(errors) <= 0.75 + 1e-12


def flips(model: NoiseModel, circuit: str) -> list[float]:
    """Probability of each detector's event; a circuit of detectors that no two errors share."""
    dem = model.apply(stim.Circuit(circuit)).detector_error_model(approximate_disjoint_errors=True)
    kept = [1.0] * dem.num_detectors
    for error in dem.flattened():
        if error.type == "error":
            for target in error.targets_copy():
                kept[target.val] *= 1 - 2 * error.args_copy()[0]
    return [(1 - one) / 2 for one in kept]


def waiting(**times: object) -> NoiseModel:
    return NoiseModel("waiting", (), decoherence=Decoherence(durations=DURATIONS, **times))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("layer", "wait"),
    [
        ("H 1", 25),
        ("CZ 1 2", 40),
        ("CZ 1 2\nH 3", 40),
        ("M 1", 500),
        ("MXX 1 2", 500),
        ("R 1", 160),
        ("MR 1", 660),
        ("H 1\nM 1", 525),  # one after the other in one layer
        ("SPP X1*X2*X3", 80),
        ("I 0\nM 1", 475),  # waits for what its own gate leaves
        ("I 0", 0),
        ("CX rec[-1] 1", 0),  # bookkeeping takes no time
        ("REPEAT 3 {\nH 1\nTICK\nH 2\nTICK\n}", 150),
    ],
)
def test_a_qubit_waits_as_long_as_the_layer_lasts(layer: str, wait: float) -> None:
    """Qubit 0 from its reset to its measurement, in layers in which it is alone and does not wait."""
    model = waiting(t1_us=20.0, t2_us=13.0)
    for basis, time in (("", 20.0), ("X", 13.0)):
        circuit = f"M 4\nTICK\nR{basis} 0\nTICK\n{layer}\nTICK\nM{basis} 0\nDETECTOR rec[-1]"
        (found,) = flips(model, circuit)
        assert found == pytest.approx((1 - math.exp(-wait / (1e3 * time))) / 2, abs=1e-12)


def test_qubits_with_times_of_their_own() -> None:
    circuit = (
        "QUBIT_COORDS(0, 0) 0\nQUBIT_COORDS(2, 0) 1\nQUBIT_COORDS(4, 0) 2\nR 0 1 2\nTICK\nM 2\nTICK\nM 0 1\n"
        "DETECTOR rec[-1]\nDETECTOR rec[-2]"
    )
    model = waiting(t1_us=50, t2_us=30, overrides=(((2.0, 0.0), (20.0, None)),))
    expected = [(1 - math.exp(-500 / (1e3 * t1))) / 2 for t1 in (20, 50)]
    assert flips(model, circuit) == pytest.approx(expected)
    in_x = circuit.replace("R 0 1 2", "RX 0 1\nR 2").replace("M 0 1", "MX 0 1")
    expected = [(1 - math.exp(-500 / 30e3)) / 2] * 2
    assert flips(model, in_x) == pytest.approx(expected)
    with pytest.raises(ValueError, match="no QUBIT_COORDS"):
        model.apply(stim.Circuit("R 0 1\nTICK\nM 1"))


def test_one_time_alone() -> None:
    circuit = "R{} 0\nTICK\nM 1\nTICK\nM{} 0\nDETECTOR rec[-1]"
    decay = [(1 - math.exp(-500 / (1e3 * t))) / 2 for t in (40, 80)]
    only_t1, only_t2 = waiting(t1_us=40.0), waiting(t2_us=80.0)
    assert flips(only_t1, circuit.format("", "")) == pytest.approx([decay[0]])
    assert flips(only_t1, circuit.format("X", "X")) == pytest.approx([decay[1]])  # T2 = 2 T1
    assert flips(only_t2, circuit.format("", "")) == [0.0]
    assert flips(only_t2, circuit.format("X", "X")) == pytest.approx([decay[1]])
    assert "Z_ERROR" in str(only_t2.apply(stim.Circuit("R 0\nTICK\nM 1")))


def test_repeat_blocks_stay_folded() -> None:
    code = RotatedSurfaceCode(3, variant="zxxz")
    model = NoiseModel(
        "device",
        (Channel("two_qubit", 0.003),),
        decoherence=Decoherence(t1_us=68, t2_us=89, durations=DURATIONS),
    )
    clean = memory_circuit(code, rounds=20)
    noisy = model.apply(clean)
    assert any(isinstance(part, stim.CircuitRepeatBlock) for part in noisy)
    whole = model.apply(clean.flattened())
    ours, wanted = (
        one.detector_error_model(approximate_disjoint_errors=True, flatten_loops=True).flattened()
        for one in (noisy, whole)
    )
    assert ours.num_errors == wanted.num_errors
    errors = [
        {tuple(map(str, e.targets_copy())): e.args_copy()[0] for e in dem if e.type == "error"}
        for dem in (ours, wanted)
    ]
    assert errors[0] == pytest.approx(errors[1], abs=1e-12)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({}, "decoherence needs t1_us, t2_us or both"),
        ({"t1_us": 10, "t2_us": 21}, "t2_us is 21: T2 is at most 2 T1, here 20 us"),
        ({"t1_us": 0}, "t1_us must be a time in us above 0, not 0"),
        ({"t1_us": 10, "t2_us": math.nan}, "t2_us must be a time in us above 0, not nan"),
        ({"t1_us": True}, "t1_us must be a time in us above 0, not True"),
        ({"t1_us": 10, "t2_us": 9, "overrides": (((0.0, 0.0), (4.0, None)),)}, "t2_us at (0, 0) is 9: T2 is"),
        ({"t1_us": 10, "overrides": 2 * (((0.0, 0.0), (4.0, None)),)}, "at (0, 0) are given twice"),
    ],
)
def test_wrong_times(times: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        Decoherence(durations=DURATIONS, **times)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_idling_is_said_once() -> None:
    with pytest.raises(ValueError, match="say the same twice; leave one of them out"):
        NoiseModel("both", (Channel("idle", 0.1),), decoherence=Decoherence(t1_us=10, durations=DURATIONS))
    with pytest.raises(ValueError, match="reset_ns must be a number of ns, 0 or more, not -1"):
        Durations(one_qubit_ns=25, two_qubit_ns=40, measurement_ns=500, reset_ns=-1)


def test_idle_errors_during_measurement_are_in_addition() -> None:
    model = NoiseModel(
        "both", (Channel("idle_measure_reset", 0.03),), decoherence=Decoherence(t1_us=10, durations=DURATIONS)
    )
    (found,) = flips(model, "R 0 1\nTICK\nM 1\nTICK\nM 0\nDETECTOR rec[-1]")
    kept = math.exp(-500 / 10e3) * (1 - 4 / 3 * 0.03)
    assert found == pytest.approx((1 - kept) / 2)
