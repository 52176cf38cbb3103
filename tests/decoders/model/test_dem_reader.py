"""Reading and merging in batches equals reading and merging at once."""

from dataclasses import fields

import numpy as np
import pytest
import stim
from hypothesis import assume, given, settings

from decoders import MatchingGraph
from decoders.model import dem as dem_module
from decoders.model import edges, matching_graph
from decoders.model.dem import Components, DemReader, read_dem
from decoders.model.edges import EdgeMerger
from tests.support.strategies import dems

_NESTED = stim.DetectorErrorModel("""
    error(0.1) D0 D1 L0 ^ D1
    repeat 3 {
        error(0.2) D1 D0 ^ D0 D0 L65 ^ D2
        error(1) D1 D3 L1
        detector(1, 0.3) D0
        repeat 2 {
            error(0.3) D0
            detector(2, 5, 7) D1
            shift_detectors(0.1) 1
        }
        repeat 0 {
            error(0.3) D0 D1 D2
        }
        error(0) D0 D1 D2
        shift_detectors(0, 1) 2
    }
    detector(4) D0
    error(0.4) D0 ^ D1 ^ D0
""")


def assert_same_graph(
    found: MatchingGraph, expected: MatchingGraph, *, without: tuple[str, ...] = ()
) -> None:
    for field in fields(MatchingGraph):
        if field.name in without:
            continue
        np.testing.assert_array_equal(getattr(found, field.name), getattr(expected, field.name), field.name)


@settings(max_examples=60)
@given(dems())
def test_a_model_and_its_flattened_form_are_one_graph(dem: stim.DetectorErrorModel) -> None:
    assume("repeat 0" not in str(dem))  # flattening forgets the detectors in there
    # Flattening also changes which coordinates detectors have: those of shifts become theirs.
    assert_same_graph(
        MatchingGraph.from_dem(dem),
        MatchingGraph.from_dem(dem.flattened()),
        without=("detector_coordinates", "detector_cycle"),
    )


@pytest.mark.parametrize("dem", [_NESTED, _NESTED.flattened()])
@pytest.mark.parametrize("most", [1, 2, 7])
def test_small_batches_and_portions(
    monkeypatch: pytest.MonkeyPatch, dem: stim.DetectorErrorModel, most: int
) -> None:
    whole = read_dem(dem)
    assert whole.num_certain == 3
    assert whole.num_cancelled == 3
    assert whole.component_error[-1] == 13  # numbers go on over blocks and errors of probability one
    expected = MatchingGraph.from_dem(dem)
    monkeypatch.setattr(dem_module, "_PORTION", 2)
    monkeypatch.setattr(matching_graph, "_BATCH", most)
    monkeypatch.setattr(edges, "_FEW", -4 * dem.num_detectors + 1)  # room for one edge at first
    assert_same_graph(MatchingGraph.from_dem(dem), expected)
    for found, known in zip(read_dem(dem), whole, strict=True):
        np.testing.assert_array_equal(found, known)
    batches = [batch.probability.size for batch in DemReader(dem, most=most)]
    assert max(batches) <= most
    assert sum(batches) == whole.component_probability.size


def test_an_error_that_is_no_edge_is_named_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dem_module, "_PORTION", 2)
    dem = stim.DetectorErrorModel(
        "error(0.5) D0\nerror(0.5) D1\nshift_detectors 5\n"
        "repeat 2 {\nshift_detectors 3\nerror(0.5) D0 D1 D2\n}"
    )
    with pytest.raises(ValueError, match=r"'error\(0\.5\) D0 D1 D2' \(detector indices shifted by 8\)"):
        read_dem(dem)


def test_a_detector_with_thousands_of_edges() -> None:
    """Edges are found by a hash of both ends: one detector in common does not make the search long."""
    size = 3000
    rng = np.random.default_rng(1)
    far = rng.permutation(np.repeat(np.arange(1, size + 1, dtype=np.int32), 3))
    probability = rng.uniform(0.01, 0.3, size=far.size)
    flips = rng.integers(0, 2, size=(far.size, 1)).astype(np.uint64) << np.uint64(40)
    ends = np.stack([np.zeros_like(far), far], axis=1)
    merger = EdgeMerger(num_detectors=size + 1, num_observables=41)
    edge_of = np.empty(far.size, dtype=np.int32)
    merger.add(Components(ends, probability, flips, np.arange(far.size, dtype=np.int32)), edge_of=edge_of)
    found, unseen = merger.finish()
    merger.renumber(edge_of)
    assert unseen.first.size == 0
    expected: dict[tuple[int, int], float] = {}
    for other, p, flip in zip(far.tolist(), probability.tolist(), flips[:, 0].tolist(), strict=True):
        before = expected.get((other, flip), 0.0)
        expected[other, flip] = before * (1 - p) + p * (1 - before)
    keys = list(zip(found.second.tolist(), found.observables[:, 0].tolist(), strict=True))
    assert sorted(keys) == sorted(expected)
    assert found.second.tolist() == sorted(found.second.tolist())
    np.testing.assert_allclose(found.probability, [expected[key] for key in keys], rtol=1e-12)
    np.testing.assert_allclose(found.complement, 1 - found.probability, rtol=1e-12)
    assert [keys[edge] for edge in edge_of] == list(zip(far.tolist(), flips[:, 0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("targets", "kept"),
    [("D0 D1 D0", "D1"), ("D0 D1 D2 D1", "D0 D2"), ("D0 D0 D2 L1 L0 L1", "D2 L0"), ("D3 D1 D2 D3 D2", "D1")],
)
def test_a_target_named_twice_is_none(targets: str, kept: str) -> None:
    rest = "\nerror(0.2) D3 L1"
    assert_same_graph(
        MatchingGraph.from_dem(stim.DetectorErrorModel(f"error(0.1) {targets}{rest}")),
        MatchingGraph.from_dem(stim.DetectorErrorModel(f"error(0.1) {kept}{rest}")),
    )


@pytest.mark.parametrize("number", [1234567890123456768, 123456789012345678, -9007199254740993])
def test_whole_numbers_of_nineteen_digits(number: int) -> None:
    """stim writes them out: more digits than fit an int64 with the next one."""
    dem = stim.DetectorErrorModel(f"detector({number}) D0")
    assert read_dem(dem).coordinates.tolist() == [[float(number)]]
