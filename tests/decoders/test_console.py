"""What a console shows of decoders: short texts without addresses or thousands of numbers."""

import pydoc

import pytest
import stim

import decoders
import qec
from decoders.streaming.layers import LayeredModel
from qec import datasets, priors, sampling, statistics

CIRCUIT = stim.Circuit.generated(
    "repetition_code:memory", distance=3, rounds=9, after_clifford_depolarization=0.01
)
DEM = CIRCUIT.detector_error_model(decompose_errors=True)


@pytest.mark.parametrize("name", decoders.names())
def test_decoders_show_their_name_and_sizes(name: str) -> None:
    decoder = decoders.from_dem(name, DEM)
    assert repr(decoder) == f"<{type(decoder).__name__} {name!r}: 20 detectors, 1 observable>"


def test_graphs_and_streams_show_their_sizes() -> None:
    graph = decoders.MatchingGraph.from_dem(DEM)
    assert repr(graph) == f"<MatchingGraph: 20 detectors, {graph.num_edges} edges, 1 observable>"
    assert repr(decoders.ReweightedDecoder.from_dem(DEM)) == f"<ReweightedDecoder: {graph!r}>"
    model = "<LayeredModel: 10 layers of 2 columns, distance 3>"
    assert repr(LayeredModel.from_dem(DEM)) == model
    stream = decoders.StreamingDecoder.from_circuit(CIRCUIT)
    assert repr(stream) == f"<StreamingDecoder: {model}, commit 12, buffer 3 cycles>"


def test_help_has_no_expanded_array_types() -> None:
    swamped = []
    for package in (decoders, qec, statistics, datasets, priors, sampling):
        for name in package.__all__:
            public = getattr(package, name)
            if callable(public) and "numpy.dtype[" in pydoc.render_doc(public):
                swamped.append(name)
    assert swamped == []
