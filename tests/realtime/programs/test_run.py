"""Programs in a loop: outcomes, waiting, and decoders that are too slow."""

import numpy as np
import pytest

import decoders
from realtime.programs import library
from realtime.programs.kernels.records import End
from realtime.programs.layers import PatchLayers
from realtime.programs.patches import PatchModel
from realtime.programs.program import Program
from realtime.programs.run import ProgramRun, ProgramSource, RunSettings, run_program
from realtime.programs.server import CompiledServer
from realtime.protocol import wire
from tests.support.programs import patch_circuits, patch_model

MEMORY = Program.parse(library.feed_forward_memory(cycles=3))


def simulate(program: Program = MEMORY, *, shots: int = 200, **settings: int) -> ProgramRun:
    """Run on a simulated clock, with cycles of 1000 ns and messages that take no time."""
    return run_program(
        program,
        model=patch_model(),
        settings=RunSettings(simulated=True, cycle_ns=1000, hop_ns=0, **settings),
        shots=shots,
    )


def test_outcomes_are_those_of_an_offline_decoder_and_as_often_wrong_as_in_stim() -> None:
    run = simulate(shots=3000, service_ns=10)
    assert run.end == End.DONE
    assert run.num_shots == 3000
    same, checked = run.check(patch_model().make_decoder(), most=400)
    assert same == checked == 400
    # The ancilla lives for 4 cycles: three, and the one in which it is measured.
    circuit = patch_circuits()[1]
    ancilla = run.lives["outcome"] == 0
    assert set(run.lives["cycles"][ancilla]) == {4}
    shorter = type(circuit)(str(circuit).replace("REPEAT 11", "REPEAT 3"))
    decoder = decoders.from_dem("mwpm", shorter.detector_error_model(decompose_errors=True))
    events, flips = shorter.compile_detector_sampler(seed=5).sample(30_000, separate_observables=True)
    expected = (decoder.decode_batch(events)[:, 0] != flips[:, 0]).mean()
    found = run.outcome_errors()[ancilla].mean()
    assert abs(found - expected) < 4 * np.sqrt(expected / 3000)


def test_the_source_idles_until_the_answer_is_there() -> None:
    quick = simulate(service_ns=1)
    # The readout's two layers take 2 ns, and the program goes on with the next cycle.
    assert set(quick.idle_cycles()) == {1}
    assert set(quick.reaction_ns()) == {1000}
    assert set(quick.durations()) == {3 + 1 + 1 + 1}
    delayed = simulate(service_ns=1, delay_ns=6500)
    assert set(delayed.idle_cycles()) == {7}
    assert set(delayed.durations()) == {3 + 1 + 7 + 1}
    assert set(delayed.answer_ns()) <= set(range(10))  # what the link adds is not the decoder's
    assert delayed.outcome_errors().mean() > quick.outcome_errors().mean()


def test_waits_of_a_slow_decoder_grow_without_bound() -> None:
    # Cycles before the wait are decoded for two patches, cycles of the wait for one.
    slow = simulate(service_ns=1200, longest_wait=3000)
    assert slow.end == End.UNANSWERED
    assert slow.stopped_wait == 3000
    waited = slow.idle_cycles()
    assert waited[-1] > 5 * waited[len(waited) // 2] > 5 * waited[0]
    fair = simulate(service_ns=600, longest_wait=3000)
    assert fair.end == End.DONE
    assert fair.idle_cycles()[-1] <= fair.idle_cycles().max() <= 20


def test_a_wrong_decision_fails_the_shot() -> None:
    chain = Program.parse(library.decision_chain(decisions=3, cycles=3))
    run = simulate(chain, shots=600, service_ns=10)
    lives = run.lives
    assert set(lives["basis"]) == {0, 1}
    wrong = lives["basis"] != lives["ideal_basis"]
    errors = run.outcome_errors()
    last = lives["outcome"] == chain.outcomes.index("result")
    # A decision is wrong exactly if the outcome before is.
    assert np.array_equal(wrong[~last][1:], errors[~last][:-1] & (np.diff(lives["shot"][~last]) == 0))
    by_hand = np.zeros(run.num_shots, dtype=bool)
    np.logical_or.at(by_hand, lives["shot"], wrong | (errors & last))
    assert np.array_equal(run.failures(), by_hand)
    assert 0 < by_hand.mean() < 1


def test_wrong_corrections_flip_the_result() -> None:
    run = simulate(shots=2000, service_ns=10)
    errors = run.outcome_errors().reshape(-1, 2)
    lives = run.lives.reshape(-1, 2)
    own = ((lives["flips"] ^ lives["predicted"]) & 1)[:, 1] == 1
    assert np.array_equal(errors[:, 1], own ^ errors[:, 0])
    assert np.array_equal(run.failures(), errors[:, 1])


def test_shots_with_a_small_gap_are_discarded_and_the_others_fail_less_often() -> None:
    discarding = Program.parse(library.feed_forward_memory(cycles=3, gap=4))
    run = simulate(discarding, shots=3000, service_ns=10)
    assert run.end == End.DONE
    kept = run.kept()
    assert 0.3 < kept.mean() < 0.8
    ancilla = run.lives["outcome"] == 0
    gaps = run.lives["gap"][ancilla] / wire.GAP_STEPS
    assert np.array_equal(gaps >= 4, kept)
    # The memories of discarded shots end without a measurement.
    aborted = run.lives["status"] == wire.Status.ABORTED
    assert np.array_equal(np.unique(run.lives["shot"][aborted]), np.flatnonzero(~kept))
    same, checked = run.check(patch_model().make_decoder(gaps=True), most=400)
    assert same == checked == 400 - aborted[:400].sum()
    errors = run.outcome_errors()[ancilla]
    assert errors[kept].mean() < 0.5 * errors.mean()
    assert len(run.failures()) == kept.sum()
    # A decoder without gaps has no answer to such a program.
    with (
        CompiledServer([patch_model().make_decoder()] * 2) as server,
        pytest.raises(ValueError, match="gaps"),
    ):
        ProgramSource(discarding, model=patch_model(), settings=RunSettings(), server=server, shots=1)


def test_an_unsure_measurement_is_repeated_while_the_memory_idles() -> None:
    repeating = Program.parse(library.feed_forward_memory(cycles=3, gap=4, below={"repeat": 2}))
    run = simulate(repeating, shots=1000, service_ns=10)
    assert run.end == End.DONE
    assert run.kept().all()
    ancilla = run.lives["patch"] == 0
    tries = np.bincount(run.lives["shot"][ancilla])
    assert set(tries) == {1, 2, 3}
    # Each try takes four cycles and a wait of one; the memory's readout another.
    assert np.array_equal(run.durations(), 5 * tries + 1)
    gaps, last = run.lives["gap"][ancilla], run.lives["outcome"][ancilla] == 0
    assert np.count_nonzero(last) == run.num_shots
    assert (gaps[~last] < 4 * wire.GAP_STEPS).all()
    assert (tries[run.lives["shot"][ancilla][last & (gaps < 4 * wire.GAP_STEPS)]] == 3).all()
    same, checked = run.check(patch_model().make_decoder(gaps=True), most=300)
    assert same == checked == 300


def test_threads_keep_the_pace_of_the_clock() -> None:
    run = run_program(
        MEMORY, model=patch_model(), settings=RunSettings(cycle_ns=50_000, frame_cycles=2), shots=20
    )
    assert run.end == End.DONE
    assert run.check(patch_model().make_decoder()) == (40, 40)
    assert (run.lives["received_ns"] >= run.lives["done_ns"]).all()
    assert (run.lives["done_ns"] >= run.lives["due_ns"]).all()
    waits = run.waits
    assert len(waits) == 20
    assert (waits["acted_ns"] >= waits["received_ns"]).all()


def test_settings_and_circuits_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="frame_cycles=65: must be between 1 and 64"):
        RunSettings(frame_cycles=65)
    with pytest.raises(ValueError, match="delay_ns=-1: must be at least 0"):
        RunSettings(delay_ns=-1)
    with pytest.raises(ValueError, match="shots=0"):
        simulate(shots=0)
    idle, *readouts = patch_circuits(p=0.002)
    with pytest.raises(ValueError, match="circuits differ"):
        PatchLayers.from_circuits(patch_circuits()[0], readouts, models=patch_model().models)
    with pytest.raises(ValueError, match="1 readouts: give the circuits of the readouts in z and in x"):
        PatchModel.from_circuits(idle, readouts[:1])
