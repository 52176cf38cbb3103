"""Client of a decoder daemon: a session on one stream, cycle by cycle.

Examples:
    A control system sends the rows of bits as they are measured, and gets the correction:

    >>> from realtime.client import StreamClient  # doctest: +SKIP
    >>> with StreamClient("tcp://127.0.0.1:5555") as client:  # doctest: +SKIP
    ...     client.send(rows)  # any number of cycles, (cycles, client.bits)
    ...     answer = client.finish(readout)  # the last row
    ...     print(answer.status.name, answer.flips)
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.streaming.frames import Kind
from realtime.kernels.clock import now_ns
from realtime.protocol.wire import Flags, Payload, Result, Status, WireError, encode_frame, parse_result
from realtime.security import ClientKeys
from realtime.service.client import Client
from realtime.service.session import Policy

__all__ = ["Answer", "ClientKeys", "DaemonLost", "Status", "StreamClient"]


class DaemonLost(ConnectionError):
    """The daemon has ended, or does not answer any more: the open shot is lost, begin a new session."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Answer to a shot.

    Attributes:
        status: OK, or why there is no correction; see docs/pages/protocol.md.
        flips: bool (observables,): which observables are flipped; valid with status OK only.
        shot: number of the shot in the session.
        cycles: accepted by the daemon.
        syndrome_hash: CRC-32 of all rows of the shot as the daemon received them.
        decision_ns: time from the arrival of the last frame to the correction, ns.
        max_backlog: most cycles that were due but not final.
    """

    status: Status
    flips: NDArray[np.bool_]
    shot: int
    cycles: int
    syndrome_hash: int
    decision_ns: int
    max_backlog: int


class StreamClient:
    """Session on one stream of a daemon. One thread only; in a `with` block, whose end ends the session.

    Args:
        address: control address of the daemon, ipc:///path, shm:///path or tcp://host:port.
        stream: number of the logical qubit.
        kind: "events" for detection events, "measurements" for raw measurements.
        model_digest: digest of the required model, see `describe`; a daemon of another one refuses. None
            accepts any.
        keys: for daemons that require keys.
        cycle_ns: time between cycles, for the admission and the backlog; 0: no schedule.
        policy: "drop-shot" or "block"; None: the daemon's.
        timeout_s: longest time to wait for the daemon, in every call.

    Raises:
        TimeoutError: no daemon answers.
        ValueError: it refuses, with its reason.
    """

    def __init__(
        self,
        address: str,
        *,
        stream: int = 0,
        kind: Kind = "events",
        model_digest: str | None = None,
        keys: ClientKeys | None = None,
        cycle_ns: int = 0,
        policy: Policy | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._timeout_s = timeout_s
        self._client = Client(address, keys=keys)
        try:
            self.welcome = self._client.hello(
                stream=stream, kind=kind, cycle_ns=cycle_ns, policy=policy, model_digest=model_digest
            )
            self._pair = self._client.connect(self.welcome)
        except BaseException:
            self._client.close()
            raise
        #: Bits of a cycle's row, of the readout's row, and of a correction.
        self.bits, self.final_bits = self.welcome.bits, self.welcome.final_bits
        self.num_observables = self.welcome.num_observables
        self._kind = Payload.EVENTS if kind == "events" else Payload.MEASUREMENTS
        self._shot = self._cycle = self._sequence = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; an open shot is lost."""
        self._pair.close(linger_ms=100)
        self._client.close()

    def describe(self) -> dict[str, Any]:
        """Ask what the daemon decodes: meaning of the columns, lengths of shots, digests."""
        return self._client.describe()

    def model(self) -> str:
        """Ask for the text of the circuit, or of the error model, that the daemon decodes."""
        return self._client.model()

    def stats(self) -> dict[str, Any]:
        """Ask for counters and latencies of all streams."""
        return self._client.stats()

    def send(self, rows: ArrayLike, *, due_ns: int = 0) -> None:
        """Send cycles of the open shot, or begin one, in frames as large as the daemon takes.

        Args:
            rows: (cycles, bits) of bool or 0/1, or bit-packed uint8 (cycles, ceil(bits / 8)), least
                significant bit first.
            due_ns: when the last of these cycles was due, ns of CLOCK_MONOTONIC; 0: no schedule.

        Raises:
            ValueError: another number of columns.
            DaemonLost: the daemon has ended.
        """
        packed = self._packed(rows, self.bits)
        most = self.welcome.max_frame_cycles
        for first in range(0, len(packed), most):
            part = packed[first : first + most]
            self._send(part, due_ns=due_ns if first + most >= len(packed) else 0)

    def finish(self, readout: ArrayLike, *, due_ns: int = 0) -> Answer:
        """Send the row of the data readout, which ends the shot, and wait for the answer.

        Args:
            readout: (final_bits,), as a row of `send`.
            due_ns: see `send`.

        Raises:
            ValueError: another number of columns.
            TimeoutError: no answer.
            DaemonLost: the daemon has ended.
        """
        final = self._packed(np.asarray(readout)[np.newaxis], self.final_bits)[0]
        self._send(np.zeros((0, (self.bits + 7) // 8), np.uint8), final=final, due_ns=due_ns)
        return self._next_shot()

    def abort(self) -> Answer | None:
        """Give the open shot up; return its answer, with status ABORTED, or None if none is open."""
        if not self._cycle:
            return None
        self._send(np.zeros((0, (self.bits + 7) // 8), np.uint8), flags=int(Flags.ABORT))
        return self._next_shot()

    def _packed(self, rows: ArrayLike, bits: int) -> NDArray[np.uint8]:
        given = np.asarray(rows)
        width = (bits + 7) // 8
        if given.ndim != 2 or given.shape[1] not in (bits, width):
            raise ValueError(
                f"rows have shape {given.shape}: must be (cycles, {bits}), or bit-packed (cycles, {width})"
            )
        if given.shape[1] == bits and (bits > 1 or given.dtype != np.uint8):
            return np.packbits(given.astype(np.bool_), axis=1, bitorder="little")
        return np.ascontiguousarray(given, dtype=np.uint8)

    def _send(
        self,
        rows: NDArray[np.uint8],
        *,
        due_ns: int = 0,
        final: NDArray[np.uint8] | None = None,
        flags: int = 0,
    ) -> None:
        message = encode_frame(
            session=self.welcome.session,
            stream=self.welcome.stream,
            shot=self._shot,
            sequence=self._sequence,
            first_cycle=self._cycle,
            due_ns=due_ns,
            kind=self._kind,
            rows=rows,
            bits_per_cycle=self.bits,
            final=final,
            final_bits=self.final_bits if final is not None else 0,
            flags=flags or (int(Flags.FIRST) if self._cycle == 0 else 0),
        )
        until = now_ns() + self._timeout_s * 1e9
        while not self._pair.send(message):
            self._check(until)
            self._pair.wait_for_room(timeout_ms=10)
        self._sequence += 1
        self._cycle += len(rows)

    def _next_shot(self) -> Answer:
        until = now_ns() + self._timeout_s * 1e9
        shot, self._shot, self._cycle = self._shot, self._shot + 1, 0
        while True:
            message = self._pair.receive(timeout_ms=20)
            if message is None:
                self._check(until)
                continue
            try:
                result = parse_result(message)
            except WireError:
                continue
            if not result.is_commit and int(result.header["shot"]) == shot:
                return self._answer(result)

    def _check(self, until: float) -> None:
        """Check that the daemon is there and the time is not over."""
        watch = self._pair.watch
        if watch is not None and not watch.is_connected() and watch.ever:
            raise DaemonLost(f"the daemon has ended, or ended the session of stream {self.welcome.stream}")
        if now_ns() > until:
            raise TimeoutError(f"no answer of the daemon within {self._timeout_s:g} s")

    def _answer(self, result: Result) -> Answer:
        header = result.header
        flips = np.unpackbits(result.flips, bitorder="little", count=self.num_observables)
        return Answer(
            status=result.status,
            flips=flips.astype(np.bool_),
            shot=int(header["shot"]),
            cycles=int(header["cycles"]),
            syndrome_hash=int(header["syndrome_hash"]),
            decision_ns=int(header["done_ns"]) - int(header["received_ns"]),
            max_backlog=int(header["max_backlog"]),
        )
