"""Files of shots in stim's formats, read and written piece by piece: a file may be larger than the memory.

stim reads and writes whole files only. Here a long file is cut between shots, and stim sees one piece at a
time, so that the formats stay stim's business.
"""

import itertools
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import stim
from numpy.typing import NDArray

from qec.files import FileWriter, new_file, write_file

PackedBits = NDArray[np.uint8]

FORMATS = ("01", "b8", "r8", "hits", "dets", "ptb64")
_TEXT = ("01", "hits", "dets")
_BITS_PER_PIECE = 1 << 25
_BYTES_PER_BLOCK = 1 << 20


def format_of(name: str, *, given: str | None, flag: str) -> str:
    """Format of a file of shots: the one given, else the one that the file's ending names.

    Args:
        name: path of the file, or `-`.
        given: the user's choice, if any.
        flag: the option that makes the choice, for the error message.

    Raises:
        ValueError: nothing was given and the ending is none of stim's formats.
    """
    if given is not None:
        return given
    ending = Path(name).suffix.removeprefix(".")
    if ending not in FORMATS:
        raise ValueError(
            f"the format of {name!r} cannot be told from its name: give {flag} {'|'.join(FORMATS)}"
        )
    return ending


def shots_per_piece(num_bits: int) -> int:
    """Choose the number of shots handled at a time: about 4 MiB of bits, in groups of 64 shots."""
    return max(64, min(_BITS_PER_PIECE // max(num_bits, 1), 1 << 18) // 64 * 64)


def _fixed_pieces(file: BinaryIO, num_bytes: int) -> Iterator[bytes]:
    while piece := file.read(num_bytes):
        yield piece


def _line_pieces(file: BinaryIO, num_lines: int) -> Iterator[bytes]:
    while lines := list(itertools.islice(file, num_lines)):
        yield b"".join(lines)


def _run_length_pieces(file: BinaryIO, num_bits: int, num_shots: int) -> Iterator[bytes]:
    """Cut r8 data between shots.

    A byte below 255 is that many zeros and a one, 255 is 255 zeros; a shot ends with a one just after its
    last bit. So its bytes cover exactly num_bits + 1 places, and a shot ends where the places covered so far
    are a multiple of that.
    """
    rest = b""
    while block := file.read(_BYTES_PER_BLOCK):
        data = np.frombuffer(rest + block, dtype=np.uint8)
        covered = np.cumsum(data.astype(np.int64) + (data != 255))
        ends = np.flatnonzero(covered % (num_bits + 1) == 0) + 1
        begin = 0
        for end in ends[num_shots - 1 :: num_shots].tolist():
            yield data[begin:end].tobytes()
            begin = end
        rest = data[begin:].tobytes()
        if len(rest) > (num_bits + 1) * num_shots:
            raise ValueError(f"not r8 data of {num_bits} bits a shot: no shot ends where it should")
    if rest:
        data = np.frombuffer(rest, dtype=np.uint8)
        if data[-1] == 255 or int((data.astype(np.int64) + (data != 255)).sum()) % (num_bits + 1):
            raise ValueError("the data end within a shot, so they are cut off")
        yield rest


class ShotReader:
    """Iterates over the pieces of a stream of shots.

    Yields pairs of bit-packed arrays (uint8, little bit order): detection events of shape
    (shots, ceil(num_detectors / 8)) and observables of shape (shots, ceil(num_observables / 8)). Every piece
    but the last has `shots_per_piece` shots.

    Args:
        file: open binary file.
        name: what to call it in error messages.
        format: one of `FORMATS`.
        num_detectors: detectors stored per shot.
        num_observables: observables stored per shot, after the detectors.
        shots_per_piece: a multiple of 64.

    Raises:
        ValueError: unknown format, or (while reading) data that do not have this format or size.
    """

    def __init__(
        self,
        *,
        file: BinaryIO,
        name: str,
        format: str,
        num_detectors: int = 0,
        num_observables: int = 0,
        shots_per_piece: int,
    ) -> None:
        if format not in FORMATS:
            raise ValueError(f"unknown format {format!r} of {name}: choose one of {', '.join(FORMATS)}")
        if shots_per_piece <= 0 or shots_per_piece % 64:
            raise ValueError(f"shots_per_piece is {shots_per_piece}: it must be a positive multiple of 64")
        self._num_bits = num_detectors + num_observables
        if self._num_bits == 0 and format in ("b8", "ptb64"):
            raise ValueError(
                f"{name}: shots without bits take no bytes in {format}, so they cannot be counted"
            )
        self._file = file
        self._name = name
        self._format = format
        self._num_detectors = num_detectors
        self._num_observables = num_observables
        self._shots_per_piece = shots_per_piece

    def _pieces(self) -> Iterator[bytes]:
        if self._format in _TEXT:
            return _line_pieces(self._file, self._shots_per_piece)
        if self._format == "r8":
            return _run_length_pieces(self._file, self._num_bits, self._shots_per_piece)
        if self._format == "ptb64":
            return _fixed_pieces(self._file, self._num_bits * 8 * (self._shots_per_piece // 64))
        return _fixed_pieces(self._file, (self._num_bits + 7) // 8 * self._shots_per_piece)

    def _check_end(self, piece: bytes) -> None:
        """Refuse a text that ends within a shot: cut off, its last number would be another one."""
        if self._format in ("hits", "dets") and not piece.endswith(b"\n"):
            raise ValueError("the last line has no line end, so it may be cut off")

    def _check_bits(self, piece: bytes, events: PackedBits, observables: PackedBits) -> None:
        """Refuse data that stim accepts, with another meaning than their writer can have had."""
        if self._format in ("hits", "dets"):
            numbers = re.findall(rb"[0-9]+", piece)
            ones = int(np.bitwise_count(events).sum() + np.bitwise_count(observables).sum())
            if len(numbers) != ones:
                raise ValueError("a shot lists a detector or an observable twice")
        if self._format == "b8" and self._num_bits % 8:
            rows = np.frombuffer(piece, dtype=np.uint8).reshape(-1, (self._num_bits + 7) // 8)
            dirty = np.flatnonzero(rows[:, -1] >> self._num_bits % 8)
            if dirty.size:
                raise ValueError(f"shot {dirty[0]} of them has bits set beyond its {self._num_bits} bits")

    def __iter__(self) -> Iterator[tuple[PackedBits, PackedBits]]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "piece"
            pieces = self._pieces()
            for number in itertools.count():
                try:
                    piece = next(pieces, None)
                    if piece is None:
                        return
                    write_file(path, piece)
                    self._check_end(piece)
                    events, observables = stim.read_shot_data_file(
                        path=path,
                        format=self._format,
                        bit_packed=True,
                        num_detectors=self._num_detectors,
                        num_observables=self._num_observables,
                        separate_observables=True,
                    )
                    self._check_bits(piece, events, observables)
                except (ValueError, RuntimeError) as error:  # stim raises either, some of several lines
                    first = number * self._shots_per_piece
                    raise ValueError(
                        f"{self._name}: cannot read shots {first} and later as {self._format} with "
                        f"{self._num_detectors} detectors and {self._num_observables} observables: "
                        f"{' '.join(str(error).splitlines())}"
                    ) from None
                yield events, observables


def encode_shots(observables: PackedBits, *, format: str, num_observables: int) -> bytes:
    """Encode observables in one of stim's formats: stim's own writer reports no error on a full disk.

    Args:
        observables: uint8 (shots, ceil(num_observables / 8)), little bit order; full groups of 64 shots for
            `ptb64`.
        format: one of `FORMATS`.
        num_observables: bits per shot.
    """
    if format == "b8":
        return observables.tobytes()
    if format in ("01", "ptb64"):
        bits = np.unpackbits(observables, axis=1, count=num_observables, bitorder="little")
        if format == "01":
            text = np.full((len(bits), num_observables + 1), ord("\n"), dtype=np.uint8)
            text[:, :-1] = bits + ord("0")
            return text.tobytes()
        groups = bits.reshape(len(bits) // 64, 64, num_observables).swapaxes(1, 2)
        return np.packbits(groups, axis=2, bitorder="little").tobytes()
    # Few patterns occur in many shots.
    patterns, which = np.unique(observables, axis=0, return_inverse=True)
    bits = np.unpackbits(patterns, axis=1, count=num_observables, bitorder="little")
    words = [_encode_shot(np.flatnonzero(row).tolist(), format, num_observables) for row in bits]
    return b"".join(words[number] for number in which.tolist())


def _encode_shot(ones: list[int], format: str, num_bits: int) -> bytes:
    if format == "hits":
        return ",".join(map(str, ones)).encode() + b"\n"
    if format == "dets":
        return " ".join(["shot", *(f"L{one}" for one in ones)]).encode() + b"\n"
    code = bytearray()
    place = 0
    for one in [*ones, num_bits]:  # r8: the zeros before each one, and before a one after the last bit
        full, rest = divmod(one - place, 255)
        code += b"\xff" * full + bytes([rest])
        place = one + 1
    return bytes(code)


class PredictionWriter:
    """Writes predictions piece by piece; the file gets its name only when it is complete.

    Args:
        path: the file to write.
        stream: an open binary file to write to instead (then there is no file to name).
        format: one of `FORMATS`.
        num_observables: bits per shot.

    Raises:
        ValueError: `ptb64` and a number of shots that is no multiple of 64.
    """

    def __init__(
        self, *, path: Path | None = None, stream: BinaryIO | None = None, format: str, num_observables: int
    ) -> None:
        self._path = path
        self._stream: BinaryIO | FileWriter | None = stream
        self._open = ExitStack()
        self._format = format
        self._num_observables = num_observables

    def __enter__(self) -> Self:
        if self._path is not None:
            self._stream = self._open.enter_context(new_file(self._path))
        return self

    def write(self, predictions: PackedBits) -> None:
        """Append shots: uint8 of shape (shots, ceil(num_observables / 8)), little bit order."""
        if self._stream is None:
            raise ValueError("a PredictionWriter writes inside its with-block only")
        if self._format == "ptb64" and len(predictions) % 64:
            raise ValueError(
                "ptb64 holds groups of 64 shots, and the last group is short: choose another format"
            )
        self._stream.write(
            encode_shots(predictions, format=self._format, num_observables=self._num_observables)
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
