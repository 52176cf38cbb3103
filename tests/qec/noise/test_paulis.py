"""Pauli weights and dephasing bias of noise models, and decoders on the circuits that they make."""

import math
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pymatching
import pytest
import stim

import decoders
from decoders import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit, noise
from qec.datasets.models import read_error_model
from qec.noise import Channel, NoiseModel
from qec.noise.channel import KINDS
from qec.noise.paulis import PAULIS
from realtime.source.playlist import Playlist
from tests.support.chance import sigmas

PAULI_KINDS = [kind for kind in KINDS if KINDS[kind].has_paulis]
CODES = [RotatedSurfaceCode(3, variant="zxxz"), RepetitionCode(3, gates="cx")]


def errors(circuit: stim.Circuit) -> Iterator[tuple[tuple[int, ...], dict[str, float]]]:
    """Targets and probabilities of the Paulis of each error channel, REPEAT blocks unrolled."""
    for instruction in circuit.flattened():
        arguments = instruction.gate_args_copy()
        name = instruction.name
        targets = tuple(target.value for target in instruction.targets_copy())
        if name in ("DEPOLARIZE1", "DEPOLARIZE2"):
            paulis = PAULIS[int(name[-1])]
            yield targets, dict.fromkeys(paulis, arguments[0] / len(paulis))
        elif name in ("PAULI_CHANNEL_1", "PAULI_CHANNEL_2"):
            yield targets, dict(zip(PAULIS[int(name[-1])], arguments, strict=True))
        elif name in ("X_ERROR", "Y_ERROR", "Z_ERROR"):
            yield targets, {name[0]: arguments[0]}


def apply(channel: Channel, circuit: str) -> stim.Circuit:
    return NoiseModel("one", (channel,)).apply(stim.Circuit(circuit))


def test_paulis_are_in_the_order_of_stim() -> None:
    """One Pauli at a time, found by what it flips in stim."""
    for number, pauli in enumerate(PAULIS[2]):
        arguments = [0.0] * 15
        arguments[number] = 1.0
        circuit = stim.Circuit()
        circuit.append("PAULI_CHANNEL_2", [0, 1], arguments)
        simulator = stim.FlipSimulator(batch_size=1, disable_stabilizer_randomization=True)
        simulator.do(circuit)
        assert str(simulator.peek_pauli_flips()[0]).lstrip("+").replace("_", "I") == pauli


@pytest.mark.parametrize(
    ("channel", "circuit", "expected"),
    [
        (Channel("one_qubit", 0.1, weights=(("Z", 2.0),)), "H 0 1", "Z_ERROR(0.1) 0 1"),
        (
            Channel("one_qubit", 0.3, weights={"Z": 2, "X": 1}),  # type: ignore[arg-type]
            "H 0",
            "PAULI_CHANNEL_1(0.1, 0, 0.2) 0",
        ),
        (
            Channel("one_qubit", 0.3, weights=tuple((p, 2.0) for p in "XYZ")),
            "H 0",
            "DEPOLARIZE1(0.3) 0",
        ),
        (
            Channel("two_qubit", 0.4, weights=(("IX", 1.0), ("ZI", 3.0))),
            "CZ 3 1",
            "PAULI_CHANNEL_2(0.1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.3, 0, 0, 0) 3 1",
        ),
        (
            Channel("idle", 0.25, weights=(("Y", 1.0),)),
            "H 0\nTICK\nH 1",
            "Y_ERROR(0.25) 1 TICK Y_ERROR(0.25) 0",
        ),
    ],
)
def test_what_channels_with_weights_become(channel: Channel, circuit: str, expected: str) -> None:
    noisy = apply(channel, circuit)
    gates = ("H", "CZ")
    found = stim.Circuit(
        "\n".join(str(instruction) for instruction in noisy if instruction.name not in gates)
    )
    assert found.approx_equals(stim.Circuit(expected.replace(" TICK ", "\nTICK\n")), atol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.5, 3.0, 1000.0, math.inf])
@pytest.mark.parametrize("make", [noise.uniform, noise.phenomenological, noise.si1000])
@pytest.mark.parametrize("code", CODES, ids=lambda code: code.key)
def test_a_bias_keeps_places_and_rates(code, make, eta) -> None:  # type: ignore[no-untyped-def]
    plain, biased = (
        list(errors(memory_circuit(code, rounds=3, noise=m))) for m in (make(0.01), make(0.01).biased(eta))
    )
    assert [targets for targets, _ in biased] == [targets for targets, _ in plain]
    for (_, before), (_, after) in zip(plain, biased, strict=True):
        assert sum(after.values()) == pytest.approx(sum(before.values()))
        if len(before) == 1:  # a flip after a reset
            assert after == before
            continue
        dephasing = {pauli: p for pauli, p in after.items() if set(pauli) <= {"I", "Z"}}
        others = {pauli: p for pauli, p in after.items() if pauli not in dephasing}
        if math.isinf(eta):
            assert not any(others.values())
        elif len(before) == 3:
            assert dephasing["Z"] == pytest.approx(eta * sum(others.values()))
        else:
            assert sorted(dephasing) == ["IZ", "ZI", "ZZ"]
            assert list(dephasing.values()) == pytest.approx([2 * eta * others["XY"]] * 3)
            assert set(others.values()) == {others["XY"]}


def test_without_bias_nothing_changes_and_half_is_depolarizing() -> None:
    for code in CODES:
        model = noise.si1000(0.01)
        assert memory_circuit(code, rounds=3, noise=model.biased(0.5)) == memory_circuit(
            code, rounds=3, noise=model
        )


def test_biased_models_by_name() -> None:
    model = noise.by_name("si1000:bias=100", 0.003)
    assert model == noise.si1000(0.003).biased(100)
    assert model.name == "si1000:bias=100"
    assert model.p == 0.003
    assert noise.by_name(noise.uniform(0.01).biased(0.123456789).name, 0.01).parameters[-1] == (
        "bias",
        0.123456789,
    )
    assert noise.by_name("uniform:bias=inf", 0.01) == noise.uniform(0.01).biased(math.inf)
    assert pickle.loads(pickle.dumps(model)) == model
    assert len({model, noise.si1000(0.003), noise.si1000(0.003).biased(10)}) == 3
    assert "weights" in repr(model)
    assert "weights" not in repr(noise.si1000(0.003))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("si1000:bias=", "bias '': must be a number, 0 or more"),
        ("si1000:bias=-1", "bias '-1': must be a number, 0 or more"),
        ("si1000:bias=nan", "bias 'nan': must be a number"),
        ("typical:bias=3", "unknown noise model 'typical'"),
        ("device:example:bias=3", "set the bias of a device by [bias] in its file"),
    ],
)
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        noise.by_name(name, None if name.startswith("device") else 0.01)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("kind", "weights", "message"),
    [
        ("idle", (("IZ", 1.0),), "weights of idle: unknown Pauli 'IZ'; known: X, Y, Z"),
        ("two_qubit", (("Z", 1.0),), "unknown Pauli 'Z'; known: IX, IY, IZ, XI"),
        ("idle", (("Z", -1.0),), "weights of idle: Z must be a number, 0 or more, not -1.0"),
        ("idle", (("Z", math.inf),), "Z must be a number, 0 or more, not inf"),
        ("idle", (("Z", True),), "Z must be a number, 0 or more, not True"),
        ("idle", (("Z", 0.0),), "weights of idle: at least one must be above 0"),
        ("idle", (("Z", 1.0), ("Z", 2.0)), "Z is given twice"),
        (
            "readout",
            (("X", 1.0),),
            "readout must not have Pauli weights: it is a flip of each",
        ),
        ("reset", (("X", 1.0),), "reset must not have Pauli weights"),
        ("crosstalk", (("XI", 1.0),), "weights of crosstalk: XI and IX must be equal"),
    ],
)
def test_wrong_weights(kind: str, weights: tuple[tuple[str, float], ...], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        Channel(kind, 0.1, weights=weights)
    assert "\n" not in str(error.value)


def test_a_bias_is_given_once_and_where_it_acts() -> None:
    with pytest.raises(ValueError, match="idle already has Pauli weights"):
        NoiseModel("one", (Channel("idle", 0.1, weights=(("Z", 1.0),)),)).biased(3)
    with pytest.raises(ValueError, match="has flips only"):
        NoiseModel("one", (Channel("readout", 0.1),)).biased(3)
    with pytest.raises(ValueError, match="bias must be a number, 0 or more"):
        noise.si1000(0.01).biased(-1)


def test_scaled_rates_keep_their_weights() -> None:
    model = noise.si1000(0.01).biased(10).scaled({"idle": 2.0})
    before = {channel.kind: channel for channel in noise.si1000(0.01).biased(10).channels}
    for channel in model.channels:
        assert channel.weights == before[channel.kind].weights
    assert model.rates["idle"] == 2 * before["idle"].rate


@pytest.mark.parametrize("kind", PAULI_KINDS)
def test_the_largest_rate_is_legal_with_weights(kind: str) -> None:
    weights = (("ZZ", 1.0), ("XX", 0.3)) if KINDS[kind].num_qubits == 2 else (("X", 0.1), ("Z", 0.7))
    channel = Channel(kind, KINDS[kind].limit, weights=weights)
    circuit = stim.Circuit.generated("surface_code:rotated_memory_z", distance=3, rounds=2)
    found = [sum(paulis.values()) for _, paulis in errors(NoiseModel("one", (channel,)).apply(circuit))]
    assert found == pytest.approx([KINDS[kind].limit] * len(found))
    assert found


@pytest.mark.parametrize("name", decoders.names())
def test_every_decoder_decodes_biased_noise(name: str) -> None:
    """Not more errors than PyMatching, beyond chance; and a stream decodes the same circuits."""
    code = RotatedSurfaceCode(3, variant="zxxz")
    circuit = memory_circuit(code, rounds=5, basis="x", noise=noise.si1000(0.006).biased(20))
    dem = circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=5).sample(1000, separate_observables=True)
    reference = (pymatching.Matching.from_detector_error_model(dem).decode_batch(events) != flips).sum()
    wrong = (decoders.from_dem(name, dem).decode_batch(events) != flips).sum()
    assert 0 < reference < 200
    assert wrong <= reference + sigmas() * np.sqrt(2 * reference)


def test_files_of_biased_circuits_have_a_model(tmp_path: Path) -> None:
    """As `qec learn --start` and experiment folders read them."""
    circuit = memory_circuit(CODES[0], rounds=3, noise=noise.si1000(0.006).biased(20))
    path = tmp_path / "noisy.stim"
    circuit.to_file(path)
    dem = circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    assert read_error_model(path).approx_equals(dem, atol=1e-6)  # a file has six digits


@pytest.mark.parametrize("eta", [20.0, math.inf])
def test_a_stream_decodes_biased_noise(eta: float) -> None:
    """As the whole, but for ties between matchings of one weight."""
    code = RotatedSurfaceCode(3, variant="zxxz")
    circuit = memory_circuit(code, rounds=6, noise=noise.si1000(0.006).biased(eta))
    dem = circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=5).sample(300, separate_observables=True)
    whole = decoders.from_dem("mwpm", dem).decode_batch(events)
    stream = StreamingDecoder.from_circuit(circuit)
    played = Playlist.from_events(model=LayeredModel.from_dem(dem), detection_events=events)
    found = np.zeros_like(whole)
    for shot in range(len(events)):
        stream.reset()
        stream.push(played.rows[shot], bit_packed=True)
        found[shot] = stream.finish(played.last[shot], bit_packed=True)
    assert (found != whole).sum() <= 3
    assert 0 < (found != flips).sum() < 0.5 * flips.sum()
