"""Noise on circuits of other programs: layers over the edges of REPEAT blocks, no TICKs, no tags."""

from random import Random

import pytest
import stim

from qec import noise
from qec.noise import apply as noise_apply

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


def test_layers_by_use_reach_over_the_edges_of_repeat_blocks() -> None:
    """Layers {R 0, R 1}, {M 0, M 1}, {M 1} eight times (once with M 0): one iteration is written out."""
    assert si1000("R 0 1\nM 0\nREPEAT 9 {\nM 1\n}\nM 0") == str(
        stim.Circuit("""
            R 0 1
            X_ERROR(0.02) 0 1
            M(0.05) 0 1 1
            REPEAT 7 {
                DEPOLARIZE1(0.001) 0
                DEPOLARIZE1(0.02) 0
                M(0.05) 1
            }
            M(0.05) 0
        """)
    )


def test_cycles_by_repeated_products_begin_in_the_second_iteration() -> None:
    """The product measured before the block is forgotten there, which changes nothing later."""
    clean = stim.Circuit("R 0 1\nMZZ 0 1\nTICK\nREPEAT 5 {\nMXX 0 1\nTICK\n}\nM 0")
    assert str(noise.uniform(0.01).apply(clean)) == str(
        stim.Circuit("""
            R 0 1
            X_ERROR(0.01) 0 1
            DEPOLARIZE1(0.01) 0 1
            MZZ(0.01) 0 1
            DEPOLARIZE2(0.01) 0 1
            TICK
            MXX(0.01) 0 1
            DEPOLARIZE2(0.01) 0 1
            TICK
            REPEAT 4 {
                DEPOLARIZE1(0.01) 0 1
                MXX(0.01) 0 1
                DEPOLARIZE2(0.01) 0 1
                TICK
            }
            M(0.01) 0
        """)
    )


def by_qubit(circuit: stim.Circuit) -> dict[int | str, list[object]]:
    """What each qubit meets and what is measured, in order: equal for circuits with the same meaning.

    stim joins neighbouring instructions, so that equal circuits may differ as texts.
    """
    met: dict[int | str, list[object]] = {}
    for instruction in circuit.flattened():
        if instruction.name == "TICK":
            for order in met.values():
                order.append("TICK")
            continue
        measures = stim.gate_data(instruction.name).produces_measurements
        for group in instruction.target_groups():
            event = (instruction.name, tuple(instruction.gate_args_copy()), tuple(map(str, group)))
            for qubit in {target.value for target in group}:
                met.setdefault(qubit, []).append(event)
            if measures:
                met.setdefault("measured", []).append(event)
    return met


DEVICE = noise.device(
    {
        "name": "small",
        "rates": {"two_qubit": 0.01, "crosstalk": 0.003, "idle_measure_reset": 0.02},
        "bias": {"two_qubit": 7},
        "coherence": {"t1_us": 20, "t2_us": 13},
        "durations": {"one_qubit_ns": 25, "two_qubit_ns": 40, "measurement_ns": 500, "reset_ns": 160},
    }
)


def random_lines(random: Random, qubits: int, *, depth: int, ticks: bool) -> list[str]:
    """Lines of a circuit; each operation with a tag of its own, so that stim joins no two of them."""
    lines = ["TICK"] if ticks else []
    for _ in range(random.randint(1, 4)):
        one, other = random.sample(range(qubits), 2)
        tag = f"[{random.random()}]"
        if depth and random.random() < 0.4:
            inside = random_lines(random, qubits, depth=depth - 1, ticks=ticks)
            lines += [f"REPEAT {random.randint(1, 5)} {{", *inside, "}"]
        else:
            product = "*".join(random.choice("XZ") + str(qubit) for qubit in random.sample(range(qubits), 2))
            choices = [f"H{tag} {one}", f"R{tag} {one}", f"MR{tag} {one}", f"CX{tag} {one} {other}"]
            choices += [
                f"M{tag} {one}",
                f"MXX{tag} {one} {other}",
                f"MZZ{tag} {one} {other}",
                f"MPP{tag} {product}",
            ]
            lines.append(random.choice(choices))
        if ticks and random.random() < 0.4:
            lines.append("TICK")
    return lines


@pytest.mark.parametrize("ticks", [True, False])
def test_random_circuits_get_the_same_errors_folded_and_flattened(ticks: bool) -> None:
    random = Random(2024 + ticks)
    compared = 0
    for _ in range(60):
        qubits = random.randint(2, 4)
        everything = " ".join(map(str, range(qubits)))
        lines = random_lines(random, qubits, depth=2, ticks=ticks)
        text = "\n".join([f"R[r] {everything}", *(["TICK"] if ticks else []), *lines, f"M[m] {everything}"])
        clean = stim.Circuit(text)
        for m in (MODELS[0], MODELS[1], DEVICE):
            try:
                noisy = m.apply(clean)
            except ValueError:  # uniform noise and no cycles to be found
                continue
            assert by_qubit(noisy) == by_qubit(m.apply(clean.flattened())), text
            compared += 1
    assert compared > 120


def test_layers_that_do_not_come_back_end_with_each_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if one iteration were all that may be written out: the block's edges are the ends of layers."""
    monkeypatch.setattr(noise_apply, "_MAX_ITERATIONS", 1)
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
