"""Recorded streams: written as data frames, or with answers; read from either.

`realtime.protocol.recording` describes the files with answers, which a daemon writes too.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from qec.files import new_file
from realtime.protocol.recording import (
    FRAMES_ONLY,
    MAX_HEAD,
    VERSION,
    Content,
    encode_entry,
    encode_head,
    parse_entries,
    parse_head,
)
from realtime.protocol.wire import (
    HEADER,
    MAX_CYCLES,
    Flags,
    Frame,
    Payload,
    WireError,
    encode_frame,
    parse_frame,
    payload_bytes,
)
from realtime.source.playlist import Playlist
from realtime.source.recorded_shots import Answer, RecordedShots, ShotCollector, answer_message


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Contents of a recording.

    Attributes:
        groups: shots, those of one length together; in the order in which each length occurs first.
        cycle_ns: time between two cycles when it was recorded; 0: there was no schedule.
        notes: other entries of the first line.
        model: text of the circuit or error model; None where the recording has none.
        num_incomplete: shots without all of their data: aborted, damaged, or with frames missing.
        num_missing: messages that could not be recorded.
    """

    groups: tuple[RecordedShots, ...]
    cycle_ns: int
    notes: dict[str, Any]
    model: str | None = None
    num_incomplete: int = 0
    num_missing: int = 0

    @property
    def num_shots(self) -> int:
        """Number of shots."""
        return sum(group.playlist.num_shots for group in self.groups)

    @property
    def has_answers(self) -> bool:
        """Whether answers were recorded."""
        return any(answer is not None for group in self.groups for answer in group.answers)


class RecordingWriter:
    """Writer of frames as they are sent; the file gets its name when it is complete.

    Args:
        path: file to write.
        cycle_ns: time between two cycles.
        notes: further entries of the first line, for example the origin of the data.
    """

    def __init__(self, path: Path | str, *, cycle_ns: int, notes: dict[str, Any] | None = None) -> None:
        self._path = Path(path)
        self._head = encode_head({**(notes or {}), "cycle_ns": cycle_ns}, version=FRAMES_ONLY)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._file = stack.enter_context(new_file(self._path))
            self._file.write(self._head)
            self._open = stack.pop_all()
        return self

    def write(self, message: bytes) -> None:
        """Append one data frame.

        Raises:
            WireError: not a data frame.
            OSError: the disk is full.
        """
        parse_frame(message)
        self._file.write(message)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)


def frames_of(
    playlist: Playlist,
    *,
    frame_cycles: int,
    cycle_ns: int,
    session: int = 1,
    stream: int = 0,
    start_ns: int = 0,
    shots: range | None = None,
    number: int | None = None,
) -> Iterator[bytes]:
    """Encode a playlist as the data frames that a source sends; the last frame of a shot has the readout.

    Args:
        playlist: shots to encode.
        frame_cycles: cycles of a frame, 1 to 64.
        cycle_ns: time between two cycles.
        session, stream: numbers in the headers.
        start_ns: when the first cycle of the first shot begins; 0 sets all due times to 0 (unknown).
        shots: numbers of the shots; None for all.
        number: of a single shot in the session; None: its number in the playlist.

    Raises:
        ValueError: frame_cycles out of range.
    """
    if not 1 <= frame_cycles <= MAX_CYCLES:
        raise ValueError(f"{frame_cycles} cycles in a frame: must be between 1 and {MAX_CYCLES}")
    kind = Payload.EVENTS if playlist.kind == "events" else Payload.MEASUREMENTS
    sequence = 0
    total = playlist.num_cycles
    for shot in range(playlist.num_shots) if shots is None else shots:
        for first in range(0, max(1, total), frame_cycles):
            stop = min(first + frame_cycles, total)
            last = stop == total
            passed = (shot * total + stop) * cycle_ns
            yield encode_frame(
                session=session,
                stream=stream,
                shot=shot if number is None else number,
                sequence=sequence,
                first_cycle=first,
                due_ns=start_ns + passed if start_ns else 0,
                kind=kind,
                rows=playlist.rows[shot, first:stop],
                bits_per_cycle=playlist.bits,
                final=playlist.last[shot] if last else None,
                final_bits=playlist.last_bits if last else 0,
                flags=Flags.FIRST if first == 0 else 0,
            )
            sequence += 1


def write_recording(
    path: Path | str,
    playlist: Playlist,
    *,
    frame_cycles: int,
    cycle_ns: int,
    notes: dict[str, Any] | None = None,
) -> Path:
    """Write a playlist as a recording, with the true observable flips among the notes.

    Args:
        path: file to write.
        playlist: shots.
        frame_cycles: cycles of a frame, 1 to 64.
        cycle_ns: time between two cycles.
        notes: further entries of the first line.
    """
    notes = {**(notes or {}), **_true_flips(playlist, range(playlist.num_shots))}
    with RecordingWriter(path, cycle_ns=cycle_ns, notes=notes) as writer:
        for message in frames_of(playlist, frame_cycles=frame_cycles, cycle_ns=cycle_ns):
            writer.write(message)
    return Path(path)


def write_answered(
    path: Path | str,
    playlist: Playlist,
    *,
    frame_cycles: int,
    cycle_ns: int,
    played: Sequence[tuple[int, Answer | None]],
    notes: dict[str, Any] | None = None,
    model: str | None = None,
) -> Path:
    """Write the shots that were played, with their answers.

    Args:
        path, playlist, frame_cycles, cycle_ns, notes: see `write_recording`.
        played: for each shot its number in the playlist and its answer, None without.
        model: text of the circuit or error model, if known.
    """
    head = {**(notes or {}), **_true_flips(playlist, [index for index, _ in played])}
    head |= {"kind": playlist.kind, "cycle_ns": cycle_ns}
    digest = hashlib.sha256()
    with new_file(path) as file:

        def append(data: bytes) -> None:
            file.write(data)
            digest.update(data)

        append(encode_head(head, version=VERSION))
        if model is not None:
            append(encode_entry(Content.MODEL, model.encode()))
        for number, (index, answer) in enumerate(played):
            shot = slice(index, index + 1)
            for message in frames_of(
                playlist,
                frame_cycles=frame_cycles,
                cycle_ns=cycle_ns,
                shots=range(shot.start, shot.stop),
                number=number,
            ):
                append(encode_entry(Content.RECEIVED, message))
            if answer is not None:
                message = answer_message(answer, shot=number, cycles=playlist.num_cycles)
                append(encode_entry(Content.SENT, message, time_ns=answer.done_ns))
        append(encode_entry(Content.END, digest.digest()))
    return Path(path)


def _true_flips(playlist: Playlist, shots: Sequence[int]) -> dict[str, Any]:
    flips = playlist.observable_flips
    return {} if flips is None else {"observable_flips": [flips[shot].tobytes().hex() for shot in shots]}


def read_recording(path: Path | str) -> Recording:
    """Read a recording, with or without answers.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a recording, damaged or incomplete; without answers also an incomplete shot, or shots
            of different kinds, bits or lengths.
    """
    path = Path(path)
    data = path.read_bytes()
    start = data.find(b"\n", 0, MAX_HEAD) + 1
    notes, version = parse_head(path, data[:start])
    cycle_ns, flips = notes.pop("cycle_ns"), notes.pop("observable_flips", None)
    if version == VERSION:
        return _read_answered(path, data, start, cycle_ns=cycle_ns, notes=notes, flips=flips)
    playlist = _read_frames(path, memoryview(data)[start:], flips)
    shots = tuple(range(playlist.num_shots))
    group = RecordedShots(playlist=playlist, numbers=shots, answers=(None,) * len(shots))
    return Recording(groups=(group,), cycle_ns=cycle_ns, notes=notes)


def _read_answered(
    path: Path, data: bytes, start: int, *, cycle_ns: int, notes: dict[str, Any], flips: Any
) -> Recording:
    collector = ShotCollector(_flips_array(path, flips))
    model, missing = None, 0
    for entry in parse_entries(path, data, start=start):
        if entry.content == Content.GAP:
            missing += int.from_bytes(entry.message, "little")
        elif entry.content == Content.MODEL:
            try:
                model = bytes(entry.message).decode()
            except UnicodeDecodeError:
                raise ValueError(f"{path}: damaged: its model is not text in UTF-8") from None
        elif entry.content == Content.RECEIVED:
            collector.take_data(entry.message)
        else:
            collector.take_answer(entry.message)
    groups = collector.groups()
    if not groups:
        raise ValueError(
            f"{path}: must hold a complete shot; it has {collector.num_incomplete} incomplete ones"
        )
    return Recording(
        groups=groups,
        cycle_ns=cycle_ns,
        notes=notes,
        model=model,
        num_incomplete=collector.num_incomplete,
        num_missing=missing,
    )


def _flips_array(path: Path, flips: Any) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
    """Read the true flips of the first line, uint8 (shots, bytes)."""
    if flips is None:
        return None
    try:
        found = np.array([list(bytes.fromhex(text)) for text in flips], dtype=np.uint8)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: observable_flips: {error}") from None
    if found.ndim != 2:
        raise ValueError(
            f"{path}: observable_flips must be a list of equally long texts of hexadecimal digits"
        )
    return found


def _read_frames(path: Path, data: memoryview, flips: Any) -> Playlist:
    """Read the shots of a recording without answers."""
    shots: list[tuple[np.ndarray[Any, np.dtype[np.uint8]], ...]] = []
    parts: list[Frame] = []
    form: tuple[int, int, int] | None = None
    for number, frame in enumerate(_frames(path, data)):
        header = frame.header
        flags = int(header["flags"])
        where = f"{path}: frame {number}"
        wanted = int(parts[-1].header["first_cycle"] + parts[-1].header["cycles"]) if parts else 0
        if flags & Flags.ABORT:
            parts = []  # aborted by its source: not a complete shot
            continue
        if bool(flags & Flags.FIRST) != (not parts) or int(header["first_cycle"]) != wanted:
            raise ValueError(f"{where} begins with cycle {header['first_cycle']}, expected {wanted}")
        this = (int(header["kind"]), int(header["bits_per_cycle"]))
        if form is not None and this != form[:2]:
            raise ValueError(
                f"{where} has {this[1]} bits of kind {this[0]}, the ones before {form[:2][::-1]}"
            )
        form = (*this, int(header["final_bits"]))
        parts.append(frame)
        if flags & Flags.LAST:
            shots.append((np.concatenate([part.rows for part in parts]), frame.final.copy()))
            parts = []
    if parts or not shots or form is None:
        raise ValueError(f"{path}: " + ("the last shot is incomplete" if parts else "must hold a shot"))
    lengths = sorted({len(rows) for rows, _ in shots})
    if len(lengths) > 1 or len({final.size for _, final in shots}) > 1:
        raise ValueError(
            f"{path}: shots of {lengths[0]} and of {lengths[-1]} cycles: all must be equally long"
        )
    if form[1] < 1 or form[2] < 1 or (form[0] == Payload.EVENTS and form[1] != form[2]):
        raise ValueError(
            f"{path}: {form[1]} bits in a cycle and {form[2]} in the last row: must be 1 or "
            "more, and equal for detection events"
        )
    try:
        return Playlist(
            rows=np.stack([rows for rows, _ in shots]),
            last=np.stack([final for _, final in shots]),
            observable_flips=_flips_array(path, flips),
            kind="events" if form[0] == Payload.EVENTS else "measurements",
            bits=form[1],
            last_bits=form[2],
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _frames(path: Path, data: memoryview) -> Iterator[Frame]:
    """Split the frames, whose lengths follow from their headers."""
    at = number = 0
    while at < len(data):
        size = HEADER.itemsize
        if at + size <= len(data):
            header = np.frombuffer(data, dtype=HEADER, count=1, offset=at)[0]
            size += payload_bytes(
                cycles=int(header["cycles"]),
                bits_per_cycle=int(header["bits_per_cycle"]),
                final_bits=int(header["final_bits"]),
            )
        try:
            yield parse_frame(data[at : at + size])
        except WireError as error:
            raise ValueError(f"{path}: frame {number}: {error}") from None
        at += size
        number += 1
