"""Packing bits and reading shot files, against stim's own writer."""

from pathlib import Path

import numpy as np
import pytest
import stim
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from qec.datasets import pack, read_shots, unpack

bit_tables = arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=40))


@given(bits=bit_tables)
def test_unpack_undoes_pack(bits: np.ndarray) -> None:
    packed = pack(bits, num_bits=bits.shape[1])
    assert packed.dtype == np.uint8
    assert packed.shape == (bits.shape[0], -(-bits.shape[1] // 8))
    unpacked = unpack(packed, num_bits=bits.shape[1])
    assert unpacked.dtype == np.bool_
    np.testing.assert_array_equal(unpacked, bits)
    assert pack(packed, num_bits=bits.shape[1]) is packed


def test_the_first_bit_is_the_lowest() -> None:
    bits = np.zeros((1, 10), dtype=np.bool_)
    bits[0, [0, 9]] = True
    assert pack(bits, num_bits=10).tolist() == [[1, 2]]


@pytest.mark.parametrize("ending", ["b8", "01"])
@given(bits=arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)))
def test_files_that_stim_wrote(
    ending: str, bits: np.ndarray, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("shots") / f"shots.{ending}"
    stim.write_shot_data_file(data=bits, path=str(path), format=ending, num_measurements=bits.shape[1])  # type: ignore[call-overload,unused-ignore]
    packed = read_shots(path, num_bits=bits.shape[1], shots=bits.shape[0])
    np.testing.assert_array_equal(unpack(packed, num_bits=bits.shape[1]), bits)
    assert not packed.flags.writeable
    assert isinstance(packed, np.memmap) == (ending == "b8")


@pytest.mark.parametrize("ending", ["b8", "01"])
@given(data=st.data(), shots=st.integers(1, 20), num_bits=st.integers(1, 30))
def test_a_file_cut_anywhere_is_refused(
    ending: str, data: st.DataObject, shots: int, num_bits: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("shots") / f"shots.{ending}"
    size = shots * (-(-num_bits // 8) if ending == "b8" else num_bits + 1)
    cut = data.draw(st.integers(0, size - 1))
    path.write_bytes((b"\0" * size if ending == "b8" else (b"0" * num_bits + b"\n") * shots)[:cut])
    with pytest.raises(ValueError, match=r"shots\.(b8|01): ") as caught:
        read_shots(path, num_bits=num_bits, shots=shots)
    assert str(shots) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_whole_shots_too_many_are_counted_in_shots(tmp_path: Path) -> None:
    path = tmp_path / "x.b8"
    path.write_bytes(bytes(12))
    with pytest.raises(ValueError, match=r"x\.b8: 6 shots of 9 bits, but the metadata says 5 shots$"):
        read_shots(path, num_bits=9, shots=5)
    path.write_bytes(bytes(11))
    with pytest.raises(ValueError, match=r"x\.b8: 11 bytes, but 5 shots of 9 bits take 10$"):
        read_shots(path, num_bits=9, shots=5)


@pytest.mark.parametrize(
    ("text", "line"), [("01\n0a\n00\n", 2), ("01\n00\n002", 3), ("0\n01\n0\n\n\n", 1), ("01\r00\n00\n", 1)]
)
def test_other_characters_are_found_by_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "x.01"
    path.write_bytes(text.encode())
    with pytest.raises(ValueError, match=rf"x\.01: line {line} is not 2 characters 0 or 1"):
        read_shots(path, num_bits=2, shots=3)


def test_missing_file_and_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"x\.b8: no such file"):
        read_shots(tmp_path / "x.b8", num_bits=1, shots=1)
    (tmp_path / "x.hits").write_text("0\n")
    with pytest.raises(ValueError, match=r"unknown shot format '\.hits', expected \.b8 or \.01"):
        read_shots(tmp_path / "x.hits", num_bits=1, shots=1)


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (np.zeros((2, 3), dtype=np.int64), "dtype int64"),
        (np.zeros((2, 3), dtype=np.bool_), r"bool of shape \(2, 3\), expected \(shots, 9\)"),
        (np.zeros((2, 9), dtype=np.uint8), r"uint8 of shape \(2, 9\), expected \(shots, 2\)"),
        (np.zeros(9, dtype=np.bool_), r"shape \(9,\)"),
        (np.array([[0, 1], [0, 2]], dtype=np.uint8), "shot 1 has bits set beyond its 9 bits"),
    ],
)
def test_pack_refuses_what_it_would_misread(bits: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pack(bits, num_bits=9, what="flips")


def test_unpack_refuses_another_width() -> None:
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(shots, 2\) for 9 bits"):
        unpack(np.zeros((2, 1), dtype=np.uint8), num_bits=9)


@given(bits=arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)))
def test_windows_line_ends_are_read(bits: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("shots") / "x.01"
    path.write_bytes(b"".join((row + ord("0")).tobytes() + b"\r\n" for row in bits.astype(np.uint8)))
    packed = read_shots(path, num_bits=bits.shape[1], shots=bits.shape[0])
    np.testing.assert_array_equal(unpack(packed, num_bits=bits.shape[1]), bits)
    with pytest.raises(ValueError, match=r"x\.01: "):
        read_shots(path, num_bits=bits.shape[1], shots=bits.shape[0] + 1)
