"""Memory of the matching kernels: arrays owned by Python objects, with their addresses in records."""

from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.kernels import layout
from decoders.matching.kernels import implied_edges, neighbour_lists, periodic_ranges
from decoders.model.matching_graph import MatchingGraph

#: Detectors in a neighbour list; farther ones are found by searching the graph. 88 entries are 11 cache
#: lines: with 16 lines the heads of all lists would map to one sixteenth of the cache's sets.
LIST_LENGTH = 88
# If few detectors share lists, lists are shortened: most entries in total, and fewest entries per list.
_MAX_ENTRIES, _SHORT_LIST = 1 << 22, 32
# Most periodic ranges of a graph, and fewest detectors of a range that is examined.
_MAX_PERIODIC_RANGES, _SHORTEST_RANGE = 64, 128
# Extra lists allocated for the beginnings of such ranges.
_MORE_LISTS = 1 << 8
# Fewer lists than this are always built at once, within milliseconds.
_FEWEST_ON_DEMAND = 1 << 12
# Lists sampled to choose the search radius of the others.
_SAMPLED_LISTS = 32
# Edges of a detector that is called a hub, and most edges read in searches past hubs (below a second).
_HUB, _MAX_HUB_STEPS = 1000, 1e7


def as_bytes(words: NDArray[np.uint64], num_bytes: int) -> NDArray[np.uint8]:
    """Convert rows of 64-bit words to rows of bytes, least significant first.

    Args:
        words: uint64 (rows, words).
        num_bytes: bytes to keep of each row.

    Returns:
        uint8 (rows, num_bytes), C-contiguous.
    """
    shape = (words.shape[0], 8 * words.shape[1])
    return np.ascontiguousarray(words.astype("<u8").view(np.uint8).reshape(shape)[:, :num_bytes])


def read_only(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a read-only view: kernels are compiled separately for writable and read-only arrays."""
    view = array.view()
    view.flags.writeable = False
    return view


def _mark_relevant(graph: MatchingGraph, relevant: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Mark detectors whose component has one of the given ones; default: an edge that flips observables."""
    seeds = graph.edge_u[graph.edge_observables.any(axis=1)] if relevant is None else np.flatnonzero(relevant)
    return (np.bincount(graph.component[seeds], minlength=graph.num_detectors) > 0)[graph.component]


class Pools:
    """A record with address fields that point to arrays, which live as long as this object."""

    def __init__(self, dtype: "np.dtype[np.record]") -> None:
        self.record = np.zeros(1, dtype=dtype)
        self.arrays: dict[str, NDArray[Any]] = {}

    def own(self, **arrays: NDArray[Any]) -> None:
        """Keep arrays and store their addresses in the fields of these names."""
        for name, array in arrays.items():
            assert array.flags.c_contiguous
            self.arrays[name] = array
            self.record[name] = array.ctypes.data

    def set(self, **scalars: int) -> None:
        """Set scalar fields."""
        for name, value in scalars.items():
            self.record[name] = value

    @property
    def num_bytes(self) -> int:
        """Total size of the arrays in bytes."""
        return sum(array.nbytes for array in self.arrays.values())


class Implied(NamedTuple):
    """Edges whose probability rises given another edge of the same error, with their conditional weights."""

    #: int32 (num_edges + 1,): the edges implied by edge e are entries start[e]:start[e + 1].
    start: NDArray[np.int32]
    #: int32 (entries,) each; weights are even and not negative.
    edge: NDArray[np.int32]
    weight: NDArray[np.int32]


class SearchGraph(Pools):
    """A matching graph with precomputed neighbour lists and boundary paths; read-only after construction.

    Edges of negative weight are assumed to be present: their detectors are flipped before decoding, their
    observables afterwards, and their weight counts positive (the reduction of minimum-weight T-joins to
    nonnegative weights by Edmonds and Johnson, 1973). Only the lightest of parallel edges is kept, since no
    other can be in a minimum-weight matching.

    Args:
        graph: matching graph.
        list_length: most detectors per neighbour list.
        beyond: bool (num_edges,): boundary edges that lead out of a window of layers; default: none.
        implied: conditional weights for a second matching; requires nonnegative weights.
        relevant: bool (num_detectors,): detectors whose components get a second matching when only
            predictions are needed; default: detectors of edges that flip observables.
        on_demand: build the neighbour lists of a large graph only when `prepare` asks for them. Missing
            lists are empty, which costs time but changes no weight.
    """

    def __init__(
        self,
        graph: MatchingGraph,
        *,
        list_length: int = LIST_LENGTH,
        beyond: NDArray[np.bool_] | None = None,
        implied: Implied | None = None,
        relevant: NDArray[np.bool_] | None = None,
        on_demand: bool = False,
    ) -> None:
        super().__init__(layout.GRAPH)
        num_detectors, num_edges = graph.num_detectors, graph.num_edges
        flip_bytes = (graph.num_observables + 7) // 8
        edge_flips = as_bytes(graph.edge_observables, flip_bytes)
        inverted = graph.certain_detectors.copy()
        certain_flips = as_bytes(graph.certain_observables[np.newaxis], flip_bytes)[0]
        negative = np.flatnonzero(graph.edge_weight < 0)
        if negative.size:
            certain_flips ^= np.bitwise_xor.reduce(edge_flips[negative], axis=0)
            ends = np.concatenate([graph.edge_u[negative], graph.edge_v[negative]])
            inverted ^= np.bincount(ends[ends >= 0], minlength=num_detectors) % 2 == 1
        # Undetectable errors that are more likely than not.
        likely = graph.undetectable_probability > 0.5
        if likely.any():
            certain_flips ^= np.bitwise_xor.reduce(
                as_bytes(graph.undetectable_observables[likely], flip_bytes), axis=0
            )

        weight = np.abs(graph.edge_weight)
        at_boundary = graph.edge_v < 0
        boundary_weight = np.full(num_detectors, layout.FAR, dtype=np.int64)
        boundary_edge = np.full(num_detectors, -1, dtype=np.int32)
        # The last one written remains: the lightest, and the first of equals, as in `lightest_parallel`.
        candidates = np.flatnonzero(at_boundary)[::-1]
        lightest = candidates[np.argsort(-weight[candidates], kind="stable")]
        boundary_weight[graph.edge_u[lightest]] = weight[lightest]
        boundary_edge[graph.edge_u[lightest]] = lightest
        ends = np.stack([graph.edge_u, graph.edge_v], axis=1)
        if beyond is not None:
            ends[beyond, 1] = layout.BEYOND
        adjacent = np.empty(2 * num_edges, dtype=layout.ADJACENT)
        indptr = np.zeros(num_detectors + 1, dtype=np.int32)
        edge_has_flips = edge_flips.any(axis=1) if flip_bytes else np.zeros(num_edges, dtype=np.bool_)
        num_adjacent = neighbour_lists.fill_adjacency(
            graph.indptr,
            graph.adjacent_detector,
            graph.adjacent_edge,
            weight,
            edge_has_flips,
            indptr,
            adjacent,
        )
        adjacent.resize(num_adjacent, refcheck=False)
        self.own(
            detectors=np.zeros(num_detectors, dtype=layout.DETECTOR),
            neighbours=np.zeros(1, dtype=layout.NEIGHBOUR),
            parents=np.zeros(1, dtype=np.int16),
            steps=np.zeros(1, dtype=np.int32),
            outward_edges=np.full(num_detectors, -1, dtype=np.int32),
            indptr=indptr,
            adjacent=adjacent,
            boundary_edge=boundary_edge,
            boundary_flips=np.zeros(num_detectors * flip_bytes, dtype=np.uint8),
            edge_flips=edge_flips.reshape(-1),
            ends=ends.reshape(-1),
            inverted=np.packbits(inverted, bitorder="little"),
            certain_flips=certain_flips,
        )
        self.set(
            num_detectors=num_detectors,
            num_neighbours=1,
            num_adjacent=num_adjacent,
            num_edges=num_edges,
            end_of_implying=num_detectors,
            flip_bytes=flip_bytes,
            shot_bytes=(num_detectors + 7) // 8,
            has_inverted=int(inverted.any()),
            certain_weight=int(graph.edge_weight[negative].sum(dtype=np.int64)),
        )
        is_relevant = _mark_relevant(graph, relevant)
        self._own_implied(graph, implied, is_relevant)
        work = Workspace(self)
        neighbour_lists.measure_boundary(self.record, work.record, boundary_weight)
        self._lazy_lists: _LazyLists | None = None
        self._fill_lists(work, list_length, on_demand=on_demand)
        self.arrays["detectors"]["flips"][is_relevant] |= layout.IS_RELEVANT

    def use_observed_edges(self, observed: NDArray[np.bool_]) -> None:
        """Use the weights implied by these edges in first matchings.

        Args:
            observed: bool (num_edges,): edges that all solutions of a syndrome contain or none does. Requires
                `implied`.
        """
        if observed.any():
            self.own(observed=observed.astype(np.uint8))
            self.set(num_observed=int(observed.sum()))

    def _fill_lists(self, work: "Workspace", list_length: int, *, on_demand: bool) -> None:
        """Build the neighbour lists; detectors of a periodic range share those of one period before."""
        num_detectors = int(self.record["num_detectors"][0])
        found = np.zeros((_MAX_PERIODIC_RANGES, 3), dtype=np.int64)
        count = periodic_ranges.find_periodic_ranges(
            self.record,
            work.record,
            list_length,
            max(_SHORTEST_RANGE, num_detectors // _MAX_PERIODIC_RANGES),
            np.zeros((2 * _MAX_PERIODIC_RANGES, 2), dtype=np.int64),
            found,
        )
        found = found[:count]
        num_own = num_detectors - int((found[:, 1] - found[:, 0]).sum())
        list_length = min(list_length, max(_SHORT_LIST, _MAX_ENTRIES // max(num_own, 1)))
        ranges = [(0, num_detectors)]
        if on_demand and num_own >= _FEWEST_ON_DEMAND and list_length:
            # Lists are shared with detectors up to one period before a periodic range.
            ranges = [(max(begin - period, 0), end) for begin, end, period in found.tolist()]
        missing = np.ones(num_detectors, dtype=np.bool_)
        degree = np.diff(self.arrays["indptr"]).astype(np.float64)
        if not on_demand and float((degree[degree >= _HUB] ** 2).sum()) > _MAX_HUB_STEPS:
            # Each search from a neighbour of a hub reads all edges of the hub: searches from all neighbours
            # would take time quadratic in its edges. Shots search from their events only.
            ranges, missing[:] = [], False
        low, high = np.empty((2, num_detectors), dtype=np.int32)
        used, guess, source = 0, int(layout.FAR), 0
        self._resize_lists(min(num_detectors, num_own + _MORE_LISTS) * list_length + 1 if ranges else 1)
        for start, stop in ranges:
            missing[start:stop] = False
            source = max(source, start)
            while True:
                source, used, guess = neighbour_lists.fill_lists(
                    self.record, work.record, list_length, found, low, high, source, stop, used, guess
                )
                if source == stop:
                    break
                self._resize_lists(2 * used + list_length + 1)
        # Free unused entries except one: kernels read the first entry even of an empty list.
        self._resize_lists(used + 1)
        if missing.any():
            self._lazy_lists = _LazyLists(self, work, missing, used=used, list_length=list_length)

    @property
    def is_complete(self) -> bool:
        """Whether all neighbour lists are made, so that `prepare` has nothing to do."""
        return self._lazy_lists is None

    def prepare(self, shots: NDArray[np.uint8]) -> None:
        """Build the missing neighbour lists of detectors that fire in shots, uint8 (shots, shot_bytes)."""
        lazy = self._lazy_lists  # another thread may make the last ones
        if lazy is not None and lazy.make(shots):
            self._lazy_lists = None

    def _resize_lists(self, size: int) -> None:
        for name in ("neighbours", "parents", "steps"):
            # No other references exist. Large arrays are resized in place, without a copy.
            self.arrays[name].resize(size, refcheck=False)
            self.own(**{name: self.arrays[name]})
        self.set(num_neighbours=size)

    def _own_implied(
        self, graph: MatchingGraph, implied: Implied | None, is_relevant: NDArray[np.bool_]
    ) -> None:
        weight = np.abs(graph.edge_weight)
        if implied is None:
            self.own(
                weights=np.zeros(0, dtype=np.int32),
                lightest_parallel=np.zeros(0, dtype=np.int32),
                implied=np.zeros(0, dtype=layout.IMPLIED),
                implied_start=np.zeros(0, dtype=np.int32),
                implied_relevant=np.zeros(0, dtype=np.int32),
            )
            return
        edges = graph.edge_u, graph.edge_v, weight
        lightest_parallel = np.empty(graph.num_edges, dtype=np.int32)
        implied_edges.find_lightest_parallel(*edges, lightest_parallel)
        table = np.empty(implied.edge.size, dtype=layout.IMPLIED)
        start = np.empty(graph.num_edges + 1, dtype=np.int32)
        in_relevant = np.empty(graph.num_edges, dtype=np.int32)
        used, has_own = implied_edges.fill_implied(
            *implied, *edges, lightest_parallel, is_relevant, table, start, in_relevant
        )
        table.resize(used, refcheck=False)
        self.own(
            weights=weight,
            lightest_parallel=lightest_parallel,
            implied=table,
            implied_start=start,
            implied_relevant=in_relevant,
        )
        self.set(num_implied=used, has_own_implied=int(has_own))


class _LazyLists:
    """Neighbour lists that are built when a shot first has an event at their detector.

    Each list depends on the graph alone, so predictions do not depend on earlier shots. Addresses for all
    lists are reserved at once and do not change while other threads read them; pages take memory only once
    written.
    """

    def __init__(
        self,
        graph: SearchGraph,
        work: "Workspace",
        missing: NDArray[np.bool_],
        *,
        used: int,
        list_length: int,
    ) -> None:
        self._records = graph.record, work.record
        self._work = work  # owns what its record points to
        self._list_length = list_length
        self._used = used
        self._toggles = graph.arrays["inverted"]
        self._missing = np.packbits(missing, bitorder="little")
        self._lock = Lock()
        places = np.flatnonzero(missing)
        size = used + places.size * list_length + 1
        for name in ("neighbours", "parents", "steps"):
            array = np.zeros(size, dtype=graph.arrays[name].dtype)
            array[:used] = graph.arrays[name][:used]
            graph.own(**{name: array})
        graph.set(num_neighbours=size)
        sample = places[:: max(1, places.size // _SAMPLED_LISTS)]
        self._fill(sample, limit=int(layout.FAR))
        radii = graph.arrays["detectors"]["radius"][sample]
        # One search radius for all lists. Most lists come out full; the others are searched again.
        self._limit = int(np.quantile(radii, 0.9, method="lower")) & ~1
        graph.arrays["detectors"][["first", "last", "radius"]][sample] = 0
        self._used = used

    def make(self, shots: NDArray[np.uint8]) -> bool:
        """Build the missing lists of detectors that fire in shots; return whether all lists are built."""
        wanted = np.bitwise_or.reduce(shots, axis=0) | self._toggles
        if (wanted & self._missing).any():
            with self._lock:
                wanted &= self._missing  # another thread may have made some
                self._fill(np.flatnonzero(np.unpackbits(wanted, bitorder="little")), limit=self._limit)
                self._missing &= ~wanted  # only now may other threads use them
        return not self._missing.any()

    def _fill(self, detectors: NDArray[np.int64], *, limit: int) -> None:
        self._used = neighbour_lists.fill_selected_lists(
            *self._records, detectors, self._list_length, limit, self._used
        )


class Workspace(Pools):
    """Memory that decoding writes to, for one thread and any shot of the given graphs.

    The pools of edges and queue items start small, which suffices for most shots; a kernel that runs out of
    space returns FULL, and `grow` doubles them.
    """

    def __init__(self, *graphs: Pools) -> None:
        super().__init__(layout.WORK)
        num_detectors = max(int(graph.record["num_detectors"][0]) for graph in graphs)
        flip_bytes = max(int(graph.record["flip_bytes"][0]) for graph in graphs)
        # A laminar family of odd sets has at most one blossom for every two events.
        max_nodes = num_detectors + num_detectors // 2 + 1
        max_dijkstra_queue = max(int(graph.record["num_adjacent"][0]) for graph in graphs) + num_detectors + 1
        dijkstra_nodes = np.zeros(num_detectors, dtype=layout.DIJKSTRA_NODE)
        dijkstra_nodes["distance"] = -1
        self.own(
            events=np.zeros(num_detectors, dtype=layout.EVENT),
            nodes=np.zeros(max_nodes, dtype=layout.NODE),
            stack=np.zeros(2 * max_nodes, dtype=np.int64),
            spare=np.zeros(max_nodes, dtype=np.int64),
            event_of=np.full(num_detectors, -1, dtype=np.int32),
            fired=np.zeros(num_detectors, dtype=np.int64),
            visited=np.zeros(num_detectors, dtype=np.int64),
            flips=np.zeros(flip_bytes, dtype=np.uint8),
            path=np.zeros(num_detectors + 1, dtype=np.int64),
            dijkstra_nodes=dijkstra_nodes,
            dijkstra_queue=np.zeros(max_dijkstra_queue, dtype=layout.ITEM),
            dijkstra_touched=np.zeros(num_detectors, dtype=np.int64),
        )
        self.set(
            num_detectors=num_detectors,
            max_events=num_detectors,
            max_nodes=max_nodes,
            max_dijkstra_queue=max_dijkstra_queue,
            flip_bytes=flip_bytes,
        )
        self._resize(64 + num_detectors)

    def _resize(self, size: int) -> None:
        self.own(
            halves=np.zeros(2 * size, dtype=layout.HALF),
            edges=np.zeros(size, dtype=layout.EDGE),
            queue=np.zeros(size, dtype=layout.ITEM),
            tree=np.zeros(size, dtype=np.int64),
        )
        self.set(max_edges=size, max_queue=size, max_tree=size)

    def grow(self) -> None:
        """Double the pools whose size depends on the shot."""
        self.arrays["nodes"]["label"] = layout.OUT_OF_TREE
        self._resize(2 * int(self.record["max_edges"][0]))
