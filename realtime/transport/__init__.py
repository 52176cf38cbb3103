"""ZeroMQ sockets: the only package that imports zmq.

Data and results go through a pair of sockets per session (PUSH to PULL, both ways), control messages through
DEALER and ROUTER. Every session has new addresses, so that no message of an earlier one can arrive, and only
the peer that began it can connect to them.
"""

from realtime.transport.control import ControlClient, ControlServer
from realtime.transport.gate import Refusal
from realtime.transport.hub import Hub, new_keys, register_functions
from realtime.transport.pairs import Pair, Watch, bind_pair, connect_pair
from realtime.transport.rings import SharedRings

__all__ = [
    "ControlClient",
    "ControlServer",
    "Hub",
    "Pair",
    "Refusal",
    "SharedRings",
    "Watch",
    "bind_pair",
    "connect_pair",
    "new_keys",
    "register_functions",
]
