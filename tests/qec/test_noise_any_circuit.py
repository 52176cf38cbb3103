"""Noise on circuits of other programs: layers over the edges of REPEAT blocks, no TICKs, no tags."""

import pytest
import stim

from qec import noise

MODELS = [noise.si1000(0.001), noise.uniform(0.001), noise.phenomenological(0.001)]
SURFACE = [f"surface_code:{kind}_memory_{basis}" for kind in ("rotated", "unrotated") for basis in "xz"]
TASKS = [*SURFACE, "repetition_code:memory", "color_code:memory_xyz"]


def model(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    return circuit.detector_error_model(flatten_loops=True).flattened()


def si1000(text: str) -> str:
    return str(noise.si1000(0.01).apply(stim.Circuit(text)))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rounds", [2, 3, 6])
def test_generated_circuits_take_every_model(task: str, rounds: int) -> None:
    clean = stim.Circuit.generated(task, distance=3, rounds=rounds)
    for m in MODELS:
        noisy = m.apply(clean)
        assert noisy.flattened().without_noise() == clean.flattened()
        # The layers of the circuit as it is executed: errors may change places with annotations only.
        assert model(noisy).approx_equals(model(m.apply(clean.flattened())), atol=1e-9)
        # Errors of the colour code are not graphlike.
        if not task.startswith("color"):
            assert len(noisy.shortest_graphlike_error()) == 3


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_uniform_is_the_noise_of_stim(task: str, rounds: int) -> None:
    if task.startswith("color") and rounds < 2:
        return
    p = 0.01
    stims = stim.Circuit.generated(
        task,
        distance=3,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    )
    ours = noise.uniform(p).apply(stim.Circuit.generated(task, distance=3, rounds=rounds))
    assert model(ours).approx_equals(model(stims), atol=1e-9)
    phenomenological = stim.Circuit.generated(
        task,
        distance=3,
        rounds=rounds,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
    )
    ours = noise.phenomenological(p).apply(stim.Circuit.generated(task, distance=3, rounds=rounds))
    assert model(ours).approx_equals(model(phenomenological), atol=1e-9)


@pytest.mark.parametrize("task", TASKS)
def test_long_circuits_stay_folded(task: str) -> None:
    clean = stim.Circuit.generated(task, distance=3, rounds=10**6)
    for m in MODELS:
        noisy = m.apply(clean)
        assert noisy.num_detectors == clean.num_detectors
        assert len(str(noisy)) < 6 * len(str(clean))
        assert sum(isinstance(i, stim.CircuitRepeatBlock) for i in noisy) == sum(
            isinstance(i, stim.CircuitRepeatBlock) for i in clean
        )


def test_a_layer_over_the_edges_of_a_repeat_block() -> None:
    """Every layer has all three qubits: no place for idling but the layers of the CZ, in each iteration."""
    noisy = si1000("R 0 1 2\nREPEAT 5 {\nTICK\nCZ 0 1\nTICK\nMR 1\nH 0\n}\nM 2")
    assert noisy == str(
        stim.Circuit("""
            R 0 1 2
            X_ERROR(0.02) 0 1 2
            TICK
            CZ 0 1
            DEPOLARIZE2(0.01) 0 1
            DEPOLARIZE1(0.001) 2
            TICK
            MR(0.05) 1
            X_ERROR(0.02) 1
            H 0
            DEPOLARIZE1(0.001) 0
            REPEAT 4 {
                DEPOLARIZE1(0.001) 2
                DEPOLARIZE1(0.02) 2
                TICK
                CZ 0 1
                DEPOLARIZE2(0.01) 0 1
                DEPOLARIZE1(0.001) 2
                TICK
                MR(0.05) 1
                X_ERROR(0.02) 1
                H 0
                DEPOLARIZE1(0.001) 0
            }
            M(0.05) 2
        """)
    )


@pytest.mark.parametrize(
    "text",
    [
        "R 0 1 2\nREPEAT 4 {\nH 0\nTICK\nCX 0 1\nTICK\nMR 1\n}\nM 0 2",
        "R 0 1 2\nTICK\nREPEAT 3 {\nREPEAT 2 {\nCX 0 1\nTICK\n}\nMR 1\n}\nTICK\nM 0 2",
        "R 0 1 2\nTICK\nREPEAT 3 {\nTICK\nH 0\nREPEAT 2 {\nTICK\nCX 0 1\n}\nMR 2\n}\nM 0 2",
        "R 0 1 2\nREPEAT 1 {\nTICK\nMR 1\n}\nM 0",
        "R 0 1 2\nREPEAT 3 {\nCX 0 1\nMR 1\n}\nM 2",
        "R 0 1 2\nTICK\nREPEAT 3 {\nMXX 0 1\nTICK\nMPP Z1*Z2\n}\nM 0 1 2",
    ],
)
def test_folded_and_flattened_circuits_get_the_same_errors(text: str) -> None:
    clean = stim.Circuit(text)
    for m in (*MODELS[:1], noise.uniform(0.01)):
        assert m.apply(clean).flattened() == m.apply(clean.flattened())


def test_layers_without_ticks_are_found_by_use() -> None:
    assert si1000("R 0 1\nH 0\nCX 0 1\nM 1\nM 0") == str(
        stim.Circuit("""
            R 0 1
            X_ERROR(0.02) 0 1
            H 0
            DEPOLARIZE1(0.001) 0 1
            CX 0 1
            DEPOLARIZE2(0.01) 0 1
            M(0.05) 1
            M(0.05) 0
        """)
    )


def test_layers_by_use_that_drift_end_with_each_iteration() -> None:
    """Two layers after two iterations, {M 0, M 1} and {M 1}: the block's edges are taken as their ends."""
    assert si1000("R 0 1\nM 0\nREPEAT 9 {\nM 1\n}\nM 0") == str(
        stim.Circuit("""
            R 0 1
            X_ERROR(0.02) 0 1
            M(0.05) 0
            DEPOLARIZE1(0.001) 1
            DEPOLARIZE1(0.02) 1
            REPEAT 9 {
                M(0.05) 1
                DEPOLARIZE1(0.001) 0
                DEPOLARIZE1(0.02) 0
            }
            M(0.05) 0
            DEPOLARIZE1(0.001) 1
            DEPOLARIZE1(0.02) 1
        """)
    )


def test_joint_measurements() -> None:
    assert si1000("R 0 1 2\nTICK\nMXX 0 !1\nTICK\nMPP !X0*Y1*Z2 Z0\nTICK\nSPP X0*Z1 Y2") == str(
        stim.Circuit("""
            R 0 1 2
            X_ERROR(0.02) 0 1 2
            TICK
            MXX(0.05) 0 !1
            DEPOLARIZE2(0.01) 0 1
            DEPOLARIZE1(0.001) 2
            DEPOLARIZE1(0.02) 2
            TICK
            MPP(0.05) !X0*Y1*Z2
            DEPOLARIZE2(0.01) 0 1 1 2
            MPP(0.05) Z0
            TICK
            SPP X0*Z1 Y2
            DEPOLARIZE1(0.001) 2
            DEPOLARIZE2(0.01) 0 1
        """)
    )


def test_cycles_of_joint_measurements_begin_where_a_product_comes_again() -> None:
    clean = stim.Circuit("R 0 1 2\nREPEAT 4 {\nMZZ 0 1\nTICK\nMZZ 1 2\nTICK\n}\nM 0 1 2")
    noisy = noise.phenomenological(0.01).apply(clean)
    assert str(noisy) == str(
        stim.Circuit("""
            R 0 1 2
            REPEAT 4 {
                DEPOLARIZE1(0.01) 0 1 2
                MZZ(0.01) 0 1
                TICK
                MZZ(0.01) 1 2
                TICK
            }
            M(0.01) 0 1 2
        """)
    )
