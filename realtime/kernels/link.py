"""Connection of source and service: rings between threads, or sockets between processes."""

from typing import Self

import numpy as np

from decoders.kernels.records import pool
from realtime.kernels.jit import kernel
from realtime.kernels.records import LINK
from realtime.kernels.ring import Ring, ring_put, ring_take
from realtime.kernels.sockets import socket_receive, socket_send


class Link:
    """One end of a connection; messages travel through rings until `use_sockets` is called."""

    def __init__(self, outgoing: Ring, incoming: Ring) -> None:
        self._rings = outgoing, incoming  # the record's addresses
        #: LINK (1,), valid as long as this object.
        self.record = np.zeros(1, dtype=LINK)
        self.record["outgoing"], self.record["incoming"] = (ring.record.ctypes.data for ring in self._rings)

    @classmethod
    def over_sockets(cls, addresses: tuple[int, int]) -> Self:
        """Connect two processes; see `use_sockets`."""
        link = cls(Ring(slots=1, max_message=8), Ring(slots=1, max_message=8))
        link.use_sockets(addresses)
        return link

    def use_sockets(self, addresses: tuple[int, int] | None) -> None:
        """Send and receive through other sockets from now on, or through the rings (None).

        Args:
            addresses: of the sockets to receive from and to send to; they must stay open as long as the link
                is used, and only the thread that made them may use it.
        """
        self.record["uses_sockets"] = addresses is not None
        self.record["receive_from"], self.record["send_to"] = addresses or (0, 0)


@kernel
def send_message(link, message, size):
    """Send message[:size]; false if the other side has no room for it."""
    if link.uses_sockets:
        return socket_send(link.send_to, message, size) == 0
    return ring_put(pool(link, "outgoing")[0], message, size)


@kernel
def receive_message(link, buffer, wait):
    """Receive into `buffer`; the size of the message in bytes, -1 if there is none, or BROKEN.

    `wait`: whether a socket may wait for a message up to its receive timeout.
    """
    if link.uses_sockets:
        return socket_receive(link.receive_from, buffer, wait)
    return ring_take(pool(link, "incoming")[0], buffer)
