"""A daemon for the tests of this folder, started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from tests.support.loop_shots import circuit


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "memory.stim"
    circuit().to_file(path)
    return path


@pytest.fixture(scope="session")
def daemon(model_file: Path) -> Iterator[DaemonProcess]:
    """Two streams over a private ipc address; one second is a long time for its shots."""
    with DaemonProcess(DaemonConfig(model=str(model_file), streams=2, timeout_ns=200_000_000)) as process:
        yield process


@pytest.fixture
def client(daemon: DaemonProcess) -> Iterator[Client]:
    with Client(daemon.control) as talker:
        yield talker
