"""The commands of the real-time loop, end to end in small; no test asks how long anything took."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import stim

from experiments import cli
from experiments.common.points import decoding_model
from experiments.loop import measurement, options, realtime, threads
from experiments.loop.parts import resident_kb
from realtime.source.recording import read_recording, write_answered

# Slow cycles: a busy machine is late, and hardly ever 50 ms late, when shots would be dropped.
_SMALL = ["--cycles", "200", "--shots", "2", "--p", "0.004", "--cycle_time", "20us"]


@pytest.fixture(autouse=True)
def few_shots(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured is not the point here."""
    monkeypatch.setattr(measurement, "_LEAST_SHOTS", ((10_000, 20),))
    monkeypatch.setattr(realtime, "_CONTROL_SECONDS", 0.1)


def qec(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "experiments.cli", *arguments]


def children_of(pid: int) -> set[int]:
    """All processes below one."""
    below = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        below[int(folder.name)] = int(fields[1])
    found = {pid}
    while True:
        more = {child for child, parent in below.items() if parent in found} - found
        if not more:
            return found - {pid}
        found |= more


@pytest.mark.parametrize(
    "transport",
    ["inproc", "ipc", *(pytest.param(name, marks=pytest.mark.nightly) for name in ("tcp", "shm"))],
)
def test_realtime(transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--json", str(tmp_path / "r.json"), "--out", str(tmp_path / "r.png")]
    distances = ["3", "5"] if transport == "inproc" else ["3"]
    options = ["--distance", *distances, "--error_shots", "40", "--transport", transport]
    options += ["--decoder_threads", {"inproc": "auto", "ipc": "2"}.get(transport, "1")]
    assert cli.main(["realtime", *options, *_SMALL, *files]) == 0
    printed = capsys.readouterr().out
    for word in ("decision", "loop", "machine, before", "epsilon_3", "63 +- 17 us", "offline"):
        assert word in printed
    assert ("one process" in printed) == (transport == "inproc")
    assert ("the decoder alone with 2 threads takes" in " ".join(printed.split())) == (transport == "ipc")
    data = json.loads((tmp_path / "r.json").read_text())
    assert data["setting"]["transport"] == transport
    assert ("Lambda" in printed.split("Published")[0]) == (len(distances) > 1)
    for entry in data["distances"]:
        # Shots may be dropped on a busy machine, but none may be answered unlike offline.
        shots = [shot for run in entry["runs"] for shot in run["shots"]]
        # At distance 3 shots of 80 cycles end as those of 200 do, in windows of 12 and frames of 10 cycles.
        shorter = {3: 80, 5: 100}[entry["distance"]]
        assert [run["cycles"] for run in entry["runs"]] == [shorter, 200, 10, 30, 50]
        assert entry["ratios"][0]["than_cycles"] == shorter
        assert len(shots) == 2 * 20 + 3 * 40
        assert {shot["same"] for shot in shots if shot["status"] == "OK"} == {True}
        assert all(shot["decision_ns"] > 0 for shot in shots if shot["status"] == "OK")
    assert (tmp_path / "r.png").stat().st_size > 10_000


@pytest.mark.parametrize("transport", ["inproc", pytest.param("ipc", marks=pytest.mark.nightly)])
def test_two_streams_at_once(transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--json", str(tmp_path / "r.json"), "--out", str(tmp_path / "r.png")]
    options = ["--distance", "3", "--error_shots", "21", "--transport", transport, "--streams", "2"]
    assert cli.main(["realtime", *options, *_SMALL, *files]) == 0
    assert "3, stream 1" in capsys.readouterr().out
    (entry,) = json.loads((tmp_path / "r.json").read_text())["distances"]
    runs = entry["runs"]
    assert [run["stream"] for run in runs] == [0, 1] * 5
    assert len(entry["windows"]) == 2
    for one, two in zip(runs[::2], runs[1::2], strict=True):
        assert one["cycles"] == two["cycles"]
        indices = [{shot["index"] for shot in run["shots"]} for run in (one, two)]
        if one["cycles"] >= 80:  # both play all of them, in another order
            assert indices == [set(range(20))] * 2
        else:  # for the logical error every shot counts once
            assert sorted(indices[0] | indices[1]) == list(range(22))
            assert len(one["shots"]) == len(two["shots"]) == 11
    for run in runs:
        assert {shot["same"] for shot in run["shots"] if shot["status"] == "OK"} <= {True}


def test_as_many_threads_as_keep_up(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = stim.Circuit.generated(
        "repetition_code:memory", distance=3, rounds=20, before_round_data_depolarization=0.01
    )
    monkeypatch.setattr(threads, "measure_service_time", lambda *_, **__: 1500.0)
    monkeypatch.setattr(threads, "usable_cores", lambda: list(range(8)))
    chosen = {}
    for cycle_ns, max_load, policy in (
        (2200, 0.7, "drop-shot"),
        (1100, 0.7, "drop-shot"),
        (1100, 0.0, "block"),
    ):
        setting = options.loop_setting(
            transport="inproc", cycle_ns=cycle_ns, max_load=max_load, decoder_threads=0, policy=policy
        )
        found = threads.decide_threads(setting, circuit, say=lambda _: None)
        chosen[cycle_ns, policy] = found.decoder_threads
        assert found.placement.decoder_threads == found.decoder_threads
    assert chosen == {(2200, "drop-shot"): 1, (1100, "drop-shot"): 2, (1100, "block"): 1}
    few = options.loop_setting(transport="inproc", cycle_ns=1, decoder_threads=0)
    assert threads.decide_threads(few, circuit, say=lambda _: None).decoder_threads == 8
    given = options.loop_setting(transport="inproc", cycle_ns=1, decoder_threads=3)
    assert threads.decide_threads(given, circuit, say=lambda _: None) is given


@pytest.mark.parametrize("transport", ["inproc", "ipc"])
def test_a_decoder_that_would_be_too_slow_is_refused(
    transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--distance", "3", "--error_shots", "0", "--cycles", "30", "--shots", "1"]
    out = ["--out", str(tmp_path / "r.png"), "--transport", transport]
    assert cli.main(["realtime", *options, *out, "--cycle_time", "10ns"]) == 2
    promise, error = capsys.readouterr().err.rsplit("\nqec realtime: ")
    assert promise.startswith("qec realtime: ")
    assert len(error.splitlines()) == 1
    assert "of a cycle of 10 ns), at most 70 % is admitted: use cycles of" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["realtime", "--cycles", "0"], "--cycles: 0: must be "),
        (["realtime", "--streams", "0"], "--streams: 0: must be "),
        (["realtime", "--max_load", "-1", "--error_shots", "0", *_SMALL], "max_load=-1.0"),
        (["realtime", "--cycle_time", "1.1"], "give a time such as 1.1us"),
        (["realtime", "--out", "x.jpg"], "must end in .png"),
        (["realtime", "--json", "/no/such/x.json"], "make it first"),
        (["realtime", "--decoder", "magic", "--error_shots", "0", *_SMALL], "choose from mwpm"),
        (["soak", "--minutes", "0"], "--minutes: 0: must be "),
        (["stream"], "give --to ADDRESS"),
        (["stream", "--record", "x", "--shots", "0"], "--shots: 0: must be "),
        (["stream", "no_such_file", "--record", "x"], "no_such_file"),
        (["serve", "--model", "a.dem", "--distance", "3"], "--model and --distance: give one of them"),
        (["serve", "--distance", "3", "--decoder", "magic"], "choose from mwpm"),
        (["serve", "--distance", "2"], "must be at least 3"),
        (["serve", "--distance", "3", "--fifo", "100"], "must be at most 99"),
        (["serve", "--distance", "3", "--decoder_threads", "auto"], "--decoder_threads"),
        (["serve", "--patch", "--distance", "3", "--decoder_threads", "2"], "--decoder_threads with --patch"),
        (["realtime", "--decoder_threads", "0"], "must be "),
        (["realtime", "--program", "x.json", "--decoder_threads", "2"], "is for memories"),
        (["stats", "ipc:///x", "--secret_key", "x"], "--server_key: give both or none"),
        (["stream", "--record", "x", "--cycles", "1", "--kind", "measurements"], "two or more --cycles"),
        (["serve", "--model", "no_such_file.stim"], "no model file no_such_file.stim"),
        (["serve", "--distance", "3", "--bind", "tcp://0.0.0.0:5555"], "can be reached from other machines"),
        (["replay", "no_such.qecs"], "no_such.qecs"),
        (["serve", "--distance", "3", "--record", "/dev/null"], "recordings go into a folder, /dev/null"),
        (["keygen", "a/b"], "is not a name for keys"),
    ],
)
def test_wrong_use_is_one_line(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = cli.main(arguments)
    except SystemExit as leaving:
        code = int(str(leaving.code))
    error = capfd.readouterr().err
    assert code == 2
    assert words in error
    assert len(error.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a daemon that `qec serve` started and Ctrl-C ends; what it has recorded is replayed then."""
    recordings = tmp_path_factory.mktemp("record") / "all"
    command = qec("serve", "--distance", "3", "--p", "0.004", "--policy", "block", "--log", "json")
    command += ["--record", str(recordings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        yield json.loads(daemon.stdout.readline())["control"]
        daemon.send_signal(signal.SIGINT)
        _, error = daemon.communicate(timeout=30)
    assert daemon.returncode == 0
    *_, last = map(json.loads, error.splitlines())
    assert (last["event"], last["reason"]) == ("ending", "stopped")
    files = sorted(recordings.iterdir())
    kinds = [read_recording(file).groups[0].playlist.kind for file in files]
    assert kinds == ["events", "events", "measurements"]
    assert cli.main(["replay", str(recordings), "--decoders", "recorded", "mwpm"]) == 0


def change_an_answer(file: str, other: str) -> None:
    """Write the recording again, with a correction of shot 3 that nobody gave."""
    found = read_recording(file)
    (group,) = found.groups
    answers = list(group.answers)
    assert answers[3] is not None
    flips = bytes([1 - (answers[3].flips or b"")[0]])
    answers[3] = dataclasses.replace(answers[3], flips=flips)
    write_answered(
        other,
        group.playlist,
        frame_cycles=10,
        cycle_ns=found.cycle_ns,
        played=list(enumerate(answers)),
        notes=found.notes,
        model=found.model,
    )


def test_stream_to_serve(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--to", address, "--policy", "block"]
    memory = ["--distance", "3", "--cycles", "50", "--p", "0.004"]
    file = str(tmp_path / "s.qecs")
    lines = tmp_path / "shots.jsonl"
    simulated = ["stream", *common, *memory, "--shots", "20", "--record", file, "--json", str(lines)]
    assert cli.main(simulated) == 0
    assert "20 OK" in capsys.readouterr().out
    assert cli.main(simulated) == 2
    assert f"--record {file}: there already; give a new file, or --force" in capsys.readouterr().err
    first = [json.loads(line) for line in lines.read_text().splitlines()]
    change_an_answer(file, str(tmp_path / "changed.qecs"))
    assert cli.main(["replay", file]) == 0
    assert cli.main(["replay", file, str(tmp_path / "changed.qecs")]) == 1
    assert "recorded: different in shot 3\n" in capsys.readouterr().out
    assert cli.main(["replay", file, str(tmp_path / "changed.qecs"), "--allow", "0.03"]) == 0
    assert cli.main(["stream", file, *common, "--json", str(lines), "--speed", "max"]) == 0
    assert re.search(r"the daemon's +20 +20 +0 ", capsys.readouterr().out)
    again = [json.loads(line) for line in lines.read_text().splitlines()]
    for name in ("status", "flips", "syndrome_hash", "cycles"):
        assert [shot[name] for shot in first] == [shot[name] for shot in again]
    capsys.readouterr()
    assert cli.main(["stream", *common, *memory, "--shots", "5", "--kind", "measurements"]) == 0
    printed = capsys.readouterr().out
    assert "5 OK" in printed
    assert "no latencies" in printed
    # Another basis: the same columns, other detectors at the ends.
    assert cli.main(["stream", *common, *memory, "--shots", "5", "--basis", "x"]) == 2
    error = capsys.readouterr().err
    assert (
        "this daemon decodes another code, distance, basis or noise (code surface_zxxz, distance 3" in error
    )
    assert len(error.splitlines()) == 1
    assert cli.main(["stats", address]) == 0
    assert "connected" not in (printed := capsys.readouterr().out)
    assert re.search(r"free +45 +45 +0 ", printed)


def test_the_circuit_of_some_options_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "memory.stim"
    options = ["circuit", "--distance", "3", "--basis", "x", "--cycles", "7"]
    assert cli.main([*options, "--out", str(file)]) == 0
    circuit = stim.Circuit.from_file(file)
    assert circuit.num_detectors == 8 * 7
    assert "56 detectors, 7 cycles" in capsys.readouterr().out
    assert cli.main([*options, "--dem"]) == 0
    assert stim.DetectorErrorModel(capsys.readouterr().out) == decoding_model(circuit)


def test_stream_of_an_experiment_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = Path(__file__).resolve().parents[3] / "data/samples/si1000_surface_code/d3_at_q3_3/Z/r20"
    command = qec("serve", "--model", str(sample / "circuit_noisy_si1000.stim"), "--policy", "block")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        to = json.loads(daemon.stdout.readline())["control"]
        try:
            assert cli.main(["stream", str(sample), "--to", to, "--policy", "block", "--shots", "200"]) == 0
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=30)
    printed = capsys.readouterr().out
    assert "200 OK" in printed
    errors = int(printed.split(" logical errors in 200")[0].split()[-1])
    assert 0 < errors < 80


def test_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "keys"
    assert cli.main(["keygen", "daemon", "--folder", str(folder)]) == 0
    assert (folder / "daemon.key_secret").stat().st_mode & 0o077 == 0
    secret = (folder / "daemon.key_secret").read_text()
    assert "keep it" in capsys.readouterr().out
    assert cli.main(["keygen", "daemon", "--folder", str(folder)]) == 2
    assert "exists" in capsys.readouterr().err
    assert (folder / "daemon.key_secret").read_text() == secret


def test_a_stranger_without_keys_gets_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys, allowed = tmp_path / "keys", tmp_path / "allowed"
    for name in ("daemon", "lab", "stranger"):
        assert cli.main(["keygen", name, "--folder", str(keys)]) == 0
    allowed.mkdir()
    shutil.copy(keys / "lab.key", allowed)
    options = ["--secret_key", str(keys / "daemon.key_secret"), "--client_keys", str(allowed)]
    command = qec("serve", "--distance", "3", "--bind", "tcp://0.0.0.0:*", "--policy", "block", *options)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as daemon:
        assert daemon.stdout is not None
        port = json.loads(daemon.stdout.readline())["control"].rpartition(":")[2]
        try:
            address = f"tcp://127.0.0.1:{port}"
            stream = ["stream", "--to", address, "--distance", "3", "--cycles", "30", "--shots", "3"]
            codes = []
            for name in ("stranger", "lab"):
                own = ["--secret_key", str(keys / f"{name}.key_secret")]
                own += ["--server_key", str(keys / "daemon.key")]
                codes.append(cli.main(["stats", address, *own]))
            codes.append(cli.main([*stream, "--policy", "block", *own]))
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.communicate(timeout=30)
    captured = capsys.readouterr()
    assert codes == [2, 0, 0]
    assert captured.out.count("3 OK") == 1
    assert "no daemon answers" in captured.err


@pytest.mark.parametrize("transport", ["inproc", pytest.param("ipc", marks=pytest.mark.nightly)])
def test_soak_in_small(transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "soak.json"
    options = ["--minutes", "0.03", "--distance", "3", "--cycles", "300", "--cycle_time", "10us"]
    code = cli.main(["soak", *options, "--transport", transport, "--json", str(file)])
    data = json.loads(file.read_text())
    printed = capsys.readouterr().out
    (stream,) = data["streams"]
    assert stream["unlike_offline"] == 0
    assert data["shots"] == stream["shots"] > 0
    assert code == (0 if data["passed"] else 1)
    assert ("NOT passed" in printed) != data["passed"]
    if not stream["lost"]:
        assert stream["counters"]["accepted"] == data["shots"] * 30


@pytest.mark.parametrize("transport", ["inproc", "ipc"])
def test_a_source_that_waits_loses_no_shot(
    transport: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cycles of 20 ns: no decoder keeps up, and more are sent than the ring holds."""
    file = tmp_path / "soak.json"
    options = ["--minutes", "0.001", "--distance", "3", "--cycles", "60000", "--shots", "1"]
    options += ["--cycle_time", "20ns", "--policy", "block", "--transport", transport]
    assert cli.main(["soak", *options, "--json", str(file)]) == 0
    printed = capsys.readouterr()
    data = json.loads(file.read_text())
    (stream,) = data["streams"]
    assert stream["shots"] > 0
    assert (stream["lost"], stream["unlike_offline"]) == (0, 0)
    assert stream["decision"] is stream["loop"] is stream["windows"] is None
    assert "not paced by the clock" in printed.out
    assert printed.err.startswith("qec soak: policy block: the source waits")


@pytest.mark.nightly
def test_soak_for_eight_seconds(tmp_path: Path) -> None:
    """Nothing is answered unlike offline, and the decoder's memory stands still.

    About 130 shots: two bytes more for each of 96 x 50,000 cycles would be noticed.
    """
    file = tmp_path / "soak.json"
    options = ["--minutes", "0.133", "--distance", "3", "--cycles", "50000", "--shots", "2"]
    cli.main(["soak", *options, "--json", str(file)])
    data = json.loads(file.read_text())
    assert data["streams"][0]["unlike_offline"] == 0
    assert data["shots"] > 4
    memory = data["memory_kb"]
    assert max(memory[len(memory) // 2 :]) - memory[len(memory) // 4] < 8192


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc to find processes")
@pytest.mark.parametrize("transport", ["inproc", "ipc"])
def test_ctrl_c_leaves_nothing_running(transport: str, short_folder: Path) -> None:
    options = ["--minutes", "5", "--distance", "3", "--cycles", "300", "--cycle_time", "10us"]
    environment = {**os.environ, "TMPDIR": str(short_folder)}
    command = qec("soak", *options, "--transport", transport)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        wanted = 2 if transport == "ipc" else 0
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            if list(short_folder.glob("*/shots")) and len(children_of(process.pid)) >= wanted:
                break
            time.sleep(0.1)
        time.sleep(1.5)
        children = children_of(process.pid)
        process.send_signal(signal.SIGINT)
        output, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert output == ""
    first, *_, last = error.splitlines()
    assert (first[:25], last) == ("qec soak: no latency prom", "qec soak: stopped") or "will be" in first
    assert len(children) >= wanted
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert list(short_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "nanoseconds"), [("1.1us", 1100), ("500ns", 500), ("2 ms", 2e6), ("1e-3s", 1e6)]
)
def test_times(text: str, nanoseconds: float) -> None:
    assert options.nanoseconds(text) == pytest.approx(nanoseconds)


def test_durations() -> None:
    assert options.duration(1100) == "1.1 us"
    assert options.duration(0.5) == "0.5 ns"


def test_memory_of_a_process() -> None:
    assert resident_kb(999_999_999) is None
    if Path("/proc/self/status").exists():
        assert (resident_kb("self") or 0) > 1000
