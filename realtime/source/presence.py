"""Presence of the daemon: notice at once that it has ended, was restarted, or hangs."""

import contextlib
import os
import threading
from collections.abc import Sequence

from realtime.kernels.clock import now_ns
from realtime.security import ClientKeys
from realtime.service.client import Client, Welcome
from realtime.transport import Pair

# Time between two heartbeats, and without an answer until the daemon counts as lost.
_BEAT_NS = 500_000_000
_SILENCE_NS = 3_000_000_000
# A decoding thread passes its check every millisecond.
_HUNG_NS = 10_000_000_000
_LOOK_MS = 100


class Presence:
    """Watch over the daemon in a thread of its own, between entering and leaving a `with` block.

    The end of a connection shows at once; a daemon that hangs, or was replaced by another, at a heartbeat.

    Args:
        control: control address.
        keys: for daemons that require keys.
        welcomes, pairs: sessions and their sockets.
        stop: set when the daemon is lost; `reason` says how.
        cores: where the thread may run; not where the source spins. Empty: anywhere.
    """

    def __init__(
        self,
        control: str,
        *,
        keys: ClientKeys | None,
        welcomes: Sequence[Welcome],
        pairs: Sequence[Pair],
        stop: threading.Event,
        cores: set[int],
    ) -> None:
        self._control, self._keys, self._cores = control, keys, cores
        self._welcomes, self._pairs, self._stop = welcomes, pairs, stop
        self._leaving = threading.Event()
        #: How the daemon was lost, "" while it is there.
        self.reason = ""
        self._thread = threading.Thread(target=self._watch, name="presence", daemon=True)

    def __enter__(self) -> "Presence":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._cores:
            with contextlib.suppress(OSError, AttributeError):
                os.sched_setaffinity(0, self._cores)
        with Client(self._control, keys=self._keys) as client:  # its I/O thread runs where this one does
            self._look(client)
        if self.reason:
            self._stop.set()

    def _look(self, client: Client) -> None:
        answered = asked = int(now_ns())
        while not self._leaving.is_set() and not self.reason:
            for welcome, pair in zip(self._welcomes, self._pairs, strict=True):
                wait_ms = _LOOK_MS // len(self._pairs)
                if pair.watch and not pair.watch.is_connected(timeout_ms=wait_ms) and pair.watch.ever:
                    self.reason = f"it has ended, or ended the session of stream {welcome.stream}"
            if not self.reason and now_ns() - asked > _BEAT_NS:
                asked = int(now_ns())
                if self._beat(client):
                    answered = int(now_ns())
                elif now_ns() - answered > _SILENCE_NS:
                    self.reason = f"it has not answered for {_SILENCE_NS // 10**9} s"

    def _beat(self, client: Client) -> bool:
        """Send a heartbeat; return whether it was answered in time. The answer, too, may set the reason."""
        try:
            pong = client.ping(timeout_s=0.2)
        except (TimeoutError, ValueError):
            return False
        for welcome in self._welcomes:
            age = pong["heartbeat_age_ns"][welcome.stream]
            if pong["boot"] != welcome.boot:
                self.reason = "it was restarted"
            elif not pong["alive"][welcome.stream] or (age or 0) > _HUNG_NS:
                self.reason = f"the thread of stream {welcome.stream} has ended or hangs"
        return True
