"""Decomposition of errors with more than two detectors into edges of the same model."""

import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple, get_args

import stim

from decoders.model.dem import check_flattened

#: Treatment of error components with more than two detectors; see `resolve_hyperedges`.
Hyperedges = Literal["refuse", "decompose", "decompose-or-drop", "drop"]
TREATMENTS: tuple[Hyperedges, ...] = get_args(Hyperedges)

#: Most steps of the search for the edges of one error: an edge added to a set of edges.
MAX_STEPS = 100_000
# Log-probabilities are integers in this unit, so that equally likely sets of edges tie exactly.
_UNIT = 2.0**-32
# Characters of an error shown in messages.
_LONGEST_LINE = 80

_Symptom = tuple[tuple[int, ...], int]  # detectors, ascending; bit set of observables
# First detector, second detector or -1 for the boundary, bit set of observables.
_Edge = tuple[int, int, int]
_Best = dict[int, tuple[int, int, tuple[_Edge, ...]]]  # observables -> cost, number of edges, the edges
_Neighbours = Mapping[int, list[tuple[_Edge, int]]]  # detector -> edges at it with their costs


class HyperedgeCounts(NamedTuple):
    """Number of error components with more than two detectors, by treatment."""

    #: Replaced by edges.
    decomposed: int = 0
    #: Left out of the model.
    dropped: int = 0
    #: Expected number of them per shot: the sum of their probabilities.
    dropped_probability: float = 0.0

    def __str__(self) -> str:
        total = self.decomposed + self.dropped
        text = f"{total:,} error component{'s' * (total != 1)} with more than two detectors: "
        text += f"{self.decomposed:,} decomposed, {self.dropped:,} dropped"
        return text + (f" ({self.dropped_probability:.3g} expected per shot)" if self.dropped else "")


class DroppedErrorsWarning(UserWarning):
    """Errors of the model were dropped, so that a decoder does not know them."""


def resolve_hyperedges(
    dem: stim.DetectorErrorModel, hyperedges: Hyperedges = "decompose"
) -> tuple[stim.DetectorErrorModel, HyperedgeCounts]:
    """Replace or drop the error components with more than two detectors, which are no edges.

    A component is decomposed into edges of the model (components with one or two detectors, of any error)
    that flip each of its detectors exactly once, no other detector, and together its observables. Of several
    such sets, the one with the largest product of edge probabilities is taken; of equally likely ones that
    with fewest edges, then the first in the order of detectors. The edges become components of the same
    error, separated by `^`, so that correlated decoders use them together. Errors of probability 0 and 1 are
    kept as they are.

    In such a model, even two detectors may be those of two errors at once, as of a Y error near a boundary.
    An edge that flips what two boundary edges flip together, and that connects parts of the graph without
    any other connection, is therefore decomposed into boundary edges as well.

    The search ends after 100,000 steps for each error (a fraction of a second; a step adds an edge to a set);
    an error that needs more counts as one without decomposition. The detectors of an error fall into
    groups without edges in between, which are searched one by one: even errors with hundreds of detectors are
    decomposed if their groups are small.

    Args:
        dem: any detector error model.
        hyperedges: "decompose" requires a decomposition of every such component, "decompose-or-drop" drops
            those without one, "drop" drops all, "refuse" returns the model as it is.

    Returns:
        The model, and the counts. A model with such components is returned without `repeat` blocks.

    Raises:
        ValueError: an unknown treatment, or a component that cannot be decomposed (the message gives their
            number and the first one).

    Warns:
        DroppedErrorsWarning: components were dropped.

    Examples:
        >>> import decoders, stim
        >>> dem = stim.DetectorErrorModel('''
        ...     error(0.1) D0 D1
        ...     error(0.1) D2 L0
        ...     error(0.01) D0 D1 D2 L0
        ... ''')
        >>> edges, counts = decoders.resolve_hyperedges(dem)
        >>> print(edges[2], counts, sep="\\n")
        error(0.01) D0 D1 ^ D2 L0
        1 error component with more than two detectors: 1 decomposed, 0 dropped
    """
    if hyperedges not in TREATMENTS:
        raise ValueError(f"hyperedges={hyperedges!r}: choose from {', '.join(map(repr, TREATMENTS))}")
    if hyperedges == "refuse" or not _has_hyperedges(dem):
        return dem, HyperedgeCounts()
    check_flattened(dem)
    resolved, counts = _resolve(dem.flattened(), hyperedges)
    _declare_sizes(resolved, dem)
    if counts.dropped:
        warnings.warn(str(counts), DroppedErrorsWarning, stacklevel=2)
    return resolved, counts


def without_hyperedges(dem: stim.DetectorErrorModel) -> tuple[stim.DetectorErrorModel, HyperedgeCounts]:
    """Drop components as `resolve_hyperedges(dem, "drop")` does, without a warning."""
    resolved, counts = _resolve(dem.flattened(), "drop")
    _declare_sizes(resolved, dem)
    return resolved, counts


def _has_hyperedges(dem: stim.DetectorErrorModel) -> bool:
    for instruction in dem:
        if isinstance(instruction, stim.DemRepeatBlock):
            if _has_hyperedges(instruction.body_copy()):
                return True
        elif (
            instruction.type == "error"
            and 0 < instruction.args_copy()[0] < 1
            and any(len(detectors) > 2 for detectors, _ in _components(instruction))
        ):
            return True
    return False


def _resolve(
    flat: stim.DetectorErrorModel, hyperedges: Hyperedges
) -> tuple[stim.DetectorErrorModel, HyperedgeCounts]:
    errors = [_components(one) if one.type == "error" else [] for one in flat]
    chances = [one.args_copy()[0] if one.type == "error" else 0.0 for one in flat]
    search = None if hyperedges == "drop" else _CoverSearch(zip(chances, errors, strict=True))
    resolved = stim.DetectorErrorModel()
    num_decomposed = num_dropped = 0
    dropped_probability = 0.0
    first_dropped = ""
    for instruction, p, components in zip(flat, chances, errors, strict=True):
        if instruction.type != "error" or not 0 < p < 1:
            resolved.append(instruction)
            continue
        kept: list[_Symptom] = []
        dropped = 0
        for component in components:
            large = len(component[0]) > 2
            parts = search.parts(component) if search is not None else None if large else [component]
            kept += parts or []
            dropped += parts is None
            num_decomposed += large and parts is not None
        if dropped:
            first_dropped = first_dropped or str(instruction)
            num_dropped += dropped
            dropped_probability += dropped * p
        if kept:
            resolved.append("error", p, _targets(kept))
    if hyperedges == "decompose" and num_dropped:
        raise ValueError(
            _describe_failure(
                first_dropped,
                num_failed=num_dropped,
                num_hyperedges=num_dropped + num_decomposed,
                num_abandoned=0 if search is None else search.num_abandoned,
            )
        )
    return resolved, HyperedgeCounts(num_decomposed, num_dropped, dropped_probability)


class _CoverSearch:
    """Search for the likeliest sets of edges that flip given detectors and observables."""

    def __init__(self, errors: Iterable[tuple[float, list[_Symptom]]]) -> None:
        """Collect the edges of (probability, components) pairs; equal edges are merged."""
        self.num_abandoned = 0
        self._found: dict[_Symptom, list[_Symptom] | None] = {}
        chance_of: dict[_Edge, float] = {}
        for p, components in errors:
            if not 0 < p < 1:
                continue
            for detectors, observables in components:
                if 1 <= len(detectors) <= 2:
                    edge = (detectors[0], detectors[1] if len(detectors) == 2 else -1, observables)
                    before = chance_of.get(edge, 0.0)
                    chance_of[edge] = before * (1 - p) + p * (1 - before)
        self._bridges = _bridges(chance_of)
        # Edges at their smaller detector.
        self._upward: dict[int, list[tuple[_Edge, int]]] = {}
        for edge in sorted(chance_of.keys() - self._bridges):
            cost = round(-math.log(chance_of[edge]) / _UNIT)
            self._upward.setdefault(edge[0], []).append((edge, cost))

    def parts(self, component: _Symptom) -> list[_Symptom] | None:
        """Return the likeliest edges that flip exactly this, ascending; an edge as it is, unless a bridge."""
        detectors, observables = component
        if len(detectors) < 2 or (len(detectors) == 2 and (*detectors, observables) not in self._bridges):
            return [component]
        if component not in self._found:
            try:
                edges = self._search(detectors, observables)
            except _TooManyStepsError:
                edges = None
                self.num_abandoned += 1
            self._found[component] = (
                None if edges is None else [((u,) if v < 0 else (u, v), flips) for u, v, flips in edges]
            )
        return self._found[component]

    def _search(self, detectors: tuple[int, ...], observables: int) -> tuple[_Edge, ...] | None:
        inside = set(detectors)
        edges = {
            detector: [
                (edge, cost)
                for edge, cost in self._upward.get(detector, [])
                if edge[1] < 0 or edge[1] in inside
            ]
            for detector in detectors
        }
        best: _Best = {0: (0, 0, ())}
        left = MAX_STEPS
        for group in _connected_groups(detectors, edges):
            covers, left = _cover_group(group, edges, left)
            joint: _Best = {}
            left -= len(best) * len(covers)
            if left < 0:
                raise _TooManyStepsError
            for flips, (cost, count, chosen) in best.items():
                for more_flips, (more_cost, more_count, more) in covers.items():
                    found = (cost + more_cost, count + more_count, tuple(sorted(chosen + more)))
                    _keep_best(joint, flips ^ more_flips, found)
            best = joint
        return best[observables][2] if observables in best else None


class _TooManyStepsError(Exception):
    """A search has taken `MAX_STEPS` steps."""


def _bridges(edges: Iterable[_Edge]) -> set[_Edge]:
    """Find edges equal to two boundary edges that connect parts of the graph without other connections."""
    edges = list(edges)
    at_boundary: dict[int, set[int]] = {}
    for first, second, observables in edges:
        if second < 0:
            at_boundary.setdefault(first, set()).add(observables)
    doubtful = {
        edge
        for edge in edges
        if edge[1] >= 0
        and any(one ^ edge[2] in at_boundary.get(edge[1], ()) for one in at_boundary.get(edge[0], ()))
    }
    leader = _leaders(edge for edge in edges if edge not in doubtful)
    return {edge for edge in doubtful if leader.get(edge[0], edge[0]) != leader.get(edge[1], edge[1])}


def _leaders(edges: Iterable[_Edge]) -> dict[int, int]:
    """Return for each detector with an edge one detector of its connected part, the same for all of them."""
    leader: dict[int, int] = {}

    def find(detector: int) -> int:
        while leader.setdefault(detector, detector) != detector:
            leader[detector] = leader[leader[detector]]
            detector = leader[detector]
        return detector

    for first, second, _ in edges:
        if second >= 0:
            leader[find(second)] = find(first)
    return {detector: find(detector) for detector in list(leader)}


def _connected_groups(detectors: tuple[int, ...], edges: _Neighbours) -> list[list[int]]:
    """Split detectors into groups without edges in between, each ascending."""
    leader = _leaders(edge for detector in detectors for edge, _ in edges[detector])
    groups: dict[int, list[int]] = {}
    for detector in detectors:
        groups.setdefault(leader.get(detector, detector), []).append(detector)
    return list(groups.values())


def _cover_group(group: list[int], edges: _Neighbours, left: int) -> tuple[_Best, int]:
    """Find the best cover of a group of detectors for each set of observables.

    Dynamic programming over sets of uncovered detectors: an edge is chosen for the smallest one at each step.

    Args:
        group: detectors, ascending.
        edges: edges at each detector as the smaller one.
        left: steps that may be taken.

    Returns:
        The covers, and how many steps may still be taken.
    """
    bit_of = {detector: 1 << place for place, detector in enumerate(group)}
    # By the smallest uncovered detector, then by the set of uncovered detectors.
    waiting: list[dict[int, _Best]] = [{} for _ in range(len(group) + 1)]
    waiting[0][(1 << len(group)) - 1] = {0: (0, 0, ())}
    for place, detector in enumerate(group):
        for uncovered, best in waiting[place].items():
            left -= len(best) * len(edges[detector])
            if left < 0:
                raise _TooManyStepsError
            for edge, edge_cost in edges[detector]:
                covered = bit_of[detector] | (bit_of[edge[1]] if edge[1] >= 0 else 0)
                if covered & ~uncovered:
                    continue
                rest = uncovered ^ covered
                lowest = (rest & -rest).bit_length() - 1 if rest else len(group)
                known = waiting[lowest].setdefault(rest, {})
                for flips, (cost, count, chosen) in best.items():
                    _keep_best(known, flips ^ edge[2], (cost + edge_cost, count + 1, (*chosen, edge)))
        waiting[place] = {}
    return waiting[-1].get(0, {}), left


def _keep_best(best: _Best, flips: int, found: tuple[int, int, tuple[_Edge, ...]]) -> None:
    if flips not in best or found < best[flips]:
        best[flips] = found


def _components(instruction: Any) -> list[_Symptom]:
    """Read the components of an error; equal targets of a component cancel."""
    found = []
    for group in instruction.target_groups():
        detectors: set[int] = set()
        observables = 0
        for target in group:
            if target.is_relative_detector_id():
                detectors ^= {target.val}
            else:
                observables ^= 1 << target.val
        found.append((tuple(sorted(detectors)), observables))
    return found


def _targets(components: list[_Symptom]) -> list[stim.DemTarget]:
    targets: list[stim.DemTarget] = []
    for detectors, observables in components:
        targets += [stim.target_separator()] if targets else []
        targets += [stim.target_relative_detector_id(detector) for detector in detectors]
        targets += [
            stim.target_logical_observable_id(number)
            for number in range(observables.bit_length())
            if observables >> number & 1
        ]
    return targets


def _declare_sizes(resolved: stim.DetectorErrorModel, dem: stim.DetectorErrorModel) -> None:
    """Give the model the numbers of detectors and observables of another."""
    if resolved.num_detectors < dem.num_detectors:
        resolved.append("detector", [], [stim.target_relative_detector_id(dem.num_detectors - 1)])
    if resolved.num_observables < dem.num_observables:
        resolved.append(
            "logical_observable", [], [stim.target_logical_observable_id(dem.num_observables - 1)]
        )


def _describe_failure(line: str, *, num_failed: int, num_hyperedges: int, num_abandoned: int) -> str:
    shown = line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 4] + " ..."
    stopped = f" (for {num_abandoned:,} the search ended after {MAX_STEPS:,} steps)" if num_abandoned else ""
    return (
        f"{num_failed:,} of {num_hyperedges:,} error components with more than two detectors cannot be made "
        f"of edges of the model{stopped}, the first in '{shown}': drop them with "
        "hyperedges='decompose-or-drop', or decode with 'trellis', which accepts hyperedges"
    )
