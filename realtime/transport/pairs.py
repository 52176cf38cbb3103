"""Sockets of a session: data one way, results the other, and the watch over their connection."""

import contextlib
import itertools
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import zmq
import zmq.utils.monitor

from realtime.kernels.clock import now_ns, sleep_us
from realtime.kernels.ring import Ring
from realtime.transport.hub import Hub
from realtime.transport.rings import SharedRings

#: Frames that may be queued on each side: 50 ms of frames of ten cycles of 1.1 us.
DATA_QUEUE = 4500
#: Results that may be queued for a slow consumer; later ones are dropped and counted.
RESULT_QUEUE = 1000
# Sleep between two looks at a ring.
_MOMENT_US = 10
# Time in which a peer must prove who it is.
_HANDSHAKE_MS = 5000
_WATCHED = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED
_numbers = itertools.count()


class Watch:
    """Connections of a socket, reported by libzmq; made by the socket's thread, read by any one thread.

    Args:
        socket: to watch.
    """

    def __init__(self, socket: "zmq.Socket[bytes]") -> None:
        address = f"inproc://watch-{next(_numbers)}"
        socket.monitor(address, _WATCHED)
        self._socket = socket.context.socket(zmq.PAIR)
        self._socket.linger = 0
        self._socket.connect(address)
        self._pending: set[int] = set()
        self._connected: set[int] = set()
        #: Whether the peer was connected at any time.
        self.ever = False

    def is_connected(self, *, timeout_ms: int = 0) -> bool:
        """Read the reports that have come, and return whether an admitted peer is connected.

        With several handshakes at a time the system does not say whose has succeeded. All of them then count
        as the peer's until they end, those of strangers after 5 s.

        Args:
            timeout_ms: time to wait for a report.
        """
        while self._socket.poll(timeout_ms):
            timeout_ms = 0
            found: Any = zmq.utils.monitor.recv_monitor_message(self._socket, zmq.NOBLOCK)
            event, descriptor = found["event"], found["value"]
            if event in (zmq.EVENT_ACCEPTED, zmq.EVENT_CONNECTED):
                self._pending.add(descriptor)
            elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.ever = True
                self._connected |= self._pending
                self._pending.clear()
            elif event == zmq.EVENT_DISCONNECTED:
                self._pending.discard(descriptor)
                self._connected.discard(descriptor)
        return bool(self._connected)

    def close(self) -> None:
        """Stop watching."""
        self._socket.close(0)


class Pair(NamedTuple):
    """Sockets of one side of a session; only the thread that made them may use them."""

    incoming: "zmq.Socket[bytes]"
    outgoing: "zmq.Socket[bytes]"
    #: Files of the sockets, to be removed.
    files: tuple[Path, ...] = ()
    #: Domain of the session at the gate, "" on the source's side.
    domain: str = ""
    #: Connection to the daemon, on the source's side.
    watch: Watch | None = None
    #: Rings that carry the messages in place of the sockets; these then only show that the peer is there.
    rings: SharedRings | None = None

    def addresses(self) -> tuple[int, int]:
        """Return the addresses of the incoming and the outgoing socket, valid until the pair is closed."""
        return int(self.incoming.underlying), int(self.outgoing.underlying)

    def receive(self, *, timeout_ms: int) -> bytes | None:
        """Return the next message, None if none arrives within the timeout."""
        if self.rings is not None:
            return self._receive_from_ring(self.rings.incoming, timeout_ms)
        if not self.incoming.poll(timeout_ms):
            return None
        try:
            return self.incoming.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def send(self, message: bytes) -> bool:
        """Send without waiting; false if the queue is full."""
        if self.rings is not None:
            return self.rings.outgoing.put(message)
        try:
            self.outgoing.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def wait_for_room(self, *, timeout_ms: int) -> None:
        """Wait until a message can be sent, or a moment where a ring is full."""
        if self.rings is not None:
            sleep_us(_MOMENT_US)
            return
        self.outgoing.poll(timeout_ms, zmq.POLLOUT)

    @staticmethod
    def _receive_from_ring(ring: Ring, timeout_ms: int) -> bytes | None:
        until = now_ns() + timeout_ms * 1_000_000
        while (message := ring.take()) is None:
            if now_ns() >= until:
                return None
            sleep_us(_MOMENT_US)
        return message

    def close(self, *, linger_ms: int = 0) -> None:
        """Close both sockets; messages not sent within linger_ms are dropped."""
        if self.rings is not None:
            self.rings.close()
        if self.watch is not None:
            self.watch.close()
        self.incoming.close(0)
        self.outgoing.close(linger_ms)
        for file in self.files:
            with contextlib.suppress(OSError):
                file.unlink()


def bind_pair(hub: Hub, base: str, *, owner: str, wait_ms: int) -> tuple[Pair, str, str]:
    """Bind the sockets of the daemon's side of a session.

    Args:
        hub: context and keys.
        base: an ipc:// path to which endings are appended, or tcp://host:*.
        owner: public key of the only peer that may connect, or with a daemon without keys the token that it
            must give.
        wait_ms: receive timeout.

    Returns:
        The pair, and the addresses for data and for results.
    """
    domain = f"session-{secrets.token_hex(8)}"
    incoming = hub.socket(zmq.PULL, queue=DATA_QUEUE)
    incoming.rcvtimeo = wait_ms
    outgoing = hub.socket(zmq.PUSH, queue=RESULT_QUEUE)
    is_ipc = base.startswith("ipc://")
    if is_ipc:  # the name says nothing about the session
        base = f"{base}-{secrets.token_hex(8)}"
    hub.admit(domain, owner=owner)
    bound: list[str] = []
    try:
        for socket, ending in ((incoming, ".d"), (outgoing, ".r")):
            socket.handshake_ivl = _HANDSHAKE_MS
            bound.append(hub.bind(socket, base + ending if is_ipc else base, domain=domain))
    except ValueError:
        Pair(incoming, outgoing).close()
        hub.expel(domain)
        raise
    files = tuple(Path(address.removeprefix("ipc://")) for address in bound if is_ipc)
    return Pair(incoming, outgoing, files, domain), bound[0], bound[1]


def connect_pair(
    hub: Hub,
    *,
    data: str,
    results: str,
    token: str,
    wait_ms: int = 20,
    rings: Mapping[str, Any] | None = None,
) -> Pair:
    """Connect the sockets of the source's side of a session: `incoming` are results, `outgoing` data.

    Args:
        hub: context and keys.
        data, results: addresses of the answer to hello.
        token: of the answer to hello; "" with keys.
        wait_ms: receive timeout.
        rings: of the answer to hello: shared memory that carries the messages.

    Raises:
        ValueError: the shared memory cannot be opened.
        TimeoutError: with shared memory, the daemon does not admit the connection.
    """
    shared = SharedRings.open(rings) if rings else None
    incoming = hub.socket(zmq.PULL, queue=RESULT_QUEUE)
    incoming.rcvtimeo = wait_ms
    outgoing = hub.socket(zmq.PUSH, queue=DATA_QUEUE)
    watch = Watch(outgoing)
    hub.connect(incoming, results, token=token)
    hub.connect(outgoing, data, token=token)
    pair = Pair(incoming, outgoing, watch=watch, rings=shared)
    # Messages in memory need no connection, but the end of a peer shows only once there is one.
    if shared is not None:
        _wait_for_peer(pair, watch)
    return pair


def _wait_for_peer(pair: Pair, watch: Watch) -> None:
    """Wait until the daemon has admitted the connection.

    Raises:
        TimeoutError: it has not in time; the pair is closed.
    """
    until = now_ns() + _HANDSHAKE_MS * 1_000_000
    while not watch.is_connected(timeout_ms=_HANDSHAKE_MS // 10):
        if now_ns() > until:
            pair.close()
            raise TimeoutError("the daemon does not admit the connection of its session")
