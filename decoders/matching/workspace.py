"""The memory behind the kernels' records: arrays owned by Python objects, addresses in the records."""

from threading import Lock
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.kernels import layout
from decoders.matching.kernels import implied_edges, neighbour_lists, stretches
from decoders.model.matching_graph import MatchingGraph

#: How many neighbours each detector knows by heart; more are found by searching the graph. 88 entries
#: are 11 cache lines: the heads of lists 16 lines apart would fall on a sixteenth of the cache's sets.
LIST_LENGTH = 88
# Where few detectors share their lists, these are shorter: so many entries in all, but at least so many each.
_MOST_ENTRIES, _SHORT_LIST = 1 << 22, 32
# Ranges in which a graph repeats itself, and how many detectors a range has that is looked at.
_MOST_STRETCHES, _SHORTEST_RANGE = 64, 128
# Room for the lists at the beginning of such ranges.
_MORE_LISTS = 1 << 8
# Fewer lists than this are always made at once: some milliseconds.
_FEWEST_ON_DEMAND = 1 << 12
# Lists from which the distance to search for the others is taken.
_SAMPLED_LISTS = 32


def as_bytes(words: NDArray[np.uint64], num_bytes: int) -> NDArray[np.uint8]:
    """Rows of 64-bit words as rows of bytes, least significant first."""
    shape = (words.shape[0], 8 * words.shape[1])
    return np.ascontiguousarray(words.astype("<u8").view(np.uint8).reshape(shape)[:, :num_bytes])


def read_only(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A read-only view, whatever the caller's array is: a kernel is compiled once for each of the two."""
    view = array.view()
    view.flags.writeable = False
    return view


def _watched(graph: MatchingGraph, watched: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Which detectors' components have one that is watched; without any given, one that flips."""
    seeds = graph.edge_u[graph.edge_observables.any(axis=1)] if watched is None else np.flatnonzero(watched)
    return (np.bincount(graph.component[seeds], minlength=graph.num_detectors) > 0)[graph.component]


class Pools:
    """A record whose address fields point to arrays that live as long as this object."""

    def __init__(self, dtype: "np.dtype[np.record]") -> None:
        self.record = np.zeros(1, dtype=dtype)
        self.arrays: dict[str, NDArray[Any]] = {}

    def own(self, **arrays: NDArray[Any]) -> None:
        """Keep arrays and point the fields of these names to them."""
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
        """Memory of all arrays, in bytes."""
        return sum(array.nbytes for array in self.arrays.values())


class Implied(NamedTuple):
    """What edges are more likely where another has happened, and their integer weights then."""

    #: int32 (num_edges + 1,): what edge e implies is at start[e]:start[e + 1].
    start: NDArray[np.int32]
    #: int32 (entries,) each; weights are even, not negative.
    edge: NDArray[np.int32]
    weight: NDArray[np.int32]


class SearchGraph(Pools):
    """A matching graph with everything precomputed that shots ask for; read only once made.

    Edges of negative weight are taken as present: their detectors are flipped before decoding, their
    observables after it, and their weight counts positive (as Edmonds and Johnson reduce minimum-weight
    T-joins to nonnegative weights). Of parallel edges only the lightest can be in a lightest matching.
    Boundary edges marked in `beyond` bool (num_edges,) lead out of a window of layers. With `implied`, for
    which no weight may be negative, shots are matched a second time; only in components of detectors that are
    `watched`, bool (num_detectors,), if no more is asked for than flips. Default: those that flip something.

    `on_demand`: where a graph needs many different neighbour lists, most are made by `prepare`. Until then
    they are empty, which costs time but changes no weight.
    """

    def __init__(
        self,
        graph: MatchingGraph,
        *,
        list_length: int = LIST_LENGTH,
        beyond: NDArray[np.bool_] | None = None,
        implied: Implied | None = None,
        watched: NDArray[np.bool_] | None = None,
        on_demand: bool = False,
    ) -> None:
        super().__init__(layout.GRAPH)
        num_detectors, num_edges = graph.num_detectors, graph.num_edges
        flip_bytes = (graph.num_observables + 7) // 8
        edge_flips = as_bytes(graph.edge_observables, flip_bytes)
        toggles = graph.certain_detectors.copy()
        certain_flips = as_bytes(graph.certain_observables[np.newaxis], flip_bytes)[0]
        negative = np.flatnonzero(graph.edge_weight < 0)
        if negative.size:
            certain_flips ^= np.bitwise_xor.reduce(edge_flips[negative], axis=0)
            ends = np.concatenate([graph.edge_u[negative], graph.edge_v[negative]])
            toggles ^= np.bincount(ends[ends >= 0], minlength=num_detectors) % 2 == 1
        # Errors that no detector sees but that happen more often than not.
        likely = graph.undetectable_probability > 0.5
        if likely.any():
            certain_flips ^= np.bitwise_xor.reduce(
                as_bytes(graph.undetectable_observables[likely], flip_bytes), axis=0
            )

        weight = np.abs(graph.edge_weight)
        at_boundary = graph.edge_v < 0
        boundary_weight = np.full(num_detectors, layout.FAR, dtype=np.int64)
        boundary_edge = np.full(num_detectors, -1, dtype=np.int32)
        # The last one written stays: the lightest, and the first of equals, as in `slots`.
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
            near=np.zeros(1, dtype=layout.NEAR),
            parents=np.zeros(1, dtype=np.int16),
            steps=np.zeros(1, dtype=np.int32),
            outward_edges=np.full(num_detectors, -1, dtype=np.int32),
            indptr=indptr,
            adjacent=adjacent,
            boundary_edge=boundary_edge,
            boundary_flips=np.zeros(num_detectors * flip_bytes, dtype=np.uint8),
            edge_flips=edge_flips.reshape(-1),
            ends=ends.reshape(-1),
            toggles=np.packbits(toggles, bitorder="little"),
            certain_flips=certain_flips,
        )
        self.set(
            num_detectors=num_detectors,
            num_near=1,
            num_adjacent=num_adjacent,
            num_edges=num_edges,
            flip_bytes=flip_bytes,
            shot_bytes=(num_detectors + 7) // 8,
            has_toggles=int(toggles.any()),
            certain_weight=int(graph.edge_weight[negative].sum(dtype=np.int64)),
        )
        is_watched = _watched(graph, watched)
        self._own_implied(graph, implied, is_watched)
        work = Workspace(self)
        neighbour_lists.measure_boundary(self.record, work.record, boundary_weight)
        self._later: _LaterLists | None = None
        self._fill_lists(work, list_length, on_demand=on_demand)
        self.arrays["detectors"]["flips"][is_watched] |= layout.IS_WATCHED

    def apply_first(self, observed: NDArray[np.bool_]) -> None:
        """Have first matchings use the weights that these edges imply, bool (num_edges,); needs `implied`."""
        if observed.any():
            self.own(observed=observed.astype(np.uint8))
            self.set(num_observed=int(observed.sum()))

    def _fill_lists(self, work: "Workspace", list_length: int, *, on_demand: bool) -> None:
        """Fill the neighbour lists; detectors whose surroundings repeat share theirs."""
        num_detectors = int(self.record["num_detectors"][0])
        found = np.zeros((_MOST_STRETCHES, 3), dtype=np.int64)
        count = stretches.find_stretches(
            self.record,
            work.record,
            list_length,
            max(_SHORTEST_RANGE, num_detectors // _MOST_STRETCHES),
            np.zeros((2 * _MOST_STRETCHES, 2), dtype=np.int64),
            found,
        )
        found = found[:count]
        num_own = num_detectors - int((found[:, 1] - found[:, 0]).sum())
        list_length = min(list_length, max(_SHORT_LIST, _MOST_ENTRIES // max(num_own, 1)))
        ranges = [(0, num_detectors)]
        if on_demand and num_own >= _FEWEST_ON_DEMAND and list_length:
            # Lists are shared with detectors up to one period before a stretch.
            ranges = [(max(begin - period, 0), end) for begin, end, period in found.tolist()]
        missing = np.ones(num_detectors, dtype=np.bool_)
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
        # Give back what is left, but for one entry: kernels read the first entry even of an empty list.
        self._resize_lists(used + 1)
        if missing.any():
            self._later = _LaterLists(self, work, missing, used=used, list_length=list_length)

    @property
    def is_complete(self) -> bool:
        """Whether all neighbour lists are made, so that `prepare` has nothing to do."""
        return self._later is None

    def prepare(self, shots: NDArray[np.uint8]) -> None:
        """Make the neighbour lists that shots will ask for, bit-packed uint8 (shots, shot_bytes)."""
        later = self._later  # another thread may make the last ones
        if later is not None and later.make(shots):
            self._later = None

    def _resize_lists(self, size: int) -> None:
        for name in ("near", "parents", "steps"):
            # Nothing else refers to them. Large arrays are resized in place, without a copy.
            self.arrays[name].resize(size, refcheck=False)
            self.own(**{name: self.arrays[name]})
        self.set(num_near=size)

    def _own_implied(
        self, graph: MatchingGraph, implied: Implied | None, is_watched: NDArray[np.bool_]
    ) -> None:
        weight = np.abs(graph.edge_weight)
        if implied is None:
            self.own(
                weights=np.zeros(0, dtype=np.int32),
                slots=np.zeros(0, dtype=np.int32),
                implied=np.zeros(0, dtype=layout.IMPLIED),
                implied_start=np.zeros(0, dtype=np.int32),
                implied_watched=np.zeros(0, dtype=np.int32),
            )
            return
        edges = graph.edge_u, graph.edge_v, weight
        slots = np.empty(graph.num_edges, dtype=np.int32)
        implied_edges.fill_slots(*edges, slots)
        table = np.empty(implied.edge.size, dtype=layout.IMPLIED)
        start = np.empty(graph.num_edges + 1, dtype=np.int32)
        in_watched = np.empty(graph.num_edges, dtype=np.int32)
        used, has_own = implied_edges.fill_implied(
            *implied, *edges, slots, is_watched, table, start, in_watched
        )
        table.resize(used, refcheck=False)
        self.own(weights=weight, slots=slots, implied=table, implied_start=start, implied_watched=in_watched)
        self.set(num_implied=used, has_own_implied=int(has_own))


class _LaterLists:
    """Neighbour lists that are made when a shot first has an event at their detector.

    Each depends on the graph alone, so predictions do not depend on which shots came before. Addresses for
    all lists are reserved at once, so they stay where they are while other threads read them; pages take
    memory only once they are written to.
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
        self._toggles = graph.arrays["toggles"]
        self._missing = np.packbits(missing, bitorder="little")
        self._lock = Lock()
        places = np.flatnonzero(missing)
        size = used + places.size * list_length + 1
        for name in ("near", "parents", "steps"):
            array = np.zeros(size, dtype=graph.arrays[name].dtype)
            array[:used] = graph.arrays[name][:used]
            graph.own(**{name: array})
        graph.set(num_near=size)
        sample = places[:: max(1, places.size // _SAMPLED_LISTS)]
        self._fill(sample, limit=int(layout.FAR))
        radii = graph.arrays["detectors"]["radius"][sample]
        # The same for all lists. Most come out full; the others are searched for once more.
        self._limit = int(np.quantile(radii, 0.9, method="lower")) & ~1
        graph.arrays["detectors"][["first", "last", "radius"]][sample] = 0
        self._used = used

    def make(self, shots: NDArray[np.uint8]) -> bool:
        """Make the lists that shots ask for and that are missing; returns whether all lists are made."""
        wanted = np.bitwise_or.reduce(shots, axis=0) | self._toggles
        if (wanted & self._missing).any():
            with self._lock:
                wanted &= self._missing  # another thread may have made some
                self._fill(np.flatnonzero(np.unpackbits(wanted, bitorder="little")), limit=self._limit)
                self._missing &= ~wanted  # only now may others take them for made
        return not self._missing.any()

    def _fill(self, detectors: NDArray[np.int64], *, limit: int) -> None:
        self._used = neighbour_lists.fill_lists_of(
            *self._records, detectors, self._list_length, limit, self._used
        )


class Workspace(Pools):
    """Everything that decoding writes to, for one thread; sized for any shot of any of the given graphs.

    The pools of edges and queue items start small, for most shots are; a kernel that runs out of room
    says so, and `grow` doubles them.
    """

    def __init__(self, *graphs: Pools) -> None:
        super().__init__(layout.WORK)
        num_detectors = max(int(graph.record["num_detectors"][0]) for graph in graphs)
        flip_bytes = max(int(graph.record["flip_bytes"][0]) for graph in graphs)
        # A laminar family of odd sets: at most one blossom for every two events.
        max_nodes = num_detectors + num_detectors // 2 + 1
        max_ball_queue = max(int(graph.record["num_adjacent"][0]) for graph in graphs) + num_detectors + 1
        ball_nodes = np.zeros(num_detectors, dtype=layout.BALL)
        ball_nodes["distance"] = -1
        self.own(
            events=np.zeros(num_detectors, dtype=layout.EVENT),
            nodes=np.zeros(max_nodes, dtype=layout.NODE),
            stack=np.zeros(2 * max_nodes, dtype=np.int64),
            spare=np.zeros(max_nodes, dtype=np.int64),
            event_of=np.full(num_detectors, -1, dtype=np.int32),
            found=np.zeros(num_detectors, dtype=np.int64),
            woken=np.zeros(num_detectors, dtype=np.int64),
            flips=np.zeros(flip_bytes, dtype=np.uint8),
            path=np.zeros(num_detectors + 1, dtype=np.int64),
            ball_nodes=ball_nodes,
            ball_queue=np.zeros(max_ball_queue, dtype=layout.ITEM),
            ball_touched=np.zeros(num_detectors, dtype=np.int64),
        )
        self._prepare_second(
            num_detectors, [graph.record[0] for graph in graphs if graph.record["num_implied"]]
        )
        self.set(
            num_detectors=num_detectors,
            max_events=num_detectors,
            max_nodes=max_nodes,
            max_ball_queue=max_ball_queue,
            flip_bytes=flip_bytes,
        )
        self._resize(64 + num_detectors)

    def _prepare_second(self, num_detectors: int, graphs: list[Any]) -> None:
        """What second matchings write to; nothing if no graph has any."""
        num_edges = max((int(graph.num_edges) for graph in graphs), default=0)
        num_events = num_detectors if graphs else 0
        # An error removes at most two edges for each of its own, or adds that one.
        max_changed = 3 * max((int(graph.largest_error) for graph in graphs), default=0)
        covers = np.zeros(num_events + 1, dtype=layout.COVER)
        covers["centre"] = covers["portal"] = layout.NONE
        self.own(
            limits=np.zeros(num_events, dtype=layout.LIMIT),
            chosen=np.zeros(num_events, dtype=np.int64),
            covers=covers,
            covered=np.zeros(num_events, dtype=np.int64),
            prices=np.full(num_edges, layout.NOT_SEEN, dtype=np.int32),
            seen=np.zeros(num_edges, dtype=np.int64),
            used_by=np.zeros(num_edges, dtype=np.int32),
            first_edges=np.zeros(num_edges, dtype=np.int64),
            second_edges=np.zeros(num_edges, dtype=np.int64),
            listed_at=np.full(num_events, layout.NONE, dtype=np.int64),
            listed_next=np.zeros(2 * num_edges, dtype=np.int64),
            changed=np.zeros(max_changed, dtype=np.int64),
            lowered=np.full(num_edges, layout.NOT_LOWERED, dtype=np.int32),
            lowered_as=np.zeros(num_edges, dtype=np.int32),
            active=np.zeros(num_edges, dtype=np.int64),
        )
        self.set(num_graph_edges=num_edges, max_changed=max_changed)

    def _resize(self, size: int) -> None:
        self.own(
            halves=np.zeros(2 * size, dtype=layout.HALF),
            edges=np.zeros(size, dtype=layout.EDGE),
            queue=np.zeros(size, dtype=layout.ITEM),
            tree=np.zeros(size, dtype=np.int64),
        )
        self.set(max_edges=size, max_queue=size, max_tree=size)
        size = size if self.record["num_graph_edges"][0] else 0
        self.own(
            raised=np.zeros(size, dtype=layout.RAISED),
            portals=np.zeros(size, dtype=layout.PORTAL),
            sights=np.zeros(size * layout.MOST_SIGHTS, dtype=layout.SIGHT),
            links=np.zeros(4 * size, dtype=layout.LINK),
            ways=np.zeros(4 * size, dtype=layout.WAY),
        )
        self.set(max_raised=size, max_portals=size, max_links=4 * size, max_ways=4 * size)

    def grow(self) -> None:
        """Double the pools whose need depends on the shot."""
        self.arrays["nodes"]["label"] = layout.OUT_OF_TREE
        self._resize(2 * int(self.record["max_edges"][0]))
