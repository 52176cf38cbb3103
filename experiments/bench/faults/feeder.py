"""Source without a schedule of its own, whose answers another process may take."""

import time
from collections.abc import Iterator
from dataclasses import replace

from experiments.bench.faults.stage import PATIENCE_S, Account, Shots
from realtime.kernels.clock import now_ns
from realtime.protocol.wire import Flags, Payload, Result, WireError, encode_frame, parse_result
from realtime.service.client import Client, Welcome
from realtime.service.session import Policy

#: An address at which nobody listens: for the half of a pair of sockets that is not wanted.
NOBODY = "ipc:///nonexistent/qec"
_BETWEEN_TRIES_S = 0.002


class Feeder:
    """Session on one stream, in a `with` block; one thread only.

    Args:
        control: address of the daemon.
        shots: to send.
        stream: number of the logical qubit.
        policy: of the session.
        cycle_ns: as in hello.
        takes_answers: whether this process takes the answers; else one that connects to `welcome.results`.
    """

    def __init__(
        self,
        control: str,
        shots: Shots,
        *,
        stream: int = 0,
        policy: Policy = "block",
        cycle_ns: int = 0,
        takes_answers: bool = True,
    ) -> None:
        #: May be replaced by others of the same model.
        self.shots = shots
        self._client = Client(control)
        try:
            self.welcome: Welcome = self._client.hello(stream=stream, policy=policy, cycle_ns=cycle_ns)
            results = self.welcome.results if takes_answers else NOBODY
            self._pair = self._client.connect(replace(self.welcome, results=results))
        except BaseException:
            self._client.close()
            raise
        self._shot = self._sequence = 0
        #: Shots without an answer: number in the session -> number in the playlist.
        self.open: dict[int, int] = {}

    def __enter__(self) -> "Feeder":
        return self

    def __exit__(self, *_: object) -> None:
        self._pair.close(linger_ms=100)
        self._client.close()

    def frames(
        self, index: int, *, start_ns: int = 0, cycle_ns: float = 0.0, frame_cycles: int = 10
    ) -> list[bytes]:
        """Encode the next shot; the cycles are due from `start_ns` on, or never (0)."""
        rows, last = self.shots.playlist.rows[index], self.shots.playlist.last[index]
        bits = self.shots.playlist.bits
        messages = []
        for first in range(0, len(rows), frame_cycles):
            part = rows[first : first + frame_cycles]
            is_last = first + frame_cycles >= len(rows)
            messages.append(
                encode_frame(
                    session=self.welcome.session,
                    stream=self.welcome.stream,
                    shot=self._shot,
                    sequence=self._sequence,
                    first_cycle=first,
                    due_ns=start_ns + round((first + len(part)) * cycle_ns) if start_ns else 0,
                    kind=Payload.EVENTS,
                    rows=part,
                    bits_per_cycle=bits,
                    final=last if is_last else None,
                    final_bits=bits if is_last else 0,
                    flags=int(Flags.FIRST) if first == 0 else 0,
                )
            )
            self._sequence += 1
        self.open[self._shot] = index
        self._shot += 1
        return messages

    def send(self, message: bytes, *, timeout_s: float = 10.0) -> bool:
        """Send a message; false if the daemon has no room for it within the timeout."""
        until = now_ns() + timeout_s * 1e9
        while not self._pair.send(message):
            if now_ns() > until:
                return False
            self._pair.wait_for_room(timeout_ms=10)
        return True

    def answers(self, *, timeout_s: float) -> Iterator[Result]:
        """Iterate over answers until none comes for this time, or none is missing."""
        while self.open:
            message = self._pair.receive(timeout_ms=round(1000 * timeout_s))
            if message is None:
                return
            try:
                result = parse_result(message)
            except WireError:
                continue
            if not result.is_commit:
                yield result

    def take(self, account: Account, result: Result, *, at_ns: int | None = None) -> bool:
        """Count an answer; return whether it is right."""
        index = self.open.pop(int(result.header["shot"]), None)
        if index is None:
            return False
        return account.add(
            index,
            status=result.status.name,
            flips=result.flips.tobytes(),
            syndrome_hash=int(result.header["syndrome_hash"]),
            at_ns=int(now_ns()) if at_ns is None else at_ns,
        )

    def miss(self, account: Account, *, status: str = "MISSING") -> None:
        """Count the shots without an answer."""
        for index in self.open.values():
            account.add(index, status=status, flips=None, syndrome_hash=0, at_ns=0)
        self.open.clear()

    def play(self, account: Account, shots: int, *, timeout_s: float = 5.0) -> None:
        """Send shots one after the other, and count each answer."""
        for number in range(shots):
            for message in self.frames(number % self.shots.prepared.shots):
                self.send(message)
            for result in self.answers(timeout_s=timeout_s):
                self.take(account, result)
            self.miss(account)


def next_feeder(control: str, shots: Shots, *, stream: int = 0) -> Feeder:
    """Begin a session as soon as the daemon has freed the stream.

    Raises:
        ValueError: it does not in time.
    """
    until = now_ns() + PATIENCE_S * 1e9
    while True:
        try:
            return Feeder(control, shots, stream=stream)
        except ValueError:
            if now_ns() > until:
                raise
        time.sleep(_BETWEEN_TRIES_S)
