"""Probabilities of edges given the values of herald detectors."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Most herald detectors that may depend on each other; their table has 2**12 rows.
MAX_DETECTORS = 12
#: Size of 1 - 2p that stands for p = 1/2; it has a logarithm.
SMALLEST_BIAS = 1e-17


class Outcome(NamedTuple):
    """One of the disjoint outcomes of a source."""

    probability: float
    #: herald detectors that it flips.
    heralds: frozenset[int]
    #: edges that it flips.
    edges: frozenset[int]


#: A source of errors, independent of other sources; its outcomes have total probability 1.
Source = Sequence[Outcome]


class HeraldTable(NamedTuple):
    """Edges and herald detectors that depend on each other through some sources.

    Pattern b of the detectors has bit i if detector i of them fired.
    """

    #: int64 (k,), ascending.
    detectors: NDArray[np.int64]
    #: int64 (edges,), ascending.
    edges: NDArray[np.int64]
    #: float64 (2**k,): probability of each pattern.
    pattern_probability: NDArray[np.float64]
    #: float64 (2**k, edges): 1 - 2p, p the probability that these sources flip an edge, given the pattern;
    #: 1 where the pattern is impossible.
    bias: NDArray[np.float64]


def make_table(sources: Sequence[Source]) -> HeraldTable:
    """Condition edges on herald detectors, exactly, by adding the sources one by one.

    For each edge the sum of P(outcomes) (-1)**(flips of the edge) over outcomes with herald pattern b,
    divided by P(b), is 1 - 2p.

    Raises:
        ValueError: more than MAX_DETECTORS herald detectors.
    """
    outcomes = [outcome for source in sources for outcome in source]
    detectors = sorted({detector for outcome in outcomes for detector in outcome.heralds})
    edges = sorted({edge for outcome in outcomes for edge in outcome.edges})
    if len(detectors) > MAX_DETECTORS:
        raise ValueError(
            f"{len(detectors)} herald detectors depend on each other (D{detectors[0]} to D{detectors[-1]}), "
            f"at most {MAX_DETECTORS} may: give each herald a detector of its own"
        )
    bit_of = {detector: 1 << bit for bit, detector in enumerate(detectors)}
    row_of = {edge: row for row, edge in enumerate(edges, start=1)}
    patterns = np.arange(1 << len(detectors))
    sums = np.zeros((len(edges) + 1, patterns.size))  # the first row is of no edge: probabilities
    sums[:, 0] = 1
    for source in sources:
        added = np.zeros_like(sums)
        for probability, heralds, flipped in source:
            moved = sums[:, patterns ^ sum(bit_of[detector] for detector in heralds)] * probability
            moved[[row_of[edge] for edge in flipped]] *= -1
            added += moved
        sums = added
    probability = sums[0]
    bias = np.ones((patterns.size, len(edges)))
    possible = probability > 0
    bias[possible] = (sums[1:, possible] / probability[possible]).T
    return HeraldTable(
        np.array(detectors, dtype=np.int64), np.array(edges, dtype=np.int64), probability, bias
    )


def group_sources(sources: Iterable[Source]) -> tuple[list[list[Source]], list[Source]]:
    """Group sources that share herald detectors, directly or through others.

    Returns:
        The groups, and the sources that flip no herald detector.
    """
    group_of: dict[int, list[Source]] = {}  # of each herald detector
    unheralded = []
    for source in sources:
        detectors = _heralds_of(source)
        if not detectors:
            unheralded.append(source)
            continue
        joined = [source]
        for group in {id(group_of[at]): group_of[at] for at in detectors if at in group_of}.values():
            joined += group
        for member in joined:
            group_of |= dict.fromkeys(_heralds_of(member), joined)
    return list({id(group): group for group in group_of.values()}.values()), unheralded


def _heralds_of(source: Source) -> frozenset[int]:
    return frozenset().union(*(outcome.heralds for outcome in source))


class PatternChanges:
    """Changes of log|1 - 2p| of edges, and of its sign, with the patterns of herald detectors."""

    def __init__(self, tables: Sequence[HeraldTable]) -> None:
        """Tabulate the changes relative to the shot in which no herald detector fired.

        Raises:
            ValueError: a herald always fires.
        """
        of_table = [np.full(table.detectors.size, number) for number, table in enumerate(tables)]
        bits = [1 << np.arange(table.detectors.size) for table in tables]
        detectors = _concatenate([table.detectors for table in tables], np.int64)
        order = np.argsort(detectors)
        #: int64 (detectors,), ascending: the herald detectors; the table and the bit of each.
        self.detectors = detectors[order]
        self._table = _concatenate(of_table, np.int64)[order]
        self._bit = _concatenate(bits, np.int64)[order]
        for table in tables:
            if table.pattern_probability[0] <= 0:
                raise ValueError(
                    f"herald detectors {_named(table.detectors)} cannot all be silent: lower the probability "
                    "of heralded errors below 1"
                )
        sizes = [table.bias.size for table in tables]
        self._first_row = np.cumsum([0, *(table.pattern_probability.size for table in tables)])
        width = np.repeat(
            [table.edges.size for table in tables], [table.pattern_probability.size for table in tables]
        ).astype(np.int64)
        self._start = np.concatenate([[0], np.cumsum(width)])
        assert self._start[-1] == sum(sizes)
        logarithms = [log_bias(table.bias) for table in tables]
        self._edge = _concatenate([np.tile(t.edges, t.pattern_probability.size) for t in tables], np.int64)
        self._change = _concatenate([(x - x[0]).reshape(-1) for x in logarithms], np.float64)
        signs = [table.bias < 0 for table in tables]
        self._turns = _concatenate([(x ^ x[0]).reshape(-1) for x in signs], np.bool_)
        self._possible = _concatenate([table.pattern_probability > 0 for table in tables], np.bool_)

    def of_shots(
        self, fired: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """List the changes of some shots.

        Args:
            fired: bool (shots, detectors), the values of `detectors`.

        Returns:
            Shot, edge, change of the logarithm and whether the sign changes; a shot and edge may occur more
            than once: changes add up.

        Raises:
            ValueError: no errors of the circuit lead to these values.
        """
        shot, column = np.nonzero(fired)
        num_tables = self._first_row.size - 1
        # Columns of one table need not be neighbours.
        place, inverse = np.unique(shot * num_tables + self._table[column], return_inverse=True)
        pattern = np.zeros(place.size, dtype=np.int64)
        np.add.at(pattern, inverse, self._bit[column])
        shot, table = np.divmod(place, max(num_tables, 1))
        row = self._first_row[table] + pattern
        impossible = np.flatnonzero(~self._possible[row])
        if impossible.size:
            at = impossible[0]
            here = fired[shot[at]] & (self._table == table[at])
            raise ValueError(
                f"shot {shot[at]}: no error of the circuit makes the herald detectors "
                f"{_named(self.detectors[here])} fire and the others that depend on them not"
            )
        first, size = self._start[row], self._start[row + 1] - self._start[row]
        entry = np.repeat(first - np.cumsum(size) + size, size) + np.arange(size.sum())
        return np.repeat(shot, size), self._edge[entry], self._change[entry], self._turns[entry]


def log_bias(bias: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of |1 - 2p|; finite also for p = 1/2."""
    logarithm: NDArray[np.float64] = np.log(np.maximum(np.abs(bias), SMALLEST_BIAS))
    return logarithm


def _concatenate(arrays: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=dtype), *arrays]).astype(dtype)


def _named(detectors: NDArray[np.int64]) -> str:
    return ", ".join(f"D{detector}" for detector in detectors)
