"""Circuits made by tqec, another package for lattice surgery, decoded in windows."""

import numpy as np
import pytest
import stim

import decoders
from qec import noise

_REASON = "tqec is not installed: pip install '.[test,tqec]'"


def tqec_cnot() -> stim.Circuit:
    """Make the CNOT by lattice surgery of tqec's gallery at distance 3, measured in basis Z."""
    gallery = pytest.importorskip("tqec.gallery.cnot", reason=_REASON)
    compiler = pytest.importorskip("tqec.compile.compile", reason=_REASON)
    basis = pytest.importorskip("tqec.utils.enums", reason=_REASON).Basis.Z
    circuit: stim.Circuit = compiler.compile_block_graph(gallery.cnot(basis)).generate_stim_circuit(1)
    return circuit


@pytest.mark.nightly
def test_windows_of_a_cnot_fail_as_often_as_whole_shots() -> None:
    clean = tqec_cnot()
    assert len(noise.uniform(0.001).apply(clean).shortest_graphlike_error()) == 3
    circuit = noise.uniform(0.005).apply(clean)
    stream = decoders.StreamingDecoder.from_circuit(circuit, commit=3, buffer=4)
    whole = decoders.from_dem("mwpm", circuit.detector_error_model(decompose_errors=True))
    events, flips = circuit.compile_detector_sampler(seed=3).sample(15_000, separate_observables=True)
    windows = np.zeros_like(flips)
    for shot, frames in enumerate(stream.to_frames(events)):
        stream.reset()
        stream.push(frames[:-1])
        windows[shot] = stream.finish(frames[-1])
    expected, found = ((one != flips).any(axis=1).sum() for one in (whole.decode_batch(events), windows))
    assert expected > 2000
    assert found <= 1.01 * expected
