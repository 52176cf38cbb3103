"""Sockets: the only file that imports zmq.

Data and results go through a pair of sockets per session (PUSH to PULL, both ways), control through DEALER
and ROUTER. Every session has addresses of its own, so that nothing of an older one can arrive.
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

#: Frames that may wait on each side: 50 ms of frames of ten cycles of 1.1 us.
DATA_QUEUE = 4500
#: Results that may wait for a slow consumer; later ones are dropped and counted.
RESULT_QUEUE = 1000
_CONTROL_QUEUE = 100
_ZAP_DOMAIN = b"below-threshold"
_ACCEPT = 10  # connections that may wait to be accepted


def new_keys() -> tuple[bytes, bytes]:
    """A public and a secret CURVE key, each 40 printable characters."""
    return zmq.curve_keypair()


@cache
def register_functions() -> bool:
    """Tell kernels where libzmq is; false where it cannot be reached, and only Python can use sockets.

    pyzmq brings its own libzmq; calling a second copy would crash. The one that is loaded is found by the
    path it was mapped from, and its version compared.
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
    if not reachable:  # something to compile against; nothing will be called
        nothing = ctypes.cast(ctypes.pythonapi.Py_IsInitialized, ctypes.c_void_p).value or 0
        addresses = dict.fromkeys(sockets.FUNCTIONS, nothing)
    sockets.register(addresses)
    return reachable


class Hub:
    """A daemon's or a source's context: I/O threads, keys, who may connect."""

    def __init__(
        self,
        *,
        server: security.ServerKeys | None = None,
        client: security.ClientKeys | None = None,
        io_core: int | None = None,
    ) -> None:
        """Make a context.

        Args:
            server: keys to serve with.
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
                raise FileNotFoundError(f"no folder {server.clients} with the keys of those who may connect")
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
        """End the I/O threads; close the sockets first."""
        if self._gate is not None:
            self._gate.stop()
            self._gate = None
        self.context.destroy(linger=0)

    def socket(self, kind: int, *, queue: int, max_message: int = wire.MAX_MESSAGE) -> "zmq.Socket[bytes]":
        """A socket with the options of all: bounded queues, bounded messages, nothing left behind.

        Raises:
            ValueError: there are too many already.
        """
        try:
            socket = self.context.socket(kind)
        except zmq.ZMQError as error:
            raise ValueError(f"no more sockets: {error.strerror}") from None
        socket.linger = 0
        # Nothing is queued for peers that are not there. Not for sockets that only receive: there, libzmq
        # drops with the lost connection what had already come.
        socket.immediate = int(kind != zmq.PULL)
        socket.sndhwm = socket.rcvhwm = queue
        socket.maxmsgsize = max_message
        socket.backlog = _ACCEPT
        return socket

    def bind(self, socket: "zmq.Socket[bytes]", endpoint: str) -> str:
        """Bind a socket; returns the address with the port that was chosen for '*'.

        Raises:
            ValueError: the address cannot be bound.
        """
        if endpoint.startswith("tcp://"):
            # A named domain and somebody who answers for it: without, libzmq takes raw bytes of any peer
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
    """The two sockets of one side of a session; used by the thread that made them, and by no other."""

    incoming: "zmq.Socket[bytes]"
    outgoing: "zmq.Socket[bytes]"

    def addresses(self) -> tuple[int, int]:
        """For kernels: where the incoming and the outgoing socket are. Keep the pair while they are used."""
        return int(self.incoming.underlying), int(self.outgoing.underlying)

    def receive(self, *, timeout_ms: int) -> bytes | None:
        """The next message, or None."""
        if not self.incoming.poll(timeout_ms):
            return None
        try:
            return self.incoming.recv(zmq.NOBLOCK)
        except zmq.Again:
            return None

    def send(self, message: bytes) -> bool:
        """Send if it can be done at once."""
        try:
            self.outgoing.send(message, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self, *, linger_ms: int = 0) -> None:
        """Close both; what is not sent within linger_ms is dropped."""
        self.incoming.close(0)
        self.outgoing.close(linger_ms)


def bind_pair(hub: Hub, base: str, *, wait_ms: int) -> tuple[Pair, str, str]:
    """The daemon's side of a session.

    Args:
        hub: whose context and keys.
        base: an ipc:// path to which endings are appended, or tcp://host:*.
        wait_ms: how long a receive may wait.

    Returns:
        The pair, and the addresses of data and results.
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
    """The source's side of a session: `incoming` are results, `outgoing` data."""
    incoming = hub.socket(zmq.PULL, queue=RESULT_QUEUE)
    incoming.rcvtimeo = wait_ms
    outgoing = hub.socket(zmq.PUSH, queue=DATA_QUEUE)
    hub.connect(incoming, results)
    hub.connect(outgoing, data)
    return Pair(incoming, outgoing)


class ControlServer:
    """Answers control messages; what is no control message is dropped and counted."""

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
        """Answer the next message, if one comes in time; whether one came."""
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
            self.num_refused += 1  # it left, or does not read
        return True

    def close(self) -> None:
        """Stop listening."""
        self._socket.close(100)


class ControlClient:
    """Asks a daemon, and waits for its answer."""

    def __init__(self, hub: Hub, endpoint: str) -> None:
        self._socket = hub.socket(zmq.DEALER, queue=_CONTROL_QUEUE, max_message=wire.MAX_CONTROL)
        self.endpoint = endpoint
        self._asked = 0
        hub.connect(self._socket, endpoint)

    def ask(self, message: dict[str, Any], *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Send a message and return the answer.

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
                    continue  # the answer to a question that was given up
                if reply["type"] == "error":
                    raise ValueError(f"the daemon refused: {reply.get('message')}")
                return reply
        raise TimeoutError(f"no daemon answers at {self.endpoint} within {timeout_s:g} s")

    def close(self) -> None:
        """Leave."""
        self._socket.close(100)
