"""Hypothesis strategies shared by several test files."""

from dataclasses import replace
from typing import Any

import numpy as np
import stim
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders import MatchingGraph
from realtime.protocol.wire import Payload

# Everything that a tag may hold, in stim's spelling: closing bracket, line ends and backslash are escaped.
_TAGS = st.sampled_from(
    ["", "[a]", "[D0 ^ D1]", "[}]", "[repeat 3 {]", "[\\C]", "[\\n\\r\\B]", "[(0.5)]", "[ü]"]
)


def probabilities(*, extremes: bool = True) -> st.SearchStrategy[float]:
    """Error probabilities; with extremes also 0, 1 and what is close to them."""
    usual = st.floats(min_value=1e-6, max_value=1 - 1e-6)
    favourites = st.sampled_from([0.001, 0.1, 0.1, 0.25, 0.5, 0.9])
    if not extremes:
        return usual | favourites
    return usual | favourites | st.sampled_from([0.0, 1.0, 5e-324, 1e-300, 1 - 2**-53]) | st.floats(0, 1)


@st.composite
def _errors(
    draw: st.DrawFn, *, num_detectors: int, num_observables: int, most: int, extremes: bool, cancelling: bool
) -> str:
    """An error instruction of one to three components of at most `most` detectors each."""
    components = []
    for _ in range(draw(st.integers(1, 3))):
        targets: list[str] = []
        for letter, number, size in [("D", num_detectors, most), ("L", num_observables, 2)]:
            if number:
                indices = st.integers(0, number - 1)
                chosen = draw(st.lists(indices, max_size=size, unique=not cancelling))
                targets += [f"{letter}{index}" for index in chosen]
        if targets:
            components.append(" ".join(draw(st.permutations(targets))))
    tag = draw(_TAGS)
    probability = draw(probabilities(extremes=extremes))
    return f"error{tag}({probability!r}) {' ^ '.join(components)}"


_COORDINATES = st.lists(
    st.integers(-3, 9).map(str) | st.floats(-1e6, 1e6).map(repr), min_size=1, max_size=4
).map(lambda numbers: f"({', '.join(numbers)})")


@st.composite
def dems(
    draw: st.DrawFn,
    *,
    max_detectors: int = 6,
    max_observables: int = 3,
    most: int = 2,
    extremes: bool = True,
    cancelling: bool = True,
) -> stim.DetectorErrorModel:
    """Small DEMs with everything that a DEM may hold: nested repeat blocks, shifts, tags, declarations.

    max_detectors bounds the indices before shifts. most: detectors in one component before equal
    ones cancel; above 2 there are hyperedges. extremes: see `probabilities`. cancelling: whether a
    target may stand in a component more than once. With max_observables=0 no error flips any.
    """
    num_detectors = draw(st.integers(0, max_detectors))
    num_observables = draw(st.integers(0, max_observables) | st.just(70 if max_observables else 0))
    errors = _errors(
        num_detectors=num_detectors,
        num_observables=num_observables,
        most=most,
        extremes=extremes,
        cancelling=cancelling,
    )
    index = st.integers(0, max(num_detectors - 1, 0))
    coordinates = st.just("") | _COORDINATES
    declarations = st.builds("detector{}{} D{}".format, _TAGS, coordinates, index)
    shifts = st.builds("shift_detectors{}{} {}".format, _TAGS, coordinates, st.integers(0, 3))
    observables = st.builds("logical_observable{} L{}".format, _TAGS, st.integers(0, 3))
    single = errors | errors | errors | declarations | shifts | observables

    def block(lines: st.SearchStrategy[list[str]]) -> st.SearchStrategy[str]:
        repeats = st.builds("repeat{} {} {{\n".format, _TAGS, st.integers(0, 3))
        return st.builds(lambda head, body: head + "\n".join(body) + "\n}", repeats, lines)

    inner = st.lists(single, max_size=3)
    nested = st.lists(single | block(inner), max_size=3)
    lines = draw(st.lists(single | single | block(nested), max_size=10))
    return stim.DetectorErrorModel("\n".join(lines))


def shots_of(*, num_detectors: int, max_shots: int = 5) -> st.SearchStrategy[NDArray[np.bool_]]:
    """Detection events, bool (shots, num_detectors), any pattern."""
    return st.integers(0, max_shots).flatmap(
        lambda shots: st.lists(
            st.lists(st.booleans(), min_size=num_detectors, max_size=num_detectors),
            min_size=shots,
            max_size=shots,
        ).map(lambda rows: np.array(rows, dtype=np.bool_).reshape(shots, num_detectors))
    )


@st.composite
def matching_graphs(draw: st.DrawFn, *, max_detectors: int = 7, negative: bool = True) -> MatchingGraph:
    """Graphs for matching with any structure and, unlike those of `dems`, with many equal sums of weights.

    Detectors without edges, components with and without a boundary, parallel edges with equal and with
    other observables (up to more than 64 of them), errors of probability one; weights zero, few and
    small, or any, and negative ones. Weights are not those of the probabilities.
    """
    num_detectors = draw(st.integers(1, max_detectors))
    observables = draw(st.sampled_from([[], [0], [0, 1, 2], [0, 63, 64, 130]]))
    any_end = st.integers(0, num_detectors - 1)
    other_end = any_end if draw(st.booleans()) else any_end | st.just(-1)
    size = draw(st.sampled_from([num_detectors // 2, num_detectors, 2 * num_detectors, 3 * num_detectors]))
    ends = draw(st.lists(st.tuples(any_end, other_end), min_size=size, max_size=size))
    lines = [f"detector D{num_detectors - 1}"]
    for u, v in ends:
        targets = [f"D{u}"] if v in (-1, u) else [f"D{u}", f"D{v}"]
        if observables:
            targets += [f"L{flip}" for flip in draw(st.sets(st.sampled_from(observables), max_size=2))]
        lines.append(f"error(0.1) {' '.join(targets)}")
    if draw(st.integers(0, 9)) == 0:
        lines.append(f"error(1) D{draw(any_end)}")
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    largest = draw(st.sampled_from([1, 2, 5, 1000, 2**24 - 1]))
    least = draw(st.sampled_from([0, 1, -largest] if negative else [0, 1]))
    halves = st.integers(least, largest)
    weights = draw(st.lists(halves, min_size=graph.num_edges, max_size=graph.num_edges))
    return replace(graph, edge_weight=2 * np.array(weights, dtype=np.int32), weight_scale=2.0)


@st.composite
def splits(draw: st.DrawFn, *, total: int, max_parts: int = 12) -> list[int]:
    """Sizes of consecutive frames that hold `total` cycles: empty ones, single cycles and long ones."""
    sizes: list[int] = []
    while sum(sizes) < total and len(sizes) < max_parts:
        left = total - sum(sizes)
        sizes.append(draw(st.integers(0, left) | st.integers(0, min(3, left))))
    return [*sizes, total - sum(sizes)]


@st.composite
def layered_dems(draw: st.DrawFn, *, max_columns: int = 4) -> tuple[str, int]:
    """DEMs whose layers are all alike, as text with `{repeats}` to fill in, and how many layers follow them.

    Edges reach up to two layers ahead; those that would reach past the last layer end at the boundary there.
    Observable s < 4 is flipped by every error that flips column s once (detectors of all layers together), so
    that any correction predicts the parity of each column's detection events. Observable 4 is arbitrary, but
    the same for edges with the same ends: then only whole matchings tie.
    """
    columns = draw(st.integers(1, max_columns))
    place = st.integers(0, columns - 1)
    chance = st.sampled_from([0.01, 0.02, 0.02, 0.1, 0.3])
    edge = st.tuples(place, place | st.just(-1), st.integers(0, 2), chance, st.booleans())
    edges = draw(
        st.lists(
            edge.filter(lambda edge: edge[0] != edge[1] or edge[2] > 0),
            min_size=1,
            max_size=4 * columns,
            unique_by=lambda edge: (*(sorted(edge[:2]) if edge[2] == 0 else edge[:2]), edge[2]),
        )
    )
    # A boundary that every column can reach, most of the time.
    edges += [(column, -1, 0, 0.05, False) for column in range(columns) if draw(st.integers(0, 5))]
    at_boundary = draw(st.lists(st.booleans(), min_size=columns, max_size=columns))
    reach = max((later for _, other, later, _, _ in edges if other >= 0), default=0)

    def layer(room: int) -> str:
        lines = []
        for here, other, later, probability, flips in edges:
            inner = other >= 0 and later < room
            ends = [here, other] if inner else [here]
            targets = [f"D{here}", f"D{later * columns + other}"] if inner else [f"D{here}"]
            targets += [f"L{column}" for column in sorted(set(ends)) if ends.count(column) == 1]
            targets += ["L4"] * (flips if inner else at_boundary[here])
            lines.append(f"error({probability}) {' '.join(targets)}")
        lines += [f"detector({column}, 0, 0) D{column}" for column in range(columns)]
        return "\n".join([*lines, f"shift_detectors(0, 0, 1) {columns}"])

    tail = max(1, reach)
    text = "logical_observable L4\nrepeat {repeats} {{\n" + layer(3) + "\n}}\n"
    return text + "\n".join(layer(room) for room in range(tail, 0, -1)), tail


@st.composite
def data_frames(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of a data frame of the real-time loop, any that are legal."""
    numbers = st.integers(0, 2**62 - 1)
    bits = draw(st.integers(1, 40))
    cycles = draw(st.integers(1, 64))
    has_end = draw(st.booleans())
    final_bits = draw(st.integers(1, 40)) if has_end else 0

    def rows(count: int, width: int) -> NDArray[np.uint8]:
        random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        return np.packbits(random.integers(0, 2, (count, width), dtype=np.uint8), axis=1, bitorder="little")

    return {
        "session": draw(numbers),
        "stream": draw(st.integers(0, 65535)),
        "shot": draw(numbers),
        "sequence": draw(numbers),
        "first_cycle": draw(numbers),
        "due_ns": draw(numbers),
        "kind": draw(st.sampled_from(Payload)),
        "rows": rows(cycles, bits),
        "bits_per_cycle": bits,
        "final": rows(1, final_bits)[0] if has_end else None,
        "final_bits": final_bits,
        "flags": draw(st.sampled_from([0, 1, 8, 9])),
    }
