"""Files of shots: stim's `b8` and `01`, read into bit-packed arrays and checked against the metadata.

Packed means: uint8 of shape (shots, ceil(bits / 8)), little bit order, each shot starting on a new byte.
That is the `b8` format itself, so such a file is memory-mapped rather than read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

Packed = npt.NDArray[np.uint8]
Bits = npt.NDArray[np.bool_]


def bytes_per_shot(num_bits: int) -> int:
    """Return the bytes of one packed shot of `num_bits` bits."""
    return (num_bits + 7) // 8


def pack(bits: npt.ArrayLike, *, num_bits: int, what: str = "shots") -> Packed:
    """Pack shots.

    Args:
        bits: bool array of shape (shots, num_bits), or uint8 of shape (shots, ceil(num_bits / 8)), which is
            already packed. The dtype decides which of the two it is, as in stim.
        num_bits: bits in a shot.
        what: name of the array, for the error message.

    Returns:
        uint8 of shape (shots, ceil(num_bits / 8)).

    Raises:
        ValueError: wrong dtype or shape, or bits set beyond `num_bits`.
    """
    array = np.asarray(bits)
    if array.dtype not in (np.bool_, np.uint8):
        raise ValueError(f"{what}: dtype {array.dtype}, expected bool (one bit each) or uint8 (packed)")
    width = num_bits if array.dtype == np.bool_ else bytes_per_shot(num_bits)
    if array.ndim != 2 or array.shape[1] != width:
        raise ValueError(f"{what}: {array.dtype} of shape {array.shape}, expected (shots, {width})")
    if array.dtype == np.uint8:
        shot = first_shot_with_padding(array, num_bits=num_bits)
        if shot is not None:
            raise ValueError(f"{what}: shot {shot} has bits set beyond its {num_bits} bits")
        return array
    return np.packbits(array, axis=1, bitorder="little")


def unpack(packed: Packed, *, num_bits: int) -> Bits:
    """Unpack shots: bool (shots, num_bits).

    Raises:
        ValueError: the packed array is not uint8 of shape (shots, ceil(num_bits / 8)).
    """
    if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != bytes_per_shot(num_bits):
        raise ValueError(
            f"packed shots: {packed.dtype} of shape {packed.shape}, "
            f"expected uint8 of shape (shots, {bytes_per_shot(num_bits)}) for {num_bits} bits"
        )
    if num_bits == 0:
        return np.zeros((len(packed), 0), dtype=np.bool_)
    return np.unpackbits(packed, axis=1, count=num_bits, bitorder="little").view(np.bool_)


def first_shot_with_padding(packed: Packed, *, num_bits: int) -> int | None:
    """Return the index of the first shot with a set bit beyond num_bits, None without."""
    if num_bits % 8 == 0 or len(packed) == 0:
        return None
    dirty = np.asarray(packed[:, -1]) >> (num_bits % 8) != 0
    return int(dirty.argmax()) if dirty.any() else None


def read_shots(path: str | Path, *, num_bits: int, shots: int) -> Packed:
    """Read a file of shots whose format follows from its ending, `.b8` or `.01`.

    Args:
        path: the file.
        num_bits: bits in a shot.
        shots: number of shots that the file must hold.

    Returns:
        uint8 of shape (shots, ceil(num_bits / 8)), not writeable; a memory map for `.b8`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: unknown ending, size that does not fit, or characters other than 0 and 1 in a `.01` file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if path.suffix == ".b8":
        return _read_b8(path, num_bits=num_bits, shots=shots)
    if path.suffix == ".01":
        return _read_01(path, num_bits=num_bits, shots=shots)
    raise ValueError(f"{path}: unknown shot format {path.suffix!r}, expected .b8 or .01")


def _read_b8(path: Path, *, num_bits: int, shots: int) -> Packed:
    width = bytes_per_shot(num_bits)
    _check_size(path, size=path.stat().st_size, unit=width, shots=shots, of=f"{num_bits} bits")
    if shots == 0 or width == 0:  # an empty file cannot be mapped
        empty = np.zeros((shots, width), dtype=np.uint8)
        empty.flags.writeable = False
        return empty
    return np.memmap(path, dtype=np.uint8, mode="r", shape=(shots, width))


def _read_01(path: Path, *, num_bits: int, shots: int) -> Packed:
    data = path.read_bytes()
    unit = num_bits + 1
    if data[num_bits : num_bits + 2] == b"\r\n":
        # Line ends of Windows; a lone carriage return is an error.
        data = data.replace(b"\r\n", b"\n")
    text = np.frombuffer(data, dtype=np.uint8)
    _check_size(path, size=text.size, unit=unit, shots=shots, of=f"{num_bits} characters and a line end")
    lines = text.reshape(shots, unit)
    # "0" and "1" differ in the lowest bit only.
    bad = (lines[:, -1] != ord("\n")) | (lines[:, :-1] >> 1 != ord("0") >> 1).any(axis=1)
    if bad.any():
        line = int(bad.argmax())
        raise ValueError(
            f"{path}: line {line + 1} is not {num_bits} characters 0 or 1: {bytes(lines[line])!r}"
        )
    packed = np.packbits((lines[:, :-1] & 1).view(np.bool_), axis=1, bitorder="little")
    packed.flags.writeable = False
    return packed


def _check_size(path: Path, *, size: int, unit: int, shots: int, of: str) -> None:
    if size == shots * unit:
        return
    if unit and size % unit == 0:
        raise ValueError(f"{path}: {size // unit} shots of {of}, but the metadata says {shots} shots")
    raise ValueError(f"{path}: {size} bytes, but {shots} shots of {of} take {shots * unit}")
