"""Distances of detector error models, their lightest logical operators, and the failures these imply.

A logical operator is a set of errors without detection events that flips an observable. In the matching
graph, whose edges are the errors with one or two detectors, the lightest ones are cycles, which may pass
through the boundary. If no operator has fewer than d edges, a decoder that looks for few errors can be wrong
from ceil(d / 2) errors on, and the sum over these sets is the failure probability at low noise.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import stim
from numpy.typing import NDArray
from scipy.sparse import csr_array

#: Function from bit-packed detection events to bit-packed predictions of observables.
Decode = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

#: Most failing sets that are listed one by one.
MAX_SETS = 3_000_000
_Symptoms = tuple[list[int], frozenset[int]]  # detectors, observables
_Error = tuple[float, _Symptoms, list[_Symptoms]]  # probability, of the whole, of its parts
# Most masks of observables: the graph is copied once for each.
_MAX_MASKS = 64
_BATCH = 4096


@dataclass(frozen=True, kw_only=True)
class Failures:
    """Probability of the smallest failing sets of errors.

    Attributes:
        probability: sum of the probabilities of the sets, those of other errors left out; the failure
            probability of the decoder in the limit of low noise if `exact`.
        num_sets: number of failing sets; if not `exact`, of pairs of operators and sets.
        num_errors: errors in each.
        exact: whether every set was decoded. Otherwise each half of each lightest operator counts once, so
            that a set is counted as often as there are operators around it, and operators with one more edge,
            which matter for odd distances if their edges differ in probability, are left out.
    """

    probability: float
    num_sets: int
    num_errors: int
    exact: bool


class LogicalGraph:
    """Edges of a DEM that can be part of a logical operator, and the cycles that they form.

    Parallel edges with the same observables are one edge, with the probability that an odd number of them
    occurs. Detectors from which no observable can be reached are left out: in a memory of a CSS code, those
    of the other basis. Errors with more than two of the other detectors are no edges and are counted.

    Args:
        dem: its decompositions separate the bases of a CSS code.

    Raises:
        ValueError: no observable, or too many to follow the cycles.
    """

    def __init__(self, dem: stim.DetectorErrorModel) -> None:
        if dem.num_observables == 0:
            raise ValueError("the error model has no observable: it must have at least one")
        errors = list(_errors(dem))
        kept = _sector(errors, dem.num_detectors)
        merged: dict[tuple[int, int, frozenset[int]], float] = {}
        self.num_detectors, self.num_observables = dem.num_detectors, dem.num_observables
        self.num_left_out = 0
        for p, (detectors, flips), _ in errors:
            ends = [one for one in detectors if kept[one]]
            if len(ends) > 2:
                self.num_left_out += 1
                continue
            if not ends and not flips:
                continue
            # The boundary comes after all detectors.
            u, v = (*sorted(ends), dem.num_detectors, dem.num_detectors)[:2]
            old = merged.get((u, v, flips), 0.0)
            merged[u, v, flips] = old * (1 - p) + p * (1 - old)
        #: Ends of each edge; the boundary is number `num_detectors`.
        self.ends = [(u, v) for u, v, _ in merged]
        self.probability = np.array(list(merged.values()))
        # Observables that always flip together are one bit.
        used = sorted({flip for *_, flips in merged for flip in flips})
        if 1 << len(used) > _MAX_MASKS:
            raise ValueError(f"{len(used)} observables in one graph: at most {_MAX_MASKS.bit_length() - 1}")
        self.flips = [flips for *_, flips in merged]
        self.masks = [sum(1 << used.index(flip) for flip in flips) for flips in self.flips]
        self._num_masks = 1 << len(used)

    @cached_property
    def distance(self) -> int | None:
        """Number of edges of the lightest logical operators; None if there are none."""
        lengths = [best for root in self._roots() if (best := self._shortest(root)) is not None]
        return min(lengths, default=None)

    def count(self, *, num_errors: int) -> tuple[int, float]:
        """Count the lightest logical operators.

        Args:
            num_errors: size of sets.

        Returns:
            Number of operators, and the sum over them and over their subsets of that size of the subset's
            probability, as products of odds.
        """
        if self.distance is None:
            return 0, 0.0
        size = (self.num_detectors + 1) * self._num_masks
        total, weight = 0.0, 0.0
        odds = self.probability / (1 - self.probability)
        roots = self._roots()
        for number, root in enumerate(roots):
            free = self._steps(without=roots[: number + 1])
            plain = csr_array((np.ones(len(free[0])), (free[1], free[0])), shape=(size, size))
            chosen = csr_array((odds[free[2]], (free[1], free[0])), shape=(size, size))
            # Walks from one end of the root to the other, by the number of chosen edges.
            walks: list[NDArray[np.float64]] = [np.zeros(size) for _ in range(num_errors + 1)]
            every = np.zeros(size)
            start, end = self.ends[root]
            every[self._state(start, self.masks[root])] = 1
            walks[0] = every
            if num_errors:
                walks[1] = odds[root] * every
            for _ in range(self.distance - 1):
                more = [np.zeros(size), *(np.asarray(chosen @ one) for one in walks[:-1])]
                walks = [np.asarray(plain @ one) + extra for one, extra in zip(walks, more, strict=True)]
                every = np.asarray(plain @ every)
            ends = [self._state(end, mask) for mask in range(1, self._num_masks)]
            weight += float(walks[num_errors][ends].sum())
            total += float(every[ends].sum())
        return round(total), weight

    def operators(self, *, length: int) -> Iterator[tuple[int, ...]]:
        """Generate all logical operators with a number of edges, as tuples of edges.

        Each is a cycle. It is found from its first edge with observables.

        Args:
            length: at most one more than the distance, so that no operator is made of several cycles.
        """
        roots = self._roots()
        around: dict[int, list[tuple[int, int]]] = {}
        for edge, (u, v) in enumerate(self.ends):
            around.setdefault(u, []).append((edge, v))
            if u != v:
                around.setdefault(v, []).append((edge, u))
        for number, root in enumerate(roots):
            barred = set(roots[: number + 1])
            start, end = self.ends[root]
            far = self._hops(end, barred, most=length - 1)
            yield from self._paths(start, end, self.masks[root], [root], length - 1, barred, far, around)

    def _paths(
        self,
        node: int,
        end: int,
        mask: int,
        path: list[int],
        left: int,
        barred: set[int],
        far: dict[tuple[int, int], int],
        around: dict[int, list[tuple[int, int]]],
    ) -> Iterator[tuple[int, ...]]:
        if left == 0:
            if node == end and mask:
                yield tuple(path)
            return
        for edge, other in around[node]:
            if edge in barred or edge in path:
                continue
            new = mask ^ self.masks[edge]
            # Some way from here to the end must leave an observable flipped.
            if any(far.get((other, new ^ final), left) <= left - 1 for final in range(1, self._num_masks)):
                path.append(edge)
                yield from self._paths(other, end, new, path, left - 1, barred, far, around)
                path.pop()

    def _hops(self, end: int, barred: set[int], *, most: int) -> dict[tuple[int, int], int]:
        """Count the fewest edges from each node, with each mask of flipped observables, to `end`."""
        found = {(end, 0): 0}
        front = [(end, 0)]
        sources, targets, _ = self._steps(without=list(barred))
        order = np.argsort(sources, kind="stable")
        first = np.searchsorted(sources[order], np.arange((self.num_detectors + 1) * self._num_masks + 1))
        for hops in range(1, most + 1):
            following = []
            for node, mask in front:
                state = self._state(node, mask)
                for target in targets[order[first[state] : first[state + 1]]]:
                    reached = divmod(int(target), self._num_masks)
                    if reached not in found:
                        found[reached] = hops
                        following.append(reached)
            front = following
        return found

    def _roots(self) -> list[int]:
        return [edge for edge, mask in enumerate(self.masks) if mask]

    def _state(self, node: int, mask: int) -> int:
        return node * self._num_masks + mask

    def _steps(self, *, without: list[int]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """List the steps between states (node, mask of flipped observables): from, to, edge."""
        usable = np.ones(len(self.ends), dtype=np.bool_)
        usable[without] = False
        edges = np.flatnonzero(usable)
        ends = np.array(self.ends, dtype=np.int64)[edges]
        loops = ends[:, 0] == ends[:, 1]
        nodes = np.concatenate([ends, ends[~loops][:, ::-1]])
        numbers = np.concatenate([edges, edges[~loops]])
        masks = np.array(self.masks, dtype=np.int64)[numbers]
        every = np.arange(self._num_masks)[:, None]
        sources = nodes[:, 0] * self._num_masks + every
        targets = nodes[:, 1] * self._num_masks + (every ^ masks)
        return sources.ravel(), targets.ravel(), np.tile(numbers, self._num_masks)

    def _shortest(self, root: int) -> int | None:
        start, end = self.ends[root]
        most = len(self.ends)
        far = self._hops(end, {root}, most=most)
        found = [
            far[start, self.masks[root] ^ final] + 1
            for final in range(1, self._num_masks)
            if (start, self.masks[root] ^ final) in far
        ]
        return min(found, default=None)

    def failures(self, decode: Decode, *, most_sets: int = MAX_SETS) -> Failures | None:
        """Sum the probabilities of the smallest sets of errors that a decoder gets wrong.

        All halves of the logical operators with 2 ceil(d / 2) edges or fewer are decoded, if they are not too
        many; every failing set is one of them. Otherwise see `Failures.exact`.

        Args:
            decode: bit-packed events of all detectors of the DEM to bit-packed predictions.
            most_sets: most halves to decode.

        Returns:
            None if no set of errors flips an observable.
        """
        if self.distance is None:
            return None
        half = (self.distance + 1) // 2
        num_operators, weight = self.count(num_errors=half)
        in_each = math.comb(self.distance, half)
        estimate = Failures(
            probability=weight, num_sets=num_operators * in_each, num_errors=half, exact=False
        )
        # For odd distances there are far more operators with one more edge, which are counted on the way.
        if num_operators * in_each > most_sets:
            return estimate
        sets: set[tuple[int, ...]] = set()
        for length in {self.distance, 2 * half}:
            for operator in self.operators(length=length):
                sets.update(itertools.combinations(sorted(operator), half))
                if len(sets) > most_sets:
                    return estimate
        return self._decoded(sorted(sets), half, decode)

    def _decoded(self, sets: list[tuple[int, ...]], half: int, decode: Decode) -> Failures:
        odds = self.probability / (1 - self.probability)
        total, num_failed = 0.0, 0
        for first in range(0, len(sets), _BATCH):
            part = np.array(sets[first : first + _BATCH], dtype=np.int64)
            events = np.zeros((len(part), self.num_detectors + 1), dtype=np.uint8)
            flips = np.zeros((len(part), self.num_observables), dtype=np.uint8)
            for row, edges in enumerate(part):
                for edge in edges:
                    for end in self.ends[edge]:
                        events[row, end] ^= 1
                    for flip in self.flips[edge]:
                        flips[row, flip] ^= 1
            packed = np.packbits(events[:, :-1], axis=1, bitorder="little")
            failed = (decode(packed) != np.packbits(flips, axis=1, bitorder="little")).any(axis=1)
            total += float(odds[part[failed]].prod(axis=1).sum())
            num_failed += int(failed.sum())
        return Failures(probability=total, num_sets=num_failed, num_errors=half, exact=self.num_left_out == 0)


def _errors(dem: stim.DetectorErrorModel) -> Iterator[_Error]:
    """Iterate over errors; parts as in their suggested decompositions."""
    for one in dem.flattened():
        if one.type == "error" and one.args_copy()[0] > 0:
            parts = [_symptoms(part) for part in one.target_groups()]
            yield one.args_copy()[0], _symptoms(one.targets_copy()), parts


def _symptoms(targets: list[stim.DemTarget]) -> _Symptoms:
    detectors: set[int] = set()
    flips: set[int] = set()
    for target in targets:
        if target.is_relative_detector_id():
            detectors ^= {target.val}
        elif target.is_logical_observable_id():
            flips ^= {target.val}
    return sorted(detectors), frozenset(flips)


def _sector(errors: list[_Error], num_detectors: int) -> NDArray[np.bool_]:
    """Find the detectors that parts of errors connect to an observable: bool (detectors,)."""
    parent = list(range(num_detectors))

    def find(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    edges = [part for *_, parts in errors for part in parts if 1 <= len(part[0]) <= 2]
    for detectors, _ in edges:
        parent[find(detectors[0])] = find(detectors[-1])
    flipping = {find(detectors[0]) for detectors, flips in edges if flips}
    return np.array([find(one) in flipping for one in range(num_detectors)], dtype=np.bool_)
