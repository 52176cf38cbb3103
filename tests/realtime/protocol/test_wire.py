"""Frames survive the way through bytes; nothing else does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.kernels.frames import find_fault
from realtime.protocol import wire
from tests.support.strategies import data_frames


@given(data_frames())
def test_what_is_encoded_is_parsed(fields: dict) -> None:  # type: ignore[type-arg]
    frame = wire.parse_frame(wire.encode_frame(**fields))
    for name in ("session", "stream", "shot", "sequence", "first_cycle", "due_ns", "bits_per_cycle"):
        assert frame.header[name] == fields[name]
    assert np.array_equal(frame.rows, fields["rows"])
    assert bool(frame.header["flags"] & wire.Flags.LAST) == (fields["final"] is not None)
    assert np.array_equal(frame.final, [] if fields["final"] is None else fields["final"])


@given(data_frames(), st.data())
def test_any_changed_byte_is_found(fields: dict, data: st.DataObject) -> None:  # type: ignore[type-arg]
    message = bytearray(wire.encode_frame(**fields))
    at = data.draw(st.integers(0, len(message) - 1))
    message[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(wire.WireError) as caught:
        wire.parse_frame(bytes(message))
    expected = wire.Fault.MAGIC if at < 4 else wire.Fault.VERSION if at in (4, 5, 7) else wire.Fault.CHECKSUM
    assert caught.value.fault == expected


@given(data_frames(), st.data())
def test_any_truncation_is_found(fields: dict, data: st.DataObject) -> None:  # type: ignore[type-arg]
    message = wire.encode_frame(**fields)
    length = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(wire.WireError) as caught:
        wire.parse_frame(message[:length])
    assert caught.value.fault == (wire.Fault.SHORT if length < 64 else wire.Fault.CHECKSUM)


@given(st.binary(max_size=300))
def test_garbage_is_no_frame(message: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_frame(message)
    with pytest.raises(wire.WireError):
        wire.parse_result(message)


def _changed(fields: dict, **changes: int) -> bytes:  # type: ignore[type-arg]
    """A frame with other header fields and a checksum that fits."""
    message = bytearray(wire.encode_frame(**fields))
    header = np.frombuffer(message, dtype=wire.HEADER, count=1)
    for name, value in changes.items():
        header[name] = value
    return wire.sealed(bytes(message), wire.HEADER)


PLAIN = {
    "session": 5,
    "stream": 0,
    "shot": 1,
    "sequence": 2,
    "first_cycle": 0,
    "due_ns": 10,
    "kind": wire.Payload.EVENTS,
    "rows": np.array([[1, 2], [3, 0]], dtype=np.uint8),
    "bits_per_cycle": 10,
}


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": 2}, wire.Fault.VERSION),
        ({"header_length": 65}, wire.Fault.VERSION),
        ({"type": 2}, wire.Fault.TYPE),
        ({"type": 9}, wire.Fault.TYPE),
        ({"session": -1}, wire.Fault.FIELD),
        ({"sequence": -1}, wire.Fault.FIELD),
        ({"flags": sum(wire.Flags) + 1}, wire.Fault.FIELD),
        ({"flags": wire.Flags.ABORT}, wire.Fault.FIELD),
        ({"flags": wire.Flags.ABORT | wire.Flags.LAST, "cycles": 0}, wire.Fault.FIELD),
        ({"final_bits": 8}, wire.Fault.FIELD),
        ({"kind": 0}, wire.Fault.FIELD),
        ({"cycles": 65}, wire.Fault.FIELD),
        ({"cycles": 0}, wire.Fault.FIELD),
        ({"reserved": 1}, wire.Fault.FIELD),
        ({"cycles": 3}, wire.Fault.LENGTH),
        ({"bits_per_cycle": 17}, wire.Fault.LENGTH),
        ({"bits_per_cycle": 9}, wire.Fault.PADDING),
    ],
)
def test_each_fault_has_its_name(changes: dict[str, int], fault: wire.Fault) -> None:
    with pytest.raises(wire.WireError, match="not a frame") as caught:
        wire.parse_frame(_changed(PLAIN, **changes))
    assert caught.value.fault == fault
    assert _compiled_fault(_changed(PLAIN, **changes)) == fault


def _compiled_fault(message: bytes) -> int:
    frame = np.frombuffer(bytearray(message), dtype=np.uint8)
    header = frame[: wire.HEADER.itemsize].view(wire.HEADER)[0]
    return int(find_fault(frame, header, np.int64(len(message))))


def test_a_frame_may_have_the_most_cycles() -> None:
    message = wire.encode_frame(**{**PLAIN, "rows": np.ones((wire.MAX_CYCLES, 2), dtype=np.uint8)})
    assert wire.parse_frame(message).rows.shape == (wire.MAX_CYCLES, 2)
    assert _compiled_fault(message) == wire.Fault.NONE


@pytest.mark.parametrize(
    ("changes", "length", "fault"),
    [
        ({"status": max(wire.Status) + 1}, 1, wire.Fault.FIELD),
        ({"reserved": 1}, 1, wire.Fault.FIELD),
        ({}, 2, wire.Fault.LENGTH),
        ({"type": wire.Type.DATA}, 1, wire.Fault.TYPE),
    ],
)
def test_each_fault_of_a_result_has_its_name(changes: dict[str, int], length: int, fault: wire.Fault) -> None:
    header = np.zeros((), dtype=wire.RESULT)
    good = {"magic": wire.MAGIC, "version": wire.VERSION, "header_length": wire.RESULT.itemsize}
    for name, value in {**good, "type": wire.Type.RESULT, "num_observables": 1}.items():
        header[name] = value
    assert wire.parse_result(wire.sealed(header.tobytes() + b"\1", wire.RESULT)).status == wire.Status.OK
    for name, value in changes.items():
        header[name] = value
    with pytest.raises(wire.WireError) as caught:
        wire.parse_result(wire.sealed(header.tobytes() + bytes(length), wire.RESULT))
    assert caught.value.fault == fault


def test_a_frame_beyond_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(wire.WireError) as caught:
        wire.parse_frame(bytes(wire.MAX_MESSAGE + 1))
    assert caught.value.fault == wire.Fault.LONG


def test_control_messages_are_bounded_objects_with_a_type() -> None:
    message = {"type": "hello", "stream": 3}
    assert wire.parse_control(wire.encode_control(message)) == message
    for bad in (b"", b"[]", b"{}", b"[" * 9000, b'{"type": 3}', b"\xff", b" " * (wire.MAX_CONTROL + 1)):
        with pytest.raises(ValueError, match="a control message"):
            wire.parse_control(bad)
    with pytest.raises(ValueError, match="bytes: must be at most"):
        wire.encode_control({"type": "x", "filler": "y" * wire.MAX_CONTROL})
