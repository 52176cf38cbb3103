"""Shot files piece by piece against stim reading them whole."""

import io
from pathlib import Path

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.common.shot_files import (
    FORMATS,
    PredictionWriter,
    ShotReader,
    encode_shots,
    format_of,
    shots_per_piece,
)


def written(
    bits: np.ndarray, *, format: str, num_detectors: int, num_observables: int, folder: Path
) -> bytes:
    path = folder / "whole"
    stim.write_shot_data_file(
        data=bits, path=path, format=format, num_detectors=num_detectors, num_observables=num_observables
    )
    return path.read_bytes()


def read_in_pieces(data: bytes, **arguments: int | str) -> tuple[np.ndarray, np.ndarray, list[int]]:
    pieces = list(ShotReader(file=io.BytesIO(data), name="test", **arguments))  # type: ignore[arg-type]
    events, flips = (np.concatenate(part) for part in zip(*pieces, strict=True))
    return events, flips, [len(piece) for piece, _ in pieces]


@pytest.mark.parametrize("format", FORMATS)
@given(data=st.data())
@settings(deadline=None, max_examples=30)
def test_pieces_are_the_whole(
    format: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    num_detectors = data.draw(st.integers(1, 600), label="detectors")
    num_observables = data.draw(st.integers(0, 9), label="observables")
    groups = data.draw(st.integers(1, 4), label="groups of 64 shots")
    shots = 64 * groups if format == "ptb64" else data.draw(st.integers(1, 64 * groups), label="shots")
    density = data.draw(st.sampled_from([0.0, 0.003, 0.3, 1.0]), label="density")
    seed = data.draw(st.integers(0, 2**32 - 1), label="seed")
    bits = np.random.default_rng(seed).random((shots, num_detectors + num_observables)) < density
    sizes = {"num_detectors": num_detectors, "num_observables": num_observables}
    stored = written(bits, format=format, folder=tmp_path_factory.mktemp("shots"), **sizes)
    events, flips, lengths = read_in_pieces(stored, format=format, shots_per_piece=64, **sizes)
    assert np.array_equal(events, np.packbits(bits[:, :num_detectors], axis=1, bitorder="little"))
    assert np.array_equal(flips, np.packbits(bits[:, num_detectors:], axis=1, bitorder="little"))
    assert all(length == 64 for length in lengths[:-1])


def test_r8_is_cut_rightly_across_blocks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("experiments.common.shot_files._BYTES_PER_BLOCK", 7)
    bits = np.random.default_rng(5).random((300, 300)) < 0.004
    stored = written(bits, format="r8", num_detectors=300, num_observables=0, folder=tmp_path)
    events, _, lengths = read_in_pieces(stored, format="r8", num_detectors=300, shots_per_piece=64)
    assert np.array_equal(events, np.packbits(bits, axis=1, bitorder="little"))
    assert lengths == [64, 64, 64, 64, 44]


@pytest.mark.parametrize("format", FORMATS)
def test_predictions_are_written_as_stim_writes_them(format: str, tmp_path: Path) -> None:
    bits = np.random.default_rng(3).random((192, 11)) < 0.5
    packed = np.packbits(bits, axis=1, bitorder="little")
    whole = tmp_path / "whole"
    stim.write_shot_data_file(data=packed, path=whole, format=format, num_observables=11)
    with PredictionWriter(path=tmp_path / "pieces", format=format, num_observables=11) as writer:
        writer.write(packed[:128])
        writer.write(packed[128:])
    assert (tmp_path / "pieces").read_bytes() == whole.read_bytes()


def test_an_unfinished_file_never_gets_its_name(tmp_path: Path) -> None:
    path = tmp_path / "predictions.b8"

    def stopped() -> None:
        with PredictionWriter(path=path, format="b8", num_observables=1) as writer:
            writer.write(np.ones((64, 1), dtype=np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("format", "data"),
    [
        ("01", b"0101\n011\n"),
        ("01", b"0102\n"),
        ("b8", b"\x00\x00\x00"),
        ("hits", b"1,12\n"),
        ("dets", b"shot D12\n"),
        ("r8", b"\x00\x00"),
        ("r8", b"\xff" * 10),
        ("ptb64", b"\x00" * 17),
        # Cut off, or with another meaning than their writer can have had.
        ("01", b"0101\n01"),
        ("hits", b"1,2\n1"),
        ("hits", b"1,1\n"),
        ("dets", b"shot D1\nshot D1"),
        ("dets", b"shot D1 D1\n"),
        ("r8", b"\x04\x02"),
        ("r8", b"\x04\xff"),
        ("b8", b"\x00\x02"),
    ],
)
def test_spoilt_data_are_named(format: str, data: bytes) -> None:
    num_detectors = 9 if format == "b8" else 4
    with pytest.raises(ValueError, match=r"^some\.file: cannot read shots 0 and later as"):
        list(
            ShotReader(
                file=io.BytesIO(data),
                name="some.file",
                format=format,
                num_detectors=num_detectors,
                shots_per_piece=64,
            )
        )


def test_shots_without_bits_cannot_be_counted_in_packed_formats() -> None:
    with pytest.raises(ValueError, match="cannot be counted"):
        ShotReader(file=io.BytesIO(b""), name="x", format="b8", shots_per_piece=64)
    events, _, _ = read_in_pieces(b"\n\n\n", format="hits", num_detectors=0, shots_per_piece=64)
    assert events.shape == (3, 0)


def test_format_comes_from_the_ending_unless_given() -> None:
    assert format_of("a/b.dets", given=None, flag="--in_format") == "dets"
    assert format_of("a/b.dets", given="b8", flag="--in_format") == "b8"
    for name in ("-", "shots", "shots.txt", "b8"):
        with pytest.raises(ValueError, match=r"give --in_format 01\|b8"):
            format_of(name, given=None, flag="--in_format")


@pytest.mark.parametrize("num_bits", [0, 1, 8, 24, 1000, 10**6, 10**9])
def test_pieces_hold_groups_of_64_and_bounded_memory(num_bits: int) -> None:
    shots = shots_per_piece(num_bits)
    assert shots % 64 == 0
    assert shots == 64 or shots * num_bits <= 1 << 25


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("num_observables", [1, 600])
def test_predictions_are_encoded_as_stim_does(format: str, num_observables: int, tmp_path: Path) -> None:
    bits = np.random.default_rng(5).random((192, num_observables)) < 0.004
    bits[1:4] = [[False], [True], [False]]
    packed = np.packbits(bits, axis=1, bitorder="little")
    stim.write_shot_data_file(data=bits, path=tmp_path / "s", format=format, num_observables=num_observables)
    found = encode_shots(packed, format=format, num_observables=num_observables)
    assert found == (tmp_path / "s").read_bytes()
