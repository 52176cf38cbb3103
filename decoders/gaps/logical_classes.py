"""Logical detectors: an additional detector per observable that fixes the logical class of a matching."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.model.kernels import edges as edge_kernels
from decoders.model.matching_graph import MatchingGraph

# Most edges in the graphs of all observables, which take a minute, and edges that take as long as the rest of
# a graph.
_MAX_EDGES, _EDGES_OF_AN_OBSERVABLE = 5 * 10**7, 10**4


@dataclass(frozen=True, eq=False, kw_only=True)
class LogicalDetector:
    """One observable, expressed as an additional detector at the boundary.

    If no cycle of edges flips the observable, every detector can be assigned a bit such that an edge between
    two detectors flips it if and only if their bits differ. Then errors with given detection events flip the
    observable by the parity of their boundary edges of one kind, up to a correction by the bits of the
    events. In a memory these are the edges to one of the two boundaries. In `graph` they lead to one
    additional detector, the last one, which fires in one logical class and not in the other (the boundary
    detector of Gidney, Newman, Brooks, Jones, arXiv 2312.04522, section 2).
    """

    observable: int
    #: The given graph with the additional detector and without observables.
    graph: MatchingGraph
    #: int64 (num_edges,): index in the given graph of each edge of `graph`.
    edges: NDArray[np.int64]
    #: uint8 (ceil(num_detectors / 8),): the bit of each detector, bit-packed.
    bits: NDArray[np.uint8]
    #: Value of the observable if neither detection events nor the last detector fire.
    offset: bool
    #: bool (num_edges of the given graph,): boundary edges that flip the observable.
    flipping: NDArray[np.bool_]
    #: Whether edges can reach both classes; if not, detection events determine the class.
    two_classes: bool
    #: Weight, in units of log-likelihood, of the lightest undetectable error that changes the class.
    unseen: float

    @classmethod
    def of(cls, graph: MatchingGraph, *, observable: int) -> "LogicalDetector":
        """Express an observable as a detector.

        Args:
            graph: the matching graph.
            observable: index of the observable.

        Raises:
            ValueError: a cycle of edges flips the observable, or there is no such observable.
        """
        if not 0 <= observable < graph.num_observables:
            raise ValueError(
                f"observable={observable}: the graph has {graph.num_observables} observables, numbered from 0"
            )
        flips = _bit_of(graph.edge_observables, observable)
        bit = _potential(graph, flips, observable)
        at_boundary = graph.edge_v < 0
        kind = at_boundary & (flips ^ bit[graph.edge_u])
        # Either boundary of a component may be the flipping one: choose the one with fewer edges, which is
        # empty if there is only one boundary.
        size = graph.component_has_boundary.size
        of_edge = graph.component[graph.edge_u]
        every, flipping = (np.bincount(of_edge[chosen], minlength=size) for chosen in (at_boundary, kind))
        swap = 2 * flipping > every
        bit ^= swap[graph.component]
        kind ^= at_boundary & swap[of_edge]
        likely = graph.undetectable_probability > 0.5
        unseen = _bit_of(graph.undetectable_observables, observable)
        chance = graph.undetectable_probability[unseen]
        certain = _bit_of(graph.certain_observables[np.newaxis], observable)[0]
        extended, edges = _with_detector(graph, kind)
        return cls(
            observable=observable,
            graph=extended,
            edges=edges,
            bits=np.packbits(bit, bitorder="little"),
            offset=bool(
                certain ^ (np.count_nonzero(bit & graph.certain_detectors) + likely[unseen].sum()) % 2
            ),
            flipping=kind,
            two_classes=bool(kind.any()),
            unseen=float(np.abs(np.log(chance / (1 - chance))).min()) if chance.size else np.inf,
        )

    def events_of_class(self, packed: NDArray[np.uint8], flips: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Return detection events on `graph` that admit only solutions of a given class.

        Args:
            packed: uint8 (shots, ceil(num_detectors / 8)) on the given graph, padding zero.
            flips: bool (shots,): value of the observable in the class.

        Returns:
            uint8 (shots, ceil((num_detectors + 1) / 8)).
        """
        last = self.graph.num_detectors - 1
        fires = np.bitwise_count(packed & self.bits).sum(axis=1) % 2 == 1
        fires ^= flips ^ self.offset
        found = np.zeros((packed.shape[0], last // 8 + 1), dtype=np.uint8)
        found[:, : packed.shape[1]] = packed
        found[:, last // 8] |= fires.astype(np.uint8) << np.uint8(last % 8)
        return found


def make_logicals(graph: MatchingGraph) -> list[LogicalDetector]:
    """Express all observables of a graph as detectors.

    Raises:
        ValueError: a cycle of edges flips an observable, see `LogicalDetector.of`; or there are too many
            observables for the number of edges.
    """
    if graph.num_observables * (graph.num_edges + _EDGES_OF_AN_OBSERVABLE) > _MAX_EDGES:
        most = _MAX_EDGES // (graph.num_edges + _EDGES_OF_AN_OBSERVABLE)
        raise ValueError(
            f"no gaps for {graph.num_observables} observables: at most {most} are supported in a model of "
            f"{graph.num_edges} edges, because each observable takes another graph"
        )
    return [LogicalDetector.of(graph, observable=observable) for observable in range(graph.num_observables)]


def _bit_of(words: NDArray[np.uint64], observable: int) -> NDArray[np.bool_]:
    """Return whether each row of bit-packed observables contains one; False without words."""
    found: NDArray[np.bool_] = words[:, observable // 64] >> np.uint64(observable % 64) & np.uint64(1) != 0
    return found


def _potential(graph: MatchingGraph, flips: NDArray[np.bool_], observable: int) -> NDArray[np.bool_]:
    """Return a bit for each detector that differs across exactly the inner edges that flip the observable."""
    size = graph.num_detectors
    inner = graph.edge_v >= 0
    u, v, crossing = graph.edge_u[inner], graph.edge_v[inner], size * flips[inner]
    # Double cover of the graph; an edge that flips leads from one sheet to the other.
    ends_u = np.concatenate([u, u + size]).astype(np.int32)
    ends_v = np.concatenate([v + crossing, v + size - crossing]).astype(np.int32)
    sheet = np.empty(2 * size, dtype=np.int32)
    edge_kernels.label_components(ends_u, ends_v, sheet, np.zeros(2 * size, dtype=np.bool_))
    looped = np.flatnonzero(sheet[:size] == sheet[size:])
    if looped.size:
        raise ValueError(
            f"no gap for observable L{observable}: errors along a cycle through D{looped[0]} flip it; gaps "
            "need observables that only paths between boundaries flip (no torus, no contradictory parallel "
            "edges)"
        )
    # Components are numbered by their smallest detector, which gets bit 0, as do all on its sheet.
    return sheet[:size] > sheet[size:]


def _with_detector(
    graph: MatchingGraph, leading: NDArray[np.bool_]
) -> tuple[MatchingGraph, NDArray[np.int64]]:
    """Return the graph with one additional detector, to which the `leading` boundary edges lead.

    Returns also int64 (num_edges,): the former index of each edge.
    """
    edge_v = np.where(leading, np.int32(graph.num_detectors), graph.edge_v).astype(np.int32)
    order = np.lexsort((edge_v, graph.edge_u))
    extended = MatchingGraph.from_edges(
        num_detectors=graph.num_detectors + 1,
        num_observables=0,
        edge_u=graph.edge_u[order],
        edge_v=edge_v[order],
        edge_weight=graph.edge_weight[order],
        edge_probability=graph.edge_probability[order],
        edge_observables=np.zeros((graph.num_edges, 0), dtype=np.uint64),
        weight_scale=graph.weight_scale,
        certain_detectors=np.append(graph.certain_detectors, np.False_),
    )
    return extended, order
