"""Detection events from measurements, against stim's converter."""

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import qec
from decoders.streaming.frames import FrameReader, Kind
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from qec.codes.code import Code
from tests.support.strategies import splits

CODES: dict[str, Code] = {
    "surface-cz": qec.RotatedSurfaceCode(3),
    "surface-cx": qec.RotatedSurfaceCode(distance_x=2, distance_z=3, gates="cx", variant="zxxz"),
    "chain-cz": qec.RepetitionCode(3),
    "chain-cx": qec.RepetitionCode(4, gates="cx"),
}
KIND: Kind = "measurements"


def memory(name: str, *, rounds: int, basis: str = "z") -> stim.Circuit:
    return qec.memory_circuit(CODES[name], rounds=rounds, basis=basis, noise=qec.noise.uniform(0.05))


def model_of(circuit: stim.Circuit) -> LayeredModel:
    return LayeredModel.from_dem(circuit.detector_error_model(decompose_errors=True))


def readers(circuit: stim.Circuit) -> tuple[FrameReader, MeasurementModel]:
    model = model_of(circuit)
    measurements = MeasurementModel.from_circuit(circuit, model)
    assert measurements is not None
    return FrameReader(model=model, measurements=measurements), measurements


def sample(
    circuit: stim.Circuit, reader: FrameReader, *, shots: int, seed: int = 1
) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """Measurements, and the frames of the detection events that stim makes of them."""
    measured = circuit.compile_sampler(seed=seed).sample(shots)
    events = circuit.compile_m2d_converter().convert(measurements=measured, append_observables=False)
    return measured, reader.to_frames(events)


def read(
    reader: FrameReader, cycles: NDArray[np.generic], sizes: list[int], *, bit_packed: bool = False
) -> NDArray[np.uint8]:
    """Detection events of cycles that arrive in frames of these sizes."""
    rows, at = [], 0
    for size in sizes:
        frame = reader.check(cycles[at : at + size], bit_packed=bit_packed, kind=KIND)
        events, packed = reader.events(frame, bit_packed=bit_packed, kind=KIND, first_cycle=at)
        assert not packed
        assert events.shape == (size, reader.model.num_columns)
        rows.append(events)
        at += size
    return np.concatenate(rows)


def check_shots(
    circuit: stim.Circuit, *, rounds: int, sizes: list[int], shots: int = 3, seed: int = 1
) -> None:
    reader, model = readers(circuit)
    measured, frames = sample(circuit, reader, shots=shots, seed=seed)
    assert measured.shape[1] == rounds * model.per_cycle + model.at_end
    for shot, frame in zip(measured, frames, strict=True):
        cycles = shot[: rounds * model.per_cycle].reshape(rounds, model.per_cycle)
        reader.reset()
        assert np.array_equal(read(reader, cycles, sizes), frame[:-1])
        last, _ = reader.last_events(shot[rounds * model.per_cycle :], bit_packed=False, kind=KIND)
        assert np.array_equal(last, frame[-1:])


@pytest.mark.parametrize("basis", ["x", "z"])
@pytest.mark.parametrize("rounds", [2, 3, 4, 5, 14, 40])
@pytest.mark.parametrize("name", CODES)
def test_memories_of_every_code(name: str, rounds: int, basis: str) -> None:
    circuit = memory(name, rounds=rounds, basis=basis)
    check_shots(circuit, rounds=rounds, sizes=[1] * rounds)
    check_shots(circuit, rounds=rounds, sizes=[rounds])


@pytest.mark.parametrize(
    "task",
    [
        "surface_code:rotated_memory_x",
        "surface_code:unrotated_memory_z",
        "repetition_code:memory",
    ],
)
@pytest.mark.parametrize("rounds", [2, 3, 9, 33])
def test_circuits_of_stim(task: str, rounds: int) -> None:
    circuit = stim.Circuit.generated(
        task,
        distance=3,
        rounds=rounds,
        before_measure_flip_probability=0.1,
        before_round_data_depolarization=0.1,
    )
    check_shots(circuit, rounds=rounds, sizes=[0, 1, rounds - 1])
    flat = circuit.flattened()
    check_shots(flat, rounds=rounds, sizes=[rounds - 1, 0, 1])


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(list(CODES)), rounds=st.integers(2, 30), seed=st.integers(0, 99))
def test_any_frames(data: st.DataObject, name: str, rounds: int, seed: int) -> None:
    sizes = data.draw(splits(total=rounds))
    check_shots(memory(name, rounds=rounds), rounds=rounds, sizes=sizes, shots=2, seed=seed)


@pytest.mark.parametrize("name", CODES)
def test_bit_packed_and_other_types(name: str) -> None:
    circuit = memory(name, rounds=9)
    reader, model = readers(circuit)
    measured, frames = sample(circuit, reader, shots=1)
    cycles = measured[0, : 9 * model.per_cycle].reshape(9, model.per_cycle)
    packed = np.packbits(cycles, axis=1, bitorder="little")
    for data, bit_packed in [
        (packed, True),
        (cycles.astype(np.uint8), False),
        (cycles.astype(np.int64), False),
    ]:
        reader.reset()
        assert np.array_equal(read(reader, data, [4, 5], bit_packed=bit_packed), frames[0, :-1])
        end = measured[0, 9 * model.per_cycle :]
        end = np.packbits(end, bitorder="little") if bit_packed else end.astype(data.dtype)
        last, _ = reader.last_events(end, bit_packed=bit_packed, kind=KIND)
        assert np.array_equal(last[0], frames[0, -1])


def test_a_million_cycles_cost_no_more() -> None:
    reader, model = readers(memory("surface-cz", rounds=10**6))
    circuit = memory("surface-cz", rounds=20)
    short, _ = readers(circuit)
    measured, frames = sample(circuit, short, shots=1)
    cycles = measured[0, : 20 * model.per_cycle].reshape(20, model.per_cycle)
    assert np.array_equal(read(reader, cycles, [20]), frames[0, :-1])
    last, _ = reader.last_events(measured[0, 20 * model.per_cycle :], bit_packed=False, kind=KIND)
    assert np.array_equal(last[0], frames[0, -1])


def with_flips(circuit: stim.Circuit, instruction: str) -> stim.Circuit:
    """The circuit with more gates at the start of every cycle."""
    text = str(circuit).replace("TICK[cycle]\n", f"TICK[cycle]\n{instruction}\n")
    assert text.count(instruction) >= 2
    return stim.Circuit(text)


@pytest.mark.parametrize("rounds", [4, 5, 30, 31])
@pytest.mark.parametrize("instruction", ["X 0 1 4", "Y 2 3", "Z 5"])
def test_gates_that_flip_qubits_in_every_cycle(instruction: str, rounds: int) -> None:
    # As in circuits with dynamical decoupling: parities are one without any error.
    circuit = with_flips(memory("surface-cz", rounds=rounds), instruction)
    check_shots(circuit, rounds=rounds, sizes=[1, rounds - 1])
    reader, _ = readers(circuit)
    noiseless = circuit.without_noise()
    _, frames = sample(noiseless, reader, shots=1)
    assert not frames.any()


def without_resets(*, rounds: int) -> stim.Circuit:
    """A chain of three whose measure qubits are never reset: a check is a parity of two measurements, so a
    detector is one of this cycle and of the cycle before the last."""
    lines = ["R 0 1 2 3 4"]
    for cycle in range(rounds):
        lines += ["DEPOLARIZE1(0.05) 0 2 4", "CX 0 1 2 3", "CX 2 1 4 3", "X_ERROR(0.05) 1 3", "M 1 3"]
        for check, place in ((-2, 1), (-1, 3)):
            back = f"rec[{check - 4}]" if cycle > 1 else ""
            lines.append(f"DETECTOR({place}, 0, {cycle}) rec[{check}] {back}")
    lines += ["M 0 2 4"]
    for check, place in ((-5, 1), (-4, 3)):
        back = f"rec[{check - 2}]" if rounds > 1 else ""
        data = "rec[-3] rec[-2]" if place == 1 else "rec[-2] rec[-1]"
        lines.append(f"DETECTOR({place}, 0, {rounds}) {data} rec[{check}] {back}")
    return stim.Circuit("\n".join(lines))


@pytest.mark.parametrize("rounds", [4, 5, 9, 20])
def test_parities_that_reach_two_cycles_back(rounds: int) -> None:
    circuit = without_resets(rounds=rounds)
    _, model = readers(circuit)
    assert model.reach == 2
    check_shots(circuit, rounds=rounds, sizes=[1] * rounds)
    check_shots(circuit, rounds=rounds, sizes=[2, 0, 1, rounds - 3])
    check_shots(circuit, rounds=rounds, sizes=[rounds])


def test_the_shot_before_is_forgotten() -> None:
    circuit = memory("chain-cz", rounds=6)
    reader, model = readers(circuit)
    measured, frames = sample(circuit, reader, shots=2)
    cycles = measured[:, : 6 * model.per_cycle].reshape(2, 6, model.per_cycle)
    read(reader, cycles[0], [6])
    reader.reset()
    assert np.array_equal(read(reader, cycles[1], [6]), frames[1, :-1])


def test_two_readers_of_one_model_do_not_share_a_shot() -> None:
    circuit = memory("chain-cz", rounds=6)
    one, model = readers(circuit)
    two = FrameReader(model=one.model, measurements=model)
    measured, frames = sample(circuit, one, shots=2)
    cycles = measured[:, : 6 * model.per_cycle].reshape(2, 6, model.per_cycle)
    for row in range(6):
        for shot, reader in enumerate((one, two)):
            events, _ = reader.events(
                cycles[shot, row : row + 1].astype(np.uint8), bit_packed=False, kind=KIND, first_cycle=row
            )
            assert np.array_equal(events[0], frames[shot, row])


# --- circuits whose measurements do not come cycle by cycle


def test_one_cycle_is_not_enough_to_tell_a_cycle() -> None:
    circuit = memory("surface-cz", rounds=1)
    assert MeasurementModel.from_circuit(circuit, model_of(circuit)) is None


def test_sweep_bits_are_not_measured() -> None:
    circuit = memory("chain-cz", rounds=5)
    text = str(circuit).replace("TICK[cycle]\n", "CX sweep[0] 0\nTICK[cycle]\n", 1)
    circuit = stim.Circuit(text)
    assert MeasurementModel.from_circuit(circuit, model_of(circuit)) is None


def test_cycles_that_measure_more_and_more() -> None:
    lines = ["R 1"]
    for cycle in range(6):
        lines += ["R 0", "X_ERROR(0.1) 0", "MR 1", "MX 2\n" * cycle, "CX 0 1", "MR 1"]
        lines.append(f"DETECTOR(0, 0, {cycle}) rec[-1]")
    circuit = stim.Circuit("\n".join(lines))
    assert MeasurementModel.from_circuit(circuit, model_of(circuit)) is None


def test_detectors_that_know_the_future() -> None:
    # The detector of a cycle contains a measurement of the next cycle.
    body = "X_ERROR(0.1) 0\nM 0\nSHIFT_COORDS(0, 0, 1)\nDETECTOR(0, 0, -1) rec[-1] rec[-2]\n"
    circuit = stim.Circuit("R 0\nM 0\n" + body * 8 + "M 0\nDETECTOR(0, 0, 0) rec[-1] rec[-2]\n")
    assert MeasurementModel.from_circuit(circuit, model_of(circuit)) is None
