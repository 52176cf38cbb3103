"""Owners of sessions: the peer that began a session is the only one that may end it or see its number."""

import hmac
from dataclasses import dataclass

from realtime.transport import Watch

#: A source may take this long from hello to its data connection.
CONNECT_NS = 5_000_000_000
#: A session outlives its source's connection by this, so that a short break of the network does not end it.
GRACE_NS = 2_000_000_000


@dataclass
class Ownership:
    """Open session of a stream, and who owns it.

    Attributes:
        session: number, known to the owner alone.
        user: public key of the owner, "" without keys.
        domain: of its sockets at the gate.
        watch: connections of its data socket.
        opened_ns: when it began.
        kind, policy: as in hello.
        answered: shots of its stream that were answered before it began.
    """

    session: int
    user: str
    domain: str
    watch: Watch
    opened_ns: int
    kind: str
    policy: str
    answered: int
    _left_ns: int = 0

    def may(self, session: int, user: str) -> bool:
        """Return whether a peer owns the session: by its number and, with keys, its key."""
        return hmac.compare_digest(str(session), str(self.session)) and user == self.user

    def is_free(self) -> bool:
        """Return whether its source was connected and is not any more: another may take the stream."""
        return not self.watch.is_connected() and self.watch.ever

    def ending(self, now_ns: int) -> str:
        """Return why the session ends now, "" if it does not."""
        if self.watch.is_connected():
            self._left_ns = 0
            return ""
        if not self.watch.ever:
            return "the source did not connect" if now_ns - self.opened_ns > CONNECT_NS else ""
        self._left_ns = self._left_ns or now_ns
        return "the source is gone" if now_ns - self._left_ns > GRACE_NS else ""
