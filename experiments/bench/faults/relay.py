"""Relay between sources and a daemon that loses, delays, changes or withholds their messages.

Sources connect to the relay's control address. The relay passes the bytes of every connection on, reads
ZMTP frames (RFC 23) where it must, and replaces the data and results addresses in the answers to hello by
addresses of its own.
"""

import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

#: Changes a message on its way on "data" or "results": the messages to pass on in its place.
Change = Callable[[bytes, str], list[bytes]]
_GREETING_BYTES = 64
_LONG, _COMMAND = 2, 4


class Relay:
    """Relay in threads of this process, between entering and leaving a `with` block.

    Args:
        control: ipc:// address of the daemon.
        folder: of the relay's sockets, private to this user.
    """

    def __init__(self, control: str, folder: Path) -> None:
        self._folder = folder
        self._open: list[socket.socket] = []
        self._files: list[Path] = []
        self._lock = threading.Lock()
        self._ended = False
        #: What happens to messages; None: nothing.
        self.change: Change | None = None
        #: Address for sources.
        self.control = self._listen(control, "control")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and remove the sockets; the threads end."""
        with self._lock:
            self._ended = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            for path in self._files:
                path.unlink(missing_ok=True)

    def _keep(self, one: socket.socket) -> socket.socket:
        with self._lock:
            if self._ended:
                one.close()
                raise ConnectionError("the relay has ended")
            self._open = [other for other in self._open if other.fileno() >= 0]
            self._open.append(one)
        return one

    def _listen(self, address: str, lane: str) -> str:
        """Pass on the connections of a new address; return it."""
        path = self._folder / f"relay-{secrets.token_hex(4)}"
        server = self._keep(socket.socket(socket.AF_UNIX))
        server.bind(str(path))
        self._files.append(path)
        server.listen()
        self._start(self._accept, server, address.removeprefix("ipc://"), lane)
        return f"ipc://{path}"

    @staticmethod
    def _start(work: Callable[..., None], *args: Any) -> None:
        threading.Thread(target=work, args=args, name="relay", daemon=True).start()

    def _accept(self, server: socket.socket, path: str, lane: str) -> None:
        with contextlib.suppress(OSError):  # the relay has ended
            while True:
                source = self._keep(server.accept()[0])
                daemon = self._keep(socket.socket(socket.AF_UNIX))
                try:
                    daemon.connect(path)
                except OSError:  # the daemon is gone: so is this connection
                    source.close()
                    daemon.close()
                    continue
                self._start(self._pass_on, source, daemon, lane, lane == "data")
                self._start(self._pass_on, daemon, source, lane, lane != "data")

    def _pass_on(self, giver: socket.socket, taker: socket.socket, lane: str, has_payload: bool) -> None:
        """Pass one direction of a connection on; `has_payload`: it carries what is changed."""
        try:
            left = _GREETING_BYTES
            while left:  # in parts: each side waits for the other's
                part = giver.recv(left)
                if not part:
                    return
                taker.sendall(part)
                left -= len(part)
            with giver.makefile("rb", buffering=1 << 16) as stream:
                while True:
                    flags = _exactly(stream, 1)[0]
                    size = int.from_bytes(_exactly(stream, 8 if flags & _LONG else 1), "big")
                    body = _exactly(stream, size)
                    is_changed = has_payload and not flags & _COMMAND
                    for message in self._changed(body, lane) if is_changed else [body]:
                        taker.sendall(_framed(flags, message))
        except (OSError, EOFError, ValueError):
            return
        finally:
            for one in (giver, taker):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    def _changed(self, message: bytes, lane: str) -> list[bytes]:
        if lane == "control":
            return [self._readdressed(message)]
        change = self.change
        return change(message, lane) if change else [message]

    def _readdressed(self, message: bytes) -> bytes:
        """Replace the addresses in an answer to hello."""
        answer = json.loads(message)
        if answer.get("type") != "ready":
            return message
        for lane in ("data", "results"):
            answer[lane] = self._listen(answer[lane], lane)
        return json.dumps(answer).encode()


def _exactly(stream: Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _framed(flags: int, body: bytes) -> bytes:
    if len(body) > 255:
        return bytes([flags | _LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags & ~_LONG, len(body)]) + body
