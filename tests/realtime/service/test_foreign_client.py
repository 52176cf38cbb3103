"""A control system in another language feeds the daemon: C, plain TCP sockets, no code of ours."""

import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.service.client import DaemonProcess
from realtime.service.daemon import DaemonConfig
from tests.support.loop_shots import circuit, shots

_SOURCE = Path(__file__).with_name("foreign_client.c")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("c") / "foreign_client"
    subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", "-O1", "-o", str(path), str(_SOURCE)],
        check=True,
        timeout=60,
    )
    return path


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a daemon on loopback tcp."""
    model = tmp_path_factory.mktemp("model") / "memory.stim"
    circuit().to_file(model)
    with DaemonProcess(DaemonConfig(model=str(model), bind="tcp://127.0.0.1:*")) as daemon:
        yield daemon.control.rpartition(":")[2]


@pytest.mark.parametrize("frame_cycles", [1, 7, 20])
def test_a_shot_from_c_gets_the_offline_answer(program: Path, port: str, frame_cycles: int) -> None:
    some = shots(count=12)
    for shot in range(0, 12, 3):
        cycles = some.packed.shape[1] - 1
        data = some.packed[shot].tobytes()
        done = subprocess.run(
            [str(program), port, str(some.bits), str(cycles), str(frame_cycles)],
            input=data,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        words = done.stdout.decode().split()
        found = dict(zip(words[::2], words[1::2], strict=True))
        assert found["status"] == "0"
        assert found["cycles"] == str(cycles)
        assert found["flips"] == some.expected[shot].tobytes().hex()
        assert found["hash"] == f"{zlib.crc32(data):08x}"


def test_a_wrong_width_is_refused_not_answered(program: Path, port: str) -> None:
    some = shots(count=12)
    data = np.zeros((21, 3), dtype=np.uint8).tobytes()
    done = subprocess.run(
        [str(program), port, str(some.bits + 16), "20", "10"], input=data, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.split()[1] != b"0"
