"""Admission of connections: the ZAP handler (ZeroMQ RFC 27) of a daemon."""

import hmac
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import zmq
import zmq.utils.z85

#: Domain of the control socket; each session has a domain of its own.
CONTROL = "control"
_ADDRESS = "inproc://zeromq.zap.01"
_MAX_KEPT = 100
_BELL = "inproc://gate"


class Refusal(NamedTuple):
    """Refused connection."""

    domain: str
    #: Address of the peer, "" where the system gives none.
    address: str
    #: Its public key, or the mechanism that it used.
    credentials: str
    reason: str


class Gate:
    """Thread that admits connections by their domain.

    The control domain admits the known keys, or everyone where the daemon has no keys. The domain of a
    session admits its owner: by the key, or by the session's token (mechanism PLAIN).

    Args:
        context: of the sockets to guard.
        clients: admitted public keys and their names; None: the daemon has no keys.
    """

    def __init__(self, context: "zmq.Context[Any]", *, clients: Mapping[str, str] | None) -> None:
        self._clients = clients
        self._owners: dict[str, str] = {}
        self._lock = threading.Lock()
        self._refusals: deque[Refusal] = deque(maxlen=_MAX_KEPT)
        #: Refused connections so far.
        self.num_refused = 0
        self._context = context
        self._socket, self._bell = context.socket(zmq.REP), context.socket(zmq.PAIR)
        self._socket.linger = self._bell.linger = 0
        self._socket.bind(_ADDRESS)
        self._bell.bind(_BELL)
        self._thread = threading.Thread(target=self._serve, name="gate", daemon=True)
        self._thread.start()

    def open(self, domain: str, *, owner: str) -> None:
        """Admit the owner, a public key or a token, to a new domain."""
        with self._lock:
            self._owners[domain] = owner

    def shut(self, domain: str) -> None:
        """Admit nobody to a domain any more."""
        with self._lock:
            self._owners.pop(domain, None)

    def take_refusals(self) -> list[Refusal]:
        """Return the latest refusals since the last call, the last hundred at most."""
        with self._lock:
            found = list(self._refusals)
            self._refusals.clear()
        return found

    def close(self) -> None:
        """Stop the thread."""
        with self._context.socket(zmq.PAIR) as bell:
            bell.connect(_BELL)
            bell.send(b"")
            self._thread.join()

    def _serve(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._bell, zmq.POLLIN)
        while self._bell not in dict(poller.poll()):
            if self._socket.poll(0):
                self._answer(self._socket.recv_multipart())
        self._socket.close(0)
        self._bell.close(0)

    def _answer(self, parts: list[bytes]) -> None:
        version, request, domain, address, _, mechanism, *credentials = parts
        user, reason = self._judge(domain.decode(errors="replace"), mechanism, credentials)
        if reason:
            has_key = mechanism == b"CURVE" and credentials
            refusal = Refusal(
                domain=domain.decode(errors="replace"),
                address=address.decode(errors="replace"),
                credentials=_text(credentials[0]) if has_key else mechanism.decode(errors="replace"),
                reason=reason,
            )
            with self._lock:
                self.num_refused += 1
                self._refusals.append(refusal)
        code, text = (b"400", b"refused") if reason else (b"200", b"OK")
        self._socket.send_multipart([version, request, code, text, user.encode(), b""])

    def _judge(self, domain: str, mechanism: bytes, credentials: list[bytes]) -> tuple[str, str]:
        """Return the user, and why the connection is refused ("" if it is not)."""
        if mechanism == b"CURVE" and self._clients is not None and len(credentials) == 1:
            key = _text(credentials[0])
            if key not in self._clients:
                return "", "unknown key"
            if domain == CONTROL or self._owner(domain) == key:
                return key, ""
            return "", "not the key of the session's owner"
        if mechanism == b"PLAIN" and self._clients is None and len(credentials) == 2 and domain != CONTROL:
            owner = self._owner(domain)
            if owner and hmac.compare_digest(owner.encode(), credentials[1]):
                return "", ""
            return "", "not the token of the session"
        if mechanism == b"NULL" and self._clients is None and domain == CONTROL:
            return "", ""
        return "", f"mechanism {mechanism.decode(errors='replace')}"

    def _owner(self, domain: str) -> str:
        with self._lock:
            return self._owners.get(domain, "")


def _text(key: bytes) -> str:
    encoded: bytes = zmq.utils.z85.encode(key)
    return encoded.decode()
