"""A daemon in a process of its own: what it answers, and what it survives."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from decoders import StreamingDecoder
from decoders.matching.workspace import Workspace
from realtime.protocol import wire
from realtime.protocol.wire import Result, Status
from realtime.service.client import Client, DaemonProcess, Welcome
from realtime.service.daemon import Daemon, DaemonConfig
from realtime.service.session import Session
from realtime.service.worker import Worker
from realtime.transport import Hub, Pair
from tests.support.loop_shots import CYCLE_NS, changed, circuit, frames_of, is_right, shots, untimed
from tests.support.waiting import until

WAIT_MS = 20_000


@contextmanager
def opened(client: Client, **options: object) -> Iterator[tuple[Welcome, Pair]]:
    welcome = client.hello(**options)  # type: ignore[arg-type]
    pair = client.connect(welcome)
    try:
        yield welcome, pair
    finally:
        pair.close()


def send(pair: Pair, message: bytes) -> None:
    assert pair.outgoing.poll(WAIT_MS, 2)
    assert pair.send(message)


def take(pair: Pair) -> Result:
    answer = pair.receive(timeout_ms=WAIT_MS)
    assert answer is not None, "no answer came"
    return wire.parse_result(answer)


def play(pair: Pair, messages: list[bytes], answers: int) -> list[tuple[int, Status]]:
    for message in messages:
        send(pair, message)
    results = [take(pair) for _ in range(answers)]
    assert all(is_right(result) for result in results if result.status == Status.OK)
    return [(int(result.header["shot"]), result.status) for result in results]


def counters(client: Client) -> dict[str, int]:
    found: dict[str, int] = client.stats()["streams"][0]["counters"]
    return found


def frames_taken(client: Client) -> int:
    return counters(client)["accepted"]


def flat(messages: list[list[bytes]]) -> list[bytes]:
    return [message for shot in messages for message in shot]


def test_shots_are_answered_as_offline(client: Client, daemon: DaemonProcess) -> None:
    with opened(client) as (welcome, pair):
        answers = play(pair, flat(untimed(welcome.session, count=12)), 12)
        assert answers == [(number, Status.OK) for number in range(12)]
        assert welcome.digest == daemon.ready["digest"]
        assert client.latencies(name="decision").num >= 12
        trace = client.ask({"type": "trace", "rows": 5})
        assert len(trace["rows"]) == 5
        client.bye(welcome)
        with pytest.raises(ValueError, match="session is not open"):
            client.bye(welcome)


def test_two_streams_at_once(client: Client) -> None:
    with opened(client, stream=0) as (first, one), opened(client, stream=1) as (second, two):
        a, b = untimed(first.session, count=6), untimed(second.session, count=6, stream=1)
        for shot_a, shot_b in zip(a, b, strict=True):
            for message_a, message_b in zip(shot_a, shot_b, strict=True):
                send(one, message_a)
                send(two, message_b)
        for number in range(6):
            for pair, stream in ((one, 0), (two, 1)):
                result = take(pair)
                assert (result.header["shot"], result.header["stream"]) == (number, stream)
                assert result.status == Status.OK
                assert is_right(result)


@pytest.mark.parametrize(
    ("damage", "status"),
    [
        (lambda shot: [shot[0], shot[2]], Status.GAP),
        (lambda shot: [shot[0], shot[1], shot[1], shot[2]], Status.OK),
        (lambda shot: [shot[1], shot[0], shot[2]], Status.GAP),
        (lambda shot: [shot[0], shot[1][:70], shot[2]], Status.MALFORMED),
        (lambda shot: [shot[0], shot[1][:70] + b"?" + shot[1][71:], shot[2]], Status.MALFORMED),
        (lambda shot: [shot[0], changed(shot[1], version=9), shot[2]], Status.MALFORMED),
        (lambda shot: [shot[0], shot[1], shot[0], b"", b"GET / HTTP/1.1", shot[2]], Status.OK),
        (lambda shot: [shot[0]], Status.TIMEOUT),
    ],
    ids=["lost", "repeated", "reordered", "truncated", "corrupted", "version", "garbage", "source dies"],
)
def test_damage_is_named_and_the_next_shot_is_sound(
    client: Client, damage: Callable[[list[bytes]], list[bytes]], status: Status
) -> None:
    with opened(client) as (welcome, pair):
        one, two = untimed(welcome.session, count=2)
        assert play(pair, damage(one), 1) == [(0, status)]
        assert play(pair, two, 1) == [(1, Status.OK)]


def test_a_new_session_ends_the_old_one_and_hears_nothing_of_it(client: Client) -> None:
    with opened(client) as (old, before):
        came = frames_taken(client)
        send(before, untimed(old.session)[0][0])
        until(lambda: frames_taken(client) > came)
        assert client.ping()["open"][0]
        with opened(client) as (new, pair):
            assert new.session != old.session
            assert take(before).status in (Status.RESTARTED, Status.TIMEOUT)
            stale = untimed(old.session, count=1)
            assert play(pair, [*stale[0], *flat(untimed(new.session, count=1))], 1) == [(0, Status.OK)]


@pytest.mark.parametrize("vanishes", [True, False], ids=["vanished", "slow"])
def test_a_consumer_that_takes_nothing_costs_answers_but_not_the_loop(client: Client, vanishes: bool) -> None:
    data = shots()
    dropped = counters(client)["results_dropped"]
    with opened(client) as (welcome, pair):
        if vanishes:
            pair.incoming.close()
        sent, before = 0, frames_taken(client)
        while counters(client)["results_dropped"] == dropped:
            assert sent < 20_000, "answers are kept without bound"
            for _ in range(500):
                (message,) = frames_of(
                    data.packed[sent % 12],
                    number=sent,
                    sequence=sent,
                    bits=data.bits,
                    frame_cycles=64,
                    session=welcome.session,
                    due_ns=-19 * CYCLE_NS,  # so that it is 0 for the last cycle
                )
                send(pair, message)
                sent += 1
            # On a busy machine thousands of frames may wait unseen: count what the loop has answered.
            until(lambda: frames_taken(client) >= before + sent)  # noqa: B023
        if not vanishes:
            assert is_right(take(pair))
        client.bye(welcome)
    with opened(client) as (welcome, pair):
        assert play(pair, flat(untimed(welcome.session, count=1)), 1) == [(0, Status.OK)]


def test_control_survives_nonsense(client: Client, daemon: DaemonProcess) -> None:
    for message in (
        {"type": "dance"},
        {"type": "hello", "version": 2, "stream": 7},
        {"type": "hello", "version": 2, "stream": "x"},
        {"type": "hello", "version": 2, "kind": "pulses"},
        {"type": "hello", "version": 2, "kind": ["events"]},
        {"type": "hello", "version": 2, "policy": "hope"},
        {"type": "hello", "version": 2, "policy": []},
        {"type": "hello", "version": 2, "commits": 1},
        {"type": "hello", "version": 2, "digest": "00"},
        {"type": "hello", "version": 2, "cycle_ns": 1e300},
        {"type": "bye", "session": 10**400},
        {"type": "describe", "first": -1},
        {"type": "model", "offset": 10**9},
        {"type": "latencies", "name": {}},
        {"type": "trace", "rows": None},
    ):
        with pytest.raises(ValueError, match="the daemon refused") as refusal:
            client.ask(message)
        assert "internal" not in str(refusal.value)
    hub = Hub()
    peer = hub.socket(5, queue=100)  # a dealer without manners
    hub.connect(peer, daemon.control)
    for garbage in ([b""], [b"\xff" * 1000], [b"{}", b"{}"], [b"[" * 60000], [b"x" * 70_000]):
        peer.send_multipart(garbage)
    peer.close()
    hub.close()
    answer = client.ping()
    assert answer["alive"] == [True, True]


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ({}, "protocol version 1: this daemon speaks version 2"),
        ({"version": 1}, "protocol version 1: this daemon speaks version 2"),
        ({"version": 2, "cyclens": 5}, "hello has no field 'cyclens': did you mean 'cycle_ns'?"),
        ({"version": 2, "model_digest": "0" * 16}, "decodes another code, distance, basis or noise"),
        ({"version": 2, "layout_digest": "0" * 16}, "decodes another code, distance or basis: its layout"),
    ],
)
def test_a_hello_that_means_something_else_is_refused(
    client: Client, hello: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        client.ask({"type": "hello", **hello})
    with opened(client) as (welcome, _):
        known = {"model_digest": welcome.model_digest, "layout_digest": welcome.layout_digest}
        assert client.hello(**known).session != welcome.session  # type: ignore[arg-type]


def test_overload_drops_the_shot_and_says_so(client: Client) -> None:
    with opened(client, cycle_ns=1000) as (welcome, pair):
        late = [changed(message, due_ns=1) for message in untimed(welcome.session, count=1)[0]]
        assert play(pair, late, 1) == [(0, Status.BACKLOG)]
    with opened(client, cycle_ns=1000, policy="block") as (welcome, pair):
        late = [changed(message, due_ns=1) for message in untimed(welcome.session, count=1)[0]]
        assert play(pair, late, 1) == [(0, Status.OK)]


def test_a_stream_faster_than_the_decoder_is_refused(client: Client) -> None:
    """In one line, and what is open stays open; sources that wait have no pace."""
    with opened(client) as (welcome, pair):
        with pytest.raises(ValueError, match=r"would keep a core busy.*use cycles of \d+ ns") as refusal:
            client.hello(cycle_ns=1)
        assert "\n" not in str(refusal.value)
        assert play(pair, flat(untimed(welcome.session, count=1)), 1) == [(0, Status.OK)]
    assert 10 < client.stats()["streams"][0]["service_ns_per_cycle"] < 1e6
    with opened(client, cycle_ns=1, policy="block") as (welcome, pair):
        assert play(pair, flat(untimed(welcome.session, count=1)), 1) == [(0, Status.OK)]


def test_a_daemon_ends_when_its_parent_is_gone(model_file: Path) -> None:
    program = (
        "import sys\n"
        "from realtime.service.client import DaemonProcess\n"
        "from realtime.service.daemon import DaemonConfig\n"
        "d = DaemonProcess(DaemonConfig(model=sys.argv[1])); d.start(); print(d.pid, d.control, flush=True)\n"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(model_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    try:
        child = int(parent.stdout.readline().split()[0])
        with selectors.DefaultSelector() as selector:
            ended = os.pidfd_open(child)
            selector.register(ended, selectors.EVENT_READ)
            assert not selector.select(0)
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            assert selector.select(WAIT_MS / 1000), "the daemon lives on"
            os.close(ended)
    finally:
        parent.kill()
        parent.wait()
        parent.stdin.close()
        parent.stdout.close()


def test_raw_bytes_on_loopback_tcp_are_no_messages(model_file: Path) -> None:
    with DaemonProcess(
        DaemonConfig(model=str(model_file), bind="tcp://127.0.0.1:*", loop="python")
    ) as process:
        assert process.ready["loop"] == "python"
        assert any("open to every user" in note for note in process.ready["notes"])
        with Client(process.control) as client, opened(client) as (welcome, pair):
            port = int(welcome.data.rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port)) as raw:
                raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
                assert play(pair, flat(untimed(welcome.session)), 3) == [
                    (number, Status.OK) for number in range(3)
                ]
            assert (counters(client)["frames"], counters(client)["damaged"]) == (9, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no/such.stim"}, "no model"),
        ({"bind": "tcp://0.0.0.0:5555"}, "can be reached from other machines"),
        ({"bind": "udp://127.0.0.1:1"}, "expected ipc:///path, shm:///path or tcp://host:port"),
        ({"policy": "hope"}, "no policy is named 'hope'"),
        ({"decoder": "hope"}, "no decoder for windows is named 'hope'"),
        ({"max_load": -1}, "max_load=-1"),
        ({"fifo": 100}, "fifo=100: must be a real-time priority from 1 to 99"),
        ({"log": "loud"}, "no log is named 'loud'"),
    ],
)
def test_a_bad_configuration_is_refused(model_file: Path, options: dict[str, str], message: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        Daemon(DaemonConfig(**{"model": str(model_file), **options}))  # type: ignore[arg-type]


def test_a_process_that_cannot_start_says_why(model_file: Path, short_folder: Path) -> None:
    address = short_folder / "results.csv"
    address.write_text("shots,errors\n")
    config = DaemonConfig(model=str(model_file), bind=f"ipc://{address}")
    with pytest.raises(ValueError, match=r"results\.csv is a file, which is not replaced"):
        DaemonProcess(config).start()
    assert address.read_text() == "shots,errors\n"


@pytest.mark.parametrize("tiny", [False, True])
def test_the_loop_runs_in_this_process_over_rings(tiny: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = StreamingDecoder.from_circuit(circuit())
    with monkeypatch.context() as patch:
        if tiny:  # it has to grow in the middle of shots
            patch.setattr(Workspace, "grow", lambda self: self._resize(1))
            patch.setattr(
                "realtime.service.worker.measure_service_time", lambda decoder, clock: 0.0
            )  # it would grow it
        worker = Worker(session=Session(decoder=decoder), hub=None)
        worker.start()
    try:
        assert not worker.notes
        for _ in range(2):
            session = worker.begin().session
            for message in flat(untimed(session, count=12)):
                assert worker.data_ring.put(message)
            taken = 0
            while taken < 12:
                assert worker.is_alive
                answer = worker.results_ring.take()
                if answer is not None:
                    result = wire.parse_result(answer)
                    assert result.header["shot"] == taken
                    assert result.status == Status.OK
                    assert is_right(result)
                    taken += 1
        assert worker.session.counters()["shots_ok"] == 24
        assert (worker.session.counters()["growths"] > 0) == tiny
        with pytest.raises(ValueError, match="no kind of frame"):
            worker.begin(kind="pulses")  # type: ignore[arg-type]
    finally:
        worker.stop()
    assert not worker.is_alive
    assert shots().expected.any()
