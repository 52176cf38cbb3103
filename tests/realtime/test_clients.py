"""Clients in C and C++: programs of the documentation against a daemon, and refusals."""

import shutil
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import realtime
from realtime.service.client import DaemonProcess
from realtime.service.daemon import DaemonConfig
from tests.support.documentation import PAGES, blocks
from tests.support.loop_shots import circuit, shots

_HEADERS = Path(realtime.__file__).with_name("clients")
_FLAGS = ("-Wall", "-Wextra", "-Werror", "-O1", "-I", str(_HEADERS))
_COMPILERS = {"c": ("gcc", "cc"), "cpp": ("g++", "c++")}
# A client that sends rows of another width than the daemon's.
_WIDER = r"""
#include "qec_client.h"
int main(int count, char **arguments) {
    static qec_client client;
    uint8_t zeros[99] = {0};
    qec_answer answer;
    const char *text;
    if (count != 2 || qec_connect(&client, "127.0.0.1", atoi(arguments[1]), 0)) return 1;
    if (!(text = qec_ask(&client, "{\"type\":\"describe\"}")) || !strstr(text, "\"columns\"")) return 1;
    client.bits += 16;
    if (qec_send_cycles(&client, zeros, 10) || qec_finish_shot(&client, zeros, &answer)) return 1;
    printf("%d", answer.status);
}
"""


def compiled(source: str, language: str, folder: Path) -> Path:
    compiler = next(filter(None, map(shutil.which, _COMPILERS[language])), None)
    if compiler is None:
        pytest.skip(f"no compiler for {language}")
    path = folder / f"client.{language}"
    path.write_text(source)
    standard = "-std=c99" if language == "c" else "-std=c++17"
    command = [compiler, standard, "-D_DEFAULT_SOURCE", *_FLAGS, "-o", str(folder / "client"), str(path)]
    subprocess.run(command, check=True, timeout=60)
    return folder / "client"


@pytest.fixture(scope="module", params=["c", "cpp"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    (source,) = blocks((PAGES / "daemon_clients.md").read_text(), request.param)
    return compiled(source, request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a daemon on loopback tcp."""
    model = tmp_path_factory.mktemp("model") / "memory.stim"
    circuit().to_file(model)
    with DaemonProcess(DaemonConfig(model=str(model), bind="tcp://127.0.0.1:*")) as daemon:
        yield daemon.control


def run(program: Path, *arguments: str, data: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run([str(program), *arguments], input=data, capture_output=True, timeout=60)


@pytest.mark.parametrize(("scheme", "frame_cycles"), [("tcp", 1), ("tcp", 20), ("ipc", 7)])
def test_shots_get_the_offline_answers(
    program: Path, tcp: str, daemon: DaemonProcess, scheme: str, frame_cycles: int
) -> None:
    some = shots(count=12)
    cycles = some.packed.shape[1] - 1
    address = tcp if scheme == "tcp" else daemon.control
    done = run(program, address, str(cycles), str(frame_cycles), data=some.packed.tobytes())
    assert done.returncode == 0, done.stderr.decode()
    lines = [
        f"0 {flips[0]} {zlib.crc32(shot.tobytes()):08x}"
        for shot, flips in zip(some.packed, some.expected, strict=True)
    ]
    assert done.stdout.decode().splitlines() == lines


def test_without_a_daemon_there_is_one_line(program: Path) -> None:
    done = run(program, "tcp://127.0.0.1:1", "20", "10")
    assert done.returncode == 1
    assert done.stderr.decode().startswith("cannot connect: is qec serve")
    assert done.stderr.count(b"\n") == 1


def test_a_wrong_width_is_refused_not_answered(tcp: str, tmp_path: Path) -> None:
    done = run(compiled(_WIDER, "c", tmp_path), tcp.rpartition(":")[2])
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == b"3"
