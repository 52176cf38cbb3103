"""`qec sweep --cluster local`: the totals of a sweep in processes, also when workers are killed."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import decoders
from experiments.common.points import Point, decoding_model
from experiments.engine import Engine
from experiments.sweep import counts
from experiments.sweep.task_sampler import seed_of_point

_POINT = {"code": "surface_zxxz", "gates": "cz", "rounds": 5, "basis": "z", "noise": "si1000", "p": 0.004}
_GRID = ["--distances", "3", "5", "--p", "0.004", "--rounds", "5", "--bases", "z", "--seed", "5"]


def expected(strong_id: str, distance: int, shots: int) -> int:
    """Count the errors of the point's shots in one call."""
    circuit = Point(distance=distance, **_POINT).circuit()  # type: ignore[arg-type]
    decoder = decoders.from_dem("mwpm", decoding_model(circuit))
    engine = Engine(dem=circuit.detector_error_model(), decoder=decoder)
    return engine.count(shots=shots, seed=seed_of_point(5, 0, strong_id)).errors


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def workers_of(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    found = []
    for child in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # also one that was killed just now
            if any("spawn_main" in word for word in child.cmdline()):
                found.append(child)
    return found


def check_loopback_without_pages(process: "subprocess.Popen[str]") -> None:
    parts = [psutil.Process(process.pid), *workers_of(process)]
    listening = [
        one.laddr for part in parts for one in part.net_connections() if one.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {address.ip for address in listening} == {"127.0.0.1"}
    for address in listening:
        with socket.create_connection(address, timeout=5) as page:
            page.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            page.settimeout(0.2)
            with contextlib.suppress(TimeoutError, ConnectionError):  # no server of pages
                assert b" 200 " not in page.recv(1000)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes and their sockets")
@pytest.mark.parametrize(
    ("workers", "rounds", "shots"),
    [(1, 1, 150_000), pytest.param(2, 10, 15_000_000, marks=pytest.mark.nightly)],
)
def test_killed_workers_lose_no_shot_and_count_none_twice(
    workers: int, rounds: int, shots: int, tmp_path: Path
) -> None:
    """Kill all workers in mid-task, `rounds` times; the counts are those of one uninterrupted call."""
    path = tmp_path / "c.csv"
    arguments = [*_GRID, "--max_shots", str(shots), "--processes", str(workers), "--out", str(path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "sweep", "--cluster", "local", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    rng = random.Random(1)
    lines, deadline = 4, time.monotonic() + 900
    kills = 0
    for turn in range(rounds):
        while (
            not path.exists() or path.read_bytes().count(b"\n") < lines or len(workers_of(process)) < workers
        ):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.005)
        if turn == 0:
            check_loopback_without_pages(process)
        time.sleep(0.1 * rng.random())
        for worker in workers_of(process):
            os.kill(worker.pid, signal.SIGKILL)
            kills += 1
        lines = lines_of(path) + 2
    try:
        out, error = process.communicate(timeout=300 if rounds > 1 else 90)
    finally:
        process.kill()
    assert process.returncode == 0, error
    assert f"2 points, {2 * shots:,} shots" in out
    assert "Traceback" not in error, error
    assert kills == workers * rounds
    rows, _ = counts.read([path])
    assert len(rows) == 2
    for row in rows:
        assert (row.shots, row.errors) == (shots, expected(row.strong_id, row.json_metadata["d"], shots))
