"""The live view: intervals and rates, the screen, the page, the metrics, a daemon that dies."""

import dataclasses
import io
import math
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from experiments import cli
from experiments.monitor.screen import decades, draw_screen
from experiments.monitor.watch import Detections, Sample, Watch, since
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from tests.support.live import busy_stream, histogram, sample, stream
from tests.support.loop_shots import circuit, untimed


def test_since_is_what_came_in_between() -> None:
    before, all_values = histogram(5, 80, 3), histogram(5, 80, 3, 10, 10, 400, missing=2)
    recent = since(all_values, before)
    assert (recent.num, recent.missing) == (3, 2)
    assert recent.mean == pytest.approx(140_000, rel=0.01)
    assert recent.percentile(40) == pytest.approx(10_000, rel=0.01)
    assert math.isinf(recent.percentile(99))
    assert since(all_values, None).num == 6
    assert since(before, all_values).num == 3  # latencies were reset in between: all are new


def test_decades_count_every_latency_once() -> None:
    rng = np.random.default_rng(1)
    values = 10.0 ** rng.uniform(-1, 7, 500)  # below 1 us and above 1 s, too
    counts = decades(histogram(*values))
    assert counts.sum() == 500
    places = np.clip(np.floor(4 * np.log10(values)).astype(int), 0, 23)
    assert np.abs(np.cumsum(counts) - np.cumsum(np.bincount(places, minlength=24))).max() <= 4  # 0.8 % apart


def drawn(history: list[Sample], width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    with console.capture() as captured:
        console.print(draw_screen(history, address="ipc:///run/control", width=width))
    return captured.get()


def test_the_screen_fits_eighty_columns() -> None:
    text = drawn([sample(stream(0), busy_stream(), time_ns=second * 10**9) for second in range(200)])
    assert max(map(len, text.splitlines())) <= 80
    for words in ("load 0.34 of 1.40 cores", "connected", "909,090", "1,234,567", "99.631 %", "7.0", "none"):
        assert words in text
    assert "456 shots BACKLOG" in text
    assert "7 frames damaged (CHECKSUM), 3 lost frames" in " ".join(text.split())
    empty = drawn([sample(stream(0))])
    assert "idle" in empty
    assert "decision" not in empty


def test_metrics_are_the_counters() -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    from prometheus_client import CollectorRegistry, generate_latest

    from experiments.monitor.metrics import DaemonCollector

    def found(take: Any) -> dict[tuple[str, ...], float]:
        registry = CollectorRegistry()
        registry.register(DaemonCollector(take))
        families = parser.text_string_to_metric_families(generate_latest(registry).decode())
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}

    seen = Detections(
        places=np.zeros((3, 2)), cycles=400, events=np.array([20, 31, 0], dtype=np.int64), recent=0.05
    )
    busy = dataclasses.replace(busy_stream(), detections=seen, decoding_s=2.5)
    values = found(lambda: sample(stream(0), busy))
    assert values["qec_up",] == 1
    lost_shots = {v for k, v in values.items() if k[0] == "qec_shots_total" and {"BACKLOG", "1"} < set(k)}
    assert lost_shots == {456}
    events = [v for k, v in values.items() if k[0] == "qec_detection_events_total"]
    assert events == [20, 31, 0]
    assert values["qec_sampled_cycles_total", "1"] == seen.cycles
    assert values["qec_decoding_seconds_total", "1"] == 2.5
    buckets = {
        float(k[1] if k[1] != "1" else k[2]): v
        for k, v in values.items()
        if k[0] == "qec_decision_latency_seconds_bucket" and "1" in k[1:]
    }
    assert buckets[5e-6] == 0
    assert buckets[1e-5] == 2
    assert buckets[2e-4] == 3
    assert buckets[math.inf] == 4  # one never came

    # The page and the dashboard name metrics that there are.
    pages = Path(__file__).parents[3] / "docs" / "pages"
    named = (pages / "monitoring.md", pages / "assets" / "monitoring" / "grafana.json")
    for file in named:
        for name in set(re.findall(r"qec_[a-z_]+[a-z]", file.read_text())):
            assert any(key[0] in (name, f"{name}_bucket") for key in values), (file.name, name)

    def lost() -> Sample:
        raise TimeoutError

    assert found(lost) == {("qec_up",): 0}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    path = tmp_path_factory.mktemp("model") / "memory.stim"
    circuit().to_file(path)
    with DaemonProcess(DaemonConfig(model=str(path), streams=2)) as process:
        yield process


def play(client: Client, *, shots: int) -> None:
    """Send shots to stream 1 and wait for their answers."""
    welcome = client.hello(stream=1)
    pair = client.connect(welcome)
    try:
        for shot in untimed(welcome.session, count=shots, stream=1):
            for message in shot:
                assert pair.outgoing.poll(20_000, 2)
                assert pair.send(message)
        for _ in range(shots):
            assert pair.receive(timeout_ms=20_000) is not None
    finally:
        pair.close()


def test_a_daemon_at_work_and_its_end(
    daemon: DaemonProcess, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with Client(daemon.control) as client:
        watch = Watch(client)
        first = watch.sample()
        assert math.isnan(first.streams[1].cycles_per_s)
        play(client, shots=9)
        second = watch.sample()
        assert second.streams[1].counters["shots"] - first.streams[1].counters["shots"] == 9
        seconds = (second.time_ns - first.time_ns) / 1e9
        assert second.streams[1].cycles_per_s * seconds == pytest.approx(
            second.streams[1].counters["cycles_decoded"] - first.streams[1].counters["cycles_decoded"]
        )
        assert second.streams[1].cycles_per_s > 0
        assert second.streams[1].recent["decision"].num == second.streams[1].total["decision"].num == 9
        assert second.streams[0].total["decision"].num == 0
        assert watch.sample().streams[1].recent["decision"].num == 0
    assert cli.main(["monitor", daemon.control, "--samples", "1"]) == 0
    out = capsys.readouterr().out
    assert "stream 1 (us)" in out
    assert "all" in out


def test_the_page_and_the_metrics_of_a_daemon(daemon: DaemonProcess) -> None:
    """Real server, real client: what a reader's browser gets, without a browser."""
    pytest.importorskip("bokeh")
    from bokeh.client import pull_session

    with Client(daemon.control) as client:
        play(client, shots=3)
    command = [sys.executable, "-m", "experiments.cli", "monitor", daemon.control]
    command += ["--web", "0", "--metrics", "0", "--interval", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        metrics, page = (process.stdout.readline().split()[-1] for _ in range(2))
        assert b'qec_shots_total{status="OK",stream="1"}' in urllib.request.urlopen(metrics).read()
        html = urllib.request.urlopen(page).read().decode()
        assert not re.findall(
            r"""(?:src|href)=["'](?:https?:)?//(?!127\.0\.0\.1)""", html
        )  # nothing from elsewhere
        session = pull_session(url=page.rstrip("/"))
        titles = {figure.title.text for figure in session.document.select({"type": _figure_type()})}
        assert {
            "decoded cycles per second",
            "shots by status",
            "load of each stream's thread (cores)",
            "detection fraction (%)",
        } <= titles
        assert "stream 1: detection fraction (%)" in titles
        bars = [dict(zip(s.data["name"], s.data["value"], strict=True)) for s in _bars(session.document)]
        assert any(shown.get("OK", 0) >= 3 for shown in bars)
        session.close()
        process.terminate()


def _figure_type() -> Any:
    from bokeh.models import Plot

    return Plot


def _bars(document: Any) -> list[Any]:
    from bokeh.models import ColumnDataSource

    return [source for source in document.select({"type": ColumnDataSource}) if "value" in source.data]


def test_wrong_use_is_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["monitor", "ipc:///nowhere", "--secret_key", "x"]) == 2
    assert "give both --secret_key and --server_key" in capsys.readouterr().err
