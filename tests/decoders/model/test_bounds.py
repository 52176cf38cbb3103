"""Models that would take much memory or time: one short line instead, before either is spent."""

import resource

import numpy as np
import pytest
import stim

import decoders
from decoders.correlated import edge_correlations
from decoders.model import dem as dem_module

_PATH = "error(0.1) D0 D1 L0\nerror(0.1) D1\n"
_MODELS = {
    "a gap in the numbers": (_PATH + "error(0.1) D9999999\n", "10000000 detectors, of which at most"),
    "a far observable": (_PATH + "error(0.1) D0 L1000000000\n", "1000000001 observables, at most 100000"),
    "many coordinates": ("detector(" + "1, " * 200 + "1) D99999\n" + _PATH, "201 coordinates, at most 100"),
    "many targets": (
        "error(0.1) " + " ".join(f"D{i}" for i in range(100_000)) + " L0\n",
        "instruction of the DEM has",
    ),
    "many components": (
        "error(0.1) " + " ^ ".join(f"D{i}" for i in range(100_000)) + " L0\n",
        "instruction of the DEM has",
    ),
}


@pytest.mark.parametrize("name", ["mwpm", "mwpm-correlated", "trellis", "pymatching"])
@pytest.mark.parametrize("model", _MODELS)
def test_a_model_beyond_a_bound_is_refused(model: str, name: str) -> None:
    text, message = _MODELS[model]
    dem = stim.DetectorErrorModel(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=message) as caught:
        decoders.from_dem(name, dem)
    assert len(str(caught.value)) < 400
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500 * 1024  # KB


def test_numbers_of_declared_detectors_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors without errors are no gap in the numbers if the model declares them."""
    monkeypatch.setattr(dem_module, "_MOST_UNUSED", 3)
    declared = "".join(f"detector D{number}\n" for number in range(2, 20))
    assert decoders.from_dem("mwpm", stim.DetectorErrorModel(_PATH + declared)).num_detectors == 20
    with pytest.raises(ValueError, match="20 detectors, of which at most 5 occur in it"):
        decoders.from_dem("mwpm", stim.DetectorErrorModel(_PATH + "detector D19\n"))


@pytest.mark.parametrize("name", ["mwpm-correlated", "trellis"])
def test_many_cycles_are_not_held_in_memory(name: str) -> None:
    dem = stim.DetectorErrorModel("repeat 200000000 {\n    error(0.1) D0 L0\n}\n")
    with pytest.raises(ValueError, match="200000000 unrolled error components, at most"):
        decoders.from_dem(name, dem)
    with pytest.raises(ValueError, match="unrolled instructions, at most"):
        decoders.resolve_hyperedges(dem + stim.DetectorErrorModel("error(0.1) D0 D1 D2"), "drop")


def test_pairs_of_components_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_correlations, "_MOST_PAIRS", 10)
    one = "error(0.1) " + " ^ ".join(f"D{i}" for i in range(6)) + " L0\n"
    with pytest.raises(ValueError, match="errors of up to 6 components make 15 pairs of edges, at most 10"):
        decoders.from_dem("mwpm-correlated", stim.DetectorErrorModel(one))


def test_a_hub_with_many_edges_is_decoded_without_lists() -> None:
    """Lists of all neighbours of a hub took quadratic time: 1.9 s for 20,000 edges, 9.6 s for 40,000."""
    size = 40_000
    lines = [f"error({0.001 + number % 97 * 1e-4}) D0 D{number + 1}" for number in range(size)]
    dem = stim.DetectorErrorModel("\n".join([*lines, "error(0.01) D0 L0", "error(0.02) D1"]))
    decoder = decoders.from_dem("mwpm-correlated", dem)
    plain = decoders.from_dem("mwpm", dem)
    assert decoder.search_graph.arrays["neighbours"].size < 10  # type: ignore[attr-defined]
    shots = np.zeros((3, size + 1), dtype=np.bool_)
    shots[0, [5, 77]] = shots[1, [0, 9]] = shots[2, 123] = True
    found, weights = decoder.decode_batch(shots, return_weights=True)
    expected, expected_weights = plain.decode_batch(shots, return_weights=True)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(weights, expected_weights)
    _, gaps = plain.decode_batch(shots, return_gap=True)
    assert np.isfinite(gaps).all()
