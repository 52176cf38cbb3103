"""Correlated matching: the second matching is the lightest one, and worth it."""

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders.correlated.decoder import CorrelatedMWPM
from decoders.matching.decoder import MWPM
from decoders.matching.failure import unexplained
from experiments.bench.codes.exact_model import ExactModel
from qec import families
from tests.support.reference_correlated import Twin, with_uneven_errors
from tests.support.strategies import dems


def surface_dem(*, distance: int, rounds: int, p: float, basis: str = "x") -> stim.DetectorErrorModel:
    return stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    ).detector_error_model(decompose_errors=True)


def sample(
    dem: stim.DetectorErrorModel, *, shots: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    events, flips, _ = dem.compile_sampler(seed=seed).sample(shots, bit_packed=True)
    return events, flips


def test_an_edge_makes_another_likely() -> None:
    """D0 D1 alone is rare, but not beside D2 D3, with which it happens."""
    dem = stim.DetectorErrorModel("""
        error(0.02) D0
        error(0.02) D1 L0
        error(0.0001) D0 D1
        error(0.01) D2 D3 ^ D0 D1
        error(0.001) D2
        error(0.001) D3
    """)
    plain, correlated = decoders.from_dem("mwpm", dem), decoders.from_dem("mwpm-correlated", dem)
    both = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], dtype=np.bool_)
    assert plain.decode_batch(both).tolist() == [[False], [False]]
    _, weights = correlated.decode_batch(both, return_weights=True)
    assert weights[1] - weights[0] == pytest.approx(0, abs=5)
    assert weights[1] < 4.7  # D2 D3 as before, log(0.99 / 0.01); D0 D1 for nothing
    edges = [(0, 1), (2, 3)]
    assert CorrelatedMWPM.from_dem(dem).decode_to_edges(both[1]).tolist() == [list(edge) for edge in edges]


def test_components_that_are_another_edge_are_put_together() -> None:
    dem = stim.DetectorErrorModel("""
        error(0.1) D0
        error(0.1) D1 L0
        error(0.01) D0 D1 L0
        error(0.001) D2 D3 ^ D0 ^ D1 L0
        error(0.001) D2 D3
        error(0.001) D0 ^ D1
    """)
    found = CorrelatedMWPM.from_dem(dem).correlated
    ends = list(zip(found.graph.edge_u.tolist(), found.graph.edge_v.tolist(), strict=True))
    given, other = ends.index((2, 3)), ends.index((0, 1))
    start = found.implied.start
    assert found.implied.edge[start[given] : start[given + 1]].tolist() == [other]
    # D0 ^ D1 does not flip L0, as D0 D1 does: it stays apart.
    at_boundary = ends.index((0, -1))
    implied = found.implied.edge[start[at_boundary] : start[at_boundary + 1]]
    assert [ends[edge] for edge in implied] == [(1, -1)]
    assert found.graph.edge_observables[implied].tolist() == [[0]]


def test_equal_components_of_an_error_cancel() -> None:
    """The error flips D1 and D2 D3 only: D1 does not make D0 D2 likely, nor is that an edge of its own."""
    dem = stim.DetectorErrorModel("""
        error(0.2) D2 D3 ^ D0 D2 ^ D1 ^ D0 D2
        error(0.01) D1
        error(0.01) D2
        error(0.01) D3
        error(0.02) D0 D3 L0
        error(0.01) D0
    """)
    decoder = CorrelatedMWPM.from_dem(dem)
    graph = decoder.graph
    ends = list(zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True))
    assert (0, 2) not in ends
    implied = decoder.correlated.implied
    given = ends.index((1, -1))
    others = implied.edge[implied.start[given] : implied.start[given + 1]]
    assert [ends[edge] for edge in others] == [(2, 3)]
    model = ExactModel.of(dem)
    wrong = model.errors(decoder.decode_batch(model.events())).sum()
    assert wrong < 1.01 * model.optimum()


@settings(max_examples=60)
@given(dem=dems(max_detectors=6, cancelling=False), seed=st.integers(0, 1000))
def test_any_model_equals_the_twin(dem: stim.DetectorErrorModel, seed: int) -> None:
    decoder = CorrelatedMWPM.from_dem(dem, compare=False)
    twin = Twin(decoder)
    events, _ = sample(dem, shots=6, seed=seed)
    for shot in np.unpackbits(events, axis=1, count=dem.num_detectors, bitorder="little").astype(np.bool_):
        twin.check(shot)


@pytest.mark.parametrize(
    ("distance", "rounds", "p", "shots"),
    [(3, 3, 0.01, 150), (3, 12, 0.004, 50), (5, 5, 0.01, 60), (5, 5, 0.03, 20)],
)
@pytest.mark.parametrize("basis", ["x", "z"])
def test_surface_codes_equal_the_twin(distance: int, rounds: int, p: float, shots: int, basis: str) -> None:
    dem = surface_dem(distance=distance, rounds=rounds, p=p, basis=basis)
    twin = Twin(CorrelatedMWPM.from_dem(dem, compare=False))
    events, _ = sample(dem, shots=shots, seed=5)
    for shot in np.unpackbits(events, axis=1, count=dem.num_detectors, bitorder="little").astype(np.bool_):
        twin.check(shot)


@pytest.mark.parametrize("compare", [False, True])
def test_flips_alone_are_those_of_the_whole_matching(compare: bool) -> None:
    """Where only flips are asked for, parts that flip nothing are matched once; ties may end either way."""
    dem = surface_dem(distance=5, rounds=5, p=0.01)
    decoder = CorrelatedMWPM.from_dem(dem, compare=compare)
    events, _ = sample(dem, shots=3000, seed=11)
    alone = decoder.decode_batch(events, bit_packed=True)
    whole, _ = decoder.decode_batch(events, bit_packed=True, return_weights=True)
    _, gaps = CorrelatedMWPM.from_dem(dem, compare=False).decode_batch(
        events, bit_packed=True, return_gap=True
    )
    assert np.array_equal(alone[gaps[:, 0] > 1e-6], whole[gaps[:, 0] > 1e-6])
    once = MWPM(graph=decoder.graph).decode_batch(events, bit_packed=True)
    assert np.count_nonzero(once != whole) > 20


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("compare", [False, True])
def test_flips_alone_of_one_or_both_halves(second: bool, compare: bool) -> None:
    dem = with_uneven_errors(surface_dem(distance=3, rounds=4, p=0.02), second=second)
    decoder = CorrelatedMWPM.from_dem(dem, compare=compare)
    assert decoder.num_observables == 1 + second
    events, _ = sample(dem, shots=2000, seed=13)
    alone = decoder.decode_batch(events, bit_packed=True)
    whole, _ = decoder.decode_batch(events, bit_packed=True, return_weights=True)
    once = MWPM(graph=decoder.graph).decode_batch(events, bit_packed=True)
    assert np.array_equal(alone, whole)
    assert (np.count_nonzero(once != whole, axis=0) > 20).all()


def test_a_few_shots() -> None:
    """Small enough for the lanes without compilation and with bounds checks."""
    dem = surface_dem(distance=3, rounds=3, p=0.03)
    twin = Twin(CorrelatedMWPM.from_dem(dem, compare=False))
    events, _ = sample(dem, shots=12, seed=9)
    for shot in np.unpackbits(events, axis=1, count=dem.num_detectors, bitorder="little").astype(np.bool_):
        twin.check(shot)
        alone = twin.decoder.decode_batch(shot[np.newaxis])
        assert np.array_equal(alone, twin.decoder.decode_batch(shot[np.newaxis], return_weights=True)[0])


def errors(
    name: str, dem: stim.DetectorErrorModel, events: NDArray[np.uint8], flips: NDArray[np.uint8]
) -> int:
    return int(
        (decoders.from_dem(name, dem).decode_batch(events, bit_packed=True) != flips).any(axis=1).sum()
    )


def test_fewer_errors_than_plain_and_than_pymatching() -> None:
    dem = surface_dem(distance=5, rounds=5, p=0.006)
    events, flips = sample(dem, shots=30_000, seed=2)
    ours = errors("mwpm-correlated", dem, events, flips)
    assert ours < 0.75 * errors("mwpm", dem, events, flips)
    assert ours < 1.01 * errors("pymatching-correlated", dem, events, flips)


@pytest.mark.parametrize("basis", ["x", "z"])
def test_never_worse_than_plain(basis: str) -> None:
    """Also where PyMatching is: stim splits errors of this code into what is, together, another edge."""
    dem = surface_dem(distance=3, rounds=30, p=0.001, basis=basis)
    events, flips = sample(dem, shots=60_000, seed=3)
    plain = errors("mwpm", dem, events, flips)
    assert errors("mwpm-correlated", dem, events, flips) < 0.9 * plain
    if basis == "z":
        assert errors("pymatching-correlated", dem, events, flips) > 1.5 * plain


@pytest.mark.parametrize("basis", ["x", "z"])
def test_every_single_fault_of_distance_three_is_corrected(basis: str) -> None:
    dem = surface_dem(distance=3, rounds=6, p=0.001, basis=basis)
    decoder = decoders.from_dem("mwpm-correlated", dem)
    for error in dem.flattened():
        if error.type != "error":
            continue
        events = np.zeros(dem.num_detectors, dtype=np.bool_)
        flipped = False
        for target in error.targets_copy():
            if target.is_relative_detector_id():
                events[target.val] ^= True
            elif target.is_logical_observable_id():
                flipped = not flipped
        assert decoder.decode(events).tolist() == [flipped], str(error)


def test_shots_that_only_parts_of_errors_explain() -> None:
    """Two components that are one edge of the model may still come alone in a shot."""
    dem = stim.DetectorErrorModel("""
        error(0.027) D1 L0 ^ D0
        error(0.01) D0 D1 L0
        error(0.02) D2
        error(0.02) D2 D3
        error(0.05) D2 ^ D0 D1 L0
        error(0.05) D3
    """)
    decoder, plain = decoders.from_dem("mwpm-correlated", dem), decoders.from_dem("mwpm", dem)
    shots = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(np.bool_)
    predictions, weights = decoder.decode_batch(shots, return_weights=True)
    expected, plain_weights = plain.decode_batch(shots, return_weights=True)
    alone = shots[:, 0] != shots[:, 1]
    assert np.array_equal(predictions[alone], expected[alone])
    assert weights[alone] == pytest.approx(plain_weights[alone])
    whole = decoders.from_dem("mwpm-correlated", dem).decode_batch(shots[~alone])
    assert np.array_equal(predictions[~alone], whole)
    with_gaps, _ = decoder.decode_batch(shots, return_gap=True)
    assert np.array_equal(with_gaps, decoder.decode_batch(shots))
    never = stim.DetectorErrorModel(f"{dem}\nerror(0.1) D4 D5")
    with pytest.raises(ValueError, match=r"shot 1: .*D5"):
        decoders.from_dem("mwpm-correlated", never).decode_batch(
            np.array([[1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1]], dtype=np.bool_)
        )


# Random models found them; each lost one of the rules by which regions are laid out on lighter edges.
@pytest.mark.parametrize(
    ("text", "events"),
    [
        # An event at the boundary, whose way there becomes lighter.
        ("error(0.1) D1 D4 L1 ^ D0 D2\nerror(0.02) D0 D2 ^ D2 D4\nerror(0.2) D4 L0 ^ D1", [0]),
        # Of two parallel edges to the boundary that become lighter, the second is lighter still.
        (
            "error(0.11) D4 ^ D1 D2 ^ D4 D5\nerror(0.009) D2 L0 ^ D2 ^ D4 L0\n"
            "error(0.12) D5 ^ D0 ^ D2 D3 L0\nerror(0.1) D5 D1 ^ D5\n"
            "error(0.0068) D5 ^ D3 L0\nerror(0.022) D3 D0 ^ D0 D3\n"
            "error(0.0028) D2 D3 ^ D5",
            [1, 2, 4, 5],
        ),
    ],
)
def test_implied_edges_of_the_same_component(text: str, events: list[int]) -> None:
    dem = stim.DetectorErrorModel(text)
    shot = np.zeros(dem.num_detectors, dtype=np.bool_)
    shot[events] = True
    Twin(CorrelatedMWPM.from_dem(dem, compare=False)).check(shot)


def test_random_models_equal_the_twin() -> None:
    """Errors of up to three components anywhere, so that edges imply others of their own component."""
    rng = np.random.default_rng(1)
    checked = 0
    for _ in range(250):
        size = int(rng.integers(3, 9))
        lines = [f"detector D{size - 1}"]
        for _ in range(int(rng.integers(size, 3 * size))):
            parts = []
            for _ in range(int(rng.integers(1, 4))):
                ends = rng.choice(size, size=int(rng.integers(1, 3)), replace=False)
                parts.append(" ".join(f"D{end}" for end in ends) + (" L0" if rng.random() < 0.2 else ""))
            lines.append(f"error({10 ** rng.uniform(-4, -0.5)}) {' ^ '.join(parts)}")
        dem = stim.DetectorErrorModel("\n".join(lines))
        twin = Twin(CorrelatedMWPM.from_dem(dem, compare=False))
        events, _ = sample(dem, shots=12, seed=1)
        unpacked = np.unpackbits(events, axis=1, count=dem.num_detectors, bitorder="little")
        for shot in np.unique(unpacked.astype(np.bool_), axis=0):
            if not unexplained(twin.graph, np.packbits(shot, bitorder="little")[np.newaxis])[0]:
                twin.check(shot)
                checked += 1
    assert checked > 800


# Three-qubit repetition code; D0, D1 and D2 herald the erasure of a qubit.
HERALDS = """
    error({p}) D0
    error({p}) D1
    error({p}) D2
    error({p}) D3 ^ D0
    error({p}) D3 D4 ^ D1
    error({p}) D4 L0 ^ D2
    error(0.001) D3 D5
    error(0.001) D4 D6
"""


def test_heralds_make_edges_nearly_certain() -> None:
    """Two erased qubits that explain D4 are 40,000 times as likely as an unheralded error of the third."""
    dem = stim.DetectorErrorModel(HERALDS.format(p=0.005))
    decoder = decoders.from_dem("mwpm-correlated", dem)
    shot = np.zeros(7, dtype=np.bool_)
    shot[[0, 1, 4]] = True
    assert decoder.decode(shot).tolist() == [False]


@pytest.mark.parametrize("p", [0.02, 0.005, 0.0001])
def test_every_syndrome_of_heralds(p: float) -> None:
    """The exact logical error is that of PyMatching's two passes, and near the optimum."""
    dem = stim.DetectorErrorModel(HERALDS.format(p=p))
    model = ExactModel.of(dem)
    ours, theirs = (
        model.errors(decoders.from_dem(name, dem).decode_batch(model.events())).sum()
        for name in ("mwpm-correlated", "pymatching-correlated")
    )
    assert ours <= theirs * (1 + 1e-9)
    assert ours <= 1.01 * model.optimum()


def test_edges_that_imply_nothing() -> None:
    """Edges from a detector on may be excluded; without any others, shots are matched once."""
    circuit = families.circuit("surface-uniform", distance=3, p=0.01, rounds=3)
    dem = circuit.detector_error_model(decompose_errors=True)
    decoder = CorrelatedMWPM.from_dem(dem)
    shots, _, _ = dem.compile_sampler(seed=2).sample(2000)
    once, twice = MWPM(graph=decoder.graph).decode_batch(shots), decoder.decode_batch(shots)
    assert (once != twice).sum() > 10
    changed = []
    for end in (0, dem.num_detectors // 2):
        decoder.search_graph.set(end_of_implying=end)
        changed.append(int((decoder.decode_batch(shots) != once).sum()))
    assert changed[0] == 0 < changed[1] < (once != twice).sum()
