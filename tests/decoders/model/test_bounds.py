"""Models that would take much memory or time: one short line instead, before either is spent."""

import resource
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
import stim

import decoders
from decoders.correlated import edge_correlations
from decoders.external import pymatching
from decoders.gaps import logical_classes
from decoders.model import dem as dem_module
from decoders.model import repeat_blocks
from decoders.streaming import distances, layer_search
from decoders.trellis import plan

_PATH = "error(0.1) D0 D1 L0\nerror(0.1) D1\n"
_MODELS = {
    "a gap in the numbers": (_PATH + "error(0.1) D9999999\n", "10000000 detectors, of which at most"),
    "a far number": ("shift_detectors 1900000000\n" + _PATH, "1900000002 detectors, of which at most 4"),
    "observables of many detectors": (
        _PATH + "error(0.1) D1 L90000\ndetector D29999\n",
        "90001 observables and 30000 detectors, a product of at most 2000000000",
    ),
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


def test_numbers_without_detectors_are_counted_before_the_model_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two billion detectors took 28 GB or 20 s until the message."""

    def fail(self: dem_module.DemReader) -> NoReturn:
        raise AssertionError("the model is read")

    monkeypatch.setattr(dem_module.DemReader, "__iter__", fail)
    text = "repeat 5 {\ndetector(1) D0\n shift_detectors 300000000\n}\n" + _PATH
    with pytest.raises(ValueError, match="1500000002 detectors, of which at most 9 occur in it"):
        decoders.from_dem("mwpm", stim.DetectorErrorModel(text))


def test_numbers_of_declared_detectors_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors without errors are no gap in the numbers if the model declares them."""
    monkeypatch.setattr(dem_module, "_MAX_UNUSED", 3)
    declared = "".join(f"detector D{number}\n" for number in range(2, 20))
    assert decoders.from_dem("mwpm", stim.DetectorErrorModel(_PATH + declared)).num_detectors == 20
    with pytest.raises(ValueError, match="20 detectors, of which at most 5 occur in it"):
        decoders.from_dem("mwpm", stim.DetectorErrorModel(_PATH + "detector D19\n"))


@pytest.mark.parametrize("name", ["mwpm-correlated", "trellis"])
def test_many_cycles_are_not_held_in_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dem_module, "_MAX_COMPONENTS", 100)
    monkeypatch.setattr(dem_module, "_MAX_FLATTENED", 100)
    dem = stim.DetectorErrorModel("repeat 101 {\n    error(0.1) D0 L0\n    shift_detectors 1\n}\n")
    with pytest.raises(ValueError, match="101 unrolled error components, at most"):
        decoders.from_dem(name, dem)
    with pytest.raises(ValueError, match="unrolled instructions, at most"):
        decoders.resolve_hyperedges(dem + stim.DetectorErrorModel("error(0.1) D0 D1 D2"), "drop")


@pytest.mark.parametrize(
    "repeated", ["error(0.1) D0", "error(1) D0", "error(0.1) D0 D1 D2", "detector(1) D0"]
)
@pytest.mark.parametrize("name", ["mwpm", "mwpm-stream", "trellis", "pymatching"])
def test_repetitions_of_the_same_detectors_are_counted_first(name: str, repeated: str) -> None:
    """They take no memory, but two minutes with the largest numbers."""
    dem = stim.DetectorErrorModel(f"error(0.1) D0 L0\nrepeat 2000000000 {{\n{repeated}\n}}\n")
    with pytest.raises(ValueError, match=r"unrolled instructions for . detectors, at most 1000000"):
        decoders.from_dem(name, dem, hyperedges="drop")


def test_many_errors_on_many_detectors_are_no_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dem_module, "_MAX_REPEATED", 100)
    monkeypatch.setattr(dem_module, "_MAX_PER_DETECTOR", 3)
    text = "repeat 100 {{\nerror(0.1) D0 L0\nerror(0.1) D0 D1\n{}shift_detectors 1\n}}"
    assert decoders.from_dem("mwpm", stim.DetectorErrorModel(text.format(""))).num_detectors == 101
    with pytest.raises(ValueError, match="400 unrolled instructions for 101 detectors, at most 303"):
        decoders.from_dem("mwpm", stim.DetectorErrorModel(text.format("error(0.2) D1\n" * 2)))


def test_nested_blocks_are_not_expanded_without_bound() -> None:
    """Blocks of two repetitions, 99 inside each other, are 2**99 errors."""
    text = "detector(0, 0, 0) D0\n" + "repeat 2 {\n" * 98 + "error(0.1) D0 L0\n" + "}\n" * 98
    with pytest.raises(ValueError, match=r"nested REPEAT blocks have [0-9]{30} instructions when"):
        decoders.from_dem("mwpm-stream", stim.DetectorErrorModel(text))


def test_gaps_of_very_many_observables_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logical_classes, "_MAX_EDGES", 50_000)
    dem = stim.DetectorErrorModel("error(0.1) D0 L4\nerror(0.2) D0")
    shot = np.zeros((1, 1), dtype=np.bool_)
    for name in ("mwpm", "pymatching", "belief-matching"):
        with pytest.raises(ValueError, match="no gaps for 5 observables: at most 4 are supported"):
            decoders.from_dem(name, dem).decode_batch(shot, return_gap=True)
    gaps = decoders.from_dem("trellis", dem).decode_batch(shot, return_gap=True)[1]
    assert np.isfinite(gaps).tolist() == [[False, False, False, False, True]]


def test_distances_are_those_of_observables_that_an_error_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"error(0.{at + 1}) D{at} D{at + 1} L900" for at in range(4)]
    lines += ["error(0.1) D0", "error(0.1) D4"]
    dem = stim.DetectorErrorModel("\n".join(lines))
    searched = []
    search = distances._distance
    monkeypatch.setattr(distances, "_distance", lambda *given: searched.append(given[-1]) or search(*given))
    make = partial(decoders.from_dem, "mwpm-stream", dem, layers=np.arange(5))
    make()
    assert set(searched) == {900}
    monkeypatch.setattr(layer_search, "_MAX_STEPS", 6007)
    monkeypatch.setattr(layer_search, "_HUB", 2)
    with pytest.raises(
        ValueError, match=r"1 observables, 6 errors, and detectors of up to 2 errors.* instead"
    ):
        make()
    monkeypatch.setattr(layer_search, "_HUB", 9)
    make()
    two = dem + stim.DetectorErrorModel("error(0.07) D1 L3")
    make = partial(decoders.from_dem, "mwpm-stream", two, layers=np.arange(5))
    monkeypatch.setattr(layer_search, "_MAX_STEPS", 8000)
    with pytest.raises(ValueError, match=r"2 observables, 7 errors.*; set commit and buffer"):
        make()
    make(commit=4, buffer=4)


def test_pairs_of_components_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_correlations, "_MAX_PAIRS", 10)
    one = "error(0.1) " + " ^ ".join(f"D{i}" for i in range(6)) + " L0\n"
    with pytest.raises(ValueError, match="errors of up to 6 components make 15 pairs of edges, at most 10"):
        decoders.from_dem("mwpm-correlated", stim.DetectorErrorModel(one))
    monkeypatch.setattr(pymatching, "_LONG", 6)
    monkeypatch.setattr(pymatching, "_MAX_PAIRS", 17)
    with pytest.raises(ValueError, match=r"up to 6 components: PyMatching would keep 1.8e.01 pairs"):
        decoders.from_dem("pymatching-correlated", stim.DetectorErrorModel(one))
    assert decoders.from_dem("pymatching", stim.DetectorErrorModel(one)).num_detectors == 6


def test_one_long_error_does_not_search_all_others_for_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"error(0.1) D{at} D{at + 1}" for at in range(400)]
    long = "error(0.1) " + " ^ ".join(f"D{at} D{at + 1}" for at in range(30))
    monkeypatch.setattr(edge_correlations, "_BATCH", 4)
    searched = []
    search = np.flatnonzero
    monkeypatch.setattr(np, "flatnonzero", lambda array: searched.append(array.size) or search(array))
    dem = stim.DetectorErrorModel("\n".join([*lines[:200], long, *lines[200:], "error(0.1) D0"]))
    decoders.from_dem("mwpm-correlated", dem)
    assert searched.count(4) < 108 + 30 * 10  # with all batches for each of 30 distances, 3000


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


def _star(size: int) -> stim.DetectorErrorModel:
    lines = [f"error({0.01 + number * 1e-3}) D0 D{number + 1} L0" for number in range(size)]
    return stim.DetectorErrorModel("\n".join([*lines, "error(0.01) D0", "error(0.02) D1"]))


def test_pymatching_is_given_the_detector_of_fewer_edges_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """It compares a new edge with those of the first detector: 40,000 edges of one took 5 s."""
    shots = np.zeros((3, 21), dtype=np.bool_)
    shots[0, [5, 17]] = shots[1, [0, 9]] = shots[2, 12] = True
    expected = decoders.from_dem("pymatching", _star(20)).decode_batch(
        shots, return_weights=True, return_gap=True
    )
    monkeypatch.setattr(pymatching, "_HUB", 20)
    monkeypatch.setattr(pymatching, "_COMPARISONS_OF_AN_ERROR", 9)
    given = []
    make = pymatching.pymatching.Matching.from_detector_error_model
    monkeypatch.setattr(
        pymatching.pymatching.Matching,
        "from_detector_error_model",
        lambda dem, **options: given.append(str(dem)) or make(dem, **options),
    )
    decoder = decoders.from_dem("pymatching", _star(20))
    found = decoder.decode_batch(shots, return_weights=True, return_gap=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other)
    assert len(given) == 2  # for gaps, the detector of the logical class has very many edges as well
    assert "D20 D0 L0" in given[0]
    assert all("D0 D" not in text for text in given)


@pytest.mark.parametrize(
    ("name", "number"), [("pymatching", "4.4e[+]01"), ("pymatching-correlated", "4.4e[+]02")]
)
def test_comparisons_of_pymatching_are_counted_first(
    name: str, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pymatching, "_HUB", 20)
    monkeypatch.setattr(pymatching, "_COMPARISONS_OF_AN_ERROR", 9)
    monkeypatch.setattr(pymatching, "_MAX_COMPARISONS", 40)
    with pytest.raises(ValueError, match=f"up to 21 neighbours: PyMatching would make {number} comparisons"):
        decoders.from_dem(name, _star(20))


def test_the_page_states_the_bounds() -> None:
    page = (Path(__file__).parents[3] / "docs/pages/decoders/overview.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    stated = {
        "observables |": dem_module._MAX_OBSERVABLES,
        "observables times detectors": dem_module._MAX_PAIRS,
        "coordinates": dem_module._MAX_COORDINATES,
        "numbers of detectors": dem_module._MAX_UNUSED,
        "unrolled instructions, where": dem_module._MAX_REPEATED,
        "unrolled error components": dem_module._MAX_COMPONENTS,
        "unrolled instructions of a model": dem_module._MAX_FLATTENED,
        "characters": dem_module._LONGEST_INSTRUCTION,
        "pairs of edges": edge_correlations._MAX_PAIRS,
        "pairs of components": int(pymatching._MAX_PAIRS),
        "comparisons": int(pymatching._MAX_COMPARISONS),
        "pairs of detectors": int(plan._MAX_PAIRS),
        "detectors open": 64 * plan._MAX_WORDS,
        "instructions of nested": repeat_blocks._MAX_EXPANDED,
        "pairs of errors": int(layer_search._MAX_STEPS),
        "observables times edges": logical_classes._MAX_EDGES,
    }
    for name, most in stated.items():
        (row,) = [row for row in rows if row.startswith(f"| {name}")]
        assert f"| {most:,}" in row
