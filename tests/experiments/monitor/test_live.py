"""Live screens: what they show, that they fit, and a command that runs under one in a real terminal."""

import io
import json
import os
import pty
import re
import select
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sinter
from rich.console import Console, RenderableType

from experiments import cli
from experiments.bench.watching import Comparison
from experiments.common.fits import Count
from experiments.monitor.chip import chip_map
from experiments.monitor.error_rates import error_rows
from experiments.monitor.loop_screen import LoopNews, LoopScreen
from experiments.monitor.watch import Detections
from experiments.sweep.live import SweepNews, SweepScreen
from tests.support.live import busy_stream, sample, stream

_ROWS, _COLUMNS = 24, 80


def drawn(what: RenderableType, width: int = _COLUMNS) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(what)
    return captured.get().splitlines()


def detections(cycles: int, *, events: list[int]) -> Detections:
    places = np.array([[2, 0], [0, 2], [2, 2], [4, 2]], dtype=np.float64)
    return Detections(places=places, cycles=cycles, events=np.array(events), recent=0.08)


def test_the_map_has_fractions_where_stabilizers_are() -> None:
    lines = chip_map(detections(1000, events=[40, 80, 90, 201]))
    assert [line.plain for line in lines] == ["       4.0     ", "  8.0  9.0 20.1"]
    assert [span.style for span in lines[1].spans if span.style] == ["bold"]  # 20.1 stands out
    assert "-" in chip_map(detections(0, events=[0] * 4))[0].plain


def test_errors_per_cycle_and_lambda_of_neighbours() -> None:
    rows = error_rows(
        [Count(d, "z", 10, 10_000, 1000 // d**2) for d in (3, 5, 7)] + [Count(9, "z", 10, 0, 0)]
    )
    assert [row[:3] for row in rows] == [["3", "10,000", "111"], ["5", "10,000", "40"], ["7", "10,000", "20"]]
    assert rows[0][4] == ""
    factor = float(rows[1][4].split()[0])
    assert factor == pytest.approx(111 / 40, rel=0.02)


@pytest.mark.parametrize("height", [10, 16, _ROWS, 60])
def test_the_screen_of_a_loop_fits(height: int) -> None:
    screen = LoopScreen("qec soak")
    assert "preparing" in " ".join(drawn([screen.take("preparing"), screen.draw(width=80, height=24)][1]))
    busy = replace(busy_stream(), detections=detections(1000, events=[40, 80, 90, 201]))
    counts = [Count(d, "z", 10, 1000, 10) for d in (3, 5)]
    for second in range(100):
        now = sample(stream(0), busy, time_ns=second * 10**9)
        screen.take(LoopNews(title="d = 5", sample=now, counts=counts))
    lines = drawn(screen.draw(width=_COLUMNS, height=height))
    assert len(lines) < height
    assert max(map(len, lines)) <= _COLUMNS
    text = "\n".join(lines)
    assert "error per cycle [95 %]" in text
    assert "456 shots BACKLOG" in text
    assert ("8.0  9.0 20.1" in text) == (height >= _ROWS)  # the map is the first to go
    waiting = sample(stream(0), replace(busy, is_paced=False))
    screen.take(LoopNews(title="d = 5", sample=waiting, counts=counts))
    text = "\n".join(drawn(screen.draw(width=_COLUMNS, height=height)))
    assert ("not paced by the clock" in text) == (height > 10)
    assert "p99" not in text


def test_the_screen_of_a_sweep() -> None:
    rows = [
        sinter.TaskStats(
            strong_id=f"{d}{r}{p}",
            decoder="mwpm",
            json_metadata={"d": d, "r": r, "b": "z", "p": p, "noise": "si1000"},
            shots=10_000,
            errors=round(r * p * 1e5 / d**2),
        )
        for d in (3, 5, 7)
        for r in (10, 30)
        for p in (0.002, 0.003)
    ]
    screen = SweepScreen()
    screen.take("7/12 points done")
    screen.take(SweepNews(rows=rows, finished={row.strong_id: 0.25 for row in rows}, num_points=12))
    lines = drawn(screen.draw(width=_COLUMNS, height=_ROWS))
    assert len(lines) <= _ROWS
    assert max(map(len, lines)) <= _COLUMNS
    text = "\n".join(lines)
    for words in (
        "7/12 points done",
        "si1000, mwpm",
        "p = 0.002",
        "Lambda",
        "d=3 r=10 b=z p=0.002",
        "25 %",
        "more",
    ):
        assert words in text
    own = [
        sinter.TaskStats(strong_id=name, decoder="mwpm", json_metadata={"file": name}, shots=9, errors=1)
        for name in ("a", "b")
    ]
    screen.take(SweepNews(rows=own, finished={"a": 1.0, "b": 0.5}, num_points=2))
    text = "\n".join(drawn(screen.draw(width=_COLUMNS, height=_ROWS)))
    assert text.index("file=b") < text.index("file=a")  # what is done comes last


@pytest.mark.parametrize("command", ["realtime", "soak", "sweep", "reproduce"])
def test_without_a_terminal_live_is_an_error(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([command, "--live", *(["all"] if command == "reproduce" else [])]) == 2
    error = capsys.readouterr().err
    assert "--live: standard error is no terminal" in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def run_in_terminal(*command: str, timeout_s: float = 240.0) -> tuple[str, int]:
    """Run `qec` in a terminal of 80 x 24; return everything that it wrote, and its exit code."""
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [sys.executable, "-m", "experiments.cli", *command])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    written, end = b"", time.monotonic() + timeout_s
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                more = os.read(terminal, 1 << 16)
            except OSError:  # Linux: the other end is closed
                break
            if not more:
                break
            written += more
    os.close(terminal)
    return written.decode(errors="replace"), os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_the_ratio_of_watched_and_alone_is_paired() -> None:
    """Runs differ twofold and watching costs a tenth."""
    alone = np.array([[5.0, 10.0], [10.0, 20.0], [7.0, 15.0], [6.0, 9.0]])
    found = Comparison(alone=alone, watched=alone * [1.1, 1.0], missing=(0, 0)).ratios()
    np.testing.assert_allclose(found, [[1.1] * 3, [1.0] * 3])


@pytest.mark.nightly
@pytest.mark.parametrize("transport", ["inproc", "ipc"])
def test_a_loop_watched_and_alone(transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "watched.json"
    options = ["--distance", "3", "--cycles", "100", "--shots", "20", "--pairs", "2", "--cycle_time", "20us"]
    assert cli.main(["bench", "monitor", *options, "--transport", transport, "--json", str(file)]) == 0
    assert "watched / alone" in capsys.readouterr().out
    data = json.loads(file.read_text())
    assert np.array(data["alone"]).shape == np.array(data["watched"]).shape == (2, 2)


def test_a_loop_under_a_live_screen() -> None:
    options = ["--minutes", "0.04", "--distance", "3", "--cycles", "300", "--cycle_time", "10us"]
    text, code = run_in_terminal("soak", *options, "--policy", "block", "--transport", "inproc", "--live")
    assert code == 0, text
    before, rest = text.split("\x1b[?1049h", 1)  # the other screen begins
    screen, after = rest.split("\x1b[?1049l")
    assert "qec soak: policy block" in before
    assert "passed" in after
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    assert "error per cycle [95 %]" in plain
    found = re.findall(r"detection fraction ([0-9.]+) % \(([0-9,]+) cycles\)", plain)
    # The last one shown: the first may be that of a few cycles.
    assert 2 < float(found[-1][0]) < 20  # SI1000 at p = 0.003: 8.5
