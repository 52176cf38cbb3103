"""Programs with merges: outcomes, whole circuits of stim as the oracle, waits, and what is refused."""

from functools import cache

import numpy as np
import pymatching
import pytest

from qec import noise
from realtime.programs import library
from realtime.programs.kernels.records import End
from realtime.programs.program import Program
from realtime.programs.run import RunSettings
from realtime.programs.surgery.circuit import shot_layers
from realtime.programs.surgery.model import SurgeryModel
from realtime.programs.surgery.parities import compare_all, find_measurements
from realtime.programs.surgery.run import SurgeryRun, run_surgery

TELEPORTATION = library.teleportation(cycles=2, merged=3, basis="z")
CHOSEN = '"basis": {"if": "xx", "zero": "z", "one": "x"}, "outcome": "result"'


@cache
def model_of(text: str, *, p: float = 0.002) -> SurgeryModel:
    return SurgeryModel.of(Program.parse(text), distance=3, noise=noise.si1000(p))


def simulate(text: str, *, shots: int, p: float = 0.002, **settings: int) -> SurgeryRun:
    pace = RunSettings(simulated=True, cycle_ns=1000, hop_ns=0, **{"service_ns": 100, **settings})
    return run_surgery(model_of(text, p=p), settings=pace, shots=shots)


def test_which_outcomes_are_random_and_what_determines_the_others() -> None:
    # The control's Z is untouched; X of the ancilla is random after ZZ, its Z after XX.
    operations = Program.parse(library.surgery_cnot(cycles=2, merged=2, basis="z")).operations
    zz, xx, last, control, target = compare_all(find_measurements(operations), operations)
    assert [one.outcomes for one in (zz, xx, last, control, target)] == [(0,), (), (), (3,), (2, 4)]
    assert zz.references == ((0, 0, 0), (2, 2, 0))
    assert control.references == ((0, 0, 0),)
    # Z of ancilla and target is conserved by their merge.
    assert target.references == ((1, 1, 0), (2, 2, 0))
    operations = Program.parse(library.surgery_cnot(cycles=2, merged=2, basis="x")).operations
    control = compare_all(find_measurements(operations), operations)[3]
    assert control.outcomes == (1, 3)
    assert control.references == ((0, 0, 1), (1, 1, 1), (2, 2, 1))


@cache
def whole_shot_errors(model: SurgeryModel, waits: tuple[int, ...], *, turned: bool) -> dict[str, float]:
    """Errors of XX and of the result of a teleportation, sampled by stim and decoded by PyMatching.

    `turned`: whether the result is measured in the basis that is not that of its operation.
    """
    circuit = model.circuit(waits, {2: 1} if turned else {})
    events, flips = circuit.compile_detector_sampler(seed=3).sample(10_000, separate_observables=True)
    matching = pymatching.Matching.from_detector_error_model(
        circuit.detector_error_model(decompose_errors=True)
    )
    errors = matching.decode_batch(events) != flips
    xx, source, target = model.measurements
    basis = 1 if turned else min(target.observables)
    result = errors[:, target.observables[basis]]
    if basis == 0:
        result = result ^ errors[:, source.observables[0]]
    return {"xx": errors[:, xx.observables[1]].mean(), "result": result.mean()}


@pytest.mark.parametrize("basis", ["z", pytest.param("x", marks=pytest.mark.nightly)])
def test_outcomes_are_wrong_as_often_as_in_whole_circuits_of_stim(basis: str) -> None:
    text = library.teleportation(cycles=2, merged=3, basis=basis)
    run = simulate(text, shots=1500)
    assert run.end == End.DONE
    offline = run.model.make_decoder()
    same, checked = run.check_shots(offline)
    assert same == checked == 2 * 1500
    (waits,) = set(map(tuple, run.shot_waits))
    expected = whole_shot_errors(run.model, waits, turned=False)
    wrong = (run.lives["flips"] != run.lives["predicted"]).reshape(-1, 3)
    assert not wrong[:, 1].any()
    for number, name in ((0, "xx"), (2, "result")):
        assert abs(wrong[:, number].mean() - expected[name]) < 4 * np.sqrt(expected[name] / 1500)


def test_the_basis_of_a_measurement_depends_on_the_outcome_of_a_merge() -> None:
    run = simulate(TELEPORTATION.replace('"basis": "z", "outcome": "result"', CHOSEN), shots=1200)
    assert run.check_shots(run.model.make_decoder()) == (2400, 2400)
    result = run.lives[2::3]
    assert np.array_equal(result["basis"], run.decoded_values().reshape(-1, 3)[:, 0])
    wrong = (run.lives["flips"] != run.lives["predicted"]).reshape(-1, 3)
    assert np.array_equal(result["basis"] != result["ideal_basis"], wrong[:, 0])
    assert run.failures()[wrong[:, 0]].all()
    (waits,) = set(map(tuple, run.shot_waits))
    for basis in (0, 1):
        expected = whole_shot_errors(run.model, waits, turned=basis == 1)["result"]
        measured = result["basis"] == basis
        assert 0.4 < measured.mean() < 0.6
        assert abs(wrong[measured, 2].mean() - expected) < 4 * np.sqrt(expected / measured.sum())


def test_the_outcome_of_a_merge_is_the_product_of_what_is_measured_later() -> None:
    run = simulate(library.merged_parity(cycles=2, merged=3), shots=500)
    parity, first, second = run.lives["coin"].reshape(-1, 3).T
    assert np.array_equal(parity, first ^ second)
    assert 0.4 < parity.mean() < 0.6
    decoded = np.bitwise_xor.reduce(run.decoded_values().reshape(-1, 3), axis=1)
    wrong = np.bitwise_xor.reduce(run.outcome_errors().reshape(-1, 3), axis=1)
    assert np.array_equal(decoded == 1, wrong)
    assert 0 < wrong.mean() < 0.3


def test_wrong_outcomes_of_merges_make_wrong_corrections() -> None:
    run = simulate(library.surgery_cnot(cycles=2, merged=2, basis="z"), shots=200)
    errors = run.outcome_errors().reshape(-1, 5)
    own = (run.lives["flips"] != run.lives["predicted"]).reshape(-1, 5)
    assert own[:, 0].any()
    assert np.array_equal(errors[:, 4], own[:, 4] ^ own[:, 0])  # ZZ decides about X on the target
    assert np.array_equal(
        errors[:, 3], own[:, 3]
    )  # XX decides about Z on the control, which was measured in Z
    assert np.array_equal(run.failures(), errors[:, 3] | errors[:, 4])


def test_a_chain_of_merges_takes_each_basis_from_the_last_one() -> None:
    run = simulate(library.merged_chain(decisions=2, cycles=1, merged=2), shots=60)
    assert run.end == End.DONE
    same, checked = run.check_shots(run.model.make_decoder())
    assert same == checked > 0
    measured, result = run.lives[3::5], run.lives[4::5]
    decoded = run.decoded_values().reshape(-1, 5)
    assert np.array_equal(measured["basis"], decoded[:, 0])
    assert np.array_equal(result["basis"], decoded[:, 2])
    assert {(int(a), int(b)) for a, b in zip(measured["basis"], result["basis"], strict=True)} == {
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    }
    # Only the layers of one measurement depend on its basis: no circuit has both turned.
    assert len(run.model.layers) == 3


def test_a_wait_idles_until_the_answer_is_there_and_latency_costs_errors() -> None:
    quick = simulate(TELEPORTATION, shots=700)
    # Two cycles, three merged, one, that of the measurement; then two waits, at least a cycle each.
    assert set(quick.durations()) == {2 + 3 + 1 + 1 + 1 + 1 + 1}
    slow = simulate(TELEPORTATION, shots=700, delay_ns=20_000)
    assert slow.durations().min() >= 20
    assert slow.reaction_ns().max() <= 21_000
    assert slow.failures().mean() > 1.2 * quick.failures().mean()
    never = simulate(TELEPORTATION, shots=2, delay_ns=10**9, longest_wait=50)
    assert (never.end, never.num_shots, never.stopped_wait) == (End.UNANSWERED, 0, 50)


def test_random_outcomes_end_no_window() -> None:
    # Of those that are awaited, XX of the teleportation is determined and the source's Z is random.
    model = model_of(TELEPORTATION)
    decoder = model.make_decoder()
    layers = shot_layers(model.program, [1, 1])
    decoder.decode_shot(np.zeros((len(layers), model.layers[0].num_columns), dtype=np.uint8), layers)
    assert decoder.record["num_windows"] == 2  # up to XX, and the rest


def test_on_the_real_clock_outcomes_are_those_of_offline_decoding() -> None:
    # A slow device, with which a busy machine keeps up.
    model = model_of(TELEPORTATION)
    run = run_surgery(model, settings=RunSettings(cycle_ns=20_000), shots=300)
    assert (run.end, run.num_shots) == (End.DONE, 300)
    assert run.check_shots(model.make_decoder()) == (600, 600)
    assert run.cut_before > 10  # windows with waits of other lengths
    lives = run.lives[run.lives["needed_ns"] > 0]
    assert (lives["needed_ns"] >= lives["due_ns"]).all()
    assert (lives["acted_ns"] >= lives["received_ns"]).all()
    assert (lives["received_ns"] >= lives["done_ns"]).all()
    assert (run.lives["done_ns"] >= run.lives["due_ns"]).all()
    # The length of the waits, which depends on the machine, is nothing to the parity of before.
    wrong = (run.lives["flips"] != run.lives["predicted"]).reshape(-1, 3)
    parity = whole_shot_errors(model, (1, 1), turned=False)["xx"]
    assert abs(wrong[:, 0].mean() - parity) < 5 * np.sqrt(parity / 300)


def test_graphs_missing_on_the_real_clock_are_cut_while_it_stands_still() -> None:
    text = TELEPORTATION.replace('"basis": "z", "outcome": "result"', CHOSEN)
    model = model_of(text)
    never_kept = model.make_decoder(graph_bytes=1)
    run = run_surgery(model, settings=RunSettings(cycle_ns=20_000), shots=20, decoder=never_kept)
    assert (run.end, run.num_shots) == (End.DONE, 20)
    assert run.cut_meanwhile >= 40  # two windows of a shot or more
    assert run.stopped_ns > 0
    assert run.check_shots(model.make_decoder()) == (40, 40)


def test_a_decoder_that_is_too_slow_on_the_real_clock_ends_the_run() -> None:
    slow = RunSettings(cycle_ns=1000, service_ns=100_000, longest_wait=30)
    run = run_surgery(model_of(TELEPORTATION), settings=slow, shots=100)
    assert (run.end, run.stopped_wait) == (End.UNANSWERED, 30)
    assert run.num_shots < 100


def test_no_shots_and_patches_in_the_way_are_refused() -> None:
    with pytest.raises(ValueError, match="shots=0"):
        simulate(TELEPORTATION, shots=0)
    text = TELEPORTATION.replace('"target": [1, 0]', '"target": [2, 0], "c": [1, 0]').replace(
        '{"do": "idle", "cycles": 2}', '{"do": "prepare", "patch": "c"}\n{"do": "idle", "cycles": 2}'
    )
    text += '{"do": "measure", "patch": "c", "basis": "z", "outcome": "c"}\n'
    with pytest.raises(ValueError, match="is in the way of the merge"):
        SurgeryModel.of(Program.parse(text), distance=3, noise=noise.si1000(0.001))
