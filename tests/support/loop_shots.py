"""Small shots as frames, and what the offline decoder says about them; shared by the tests of the loop."""

import zlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders import StreamingDecoder
from realtime.protocol import wire
from realtime.service.session import Session

SESSION = 77
CYCLE_NS = 1000


class Shots(NamedTuple):
    circuit: stim.Circuit
    #: uint8 (shots, layers, bytes), bit-packed rows.
    packed: NDArray[np.uint8]
    bits: int
    #: uint8 (shots, 1): the offline streaming decoder's answers.
    expected: NDArray[np.uint8]


def circuit(*, distance: int = 3, rounds: int = 20, p: float = 0.01) -> stim.Circuit:
    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
    )


@cache
def shared_session() -> Session:
    return Session(decoder=StreamingDecoder.from_circuit(circuit(), commit=6, buffer=3))


@cache
def shots(*, count: int = 12, distance: int = 3, rounds: int = 20, p: float = 0.01) -> Shots:
    model = circuit(distance=distance, rounds=rounds, p=p)
    events = model.compile_detector_sampler(seed=5).sample(count)
    offline = StreamingDecoder.from_circuit(model)
    frames = offline.to_frames(events)
    packed = np.packbits(frames, axis=2, bitorder="little")
    return Shots(model, packed, frames.shape[2], offline.decode_frames(frames).copy())


def frames_of(
    shot: NDArray[np.uint8],
    *,
    number: int,
    sequence: int,
    bits: int,
    frame_cycles: int = 7,
    session: int = SESSION,
    stream: int = 0,
    due_ns: int = CYCLE_NS,
    **changes: Any,
) -> list[bytes]:
    """A whole shot as frames; its cycle n is due at due_ns + n * CYCLE_NS."""
    cycles = len(shot) - 1
    starts = range(0, max(1, cycles), frame_cycles)
    frames = []
    for start in starts:
        rows = shot[start : min(cycles, start + frame_cycles)]
        is_last = start == starts[-1]
        fields: dict[str, Any] = {
            "session": session,
            "stream": stream,
            "shot": number,
            "sequence": sequence + len(frames),
            "first_cycle": start,
            "due_ns": due_ns + (start + len(rows) - 1) * CYCLE_NS,
            "kind": wire.Payload.EVENTS,
            "rows": rows,
            "bits_per_cycle": bits,
            "final": shot[cycles] if is_last else None,
            "final_bits": bits if is_last else 0,
            "flags": wire.Flags.FIRST if start == 0 else 0,
        }
        frames.append(wire.encode_frame(**{**fields, **changes}))
    return frames


def changed(message: bytes, **fields: int) -> bytes:
    """The frame with other header fields and a checksum that fits."""
    copy = bytearray(message)
    header = np.frombuffer(copy, dtype=wire.HEADER, count=1)
    for name, value in fields.items():
        header[name] = value
    return wire.sealed(bytes(copy), wire.HEADER)


def untimed(
    session: int, *, count: int = 3, first: int = 0, sequence: int = 0, stream: int = 0
) -> list[list[bytes]]:
    """Shots as frames that were never due; sequence numbers go on from shot to shot."""
    data = shots()
    messages: list[list[bytes]] = []
    for number in range(first, first + count):
        start = sequence + sum(map(len, messages))
        shot = frames_of(
            data.packed[number % len(data.packed)],
            number=number,
            sequence=start,
            bits=data.bits,
            session=session,
            stream=stream,
        )
        messages.append([changed(message, due_ns=0) for message in shot])
    return messages


def is_right(result: wire.Result) -> bool:
    """Whether an answer is the offline decoder's, to the data that were sent."""
    data = shots()
    number = int(result.header["shot"]) % len(data.packed)
    return (
        np.array_equal(result.flips, data.expected[number])
        and int(result.header["syndrome_hash"]) == zlib.crc32(data.packed[number].tobytes())
        and int(result.header["cycles"]) == len(data.packed[number]) - 1
    )
