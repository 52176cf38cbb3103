"""Detection events counted from a decoder's uncommitted layers."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from decoders import StreamingDecoder
from realtime.protocol import wire
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from realtime.service.detections import DetectionCounts
from realtime.service.session import Session
from tests.support.loop_shots import SESSION, circuit, frames_of, shots


@pytest.mark.parametrize("kind", ["events", "measurements"])
def test_layers_are_counted_once_and_as_they_came(kind: str) -> None:
    """Sampled after each cycle: all layers but those that a commit may change, and the first and last."""
    data = shots()
    session = Session(decoder=StreamingDecoder.from_circuit(data.circuit, commit=6, buffer=3))
    session.begin(session=SESSION, kind="events" if kind == "events" else "measurements")
    counts = DetectionCounts(session)
    layers = [1, 2, 3, 4, 5, 9, 10, 11, 15, 16, 17]
    rows = np.unpackbits(data.packed, axis=2, count=data.bits, bitorder="little")
    sequence, count = 0, 4
    if kind == "measurements":
        measured = data.circuit.compile_sampler(seed=3).sample(count)
        events = data.circuit.compile_m2d_converter().convert(measurements=measured, append_observables=False)
        rows = session.decoder.to_frames(events)
    for number in range(count):
        if kind == "events":
            messages = frames_of(
                data.packed[number], number=number, sequence=sequence, bits=data.bits, frame_cycles=1
            )
        else:
            messages = _measured(session, measured[number], number=number, sequence=sequence)
        for message in messages:
            session.receive(message, now_ns=5)
            counts.sample()
        sequence += len(messages)
    assert counts.cycles == count * len(layers)
    np.testing.assert_array_equal(counts.events, rows[:count, layers].sum(axis=(0, 1)))


def _measured(session: Session, shot: NDArray[np.bool_], *, number: int, sequence: int) -> list[bytes]:
    """A shot of raw measurements as frames of one cycle."""
    bits, final_bits = session.widths("measurements")
    cycles = (len(shot) - final_bits) // bits
    rows = np.packbits(shot[: cycles * bits].reshape(cycles, bits), axis=1, bitorder="little")
    return [
        wire.encode_frame(
            session=SESSION,
            stream=0,
            shot=number,
            sequence=sequence + cycle,
            first_cycle=cycle,
            due_ns=1,
            kind=wire.Payload.MEASUREMENTS,
            rows=rows[cycle : cycle + 1],
            bits_per_cycle=bits,
            final=np.packbits(shot[cycles * bits :], bitorder="little") if cycle == cycles - 1 else None,
            final_bits=final_bits if cycle == cycles - 1 else 0,
            flags=wire.Flags.FIRST if cycle == 0 else 0,
        )
        for cycle in range(cycles)
    ]


def test_a_daemon_counts_while_somebody_asks(tmp_path: Path) -> None:
    path = tmp_path / "memory.stim"
    circuit().to_file(path)
    with DaemonProcess(DaemonConfig(model=str(path))) as daemon, Client(daemon.control) as client:
        cycles, events = client.detections()
        assert (cycles, events.tolist()) == (0, [0] * 8)
        welcome = client.hello(policy="block")
        pair = client.connect(welcome)
        shot = frames_of(shots().packed[0], number=0, sequence=0, bits=8, session=welcome.session, due_ns=0)
        for message in shot[:-1]:
            assert pair.outgoing.poll(20_000, 2)
            assert pair.send(message)
        for _ in range(200):  # the control thread looks every 50 ms; the shot stays open
            cycles, events = client.detections()
            if cycles:
                break
        pair.close()
        assert cycles > 0
        assert 0 < events.sum() < cycles * len(events)
        with pytest.raises(ValueError, match="first=-1: must be at least 0"):
            client.ask({"type": "detections", "first": -1})
