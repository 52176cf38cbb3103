"""Shots and answers of a recording, collected from its messages."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.protocol.wire import (
    MAGIC,
    RESULT,
    VERSION,
    Flags,
    Frame,
    Payload,
    Status,
    Type,
    WireError,
    parse_frame,
    parse_result,
    sealed,
)
from realtime.source.playlist import Playlist


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Recorded answer to a shot; times in ns of the recording machine's monotonic clock.

    Attributes:
        status: name of the result's status.
        flips: the correction, one bit per observable, least significant first; None unless status is "OK".
        num_observables: bits of a correction.
        digest: of the decoder and its model, 0 if unknown.
        due_ns, received_ns, done_ns: when the last cycle was due, when it was received, and when the
            correction was ready.
        syndrome_hash: CRC-32 of the data that the decoder received.
    """

    status: str
    flips: bytes | None
    num_observables: int
    digest: int = 0
    due_ns: int = 0
    received_ns: int = 0
    done_ns: int = 0
    syndrome_hash: int = 0


@dataclass(frozen=True, kw_only=True)
class RecordedShots:
    """Shots of one length.

    Attributes:
        playlist: the shots.
        numbers: of each shot in the recording, from 0.
        answers: to each shot; None without.
    """

    playlist: Playlist
    numbers: tuple[int, ...]
    answers: tuple[Answer | None, ...]


@dataclass
class _Shot:
    number: int
    parts: list[Frame] = field(default_factory=list)
    cycles: int = 0
    is_complete: bool = False
    is_broken: bool = False
    answer: Answer | None = None


class ShotCollector:
    """Collector of shots from messages in the order in which a daemon received and sent them.

    Args:
        observable_flips: uint8 (shots, bytes), true flips in the order of the shots; None if unknown.
    """

    def __init__(self, observable_flips: NDArray[np.uint8] | None = None) -> None:
        self._flips = observable_flips
        self._shots: dict[tuple[int, int], _Shot] = {}

    @property
    def num_incomplete(self) -> int:
        """Shots without all of their data."""
        return sum(not shot.is_complete or shot.is_broken for shot in self._shots.values())

    def take_data(self, message: memoryview) -> None:
        """Take a message that the daemon received; damaged ones leave their shot incomplete."""
        try:
            frame = parse_frame(message)
        except WireError:
            return
        header = frame.header
        key = int(header["session"]), int(header["shot"])
        shot = self._shots.setdefault(key, _Shot(len(self._shots)))
        first, flags = int(header["first_cycle"]), int(header["flags"])
        if shot.is_complete or (first < shot.cycles and not flags & Flags.ABORT):
            return  # a repeated frame, which the daemon ignores too
        if first != shot.cycles or flags & Flags.ABORT:
            shot.is_broken = True
        shot.parts.append(frame)
        shot.cycles = first + len(frame.rows)
        shot.is_complete = bool(flags & Flags.LAST)

    def take_answer(self, message: memoryview) -> None:
        """Take a message that the daemon sent; commits and damaged ones are left out."""
        try:
            result = parse_result(message)
        except WireError:
            return
        header = result.header
        shot = self._shots.get((int(header["session"]), int(header["shot"])))
        if result.is_commit or shot is None:
            return
        is_ok = result.status == Status.OK
        shot.answer = Answer(
            status=result.status.name,
            flips=result.flips.tobytes() if is_ok else None,
            num_observables=int(header["num_observables"]),
            digest=int(header["digest"]),
            due_ns=int(header["due_ns"]),
            received_ns=int(header["received_ns"]),
            done_ns=int(header["done_ns"]),
            syndrome_hash=int(header["syndrome_hash"]),
        )

    def groups(self) -> tuple[RecordedShots, ...]:
        """Return the complete shots, those of one form and length together."""
        found: dict[tuple[int, ...], list[_Shot]] = {}
        for shot in self._shots.values():
            if not shot.is_complete or shot.is_broken:
                continue
            last = shot.parts[-1].header
            widths = {int(part.header["bits_per_cycle"]) for part in shot.parts if len(part.rows)}
            if len(widths) == 1 and int(last["final_bits"]):
                form = (int(last["kind"]), widths.pop(), int(last["final_bits"]), shot.cycles)
                found.setdefault(form, []).append(shot)
        return tuple(self._group(form, shots) for form, shots in found.items())

    def _group(self, form: tuple[int, ...], shots: list[_Shot]) -> RecordedShots:
        kind, bits, final_bits, _ = form
        numbers = tuple(shot.number for shot in shots)
        known = self._flips is not None and max(numbers) < len(self._flips)
        return RecordedShots(
            playlist=Playlist(
                rows=np.stack(
                    [np.concatenate([p.rows for p in shot.parts if len(p.rows)]) for shot in shots]
                ),
                last=np.stack([shot.parts[-1].final for shot in shots]),
                observable_flips=self._flips[list(numbers)] if known and self._flips is not None else None,
                kind="events" if kind == Payload.EVENTS else "measurements",
                bits=bits,
                last_bits=final_bits,
            ),
            numbers=numbers,
            answers=tuple(shot.answer for shot in shots),
        )


def answer_message(answer: Answer, *, shot: int, cycles: int, session: int = 1) -> bytes:
    """Encode an answer as the result frame that carries it."""
    header = np.zeros((), dtype=RESULT)
    values: dict[str, Any] = {
        "magic": MAGIC,
        "version": VERSION,
        "type": int(Type.RESULT),
        "header_length": RESULT.itemsize,
        "session": session,
        "status": int(Status[answer.status]),
        "num_observables": answer.num_observables,
        "shot": shot,
        "cycles": cycles,
        "due_ns": answer.due_ns,
        "received_ns": answer.received_ns,
        "done_ns": answer.done_ns,
        "digest": answer.digest,
        "syndrome_hash": answer.syndrome_hash,
    }
    for name, value in values.items():
        header[name] = value
    flips = answer.flips if answer.flips is not None else bytes((answer.num_observables + 7) // 8)
    return sealed(header.tobytes() + flips, RESULT)
