"""Admission: what a stream needs is measured; too much is refused, in one line that says what would fit."""

import itertools

import numpy as np
import pytest
import stim

from decoders import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from realtime.in_process import InProcessLoop
from realtime.service.admission import MAX_LOAD, Admission, measure_service_time
from tests.support.chance import sigmas
from tests.support.compilations import compiled, forget
from tests.support.loop_shots import circuit
from tests.support.streams import compiled_only


def test_seventy_percent_of_a_core_is_the_limit() -> None:
    account = Admission(cores=4)
    account.check(stream=0, service_ns=770, cycle_ns=1100)
    with pytest.raises(ValueError, match="stream 1 would keep a core busy for 73 % of the time") as refusal:
        account.check(stream=1, service_ns=800, cycle_ns=1100)
    assert "use cycles of 1143 ns or longer" in str(refusal.value)
    account.check(stream=1, service_ns=800, cycle_ns=1143)


def test_all_streams_together_leave_something_of_all_cores() -> None:
    account = Admission(cores=2)
    account.check(stream=0, service_ns=700, cycle_ns=1000)
    account.check(stream=1, service_ns=650, cycle_ns=1000)
    with pytest.raises(ValueError, match=r"stream 2 needs 0\.20 of a core and the others 1\.35"):
        account.check(stream=2, service_ns=200, cycle_ns=1000)
    account.release(1)
    account.check(stream=2, service_ns=200, cycle_ns=1000)


def test_threads_share_a_stream() -> None:
    account = Admission(cores=4)
    with pytest.raises(ValueError, match=r"stream 0 would keep 2 cores busy for 80 %.*more decoder_threads"):
        account.check(stream=0, service_ns=800, cycle_ns=1000, threads=2)
    account.check(stream=0, service_ns=650, cycle_ns=1000, threads=2)
    assert account.load(0) == 0.65
    with pytest.raises(ValueError, match=r"stream 1 needs 1\.60 of a core and the others 1\.30"):
        account.check(stream=1, service_ns=533.4, cycle_ns=1000, threads=3)
    account.check(stream=1, service_ns=400, cycle_ns=1000, threads=3)


def test_a_stream_that_begins_again_is_not_counted_twice() -> None:
    account = Admission(cores=1)
    for _ in range(3):
        account.check(stream=0, service_ns=600, cycle_ns=1000)
    with pytest.raises(ValueError, match="for 90 %"):
        account.check(stream=0, service_ns=900, cycle_ns=1000)
    with pytest.raises(ValueError, match=r"the others 0\.60"):  # it is still in the account as before
        account.check(stream=1, service_ns=200, cycle_ns=1000)


def test_without_a_pace_or_a_limit_everything_is_taken_in() -> None:
    Admission(cores=1).check(stream=0, service_ns=1e9, cycle_ns=0)
    unlimited = Admission(most_load=0, cores=1)
    unlimited.check(stream=0, service_ns=1e9, cycle_ns=1)
    Admission(most_load=2.0, cores=1).check(stream=0, service_ns=1900, cycle_ns=1000)


def test_wrong_arguments() -> None:
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="max_load="):
            Admission(most_load=wrong, cores=1)
    with pytest.raises(ValueError, match="cores=0"):
        Admission(cores=0)
    assert 0 < MAX_LOAD < 1


def test_what_a_busy_machine_makes_slower_does_not_count() -> None:
    """A clock of our own: five of sixteen measurements take 2 us for 400 cycles, the others much longer."""
    durations = [90_000, 2000, 80_000, 2000, 70_000, 2000, 95_000, 2000, 60_000, 2000, *[85_000] * 6]
    times = itertools.chain.from_iterable((0, duration) for duration in durations)
    decoder = StreamingDecoder.from_circuit(circuit())
    assert measure_service_time(decoder, clock=lambda: next(times)) == 2000 / 400
    assert decoder.num_cycles == 0  # ready for a shot


def test_a_memory_of_one_length_is_measured_as_it_is() -> None:
    dem = stim.DetectorErrorModel(
        "error(0.1) D0\nerror(0.1) D0 D1\nerror(0.1) D1 L0\ndetector(0, 0) D0\ndetector(0, 1) D1"
    )
    times = iter([0, 500])
    assert measure_service_time(StreamingDecoder.from_dem(dem), clock=lambda: next(times)) == 500


@compiled_only
def test_compiling_is_no_service_time() -> None:
    """A memory of one length is pushed once, so that a compilation would be all that is measured."""
    dem = stim.DetectorErrorModel(
        "error(0.1) D0\nerror(0.1) D0 D1\nerror(0.1) D1 L0\ndetector(0, 0) D0\ndetector(0, 1) D1"
    )
    decoder = StreamingDecoder.from_dem(dem)
    forget()
    assert measure_service_time(decoder, clock=lambda: len(compiled())) == 0
    assert compiled()


def test_typical_rows_are_drawn_from_the_model() -> None:
    """Against stim: detectors fire as often, and as often in two cycles in a row.

    What errors of both bases do together is not in the edges, and so not compared.
    """
    memory = circuit(rounds=40, p=0.01)
    model = LayeredModel.from_dem(memory.detector_error_model(decompose_errors=True))
    ours = np.array([model.sample_layers(41, seed=seed) for seed in range(3000)])
    decoder = StreamingDecoder.from_circuit(memory)
    theirs = decoder.to_frames(memory.compile_detector_sampler(seed=1).sample(3000))
    assert ours.shape == theirs.shape
    for found in (
        lambda rows: rows.mean(axis=0),
        lambda rows: (rows[:, 1:] & rows[:, :-1]).mean(axis=0),
    ):
        mine, real = found(ours), found(theirs)
        error = np.sqrt((real * (1 - real) + mine * (1 - mine)) / 3000) + 1e-9
        assert np.abs((mine - real) / np.maximum(error, 1e-4)).max() < sigmas(2 * mine.size)
    assert decoder.typical_rows(100, seed=1).shape == (101, decoder.stabilizers.shape[0])
    np.testing.assert_array_equal(decoder.typical_rows(50, seed=2), decoder.typical_rows(50, seed=2))
    with pytest.raises(ValueError, match="layers"):
        model.sample_layers(1, seed=1)


def test_the_loop_in_one_process_refuses_as_the_daemon_does() -> None:
    loop = InProcessLoop(decoder=StreamingDecoder.from_circuit(circuit()), cycle_ns=1, max_load=0.7)
    with pytest.raises(ValueError, match="stream 0 would keep a core busy"), loop:
        pass
    waiting = InProcessLoop(
        decoder=StreamingDecoder.from_circuit(circuit()), cycle_ns=1, max_load=0.7, policy="block"
    )
    with waiting:
        assert waiting.session
