"""Faults of a connection: messages that are lost, late, out of order, doubled, damaged or mistimed."""

import random
import threading
import time
from dataclasses import dataclass, field

import numpy as np

from realtime.protocol import wire

#: Longest delay of a message, s; the daemon gives up a shot 50 ms after a frame was due.
LONGEST_DELAY_S = 0.1


@dataclass(kw_only=True)
class Damage:
    """A change of messages on their way (`relay.Change`): each is hit with a probability.

    Attributes:
        kind: "loss", "reordering", "delay", "duplication" or "corruption".
        probability: of a message to be hit.
        rng: source of the choices.
        num_seen, num_hit: messages so far, and those of them that were hit.
    """

    kind: str
    probability: float
    rng: random.Random
    num_seen: int = 0
    num_hit: int = 0
    _held: dict[str, list[bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, message: bytes, lane: str) -> list[bytes]:
        """Return the messages to pass on in the place of this one."""
        with self._lock:
            self.num_seen += 1
            is_hit = self.rng.random() < self.probability
            self.num_hit += is_hit
            wait_s = self.rng.uniform(0, LONGEST_DELAY_S)
            place = self.rng.randrange(8 * len(message))
        # Messages that were held back come after the one that they should have preceded.
        before = self._held.pop(lane, [])
        if not is_hit:
            return [message, *before]
        if self.kind == "loss":
            return before
        if self.kind == "reordering":
            self._held[lane] = [message]
            return before
        if self.kind == "duplication":
            return [message, message, *before]
        if self.kind == "delay":
            time.sleep(wait_s)
            return [message]
        damaged = bytearray(message)
        damaged[place // 8] ^= 1 << (place % 8)
        return [bytes(damaged)]


@dataclass(kw_only=True)
class ClockStep:
    """A change of messages (`relay.Change`): due times as if the clock of the source had jumped.

    Attributes:
        step_ns: by how much.
        num_hit: frames changed.
    """

    step_ns: int
    num_hit: int = 0

    def __call__(self, message: bytes, lane: str) -> list[bytes]:
        """Return the frame with another due time and a checksum that fits."""
        if lane != "data":
            return [message]
        self.num_hit += 1
        copy = bytearray(message)
        header = np.frombuffer(copy, dtype=wire.HEADER, count=1)
        header["due_ns"] = max(1, int(header["due_ns"][0]) + self.step_ns)
        return [wire.sealed(bytes(copy), wire.HEADER)]
