"""Comparison of random graphs: weights of `mwpm`, of PyMatching, and of all sets of errors of tiny ones."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

import decoders
from decoders import MatchingGraph
from tests.support.oracles import bits, edges_of, every_syndrome

_PROBABILITIES = (0.5, 0.001, 0.01, 0.1, 0.1, 0.3, 0.49, 1e-6, 0.9, 1.0, 0.0)
# Brute force takes 2^detectors syndromes for each edge.
_MAX_BRUTE, _MAX_BRUTE_EDGES = 6, 24


class Compared(NamedTuple):
    """Numbers of one graph.

    Attributes:
        shots: whose weights were compared with PyMatching's.
        brute: whose weights were compared with the lightest of all sets of errors.
        unexplained: refused, as no set of errors explains them.
    """

    shots: int
    brute: int
    unexplained: int


def random_dem(rng: np.random.Generator) -> stim.DetectorErrorModel:
    """Draw a model: any graph of up to 12 detectors, with few different or with any probabilities."""
    size = int(rng.choice([1, 2, 3, 4, 5, 6, 8, 12]))
    lines = [f"detector D{size - 1}"]
    usual = rng.random() < 0.5  # probabilities of which many are equal, so that weights tie
    boundary = rng.choice([0.0, 0.1, 0.3])
    seen: dict[tuple[int, ...], str] = {}
    for _ in range(int(rng.integers(1, 1 + 3 * size))):
        ends = rng.integers(0, size, 2)
        single = ends[0] == ends[1] or rng.random() < boundary
        key = (int(ends[0]),) if single else (int(min(ends)), int(max(ends)))
        p = float(rng.choice(_PROBABILITIES)) if usual else float(rng.uniform(1e-7, 0.6))
        flips = "".join(f" L{n}" for n in range(2) if rng.random() < 0.3)
        # PyMatching merges parallel edges whatever they flip; here they flip the same.
        flips = seen.setdefault(key, flips)
        lines.append(f"error({p!r}) " + " ".join(f"D{node}" for node in key) + flips)
    return stim.DetectorErrorModel("\n".join(lines))


def compare(dem: stim.DetectorErrorModel, events: NDArray[np.bool_]) -> Compared:
    """Compare the weights of shots, bool (shots, detectors).

    Raises:
        AssertionError: a weight differs, or a shot is refused that has an explanation.
    """
    graph = MatchingGraph.from_dem(dem)
    own = decoders.from_dem("mwpm", dem)
    # PyMatching has no errors of probability one.
    has_other = "error(1)" not in str(dem)
    other = pymatching.Matching.from_detector_error_model(dem) if has_other else None
    small = graph.num_detectors <= _MAX_BRUTE and graph.num_edges <= _MAX_BRUTE_EDGES
    best = every_syndrome(edges_of(graph)) if small else None
    certain = bits(graph.certain_detectors)
    shots = brute = unexplained = 0
    for row in events:
        mine = _weight(lambda: own.decode_batch(row[np.newaxis], return_weights=True)[1][0], graph)  # noqa: B023
        if other is not None:
            theirs = _weight(lambda: other.decode(row, return_weight=True)[1], graph)  # noqa: B023
            assert mine == theirs, f"{row.astype(int)}: weight {mine}, of PyMatching {theirs}"
            shots += 1
        if best is not None:
            lightest = best.get(bits(row) ^ certain)
            assert mine == (lightest and lightest.weight), f"{row.astype(int)}: weight {mine}, not {lightest}"
            brute += 1
        unexplained += mine is None
    return Compared(shots, brute, unexplained)


def _weight(decode: Callable[[], Any], graph: MatchingGraph) -> int | None:
    """Return the integer weight of a shot, None if it is refused."""
    try:
        return round(float(decode()) * graph.weight_scale)
    except ValueError:
        return None


def random_graph(seed: int, number: int, *, shots: int = 4) -> Compared:
    """Compare a few shots of the graph with this number: those of its errors, and any."""
    rng = np.random.default_rng([seed, number])
    dem = random_dem(rng)
    sampled = dem.compile_sampler(seed=int(rng.integers(2**31))).sample(shots // 2)[0]
    anything = rng.random((shots - shots // 2, dem.num_detectors)) < 0.5
    return compare(dem, np.vstack([sampled, anything]))
