"""One-line messages for invalid data and unexplained shots; the decoder remains usable."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

from decoders import StreamingDecoder
from tests.support.streams import Frames, memory, one_by_one, shots_of, stream_of

# --- wrong data: one line, and the shot can go on


def check_refused(
    decoder: StreamingDecoder, call: Callable[[], Any], message: str, *, shot: Frames, after: int
) -> None:
    """A call fails in the middle of a shot with one line, and the shot goes on as if nothing was."""
    expected, prediction = one_by_one(decoder, shot)
    decoder.reset()
    decoder.push(shot[:after])
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert decoder.num_cycles == after
    for cycle in range(after, len(shot) - 1):
        assert decoder.push(shot[cycle : cycle + 1]).tolist() == expected[cycle + 1]
    assert decoder.finish(shot[-1]).tolist() == prediction


ZEROS = np.zeros((3, 14), dtype=np.uint8)
SET_PADDING = np.array([[0, 0], [0, 64]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (ZEROS[:, :13], {}, r"shape \(3, 13\), expected \(cycles, 14\)"),
        (ZEROS[0], {}, r"shape \(14,\), expected \(cycles, 14\)"),
        (ZEROS[None], {}, r"shape \(1, 3, 14\), expected"),
        ([], {}, r"shape \(0,\), expected"),
        (ZEROS[:, :2], {}, "expected"),
        (ZEROS, {"bit_packed": True}, r"shape \(3, 14\), expected \(cycles, 2\) for 14 columns"),
        (ZEROS[:, :2].astype(np.int64), {"bit_packed": True}, "dtype int64, expected uint8"),
        (ZEROS[:, :2].astype(np.bool_), {"bit_packed": True}, "dtype bool, expected uint8"),
        (SET_PADDING, {"bit_packed": True}, "bits set beyond its 14 columns"),
        (ZEROS + np.uint8(2), {}, "must be bool, or integers 0 and 1"),
        (ZEROS.astype(np.int8) - 1, {}, "must be bool, or integers 0 and 1"),
        (ZEROS.astype(np.float64), {}, "must be bool, or integers 0 and 1"),
        (ZEROS.astype(str), {}, "must be bool, or integers 0 and 1"),
        (ZEROS.astype(object), {}, "must be bool, or integers 0 and 1"),
        (ZEROS, {"kind": "measurements"}, "measurements after detection events"),
        (ZEROS, {"kind": "syndromes"}, "named 'syndromes': choose from events, measurements"),
    ],
)
def test_wrong_frames(frame: Any, options: dict[str, Any], message: str) -> None:
    decoder = stream_of("tall", rounds=20)
    shots, _ = shots_of("tall", rounds=20, shots=3)
    for after in (0, 9, 20) if "after detection" not in message else (1, 20):
        check_refused(decoder, lambda: decoder.push(frame, **options), message, shot=shots[2], after=after)


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        (ZEROS[0, :13], {}, r"expected \(cycles, 14\)"),
        (ZEROS[:1], {}, r"the last layer has shape \(1, 14\), expected one row"),
        (ZEROS[0, :2], {}, "expected"),
        (ZEROS[0], {"bit_packed": True}, "for 14 columns"),
        (SET_PADDING[1], {"bit_packed": True}, "bits set beyond its 14 columns"),
        (ZEROS[0] + np.uint8(3), {}, "must be bool, or integers 0 and 1"),
        (ZEROS[0].astype(np.float32), {}, "must be bool, or integers 0 and 1"),
        (np.zeros(15, dtype=np.uint8), {"kind": "measurements"}, "measurements after detection events"),
        (ZEROS[0], {"kind": "data"}, "named 'data': choose from events, measurements"),
    ],
)
def test_wrong_last_layers(row: Any, options: dict[str, Any], message: str) -> None:
    decoder = stream_of("tall", rounds=20)
    shots, _ = shots_of("tall", rounds=20, shots=3)
    for after in (5, 20):
        check_refused(decoder, lambda: decoder.finish(row, **options), message, shot=shots[2], after=after)


def test_shots_of_impossible_length() -> None:
    decoder = stream_of("surface", rounds=20)
    shots, _ = shots_of("surface", rounds=20, shots=1)
    for after in (0, 1, 2):
        check_refused(
            decoder,
            lambda: decoder.finish(shots[0, -1]),
            f"{after + 1} layers: must be at least 4",
            shot=shots[0],
            after=after,
        )


def test_a_short_memory_has_one_length() -> None:
    decoder = stream_of("surface", rounds=3)
    shots, _ = shots_of("surface", rounds=3, shots=1)
    check_refused(
        decoder,
        lambda: decoder.push(np.zeros((2, 8), dtype=np.uint8)),
        "exactly 3 cycles before finish",
        shot=shots[0],
        after=2,
    )
    check_refused(
        decoder,
        lambda: decoder.finish(shots[0, -1]),
        "3 layers: with commit=12 and buffer=3 shots have the 4 layers of the circuit",
        shot=shots[0],
        after=2,
    )
    decoder.reset()
    with pytest.raises(ValueError, match="exactly 3 cycles"):
        decoder.push(np.zeros((4, 8), dtype=np.uint8), kind="measurements")


def test_measurements_of_a_wrong_width() -> None:
    decoder = stream_of("tall", rounds=20)
    decoder.reset()
    with pytest.raises(ValueError, match=r"measurements has shape \(3, 13\), expected \(cycles, 14\)"):
        decoder.push(ZEROS[:, :13], kind="measurements")
    decoder.push(np.zeros((20, 14), dtype=np.uint8), kind="measurements")
    with pytest.raises(ValueError, match=r"measurements has shape \(1, 14\), expected \(cycles, 15\)"):
        decoder.finish(ZEROS[0], kind="measurements")
    assert decoder.finish(np.zeros(15, dtype=np.uint8), kind="measurements").shape == (1,)


def test_after_the_end_of_a_shot() -> None:
    decoder = stream_of("surface")
    shots, _ = shots_of("surface", shots=2)
    _, prediction = one_by_one(decoder, shots[0])
    for _ in range(2):
        with pytest.raises(ValueError, match="push after finish: call reset"):
            decoder.push(shots[0, :5])
        with pytest.raises(ValueError, match="finish after finish: call reset"):
            decoder.finish(shots[0, -1])
    assert one_by_one(decoder, shots[0])[1] == prediction
    decoder.decode_frames(shots)
    with pytest.raises(ValueError, match="push after finish: call reset"):
        decoder.push(shots[0, :5])


def test_measurements_need_a_circuit() -> None:
    dem = memory("tall", rounds=20).detector_error_model(decompose_errors=True)
    decoder = StreamingDecoder.from_dem(dem)
    shots, _ = shots_of("tall", rounds=20, shots=1)
    for call in (
        lambda: decoder.push(ZEROS, kind="measurements"),
        lambda: decoder.finish(ZEROS[0], kind="measurements"),
    ):
        check_refused(
            decoder, call, "detection events only: for measurements, use from_circuit", shot=shots[0], after=9
        )


def test_measurements_after_an_empty_frame_of_events() -> None:
    decoder = stream_of("chain")
    decoder.reset()
    decoder.push(np.zeros((0, 4), dtype=np.uint8))
    decoder.push(np.zeros((4, 4), dtype=np.uint8), kind="measurements")
    decoder.push(np.zeros((1, 4), dtype=np.uint8))
    with pytest.raises(ValueError, match="measurements after detection events"):
        decoder.push(np.zeros((1, 4), dtype=np.uint8), kind="measurements")
    decoder.reset()
    decoder.push(np.zeros((1, 4), dtype=np.uint8), kind="measurements")


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.zeros((2, 41, 7), dtype=np.uint8), r"shape \(2, 41, 7\) and dtype uint8, expected uint8"),
        (np.zeros((41, 8), dtype=np.uint8), r"expected uint8 \(shots, layers, 8\)"),
        (np.zeros((2, 41, 8), dtype=np.int64), "dtype int64, expected uint8"),
        (np.full((2, 41, 8), 2, dtype=np.uint8), "frames contain 2: all values must be 0 or 1"),
        (np.zeros((2, 3, 8), dtype=np.uint8), "3 layers: must be at least 4"),
        (np.zeros((2, 0, 8), dtype=np.uint8), "0 layers"),
    ],
)
def test_wrong_whole_shots(frames: NDArray[Any], message: str) -> None:
    decoder = stream_of("surface")
    shots, _ = shots_of("surface", shots=1)
    check_refused(decoder, lambda: decoder.decode_frames(frames), message, shot=shots[0], after=17)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (np.zeros((2, 319), dtype=np.uint8), r"shape \(2, 319\), expected \(shots, 320\)"),
        (np.zeros(320, dtype=np.uint8), r"expected \(shots, 320\)"),
        (np.full((2, 320), 2), "detection events of dtype .*must be bool, or integers 0 and 1"),
        (np.full((2, 320), -1), "detection events of dtype .*must be bool, or integers 0 and 1"),
        (np.full((2, 320), 0.5), "detection events of dtype .*must be bool, or integers 0 and 1"),
    ],
)
def test_wrong_shots_for_to_frames(events: NDArray[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream_of("surface").to_frames(events)


def test_predictions_of_a_wrong_shape() -> None:
    decoder = stream_of("surface")
    shots, _ = shots_of("surface", shots=3)
    for wrong in (np.zeros((2, 1), np.uint8), np.zeros((3, 2), np.uint8), np.zeros((3, 1), np.bool_)):
        with pytest.raises(ValueError, match=r"predictions have shape .* expected uint8 \(3, 1\)"):
            decoder.decode_frames(shots, predictions=wrong)
    given = np.full((3, 1), 7, dtype=np.uint8)
    assert decoder.decode_frames(shots, predictions=given) is given
    assert np.array_equal(given, decoder.decode_frames(shots))


# --- detection events that nothing explains


def test_an_event_where_there_is_no_detector() -> None:
    """Never an answer: an error when the window with it is decoded."""
    decoder = stream_of("surface", commit=6, buffer=3)
    shots, _ = shots_of("surface", shots=1)
    columns = {"first": np.flatnonzero(absent(decoder)[0]), "last": np.flatnonzero(absent(decoder)[-1])}
    assert [len(found) for found in columns.values()] == [4, 4]
    expected = one_by_one(decoder, shots[0])
    for column in columns["first"]:
        wrong = shots[0].copy()
        wrong[0, column] = 1
        for noise in (wrong, wrong * (np.arange(41) == 0)[:, None].astype(np.uint8)):
            decoder.reset()
            decoder.push(noise[:8])
            with pytest.raises(ValueError, match="no error explains the detection events of cycles 0 to 8"):
                decoder.push(noise[8:])
            with pytest.raises(ValueError, match="call reset"):
                decoder.push(noise[9:])
            assert one_by_one(decoder, shots[0]) == expected
    for column in columns["last"]:
        wrong = shots[0].copy()
        wrong[-1, column] = 1
        decoder.reset()
        decoder.push(wrong[:-1])
        with pytest.raises(
            ValueError, match=r"no error explains the detection events of cycles 36 to 40: .*no det"
        ):
            decoder.finish(wrong[-1])
        with pytest.raises(ValueError, match="finish after finish: call reset"):
            decoder.finish(shots[0, -1])
        assert one_by_one(decoder, shots[0]) == expected
        with pytest.raises(ValueError, match=r"shot 12: no error explains .* cycles 36 to 40"):
            decoder.decode_frames(np.array([shots[0], shots[0], wrong, wrong]), first_shot=10)
        assert one_by_one(decoder, shots[0]) == expected


def absent(decoder: StreamingDecoder) -> NDArray[np.bool_]:
    """Where a frame has no detector, bool (layers, columns)."""
    num_detectors = memory("surface", rounds=40).num_detectors
    everywhere = decoder.to_frames(np.ones((1, num_detectors), dtype=np.bool_))
    return everywhere[0] == 0


#: Two columns without a boundary: an even number of events in all.
RING = """
repeat 30 {
    error(0.1) D0 D1 L0
    error(0.05) D0 D1
    error(0.1) D0 D2
    error(0.1) D1 D3
    detector(0, 0, 0) D0
    detector(1, 0, 0) D1
    shift_detectors(0, 0, 1) 2
}
error(0.1) D0 D1 L0
detector(0, 0, 0) D0
detector(1, 0, 0) D1
"""


def test_an_odd_number_of_events_without_boundary() -> None:
    dem = stim.DetectorErrorModel(RING)
    decoder = StreamingDecoder.from_dem(dem, commit=4, buffer=3)
    good, _, _ = dem.compile_sampler(seed=1).sample(20)
    frames = decoder.to_frames(good)
    expected = [one_by_one(decoder, shot) for shot in frames]
    bad = frames.copy()
    bad[13, 5, 1] ^= 1
    bad[17, 30, 0] ^= 1
    with pytest.raises(ValueError, match=r"shot 13: no error explains .* an odd number") as caught:
        decoder.decode_frames(bad)
    assert "\n" not in str(caught.value)
    for number in (13, 17):
        decoder.reset()
        decoder.push(bad[number, :-1])  # the future may explain it, until there is none
        with pytest.raises(ValueError, match="cycles 24 to 30: an odd number"):
            decoder.finish(bad[number, -1])
    assert [one_by_one(decoder, shot) for shot in frames] == expected
