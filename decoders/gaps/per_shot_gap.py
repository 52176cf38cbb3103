"""What gaps need where every shot has weights of its own: each observable's graph of classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.gaps.kernels.per_shot import RIVAL
from decoders.gaps.logical_classes import Gauge
from decoders.kernels import layout
from decoders.matching.workspace import Pools, Workspace
from decoders.model.matching_graph import MatchingGraph
from decoders.reweighted.graph import ReweightedGraph
from decoders.reweighted.kernels.layout import REWEIGHT


class Rivals:
    """The observables of a graph as detectors, and the memory of one thread; for `kernels.rivals`.

    Args:
        graph: the reweighted graph that shots are matched on.
        gauges: of its observables, see `gauges_of`; none if no gaps are wanted.
    """

    def __init__(self, graph: ReweightedGraph, gauges: list[Gauge]) -> None:
        gauges = [gauge for gauge in gauges if gauge.two_classes]
        self._graphs = [ReweightedGraph(gauge.graph) for gauge in gauges]
        self._pools = [_rival(gauge) for gauge in gauges]
        self._work = Workspace(*(self._graphs or [graph]))
        #: The first four arguments of `find_gaps`.
        self.records: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]] = (
            _together(layout.GRAPH, [one.record for one in self._graphs]),
            _together(REWEIGHT, [one.reweight.record for one in self._graphs]),
            _together(RIVAL, [one.record for one in self._pools]),
            self._work.record,
        )

    def grow(self) -> None:
        """Give the kernels more room."""
        self._work.grow()


def gauges_of(graph: MatchingGraph) -> list[Gauge]:
    """All observables of a graph as detectors.

    Raises:
        ValueError: a loop of edges flips an observable, see `Gauge.of`.
    """
    return [Gauge.of(graph, observable=observable) for observable in range(graph.num_observables)]


def no_gaps(shots: int, gauges: list[Gauge]) -> NDArray[np.int64]:
    """Where kernels write integer gaps, int64 (shots, observables): no other class is known yet."""
    return np.full((shots, len(gauges)), layout.FAR, dtype=np.int64)


def as_likelihood(steps: NDArray[np.int64], gauges: list[Gauge], *, scale: float) -> NDArray[np.float64]:
    """Integer gaps in units of log-likelihood, infinite where there is no other class."""
    unseen = np.array([gauge.unseen for gauge in gauges])
    gaps: NDArray[np.float64] = np.minimum(np.where(steps < layout.FAR, steps / scale, np.inf), unseen)
    return gaps


def _rival(gauge: Gauge) -> Pools:
    num_detectors, num_edges = gauge.graph.num_detectors, gauge.graph.num_edges
    pools = Pools(RIVAL)
    pools.own(
        order=gauge.edges.astype(np.int64),
        weights=np.zeros(num_edges, dtype=np.int32),
        bits=np.append(np.unpackbits(gauge.bits, count=num_detectors - 1, bitorder="little"), np.uint8(0)),
        events=np.zeros(num_detectors, dtype=np.int64),
    )
    pools.set(num_detectors=num_detectors, num_edges=num_edges, observable=gauge.observable)
    return pools


def _together(dtype: "np.dtype[np.record]", records: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=dtype), *records])
