"""One way there and one way back: rings between threads, or sockets between processes.

`link` int64 (3,): RING or SOCKETS, and for sockets the addresses of the one to send to and the one to
receive from. `rings`: (ends, slots) of the data ring and of the results ring; not used by sockets.
"""

import numpy as np

from realtime.kernels.jit import kernel
from realtime.kernels.ring import ring_put, ring_take
from realtime.kernels.sockets import socket_receive, socket_send

KIND, SEND_TO, RECEIVE_FROM = np.int64(0), np.int64(1), np.int64(2)
RING, SOCKETS = np.int64(0), np.int64(1)


@kernel
def send_message(link, rings, message, size):
    """Send message[:size]; false if the other side has no room for it."""
    if link[KIND] == SOCKETS:
        return socket_send(link[SEND_TO], message, size) == 0
    return ring_put(rings[0], rings[1], message, size)


@kernel
def receive_message(link, rings, buffer):
    """Receive into `buffer`; the message's size, or -1 if there is none."""
    if link[KIND] == SOCKETS:
        return max(socket_receive(link[RECEIVE_FROM], buffer, False), np.int64(-1))
    return ring_take(rings[2], rings[3], buffer)
