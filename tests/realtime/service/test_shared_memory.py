"""Sessions through shared memory: the same answers and checks as through sockets, and nothing left behind."""

import os
from pathlib import Path

import pytest

from realtime.client import DaemonLost, Status, StreamClient
from realtime.protocol.wire import parse_result
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from realtime.transport import SharedRings
from tests.support.loop_shots import is_right, shots, untimed
from tests.support.waiting import until


def shared(pid: int) -> list[str]:
    """Shared memories that a process holds."""
    links = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()]
    return [link for link in links if "qec-rings" in link]


def test_a_session_through_shared_memory(daemon: DaemonProcess) -> None:
    data = shots()
    with StreamClient(daemon.control.replace("ipc", "shm", 1)) as client:
        assert shared(daemon.pid)
        for packed, expected in zip(data.packed[:3], data.expected, strict=False):
            client.send(packed[:-1])
            answer = client.finish(packed[-1])
            assert (answer.status, bool(answer.flips[0])) == (Status.OK, bool(expected[0]))
        with Client(daemon.control) as other:
            with pytest.raises(ValueError, match="stream 0 is in use by another client"):
                other.hello(stream=0)
            assert str(client.welcome.session) not in str([other.stats(), other.ping()])
    until(lambda: not shared(daemon.pid))


def test_what_a_source_writes_into_shared_memory_is_checked(daemon: DaemonProcess) -> None:
    with Client(daemon.control.replace("ipc", "shm", 1)) as client:
        welcome = client.hello(stream=0)
        pair = client.connect(welcome)
        assert pair.rings is not None
        before = client.stats()["streams"][0]["faults"]["SHORT"]
        ring = pair.rings.outgoing
        for size in (-5, 1 << 40, 3):  # sizes that no ring puts there
            number = int(ring._ends[16])
            ring._slots[number % len(ring._slots), 0] = size
            ring._ends[16] = number + 1
        for shot in untimed(welcome.session, count=2):
            for message in shot:
                assert pair.send(message)
        for _ in range(2):
            assert is_right(parse_result(pair.receive(timeout_ms=20_000) or b""))
        found = client.stats()["streams"][0]
        assert found["counters"]["damaged"] >= 3
        assert found["faults"]["SHORT"] >= before + 2
        pair.close()


def test_another_memory_is_refused() -> None:
    rings = SharedRings.make(longest_data=300, longest_result=120)
    try:
        again = SharedRings.open(rings.entry)
        assert again.outgoing.put(b"one")
        assert rings.incoming.take() == b"one"
        assert rings.outgoing.put(b"two")
        assert again.incoming.take() == b"two"
        for wrong in ({"number": 1}, {"sizes": [301, 240]}, {"file": 9999}, {"pid": 1 << 30}):
            with pytest.raises(ValueError, match=r"the daemon's shared memory .*use ipc://"):
                SharedRings.open({**rings.entry, **wrong})
        with pytest.raises(ValueError, match="too large for shared memory"):
            SharedRings.open({**rings.entry, "sizes": [1 << 40, 1]})
    finally:
        rings.close()


def test_both_ends_notice_the_death_of_the_other(model_file: Path, short_folder: Path) -> None:
    address = f"shm://{short_folder}/control"
    with DaemonProcess(DaemonConfig(model=str(model_file), bind=address)) as daemon:
        assert daemon.control == address
        with StreamClient(address) as client:
            client.send(shots().packed[0, :5])
            # The source dies: its connection ends, and the stream is free at once.
            with Client(address) as other:
                client._pair.outgoing.close(0)
                until(lambda: not other.stats()["streams"][0]["connected"])
                pair = other.connect(other.hello())
                assert pair.rings is not None
                pair.close()
        with StreamClient(address) as client:
            client.send(shots().packed[0, :5])
            daemon.kill()
            with pytest.raises(DaemonLost, match="the daemon has ended"):
                client.finish(shots().packed[0, -1])
