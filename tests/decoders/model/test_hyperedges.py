"""Decomposition of hyperedges: against brute force, against stim, limits, what is dropped."""

import itertools
import math
import time
import warnings
from collections.abc import Iterator

import numpy as np
import pymatching
import pytest
import stim

import decoders
from decoders.model import hyperedges
from decoders.model.hyperedges import resolve_hyperedges
from qec import families
from tests.support.chance import sigmas

Component = tuple[tuple[int, ...], int]


def components(instruction: stim.DemInstruction) -> list[Component]:
    """Detectors and observables (as bits) of each component."""
    found = []
    for group in instruction.target_groups():
        detectors = sorted(target.val for target in group if target.is_relative_detector_id())
        flips = sum(1 << target.val for target in group if target.is_logical_observable_id())
        found.append((tuple(detectors), flips))
    return found


def partitions(detectors: tuple[int, ...]) -> Iterator[list[tuple[int, ...]]]:
    """All partitions into single detectors and pairs."""
    if not detectors:
        yield []
        return
    first, rest = detectors[0], detectors[1:]
    for way in partitions(rest):
        yield [(first,), *way]
    for other in rest:
        for way in partitions(tuple(one for one in rest if one != other)):
            yield [(first, other), *way]


def likeliest(chance: dict[Component, float], component: Component) -> tuple[float, list[Component]]:
    """Try all sets of edges; the largest product of probabilities, 0 if there is none, and its first set."""
    detectors, flips = component
    found: list[tuple[float, int, list[Component]]] = []
    for way in partitions(detectors):
        choices = [[edge for edge in chance if edge[0] == part] for part in way]
        for edges in itertools.product(*choices):
            if np.bitwise_xor.reduce([edge[1] for edge in edges]) == flips:
                product = math.prod(chance[edge] for edge in edges)
                found.append((-round(math.log(product), 9), len(edges), sorted(edges)))
    if not found:
        return 0.0, []
    cost, _, edges = min(found)
    return math.exp(-cost), edges


def bridges(edges: set[Component]) -> set[Component]:
    """Edges that equal two boundary edges and connect what no other edges connect."""
    doubtful = {
        edge
        for edge in edges
        if len(edge[0]) == 2
        and any({((edge[0][0],), flips), ((edge[0][1],), flips ^ edge[1])} <= edges for flips in range(4))
    }
    connected = {frozenset([one]) for (detectors, _) in edges for one in detectors}
    for detectors, _ in edges - doubtful:
        hit = {group for group in connected if group & set(detectors)}
        connected = (connected - hit) | {frozenset().union(*hit)}
    return {edge for edge in doubtful if not any(set(edge[0]) <= group for group in connected)}


@pytest.mark.parametrize("seed", range(60))
def test_random_models_as_by_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 8))
    few = [0.01, 0.1, 0.2]  # equal probabilities: ties
    chance: dict[Component, float] = {}
    model = stim.DetectorErrorModel()
    for _ in range(int(rng.integers(4, 22))):
        detectors = tuple(sorted(rng.choice(size, int(rng.integers(1, 3)), replace=False).tolist()))
        edge = (detectors, int(rng.integers(0, 4)) if rng.random() < 0.5 else 0)
        p = float(rng.choice(few))
        before = chance.get(edge, 0.0)
        chance[edge] = before * (1 - p) + p * (1 - before)
        append(model, p, [edge])
    for edge in bridges(set(chance)):
        del chance[edge]
    hidden = [
        (tuple(sorted(rng.choice(size, int(rng.integers(3, size + 1)), replace=False).tolist())), flips)
        for flips in (0, 0, 1, 2)
    ]
    for component in hidden:
        append(model, 0.01, [component])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", decoders.DroppedErrorsWarning)
        resolved, counts = resolve_hyperedges(model, "decompose-or-drop")
    found = [components(one) for one in resolved if one.type == "error"]
    expected = [likeliest(chance, component)[1] for component in hidden]
    assert [parts for parts in expected if parts] == found[len(found) - counts.decomposed :]
    assert counts.decomposed == sum(bool(parts) for parts in expected)
    assert counts.dropped == sum(not parts for parts in expected)
    assert counts.dropped_probability == pytest.approx(0.01 * counts.dropped)
    if counts.dropped:
        with pytest.raises(ValueError, match=f"{counts.dropped} of 4 error components"):
            resolve_hyperedges(model)


def append(model: stim.DetectorErrorModel, p: float, parts: list[Component]) -> None:
    targets: list[stim.DemTarget] = []
    for detectors, flips in parts:
        targets += [stim.target_separator()] if targets else []
        targets += [stim.target_relative_detector_id(one) for one in detectors]
        targets += [stim.target_logical_observable_id(one) for one in range(2) if flips >> one & 1]
    model.append("error", p, targets)


def test_surface_code_errors_are_those_of_stim() -> None:
    circuit = families.circuit("surface-uniform", distance=5, p=0.008)
    whole = circuit.detector_error_model(flatten_loops=True)
    by_stim = circuit.detector_error_model(decompose_errors=True, flatten_loops=True)
    ours, counts = resolve_hyperedges(whole)
    assert counts.dropped == 0
    assert counts.decomposed == sum(len(components(one)[0][0]) > 2 for one in whole if one.type == "error")
    assert errors_of(whole) == errors_of(ours)
    alike = {frozenset(components(one)) for one in ours} & {frozenset(components(one)) for one in by_stim}
    assert len(alike) > 0.9 * whole.num_errors
    events, flips = circuit.compile_detector_sampler(seed=3).sample(20_000, separate_observables=True)
    for name in ("mwpm", "mwpm-correlated"):
        own = decoders.from_dem(name, whole, hyperedges="decompose").decode_batch(events)
        other = decoders.from_dem(name, by_stim).decode_batch(events)
        only_own, only_other = (
            int(np.count_nonzero(a & ~b))
            for a, b in itertools.permutations([(own != flips), (other != flips)])
        )
        assert only_own < only_other + sigmas(2) * math.sqrt(only_own + only_other)
        # Without the bridges a correlated decoder differs four times as often.
        assert only_own + only_other < {"mwpm": 300, "mwpm-correlated": 80}[name]


@pytest.mark.parametrize(("name", "distance", "p"), [("toric", 4, 0.006), ("repetition-erasure", 3, 0.2)])
def test_predictions_are_those_with_stims_decomposition(name: str, distance: int, p: float) -> None:
    """Nearly all decompositions are the same here, and those that differ change none of these shots."""
    circuit = families.circuit(name, distance=distance, p=p)
    whole = circuit.detector_error_model(approximate_disjoint_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=3).sample(3000, separate_observables=True)
    for decoder in ("mwpm", "mwpm-correlated"):
        own = decoders.from_dem(decoder, whole, hyperedges="decompose").decode_batch(events)
        other = decoders.from_dem(decoder, families.error_model(circuit)).decode_batch(events)
        assert np.array_equal((own != flips).any(axis=1), (other != flips).any(axis=1))
        assert own.any()


def errors_of(dem: stim.DetectorErrorModel) -> list[tuple[float, set[int], int]]:
    """Probability, detectors and observables of all errors, without their decomposition."""
    found = []
    for instruction in dem:
        if instruction.type == "error":
            detectors: set[int] = set()
            flips = 0
            for own, own_flips in components(instruction):
                detectors ^= set(own)
                flips ^= own_flips
            found.append((instruction.args_copy()[0], detectors, flips))
    return found


def test_edges_of_one_error_imply_each_other() -> None:
    """Alone D0 is one edge; with D2 the joint error of probability 0.1 is likelier than two of 0.01."""
    dem = stim.DetectorErrorModel(
        "error(0.01) D0 L0\nerror(0.04) D0\nerror(0.05) D1 D2\nerror(0.1) D0 D1 D2 L0\nerror(0.2) D3"
    )
    decoder = decoders.from_dem("mwpm-correlated", dem, hyperedges="decompose")
    events = np.array([[1, 1, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0]])
    trellis = decoders.from_dem("trellis", dem, hyperedges="drop")  # takes them: nothing is dropped
    assert decoder.decode_batch(events).tolist() == trellis.decode_batch(events).tolist()
    assert decoder.hyperedges.decomposed == 1
    assert trellis.hyperedges == (0, 0, 0.0)


def test_errors_of_many_qubits() -> None:
    """XXXX on a repetition code, and one error that flips a pair in each of 200 places."""
    dem = stim.DetectorErrorModel(
        "error(0.1) D0 L0\n"
        + "".join(f"error(0.1) D{k} D{k + 1}\n" for k in range(7))
        + "error(0.1) D7\nerror(0.01) D0 D2 D3 D5 L0\n"
    )
    with pytest.raises(ValueError, match=r"1 of 1 error components .* 'error\(0.01\) D0 D2 D3 D5 L0'"):
        resolve_hyperedges(dem)  # D5 has no edge to the boundary, and D0 and D2 no common edge
    wide = stim.DetectorErrorModel()
    for k in range(200):
        append(wide, 0.1, [((2 * k, 2 * k + 1), k % 2)])
    append(wide, 0.01, [(tuple(range(400)), 0)])
    resolved, counts = resolve_hyperedges(wide)
    assert counts == (1, 0, 0.0)
    assert len(components(resolved[-1])) == 200


def test_a_search_that_would_not_end_is_ended() -> None:
    full = stim.DetectorErrorModel()
    for pair in itertools.combinations(range(30), 2):
        append(full, 0.1, [(pair, 0)])
    append(full, 0.01, [(tuple(range(30)), 1)])
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"for 1 the search ended after 100,000 steps"):
        resolve_hyperedges(full)
    assert time.monotonic() - start < 60  # some 10^16 sets of edges


def test_colour_codes_get_a_clear_answer() -> None:
    circuit = families.circuit("colour-xyz", distance=5, p=0.003)
    dem = circuit.detector_error_model()
    with pytest.raises(ValueError, match=r"219 of 917 .* of edges.*decompose-or-drop.*'trellis'") as caught:
        decoders.from_dem("mwpm", dem, hyperedges="decompose")
    assert "\n" not in str(caught.value)
    with pytest.warns(decoders.DroppedErrorsWarning, match=r"698 decomposed, 219 dropped \(0.117 expected"):
        decoder = decoders.from_dem("mwpm", dem, hyperedges="decompose-or-drop")
    assert decoder.hyperedges[:2] == (698, 219)


def test_what_is_dropped_is_what_pymatching_leaves_out() -> None:
    dem = families.circuit("surface-uniform", distance=3, p=0.01).detector_error_model()
    events, _, _ = dem.compile_sampler(seed=1).sample(500)
    with pytest.warns(decoders.DroppedErrorsWarning, match="0 decomposed, 113 dropped"):
        decoder = decoders.from_dem("mwpm", dem, hyperedges="drop")
    _, weights = decoder.decode_batch(events, return_weights=True)
    theirs = pymatching.Matching(dem).decode_batch(events, return_weights=True)[1]
    assert weights == pytest.approx(theirs, rel=1e-6)


def test_components_repeats_and_certain_errors_are_kept() -> None:
    text = (
        "repeat 2 {\nerror(0.1) D0 D1\nerror(0.1) D2 L1\n"
        "error(0.1) D0 D0 D1 D1 D2 L1\nerror(0.01) D2 L1 ^ D0 D1 D2 L1\nshift_detectors 1\n}\n"
        "error(1) D0 D1 D2\ndetector D9\nlogical_observable L4\n"
    )
    dem = stim.DetectorErrorModel(text)
    resolved, counts = resolve_hyperedges(dem)
    assert counts == (2, 0, 0.0)
    assert str(resolved[3]) == "error(0.01) D2 L1 ^ D0 D1 ^ D2 L1"
    assert "error(1) D2 D3 D4" in str(resolved)  # shifted by the two repetitions
    assert (resolved.num_detectors, resolved.num_observables) == (dem.num_detectors, 5)
    with pytest.warns(decoders.DroppedErrorsWarning):
        dropped, _ = resolve_hyperedges(stim.DetectorErrorModel("error(0.1) D0 D1 D2 L3"), "drop")
    assert (dropped.num_detectors, dropped.num_observables, dropped.num_errors) == (3, 4, 0)


def test_models_of_edges_are_returned_as_they_are() -> None:
    dem = stim.DetectorErrorModel(
        "error(0.1) D0\nerror(0.1) D1\nerror(0.1) D0 D1\nrepeat 3 {\nerror(0.1) D4\n}"
    )
    assert resolve_hyperedges(dem)[0] is dem
    with pytest.raises(ValueError, match="hyperedges='split': choose from 'refuse', 'decompose'"):
        resolve_hyperedges(dem, "split")  # type: ignore[arg-type]
    assert hyperedges.TREATMENTS[0] == "refuse"
