"""Connection of source and service: rings between threads, or sockets between processes."""

from typing import Self

import numpy as np

from decoders.kernels.records import pool
from realtime.kernels.clock import sleep_us
from realtime.kernels.jit import kernel
from realtime.kernels.records import LINK
from realtime.kernels.ring import Ring, ring_put, ring_take
from realtime.kernels.sockets import socket_receive, socket_send

# Sleep after a look at an empty ring, us: it doubles after 32 looks, four times.
_SHORTEST_US, _SHIFT, _MAX_EMPTY = 64, 5, 4 << 5


class Link:
    """One end of a connection; messages travel through rings until `use_sockets` is called."""

    def __init__(self, outgoing: Ring, incoming: Ring) -> None:
        #: LINK (1,), valid as long as this object.
        self.record = np.zeros(1, dtype=LINK)
        self.use_rings(outgoing, incoming)

    @classmethod
    def over_sockets(cls, addresses: tuple[int, int]) -> Self:
        """Connect two processes; see `use_sockets`."""
        link = cls(Ring(slots=1, max_message=8), Ring(slots=1, max_message=8))
        link.use_sockets(addresses)
        return link

    def use_rings(self, outgoing: Ring, incoming: Ring) -> None:
        """Send and receive through other rings from now on."""
        self._rings = outgoing, incoming
        self.record["outgoing"], self.record["incoming"] = (ring.record.ctypes.data for ring in self._rings)
        self.use_sockets(None)

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

    `wait`: whether to wait, a socket for a message up to its receive timeout, a ring for a millisecond.
    """
    if link.uses_sockets:
        return socket_receive(link.receive_from, buffer, wait)
    size = ring_take(pool(link, "incoming")[0], buffer)
    if wait and size < 0:
        # A sender in another process wakes nobody: look often after a message, rarely without any.
        link.num_empty = min(link.num_empty + 1, _MAX_EMPTY)
        sleep_us(np.int64(_SHORTEST_US) << (link.num_empty >> _SHIFT))
    elif wait:
        link.num_empty = 0
    return size
