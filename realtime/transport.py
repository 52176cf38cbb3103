"""ZeroMQ sockets: the only module that imports zmq.

Data and results go through a pair of sockets per session (PUSH to PULL, both ways), control messages through
DEALER and ROUTER. Every session has new addresses, so that no message of an earlier one can arrive.
"""

import ctypes
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from realtime import security
from realtime.kernels import sockets
from realtime.protocol import wire

#: Frames that may be queued on each side: 50 ms of frames of ten cycles of 1.1 us.
DATA_QUEUE = 4500
#: Results that may be queued for a slow consumer; later ones are dropped and counted.
RESULT_QUEUE = 1000
_CONTROL_QUEUE = 100
_ZAP_DOMAIN = b"below-threshold"
_ACCEPT = 10  # connections that may be queued to be accepted


def new_keys() -> tuple[bytes, bytes]:
    """Make a public and a secret CURVE key, 40 printable characters each."""
    return zmq.curve_keypair()


@cache
def register_functions() -> bool:
    """Register libzmq's functions for compiled code; false where it cannot call them, but only Python can.

    pyzmq brings its own libzmq, and calling a second copy would crash. The loaded one is found by the path
    that it was mapped from, and its version is compared.
    """
    addresses: dict[str, int] = {}
    try:
        mapped = {
            line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "zmq" in line
        }
    except OSError:
        mapped = set()
    for path in sorted(mapped):
        if "libzmq" not in os.path.basename(path):
            continue
        library = ctypes.CDLL(path)
        version = [ctypes.c_int() for _ in range(3)]
        library.zmq_version(*(ctypes.byref(number) for number in version))
        if tuple(number.value for number in version) != zmq.zmq_version_info()[:3]:
            continue
        for name in sockets.FUNCTIONS:
            addresses[name] = ctypes.cast(getattr(library, name), ctypes.c_void_p).value or 0
        break
    reachable = len(addresses) == len(sockets.FUNCTIONS)
    if not reachable:  # any address to compile with; none is called
        nothing = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value or 0
        addresses = dict.fromkeys(sockets.FUNCTIONS, nothing)
    sockets.register(addresses)
    return reachable


class Hub:
    """ZeroMQ context of a daemon or a source: I/O threads, keys, admitted clients."""

    def __init__(
        self,
        *,
        server: security.ServerKeys | None = None,
        client: security.ClientKeys | None = None,
        io_core: int | None = None,
    ) -> None:
        """Create the context.

        Args:
            server: keys to bind with.
            client: keys to connect with.
            io_core: core of the I/O thread.

        Raises:
            ValueError, FileNotFoundError: keys that cannot be read.
        """
        self._server, self._client = server, client
        self._secret = b""
        if server:
            self._secret = security.read_key(server.secret, "secret-key")
            if not server.clients.is_dir():
                raise FileNotFoundError(f"no folder {server.clients} with public keys of admitted clients")
        self.context = zmq.Context(1)
        if io_core is not None:
            self.context.set(zmq.THREAD_AFFINITY_CPU_ADD, io_core)
        self._gate: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the I/O threads; close the sockets first."""
        if self._gate is not None:
            self._gate.stop()
            self._gate = None
        self.context.destroy(linger=0)

    def socket(self, kind: int, *, queue: int, max_message: int = wire.MAX_MESSAGE) -> "zmq.Socket[bytes]":
        """Create a socket with bounded queues, bounded messages and no lingering.

        Raises:
            ValueError: too many sockets.
        """
        try:
            socket = self.context.socket(kind)
        except zmq.ZMQError as error:
            raise ValueError(f"no more sockets: {error.strerror}") from None
        socket.linger = 0
        # Nothing is queued for absent peers. Not for sockets that only receive: there, libzmq
        # drops with the lost connection what had already come.
        socket.immediate = int(kind != zmq.PULL)
        socket.sndhwm = socket.rcvhwm = queue
        socket.maxmsgsize = max_message
        socket.backlog = _ACCEPT
        return socket

    def bind(self, socket: "zmq.Socket[bytes]", endpoint: str) -> str:
        """Bind a socket; return the address, with the port that was chosen for '*'.

        Raises:
            ValueError: the address cannot be bound.
        """
        if endpoint.startswith("tcp://"):
            # A named domain with an authenticator: without, libzmq takes raw bytes of any peer
            # for a message (ZMTP 1.0 peers greet with nothing else).
            if self._gate is None:
                self._gate = ThreadAuthenticator(self.context)
                self._gate.start()
                if self._server:
                    self._gate.configure_curve(
                        domain=_ZAP_DOMAIN.decode(), location=str(self._server.clients)
                    )
            socket.zap_domain = _ZAP_DOMAIN
        if self._server:
            socket.curve_secretkey = self._secret
            socket.curve_publickey = zmq.curve_public(self._secret)
            socket.curve_server = True
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise ValueError(f"{endpoint} cannot be bound: {error.strerror}") from None
        bound: bytes = socket.getsockopt(zmq.LAST_ENDPOINT)  # type: ignore[assignment]
        return bound.rstrip(b"\0").decode()

    def connect(self, socket: "zmq.Socket[bytes]", endpoint: str) -> None:
        """Connect a socket.

        Raises:
            ValueError: not an address, or keys that cannot be read.
        """
        if self._client:
            secret = security.read_key(self._client.secret, "secret-key")
            socket.curve_secretkey = secret
            socket.curve_publickey = zmq.curve_public(secret)
            socket.curve_serverkey = security.read_key(self._client.server, "public-key")
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise ValueError(f"cannot connect to {endpoint}: {error.strerror}") from None


class Pair(NamedTuple):
    """Sockets of one side of a session; only the thread that made them may use them."""

    incoming: "zmq.Socket[bytes]"
    outgoing: "zmq.Socket[bytes]"

    def addresses(self) -> tuple[int, int]:
        """Return the addresses of the incoming and the outgoing socket, valid until the pair is closed."""
        return int(self.incoming.underlying), int(self.outgoing.underlying)

    def receive(self, *, timeout_ms: int) -> bytes | None:
        """Return the next message, None if none arrives within the timeout."""
        if not self.incoming.poll(timeout_ms):
            return None
        try:
            return self.incoming.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def send(self, message: bytes) -> bool:
        """Send without waiting; false if the queue is full."""
        try:
            self.outgoing.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self, *, linger_ms: int = 0) -> None:
        """Close both sockets; messages not sent within linger_ms are dropped."""
        self.incoming.close(0)
        self.outgoing.close(linger_ms)


def bind_pair(hub: Hub, base: str, *, wait_ms: int) -> tuple[Pair, str, str]:
    """Bind the sockets of the daemon's side of a session.

    Args:
        hub: context and keys.
        base: an ipc:// path to which endings are appended, or tcp://host:*.
        wait_ms: receive timeout.

    Returns:
        The pair, and the addresses for data and for results.
    """
    incoming = hub.socket(zmq.PULL, queue=DATA_QUEUE)
    incoming.rcvtimeo = wait_ms
    outgoing = hub.socket(zmq.PUSH, queue=RESULT_QUEUE)
    is_ipc = base.startswith("ipc://")
    try:
        data = hub.bind(incoming, base + ".d" if is_ipc else base)
        results = hub.bind(outgoing, base + ".r" if is_ipc else base)
    except ValueError:
        Pair(incoming, outgoing).close()
        raise
    return Pair(incoming, outgoing), data, results


def connect_pair(hub: Hub, *, data: str, results: str, wait_ms: int = 20) -> Pair:
    """Connect the sockets of the source's side of a session: `incoming` are results, `outgoing` data."""
    incoming = hub.socket(zmq.PULL, queue=RESULT_QUEUE)
    incoming.rcvtimeo = wait_ms
    outgoing = hub.socket(zmq.PUSH, queue=DATA_QUEUE)
    hub.connect(incoming, results)
    hub.connect(outgoing, data)
    return Pair(incoming, outgoing)


class ControlServer:
    """Server of control messages; other messages are dropped and counted."""

    def __init__(self, hub: Hub, endpoint: str) -> None:
        self._socket = hub.socket(zmq.ROUTER, queue=_CONTROL_QUEUE, max_message=wire.MAX_CONTROL)
        self._socket.router_mandatory = 1
        self._socket.sndtimeo = 0
        self.num_refused = 0
        try:
            self.endpoint = hub.bind(self._socket, endpoint)
        except ValueError:
            self._socket.close()
            raise

    def poll(self, *, timeout_ms: int, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> bool:
        """Answer the next message; false if none arrives within the timeout."""
        if not self._socket.poll(timeout_ms):
            return False
        parts = self._socket.recv_multipart(zmq.NOBLOCK)
        try:
            if len(parts) != 2:
                raise ValueError("a control message has one part")
            reply = answer(wire.parse_control(parts[1]))
        except ValueError as error:
            self.num_refused += 1
            reply = {"type": "error", "message": str(error)[:500]}
        try:
            self._socket.send_multipart([parts[0], wire.encode_control(reply)], zmq.NOBLOCK)
        except (zmq.Again, zmq.ZMQError):
            self.num_refused += 1  # the peer left, or does not read
        return True

    def close(self) -> None:
        """Stop listening."""
        self._socket.close(100)


class ControlClient:
    """Client of a daemon's control messages."""

    def __init__(self, hub: Hub, endpoint: str) -> None:
        self._socket = hub.socket(zmq.DEALER, queue=_CONTROL_QUEUE, max_message=wire.MAX_CONTROL)
        self.endpoint = endpoint
        self._asked = 0
        hub.connect(self._socket, endpoint)

    def ask(self, message: dict[str, Any], *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Send a message and return the answer.

        Args:
            message: JSON object with a "type"; see docs/pages/protocol.md.
            timeout_s: time to wait for the answer.

        Raises:
            TimeoutError: no daemon answered.
            ValueError: the daemon refused, with its reason.
        """
        self._asked += 1
        request = wire.encode_control({**message, "id": self._asked})
        milliseconds = int(1000 * timeout_s)
        if self._socket.poll(milliseconds, zmq.POLLOUT):
            self._socket.send(request, zmq.NOBLOCK)
            while self._socket.poll(milliseconds):
                reply = wire.parse_control(self._socket.recv(zmq.NOBLOCK))
                if reply.get("id", self._asked) != self._asked:
                    continue  # the answer to an earlier message that timed out
                if reply["type"] == "error":
                    raise ValueError(f"the daemon refused: {reply.get('message')}")
                return reply
        raise TimeoutError(f"no daemon answers at {self.endpoint} within {timeout_s:g} s")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(100)
