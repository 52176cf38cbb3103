"""Tables and progress on a terminal, in a log, and in 80 columns."""

import io
import threading
import time
from datetime import datetime

import pytest
from rich.console import Console

from experiments.common.terminal import Progress, fold, table


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    made = Console(
        file=stream, width=60, force_terminal=terminal, force_interactive=terminal, color_system=None
    )
    return made, stream


def test_columns_are_aligned_to_the_right() -> None:
    lines = table(["d", "errors"], [["3", "12"], ["11", ""]]).split("\n")
    assert lines == ["   d  errors", "   3      12", "  11"]


def test_uneven_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 titles"):
        table(["d", "errors"], [["3"]])


def test_brackets_are_no_markup() -> None:
    assert table(["x [95 %]"], [["1 [0, 2]"], ["[red]:smile:"]]).split() == [
        *("x", "[95", "%]", "1", "[0,", "2]", "[red]:smile:")
    ]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")


@pytest.mark.usefixtures("narrow")
def test_titles_of_wide_tables_are_folded_between_words() -> None:
    lines = table(["errors of the decoder", "mwpm-correlated"], [["6.4e-03", "3"]]).split("\n")
    assert lines == ["   errors", "   of the       mwpm-", "  decoder  correlated", "  6.4e-03           3"]


@pytest.mark.usefixtures("narrow")
def test_columns_that_do_not_fit_follow_below() -> None:
    lines = table(["d", "p", "errors", "interval"], [["3", "0.1", "12", "6.4, 6.6"]], keys=2).split("\n")
    assert lines == [
        *("  d    p  errors", "  3  0.1      12", ""),
        *("  d    p  interval", "  3  0.1  6.4, 6.6"),
    ]


@pytest.mark.usefixtures("narrow")
def test_a_cell_wider_than_the_terminal_is_folded() -> None:
    lines = table(["d", "note"], [["3", "many words that do not fit on one line"]]).split("\n")
    assert max(map(len, lines)) <= 24
    assert " ".join(" ".join(line.split()) for line in lines) == (
        "d note many words that do 3 not fit on one line"
    )


def test_text_is_folded_and_tables_in_it_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    text = "a long line of well-known words\n  a row of a table that is wide\nshort"
    assert fold(text) == "a long line of\nwell-known words\n  a row of a table that is wide\nshort"


def test_progress_redraws_one_line_on_a_terminal_and_wipes_it() -> None:
    made, stream = console(terminal=True)
    with Progress(console=made, period=0) as progress:
        progress.show("a long message")
        progress.show("short [red]")
    written = stream.getvalue()
    assert written.index("a long message") < written.index("short [red]")
    assert written.endswith("\x1b[1A\x1b[2K")  # up one line, and that is erased


def test_a_bar_and_the_time_left_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stream = console(terminal=True)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Progress(console=made, period=0) as progress:
        progress.expect(10.0)
        for done in (1.0, 2.0, 3.0):
            now += 5
            progress.show("working", done=done)
    assert "0:00:35" in stream.getvalue()


def test_progress_writes_lines_to_a_log_and_not_too_often() -> None:
    made, stream = console(terminal=False)
    with Progress(console=made, period=1e9) as progress:
        progress.show("left out")
        progress.show("kept [red], longer than the console is wide: " + "x" * 60, always=True)
    dated, _, message = stream.getvalue().partition("  ")
    assert datetime.fromisoformat(dated) <= datetime.now()
    assert message == "kept [red], longer than the console is wide: " + "x" * 60 + "\n"


def test_a_log_has_a_line_after_ten_seconds_and_then_every_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stream = console(terminal=False)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Progress(console=made) as progress:
        for second in range(0, 200, 5):
            now = float(second)
            progress.show(f"at {second}")
    assert [line.split("  ")[1] for line in stream.getvalue().splitlines()] == [
        "at 10",
        "at 70",
        "at 130",
        "at 190",
    ]


def test_work_without_a_word_is_announced_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    made, stream = console(terminal=False)
    written = threading.Event()
    monkeypatch.setattr(stream, "flush", written.set)
    progress = Progress(console=made)
    with progress.remind("compiling", after=0.0):
        assert written.wait(timeout=30)
    with progress.remind("quick", after=1e6):
        pass
    assert [line.split("  ")[1] for line in stream.getvalue().splitlines()] == ["compiling"]


def test_time_left_in_a_log_counts_from_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of earlier runs took no time."""
    made, stream = console(terminal=False)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with Progress(console=made, period=0) as progress:
        progress.show("preparing")
        progress.expect(1000.0, done=400.0)
        for done in (410.0, 510.0, 610.0):
            now += 30
            progress.show("sampling", done=done)
    assert [line.split("  ")[1] for line in stream.getvalue().splitlines()] == [
        "preparing",
        "sampling, about 30 min left",
        "sampling, about 4 min left",
        "sampling, about 3 min left",
    ]
