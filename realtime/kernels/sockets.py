"""libzmq called from compiled code. A socket is an address; Python creates, binds and closes it.

Only the thread that owns a socket may use it. Call `register` before a function of this module is compiled.
"""

from collections.abc import Mapping
from typing import Any

import llvmlite.binding
import numpy as np
from numba import types

from realtime.kernels.jit import kernel

#: Functions of libzmq that kernels call.
FUNCTIONS = ("zmq_recv", "zmq_send", "zmq_errno")
DONTWAIT = np.int32(1)
#: Results of receive and send: nothing can be received or sent now; the socket cannot be used any more.
AGAIN, BROKEN = np.int64(-1), np.int64(-2)
_EAGAINS = (11, 35)  # Linux, macOS
_EINTR = 4

_zmq_recv: Any = types.ExternalFunction(
    "zmq_recv", types.int32(types.int64, types.int64, types.uint64, types.int32)
)
_zmq_send: Any = types.ExternalFunction(
    "zmq_send", types.int32(types.int64, types.int64, types.uint64, types.int32)
)
_zmq_errno: Any = types.ExternalFunction("zmq_errno", types.int32())


def register(addresses: Mapping[str, int]) -> None:
    """Register the addresses of libzmq's functions in this process with the compiler.

    Raises:
        ValueError: one of FUNCTIONS is missing.
    """
    missing = [name for name in FUNCTIONS if not addresses.get(name)]
    if missing:
        raise ValueError(
            f"libzmq's functions {', '.join(missing)} have no address: register the loaded library's"
        )
    for name in FUNCTIONS:
        llvmlite.binding.add_symbol(name, addresses[name])


@kernel
def _failure():
    error = _zmq_errno()
    if error == _EAGAINS[0] or error == _EAGAINS[1] or error == _EINTR:
        return AGAIN
    return BROKEN


@kernel
def socket_receive(socket, buffer, wait):
    """Receive a message part into `buffer`; its true size, AGAIN or BROKEN.

    With `wait`, waits up to the socket's receive timeout. Each part of a multi-part message is received as a
    message.
    """
    flags = np.int32(0) if wait else DONTWAIT
    size = _zmq_recv(socket, np.int64(buffer.ctypes.data), np.uint64(len(buffer)), flags)
    if size >= 0:
        return np.int64(size)
    return _failure()


@kernel
def socket_send(socket, message, size):
    """Send message[:size] if it can be sent at once: 0, else AGAIN or BROKEN."""
    sent = _zmq_send(socket, np.int64(message.ctypes.data), np.uint64(size), DONTWAIT)
    if sent >= 0:
        return np.int64(0)
    return _failure()
