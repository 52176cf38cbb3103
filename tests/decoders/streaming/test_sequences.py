"""Windows put together from layers that are known only when they arrive."""

from functools import cache

import numpy as np
import pytest

from decoders.streaming import sequences
from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.layers import LayeredModel, graphlike_dem
from decoders.streaming.sequences import SequenceDecoder
from qec import families, noise

CIRCUIT = noise.uniform(0.008).apply(families.lattice_surgery_circuit(distance=3, rounds=4))


@cache
def model() -> LayeredModel:
    return LayeredModel.from_dem(graphlike_dem(CIRCUIT, "refuse"))


def test_a_sequence_of_all_layers_is_decoded_as_a_stream() -> None:
    stream = StreamingDecoder.from_circuit(CIRCUIT, commit=4, buffer=3)
    frames = stream.to_frames(CIRCUIT.compile_detector_sampler(seed=1).sample(400))
    sequence = SequenceDecoder(models=[model()], commit=4, buffer=3)
    layers = np.arange(model().num_layers)
    found = np.array([sequence.decode_shot(rows, layers) for rows in frames])
    expected = np.unpackbits(stream.decode_frames(frames), axis=1, bitorder="little")[:, : found.shape[1]]
    assert np.array_equal(found, expected)
    assert 0 < found.mean() < 1


def test_an_awaited_observable_is_answered_after_its_last_layer_and_the_buffer() -> None:
    awaited = np.array([False, False, True])
    sequence = SequenceDecoder(models=[model()], commit=20, buffer=3, awaited=awaited)
    last = int(model().last_flips[2])
    row = np.zeros((1, model().num_columns), dtype=np.uint8)
    for layer in range(last + 4):
        assert not sequence.final_observables.any()
        sequence.push(row, np.array([layer]))
    assert sequence.final_observables.tolist() == [False, False, True]
    # A layer that occurs again and again is no reason to be sure of what it flips.
    sequence.reset()
    layers = np.array([*range(last + 1), *[last] * 6])
    sequence.push(np.repeat(row, len(layers), axis=0), layers)
    assert not sequence.final_observables.any()


def test_graphs_that_were_forgotten_are_cut_again() -> None:
    stream = StreamingDecoder.from_circuit(CIRCUIT)
    frames = stream.to_frames(CIRCUIT.compile_detector_sampler(seed=2).sample(30))
    roomy = SequenceDecoder(models=[model()], commit=2, buffer=3)
    tight = SequenceDecoder(models=[model()], commit=2, buffer=3, graph_bytes=1)
    layers = np.arange(model().num_layers)
    for rows in frames:
        assert np.array_equal(roomy.decode_shot(rows, layers), tight.decode_shot(rows, layers))
    assert tight.num_cut == len(frames) * roomy.num_cut
    assert 0 < tight.num_graph_bytes < roomy.num_graph_bytes


def test_a_full_table_of_steps_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = StreamingDecoder.from_circuit(CIRCUIT)
    frames = stream.to_frames(CIRCUIT.compile_detector_sampler(seed=3).sample(30))
    layers = np.arange(model().num_layers)
    long = SequenceDecoder(models=[model()], commit=2, buffer=3)
    expected = [long.decode_shot(rows, layers) for rows in frames]
    monkeypatch.setattr(sequences, "_MAX_STEPS", 5)
    short = SequenceDecoder(models=[model()], commit=2, buffer=3)
    assert np.array_equal([short.decode_shot(rows, layers) for rows in frames], expected)
    assert short.num_cut == long.num_cut  # graphs are kept


def test_regions_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="commit=0: must be at least 1"):
        SequenceDecoder(models=[model()], commit=0, buffer=3)
    with pytest.raises(ValueError, match="buffer=0: must be at least"):
        SequenceDecoder(models=[model()], commit=2, buffer=0)
