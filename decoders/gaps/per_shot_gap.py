"""Gap graphs for per-shot edge weights."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.gaps.kernels.per_shot import GAP_CLASS
from decoders.gaps.logical_classes import LogicalDetector
from decoders.kernels import layout
from decoders.matching.workspace import Pools, Workspace
from decoders.reweighted.graph import ReweightedGraph
from decoders.reweighted.kernels.layout import REWEIGHT


class PerShotGaps:
    """Gap graphs of the observables, and the memory of one thread, for `kernels.per_shot`.

    Args:
        graph: the reweighted graph on which shots are matched.
        logicals: its logical detectors; empty if no gaps are needed.
    """

    def __init__(self, graph: ReweightedGraph, logicals: list[LogicalDetector]) -> None:
        logicals = [logical for logical in logicals if logical.two_classes]
        self._graphs = [ReweightedGraph(logical.graph) for logical in logicals]
        self._pools = [_make_gap_class(logical) for logical in logicals]
        self._work = Workspace(*(self._graphs or [graph]))
        #: The first four arguments of `find_gaps`.
        self.records: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]] = (
            _together(layout.GRAPH, [one.record for one in self._graphs]),
            _together(REWEIGHT, [one.reweight.record for one in self._graphs]),
            _together(GAP_CLASS, [one.record for one in self._pools]),
            self._work.record,
        )

    def grow(self) -> None:
        """Enlarge the workspace."""
        self._work.grow()


def allocate_gaps(shots: int, logicals: list[LogicalDetector]) -> NDArray[np.int64]:
    """Allocate integer gaps for kernels, int64 (shots, observables), with FAR: no other class found yet."""
    return np.full((shots, len(logicals)), layout.FAR, dtype=np.int64)


def scale_gaps(
    steps: NDArray[np.int64], logicals: list[LogicalDetector], *, scale: float
) -> NDArray[np.float64]:
    """Convert integer gaps to log-likelihoods.

    Args:
        steps: int64 (shots, observables), FAR where there is no other class.
        logicals: the logical detectors.
        scale: integer weight per unit of log-likelihood.

    Returns:
        float64 (shots, observables), infinite where there is no other class.
    """
    unseen = np.array([logical.unseen for logical in logicals])
    gaps: NDArray[np.float64] = np.minimum(np.where(steps < layout.FAR, steps / scale, np.inf), unseen)
    return gaps


def _make_gap_class(logical: LogicalDetector) -> Pools:
    """Allocate the GAP_CLASS record of an observable."""
    num_detectors, num_edges = logical.graph.num_detectors, logical.graph.num_edges
    pools = Pools(GAP_CLASS)
    pools.own(
        order=logical.edges.astype(np.int64),
        weights=np.zeros(num_edges, dtype=np.int32),
        bits=np.append(np.unpackbits(logical.bits, count=num_detectors - 1, bitorder="little"), np.uint8(0)),
        events=np.zeros(num_detectors, dtype=np.int64),
    )
    pools.set(num_detectors=num_detectors, num_edges=num_edges, observable=logical.observable)
    return pools


def _together(dtype: "np.dtype[np.record]", records: list[NDArray[Any]]) -> NDArray[Any]:
    """Concatenate records into one array; empty if there are none."""
    return np.concatenate([np.zeros(0, dtype=dtype), *records])
