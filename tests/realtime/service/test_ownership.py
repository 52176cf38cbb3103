"""Clients that may connect to one daemon cannot take, disturb or see each other's sessions."""

import json
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from realtime.protocol.wire import Status, parse_result
from realtime.security import ClientKeys, write_keys
from realtime.service.client import Client, DaemonProcess, Welcome
from realtime.service.daemon import DaemonConfig
from realtime.transport import Hub, Pair, connect_pair, new_keys
from tests.support.loop_shots import untimed
from tests.support.waiting import until

WAIT_MS = 20_000


def refusals(client: Client) -> int:
    return int(client.stats()["streams"][0]["refused_connections"])


def play_all(pair: Pair, session: int, *, count: int) -> list[tuple[int, Status]]:
    for shot in untimed(session, count=count):
        for message in shot:
            until(lambda: pair.send(message))  # noqa: B023
    found = [parse_result(pair.receive(timeout_ms=WAIT_MS) or b"") for _ in range(count)]
    return [(int(result.header["shot"]), result.status) for result in found]


def attack(owner: Client, other: Client, thief: Callable[[Welcome], Pair]) -> None:
    """All that one client may try against the session of another."""
    welcome = owner.hello()
    pair = owner.connect(welcome)
    stolen = thief(welcome)
    try:
        assert play_all(pair, welcome.session, count=1) == [(0, Status.OK)]
        until(lambda: refusals(owner) >= 2)  # of data and of results
        for shot in untimed(welcome.session, count=3):
            for message in shot:
                assert not stolen.send(message), "another's frames are taken"
        with pytest.raises(ValueError, match="stream 0 is in use by another client"):
            other.hello()
        for number in (welcome.session + 1, 0):
            for order in ("bye", "reset"):
                with pytest.raises(ValueError, match="belongs to another client"):
                    other.ask({"type": order, "stream": 0, "session": number})
            with pytest.raises(ValueError, match="in use"):
                other.ask({"type": "hello", "version": 2, "replaces": number})
        seen = [other.stats(), other.ping(), other.describe(), other.ask({"type": "trace"})]
        for secret in (str(welcome.session), welcome.token or "no token", welcome.data, welcome.results):
            assert secret not in json.dumps(seen)
        rest = [message for shot in untimed(welcome.session, count=6)[1:] for message in shot]
        for message in rest:
            until(lambda: pair.send(message))  # noqa: B023
        found = [parse_result(pair.receive(timeout_ms=WAIT_MS) or b"") for _ in range(5)]
        assert [(r.header["shot"], r.status) for r in found] == [(n, Status.OK) for n in range(1, 6)]
        assert stolen.receive(timeout_ms=50) is None, "another's results are seen"
    finally:
        stolen.close()
        pair.close()


def test_without_keys_the_token_of_a_session_keeps_others_out(daemon: DaemonProcess) -> None:
    with Client(daemon.control) as owner, Client(daemon.control) as other, Hub() as hub:

        def wrong(welcome: Welcome) -> Pair:
            return connect_pair(hub, data=welcome.data, results=welcome.results, token="0" * 32)

        attack(owner, other, wrong)
        folder = Path(daemon.control.removeprefix("ipc://")).parent
        assert len(list(folder.iterdir())) == 4
    until(lambda: len(list(folder.iterdir())) == 2)  # the socket and the lock of the daemon


def test_with_keys_only_the_key_that_began_a_session_may_use_it(model_file: Path, tmp_path: Path) -> None:
    """Strangers get no answer at all, and those who are known only their own sessions."""
    public, secret = write_keys(tmp_path / "server", "daemon", make=new_keys)
    clients = tmp_path / "clients"
    keys = []
    for name in ("alice", "bob"):
        _, own = write_keys(clients, name, make=new_keys)
        keys.append(ClientKeys(secret=own, server=public))
    (clients / "garbage.key").write_text("this is no key")
    (clients / "folder.key").mkdir()
    config = DaemonConfig(
        model=str(model_file), bind="tcp://127.0.0.1:*", secret_key=str(secret), client_keys=str(clients)
    )
    with DaemonProcess(config) as process:
        # One bad file does not lock the others out.
        assert [note.count("client key skipped") for note in process.ready["notes"]] == [1, 1]
        address = process.control
        port = int(address.rpartition(":")[2])
        with ExitStack() as flood:
            for _ in range(20):
                peer = flood.enter_context(socket.create_connection(("127.0.0.1", port)))
                peer.sendall(os.urandom(4096))
            _, stranger = write_keys(tmp_path / "strangers", "source", make=new_keys)
            for outside in (None, ClientKeys(secret=stranger, server=public)):
                with (
                    Client(address, keys=outside) as outsider,
                    pytest.raises(TimeoutError, match="no daemon answers"),
                ):
                    outsider.ping(timeout_s=0.3)
        with Client(address, keys=keys[0]) as alice, Client(address, keys=keys[1]) as bob:
            with Hub(client=keys[1]) as hub:

                def wrong(welcome: Welcome) -> Pair:
                    return connect_pair(hub, data=welcome.data, results=welcome.results, token="")

                attack(alice, bob, wrong)
            welcome = alice.hello()
            with pytest.raises(
                ValueError, match="belongs to another client"
            ):  # even one who knows the number
                bob.bye(welcome)
            with Client(address, keys=keys[0]) as again:  # her other process may take her stream
                assert again.hello().session != welcome.session
