"""What a sweep says about the time it will take."""

import sinter

from experiments.sweep.eta import Tracker


def arrived(strong_id: str, *, shots: int, errors: int = 0, seconds: float = 0.0) -> object:
    return sinter.TaskStats(
        strong_id=strong_id, decoder="a", json_metadata=None, shots=shots, errors=errors, seconds=seconds
    )


def tracker(*, max_errors: int | None = None) -> Tracker:
    """Two tasks and two workers, each of which has reported its first shot: slow, and not to be timed."""
    made = Tracker(max_shots=1000, max_errors=max_errors, num_workers=2)
    made.expect(strong_id="small", decoder="a", num_detectors=10, shots=0, errors=0)
    made.expect(strong_id="large", decoder="a", num_detectors=30, shots=398, errors=0)
    made.add(arrived("large", shots=1, seconds=100.0))
    made.add(arrived("large", shots=1, seconds=100.0))
    return made


def test_nothing_is_promised_before_anything_was_timed() -> None:
    assert tracker().seconds_left() is None
    assert tracker().message() == "0/2 points done, 2 shots in this run"


def test_a_task_that_waits_costs_by_its_detectors() -> None:
    found = tracker()
    found.add(arrived("small", shots=500, seconds=5.0))
    # small: 500 shots left at 10 ms; large: 600 left at 30 ms; two workers.
    assert found.seconds_left() == (5.0 + 18.0) / 2
    assert found.message() == "0/2 points done, 502 shots in this run, about 12 s left"


def test_measured_times_win_over_guesses_and_large_batches_over_small_ones() -> None:
    found = tracker()
    found.add(arrived("small", shots=1000, seconds=10.0))
    found.add(arrived("large", shots=250, seconds=2.5))
    found.add(arrived("large", shots=50, seconds=5.0))
    assert found.num_done == 1
    assert found.seconds_left() == 300 * 0.01 / 2


def test_errors_end_a_task_early() -> None:
    found = tracker(max_errors=10)
    found.add(arrived("small", shots=100, errors=5, seconds=1.0))
    found.add(arrived("large", shots=20, errors=10, seconds=1.0))
    assert found.num_done == 1
    assert found.seconds_left() == 100 * 0.01 / 2
