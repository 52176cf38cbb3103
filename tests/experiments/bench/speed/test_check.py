"""The speed guard: a slower decoder is found, a disturbed call is not taken for one."""

import itertools
from pathlib import Path

import pytest

from experiments.bench.speed import check
from experiments.cli import main
from experiments.common import machine

TASKS = (check.Task("mwpm", 3, 0.01, 20),)


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(check, "TASKS", TASKS)
    monkeypatch.setattr(check, "SHORT_TASKS", TASKS)
    monkeypatch.setattr(check, "in_new_process", lambda *_: None)
    monkeypatch.setattr(check, "measure_ratio", lambda *_, **__: 3.0)
    assert main(["bench", "check", "--record", str(tmp_path / "own.csv")]) == 0
    return tmp_path / "own.csv"


def test_losses_beyond_the_bar_fail(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["bench", "check", "--recorded", str(record)]
    for ratio, code in ((3.1, 0), (2.6, 0), (2.5, 1)):
        monkeypatch.setattr(check, "measure_ratio", lambda *_, ratio=ratio, **__: ratio)
        assert main(arguments) == code
    assert "slower than recorded: mwpm, d = 3, p = 0.01" in capsys.readouterr().out
    disturbed = itertools.chain([1.0, 2.0], itertools.repeat(2.9))
    monkeypatch.setattr(check, "measure_ratio", lambda *_, **__: next(disturbed))
    assert main(arguments) == 0


def test_the_short_form_knows_other_processors(
    record: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for processor, ratio, code in ((None, 2.3, 0), (None, 2.2, 1), ("abacus", 1.6, 0), ("abacus", 1.4, 1)):
        if processor:
            record.write_text(record.read_text().replace(machine.exact_processor(), processor))
        monkeypatch.setattr(check, "measure_ratio", lambda *_, ratio=ratio, **__: ratio)
        assert main(["bench", "check", "--short", "--recorded", str(record)]) == code
    assert "recorded on 'abacus': a loss of 50 % is accepted" in capsys.readouterr().out


def test_the_shortest_calls_count() -> None:
    """Own calls take 2, 9 and 2 units, the reference's 8, 6 and 50."""
    times = iter([0, 2, 2, 10, 10, 19, 19, 25, 25, 27, 27, 77])
    nothing = {"own": lambda: None, "reference": lambda: None}
    assert check.measure_ratio(nothing, repeats=3, clock=lambda: next(times)) == 6 / 2


def test_records_that_do_not_fit_are_refused(record: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = record.read_text()
    assert main(["bench", "check", "--short", "--record", str(record)]) == 2
    assert "leave out --short" in capsys.readouterr().err
    for text, words in (
        ("nonsense", "no file of recorded ratios"),
        (whole.replace("mwpm", "other"), "no ratio of mwpm, d = 3: use --record"),
        (whole.replace(machine.exact_processor(), "abacus"), "recorded on 'abacus'"),
    ):
        record.write_text(text)
        assert main(["bench", "check", "--recorded", str(record)]) == 2
        assert words in capsys.readouterr().err


def test_the_recorded_ratios_of_the_tree_are_complete() -> None:
    recorded, _ = check.read_record(check.RECORD)
    assert min(recorded.values()) > 1.5


@pytest.mark.perf
def test_nothing_is_slower_than_recorded() -> None:
    if check.read_record(check.RECORD)[1] != machine.exact_processor():
        pytest.skip("the ratios were recorded on another processor")
    assert main(["bench", "check"]) == 0
