"""ZeroMQ context of a daemon or a client: sockets, keys, and libzmq's functions for compiled code."""

import ctypes
import os
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq

from realtime import security
from realtime.kernels import sockets
from realtime.protocol import wire
from realtime.transport.gate import CONTROL, Gate, Refusal

_ACCEPT = 10  # connections that may be queued to be accepted
# A peer whose machine or network is gone is noticed after five seconds: by the first four options (s) if no
# data are on their way, else by the last (ms).
_KEEPALIVE = {
    "tcp_keepalive": 1,
    "tcp_keepalive_idle": 2,
    "tcp_keepalive_intvl": 1,
    "tcp_keepalive_cnt": 3,
    "tcp_maxrt": 5000,
}


def new_keys() -> tuple[bytes, bytes]:
    """Make a public and a secret CURVE key, 40 printable characters each."""
    return zmq.curve_keypair()


def read_pair(path: Path) -> tuple[bytes, bytes]:
    """Read the public and the secret key of a secret key file.

    Raises:
        FileNotFoundError, ValueError: as `security.read_key`, or the keys do not belong together.
    """
    secret = security.read_key(path, "secret-key")
    public: bytes = zmq.curve_public(secret)
    written = "public-key" in path.read_text(errors="replace")
    if written and security.read_key(path, "public-key") != public:
        raise ValueError(
            f"{path}: its public-key does not belong to its secret-key: create new keys with 'qec keygen'"
        )
    return public, secret


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
        #: Names of the admitted public keys, and notes about files that are no keys; None: without keys.
        self.clients: dict[str, str] | None = None
        self.notes: list[str] = []
        if server:
            self._secret = read_pair(server.secret)[1]
            self.clients, self.notes = security.read_client_keys(server.clients)
        self.context = zmq.Context(1)
        if io_core is not None:
            self.context.set(zmq.THREAD_AFFINITY_CPU_ADD, io_core)
        self._gate: Gate | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop the I/O threads; close the sockets first."""
        if self._gate is not None:
            self._gate.close()
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
        for option, value in _KEEPALIVE.items():
            setattr(socket, option, value)
        return socket

    def admit(self, domain: str, *, owner: str) -> None:
        """Admit one peer, by its public key or a token, to the sockets of a new domain; before they bind."""
        self._guard().open(domain, owner=owner)

    def expel(self, domain: str) -> None:
        """Admit nobody to a domain any more."""
        self._guard().shut(domain)

    def take_refusals(self) -> list[Refusal]:
        """Return the latest refused connections since the last call."""
        return self._gate.take_refusals() if self._gate else []

    @property
    def num_refused(self) -> int:
        """Refused connections so far."""
        return self._gate.num_refused if self._gate else 0

    def _guard(self) -> Gate:
        if self._gate is None:
            self._gate = Gate(self.context, clients=self.clients)
        return self._gate

    def bind(self, socket: "zmq.Socket[bytes]", endpoint: str, *, domain: str) -> str:
        """Bind a socket of a domain of the gate; return the address, with the port that was chosen for '*'.

        Raises:
            ValueError: the address cannot be bound.
        """
        self._guard()
        # A named domain: without, libzmq takes raw bytes of any peer for a message (ZMTP 1.0 peers greet with
        # nothing else).
        socket.zap_domain = domain.encode()
        if self._server:
            socket.curve_secretkey = self._secret
            socket.curve_publickey = zmq.curve_public(self._secret)
            socket.curve_server = True
        elif domain != CONTROL:
            socket.plain_server = True
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise ValueError(f"{endpoint} cannot be bound: {error.strerror}") from None
        bound: bytes = socket.getsockopt(zmq.LAST_ENDPOINT)  # type: ignore[assignment]
        return bound.rstrip(b"\0").decode()

    def connect(self, socket: "zmq.Socket[bytes]", endpoint: str, *, token: str = "") -> None:
        """Connect a socket, with the token of a session where there are no keys.

        Raises:
            ValueError: not an address, or keys that cannot be read.
        """
        if self._client:
            socket.curve_publickey, socket.curve_secretkey = read_pair(self._client.secret)
            socket.curve_serverkey = security.read_key(self._client.server, "public-key")
        elif token:
            socket.plain_username = b"session"
            socket.plain_password = token.encode()
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise ValueError(f"cannot connect to {endpoint}: {error.strerror}") from None
