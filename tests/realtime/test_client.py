"""The public client in Python: rows in, corrections out, and a description from which to begin."""

import numpy as np
import pytest
import stim

from decoders import StreamingDecoder
from realtime.client import Status, StreamClient
from realtime.service.client import DaemonProcess
from tests.support.loop_shots import circuit, shots


def test_shots_get_the_offline_answers_however_they_are_sent(daemon: DaemonProcess) -> None:
    data = shots()
    with StreamClient(daemon.control) as client:
        assert (client.bits, client.final_bits, client.num_observables) == (8, 8, 1)
        for number, (packed, expected) in enumerate(zip(data.packed[:4], data.expected, strict=False)):
            rows = np.unpackbits(packed, axis=1, bitorder="little", count=data.bits)
            given = packed if number % 2 else rows.astype(np.bool_)
            client.send(given[:3])
            client.send(given[3:-1])
            answer = client.finish(given[-1])
            assert (answer.status, answer.shot, answer.cycles) == (Status.OK, number, 20)
            assert answer.flips.tolist() == [bool(expected[0])]
            assert answer.decision_ns > 0
        assert client.abort() is None
        client.send(data.packed[0, :5])
        aborted = client.abort()
        assert aborted is not None
        assert aborted.status == Status.ABORTED
        with pytest.raises(ValueError, match=r"must be \(cycles, 8\), or bit-packed \(cycles, 1\)"):
            client.send(data.packed[0, 0])
        client.send(data.packed[0, :5])  # too short a shot: the next is sound
        assert client.finish(data.packed[0, -1]).status in (Status.OK, Status.UNEXPLAINED)


def test_a_description_is_enough_to_send_measurements(daemon: DaemonProcess) -> None:
    """The order of the measurements is that of the described qubits; the model is the circuit."""
    with StreamClient(daemon.control, kind="measurements") as client:
        found, model = client.describe(), stim.Circuit(client.model())
        assert model == circuit()
        places = [entry["coordinates"] for entry in found["columns"]]
        assert places == StreamingDecoder.from_circuit(model).stabilizers.tolist()
        assert [entry["first_cycle"] for entry in found["columns"]].count(True) == 4
        assert found["cycles"] == {"fewest": 3, "period": 1, "any_length": True, "most": 1_000_000_000}
        first = [target.value for target in model[next(
            at for at, part in enumerate(model) if part.name == "MR"
        )].targets_copy()]  # fmt: skip
        assert [entry["qubit"] for entry in found["cycle_measurements"]] == first
        last = [target.value for target in [part for part in model if part.name == "M"][-1].targets_copy()]
        assert [entry["qubit"] for entry in found["final_measurements"]] == last
        bits = model.compile_sampler(seed=3).sample(1)[0]
        per_cycle, at_end = (found["kinds"]["measurements"][name] for name in ("bits", "final_bits"))
        client.send(bits[:-at_end].reshape(-1, per_cycle))
        answer = client.finish(bits[-at_end:])
        events = model.compile_m2d_converter().convert(measurements=bits[None], append_observables=False)
        offline = StreamingDecoder.from_circuit(model)
        expected = offline.decode_frames(offline.to_frames(events))[0]
        assert answer.status == Status.OK
        assert answer.flips.tolist() == [bool(expected[0])]
