"""Control messages: JSON between DEALER sockets and the daemon's ROUTER."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from realtime.protocol import wire
from realtime.transport.gate import CONTROL
from realtime.transport.hub import Hub

_CONTROL_QUEUE = 100


class ControlServer:
    """Server of control messages; other messages are dropped and counted."""

    def __init__(self, hub: Hub, endpoint: str) -> None:
        self._socket = hub.socket(zmq.ROUTER, queue=_CONTROL_QUEUE, max_message=wire.MAX_CONTROL)
        self._socket.router_mandatory = 1
        self._socket.sndtimeo = 0
        self.num_refused = 0
        try:
            self.endpoint = hub.bind(self._socket, endpoint, domain=CONTROL)
        except ValueError:
            self._socket.close()
            raise

    def poll(
        self,
        *,
        timeout_ms: int,
        answer: Callable[[dict[str, Any], str], dict[str, Any]],
        undo: Callable[[dict[str, Any]], None],
    ) -> bool:
        """Answer the next message; false if none arrives within the timeout.

        Args:
            timeout_ms: time to wait.
            answer: called with the message and the sender's public key ("" without keys); returns the
                answer.
            undo: called with an answer that could not be sent.
        """
        if not self._socket.poll(timeout_ms):
            return False
        parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        try:
            if len(parts) != 2:
                raise ValueError("a control message has one part")
            reply = answer(wire.parse_control(parts[1].bytes), _user_of(parts[1]))
        except ValueError as error:
            self.num_refused += 1
            reply = {"type": "error", "message": str(error)[:500]}
        try:
            text = wire.encode_control(reply)
        except ValueError as error:  # longer than a message may be: no reason to end all streams
            undo(reply)
            reply = {"type": "error", "message": f"internal error: the answer is {error}"}
            text = wire.encode_control(reply)
        try:
            self._socket.send_multipart([parts[0].bytes, text], zmq.NOBLOCK)
        except (zmq.Again, zmq.ZMQError):
            self.num_refused += 1  # the peer left, or does not read
            undo(reply)
        return True

    def close(self) -> None:
        """Stop listening, and remove the socket's file."""
        self._socket.close(100)
        if self.endpoint.startswith("ipc://"):
            with contextlib.suppress(OSError):
                Path(self.endpoint.removeprefix("ipc://")).unlink()


def _user_of(part: zmq.Frame) -> str:
    try:
        return str(part.get("User-Id"))
    except zmq.ZMQError:
        return ""


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

    def can_send(self) -> bool:
        """Return whether a daemon is connected."""
        return bool(self._socket.poll(0, zmq.POLLOUT))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close(100)
