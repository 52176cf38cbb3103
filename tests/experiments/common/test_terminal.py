"""Tables and progress on a terminal, in a log, and in 80 columns."""

import io
import time

import pytest
from rich.console import Console

from experiments.common.terminal import Progress, table


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
    assert stream.getvalue() == "kept [red], longer than the console is wide: " + "x" * 60 + "\n"


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
    assert stream.getvalue().splitlines() == [
        "preparing",
        "sampling, about 30 min left",
        "sampling, about 4 min left",
        "sampling, about 3 min left",
    ]
