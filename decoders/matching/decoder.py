"""Exact minimum-weight perfect matching decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.base import Decoder, Gaps, Packed, Weights, pack_shots
from decoders.kernels import layout
from decoders.matching.failure import explain_failure
from decoders.matching.kernels import batch
from decoders.matching.optimality import check_certificate, check_edges
from decoders.matching.workspace import LIST_LENGTH, Implied, SearchGraph, Workspace, read_only
from decoders.model.matching_graph import MatchingGraph

if TYPE_CHECKING:
    from decoders.gaps.gap import GapGraph

# Portions of shots per thread: balances the load between easy and hard shots.
_PORTIONS_PER_THREAD = 4


class MWPM(Decoder):
    """Minimum-weight perfect matching of detection events, exact for every shot.

    Events that are mutually nearest are matched in a first pass; the others by growing alternating trees with
    blossoms (Edmonds 1965) on edges that are discovered only as far as regions have grown, the idea of sparse
    blossom (Higgott and Gidney, arXiv 2303.15933, section 3). Distances come from lists of each detector's
    nearest neighbours and, beyond these, from Dijkstra searches of the graph.

    Weights are integers as in `MatchingGraph`; the weight found is exactly minimal in these units.

    Examples:
        >>> import decoders, stim
        >>> decoder = decoders.from_dem("mwpm", stim.DetectorErrorModel("error(0.1) D0 D1 L0"))
        >>> decoder.decode_to_edges([True, True])
        array([[0, 1]], dtype=int32)
    """

    uses_threads = True
    gives_gaps = True
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 0.03, 5: 0.14, 7: 0.43, 9: 1.5, 11: 3.4}
    #: Kernels that decode many shots, and one shot to edges.
    _decode_many = staticmethod(batch.decode_batch)
    #: What one thread writes to.
    _workspace: ClassVar[type[Workspace]] = Workspace
    _decode_one = staticmethod(batch.decode_to_edges)

    def __init__(
        self,
        *,
        graph: MatchingGraph,
        verify: bool = False,
        name: str = "mwpm",
        implied: Implied | None = None,
        list_length: int = LIST_LENGTH,
    ) -> None:
        super().__init__(name=name, num_detectors=graph.num_detectors, num_observables=graph.num_observables)
        self.graph = graph
        # A second matching reads lists of detectors without events.
        self.search_graph = SearchGraph(
            graph, list_length=list_length, implied=implied, on_demand=implied is None
        )
        self._verify = verify
        self._idle: list[Workspace] = []
        self._gap_graph: GapGraph | None = None  # made when gaps are first asked for

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # The kernels' records hold addresses, which mean nothing in a copy or in another process.
        return partial(type(self), graph=self.graph, verify=self._verify), ()

    @property
    def verifies(self) -> bool:
        """Whether every decoded shot is proved optimal."""
        return self._verify

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel, *, verify: bool = False) -> Self:
        """Construct the decoder for a DEM.

        Args:
            dem: errors with at most two detectors per component, as `decompose_errors=True` makes them.
            verify: prove every decoded shot optimal by its dual solution, with distances from scipy; raises
                AssertionError otherwise. For tests: a hundred times slower.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        return cls(graph=MatchingGraph.from_dem(dem), verify=verify)

    def warm_up(self, *, gaps: bool = False) -> None:
        """Compile the kernels; see `Decoder.warm_up`.

        The kernel of `decode_to_edges` is compiled only for `verify=True`, otherwise at its first call.
        """
        super().warm_up(gaps=gaps)
        if not self._verify:
            return
        # With verify, batches are decoded shot by shot, with a proof for each.
        without_events = read_only(np.packbits(self.graph.certain_detectors, bitorder="little")[np.newaxis])
        predictions = np.zeros((0, (self.num_observables + 7) // 8), dtype=np.uint8)
        self._decode_range(without_events[:0], predictions, np.zeros(0, dtype=np.int64), 0, 0)
        self._edge_numbers(without_events, idle=self._idle)

    def decode_to_edges(self, detection_events: ArrayLike) -> NDArray[np.int32]:
        """Return the edges of one shot's matching.

        Args:
            detection_events: bool, or integers 0 and 1, (num_detectors,).

        Returns:
            int32 (edges, 2): the detectors at the ends of each edge, -1 for the boundary; sorted. Edges of
            negative weight that the solution contains are included. Errors of probability one are not edges:
            the syndrome of the result is the detection events without the flips of those errors.

        Raises:
            ValueError: wrong shape, dtype or value, or no error explains the detection events.
        """
        edges = self.decode_to_edge_numbers(detection_events)
        ends = np.stack([self.graph.edge_u[edges], self.graph.edge_v[edges]], axis=1)
        return np.ascontiguousarray(ends[np.lexsort((ends[:, 1], ends[:, 0]))])

    def decode_to_edge_numbers(self, detection_events: ArrayLike) -> NDArray[np.int64]:
        """Return the edges of one shot's matching by their numbers in `graph`: int64, ascending."""
        return self._edge_numbers(read_only(self._pack_one(detection_events)), idle=self._idle)

    def _edge_numbers(self, shot: Packed, *, idle: list[Workspace]) -> NDArray[np.int64]:
        found = np.zeros(max(64, self.graph.num_edges), dtype=np.int32)
        self.search_graph.prepare(shot)

        def run(work: Workspace) -> tuple[int, int]:
            nonlocal found
            size, status = self._decode_one(self.search_graph.record, work.record, shot[0], found)
            if status == layout.FULL:
                found = np.zeros(2 * found.size, dtype=np.int32)
            return (size, status) if status == layout.OK else (0, status)

        size = self._with_workspace(run, shot, idle=idle)
        times = np.bincount(found[:size], minlength=self.graph.num_edges)
        times += self.graph.edge_weight < 0  # assumed present before decoding
        return np.flatnonzero(times % 2)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        num_shots = packed.shape[0]
        packed = read_only(packed)
        predictions = np.zeros((num_shots, (self.num_observables + 7) // 8), dtype=np.uint8)
        integer_weights = np.zeros(num_shots if weights or self._verify else 0, dtype=np.int64)
        if self._verify:
            self._decode_and_verify(packed, predictions, integer_weights)
        else:
            self._in_portions(
                partial(self._decode_range, packed, predictions, integer_weights), num_shots, threads
            )
        return predictions, integer_weights / self.graph.weight_scale if weights else None

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        from decoders.gaps.gap import GapGraph

        if self._gap_graph is None:
            self._gap_graph = GapGraph(self.graph)
        num_shots = packed.shape[0]
        packed = read_only(packed)
        predictions = np.zeros((num_shots, (self.num_observables + 7) // 8), dtype=np.uint8)
        integer_weights, steps = np.zeros((2, num_shots), dtype=np.int64)
        gaps = np.empty((num_shots, self.num_observables))
        for observable, logical in enumerate(self._gap_graph.logicals):
            if logical.two_classes:
                arrays = (packed, predictions, integer_weights, steps)
                self._in_portions(partial(self._gaps_of_range, observable, *arrays), num_shots, threads)
            gaps[:, observable] = self._gap_graph.gaps_of(observable, steps)
        if self._verify or not any(logical.two_classes for logical in self._gap_graph.logicals):
            predictions, weights = self._decode_packed(packed, weights=True, threads=threads)
            assert weights is not None
            if self._verify:
                self._verify_gaps(packed, predictions, weights, gaps)
            return predictions, weights, gaps
        # If two predictions are equally good, use the one found without gaps.
        tied = np.flatnonzero((gaps == 0).any(axis=1))
        predictions[tied], _ = self._decode_packed(packed[tied], weights=False, threads=threads)
        return predictions, integer_weights / self.graph.weight_scale, gaps

    @staticmethod
    def _in_portions(decode: Callable[[int, int], None], num_shots: int, threads: int) -> None:
        """Call `decode(first, last)` for portions of the shots, on several threads."""
        if threads == 1 or num_shots < 2:
            decode(0, num_shots)
            return
        portions = min(num_shots, threads * _PORTIONS_PER_THREAD)
        bounds = [num_shots * portion // portions for portion in range(portions + 1)]
        with ThreadPoolExecutor(max_workers=threads) as pool:
            running = [pool.submit(decode, first, last) for first, last in pairwise(bounds)]
            for portion in running:  # in order, so that the first invalid shot is reported
                portion.result()

    def _decode_range(
        self,
        packed: Packed,
        predictions: Packed,
        weights: NDArray[np.int64],
        first: int,
        last: int,
        *,
        idle: list[Workspace] | None = None,
    ) -> None:
        shots = packed[first:last]
        self.search_graph.prepare(shots)
        at = 0

        def run(work: Workspace) -> tuple[int, int]:
            nonlocal at
            at, status = self._decode_many(
                self.search_graph.record,
                work.record,
                shots,
                predictions[first:last],
                weights[first:last],
                at,
            )
            return at, status

        self._with_workspace(run, shots, first_shot=first, idle=self._idle if idle is None else idle)

    def _gaps_of_range(
        self,
        observable: int,
        packed: Packed,
        predictions: Packed,
        weights: NDArray[np.int64],
        steps: NDArray[np.int64],
        first: int,
        last: int,
    ) -> None:
        from decoders.gaps.kernels import gap

        gap_graph = self._gap_graph
        assert gap_graph is not None
        sides = gap_graph.sides[observable]
        shots = packed[first:last]
        at = 0

        def run(work: Workspace) -> tuple[int, int]:
            nonlocal at
            at, status = gap.decode_with_gaps(
                gap_graph.search_graph.record,
                work.record,
                sides.distances,
                sides.across,
                shots,
                predictions[first:last],
                weights[first:last],
                steps[first:last],
                at,
            )
            return at, status

        self._with_workspace(run, shots, first_shot=first, idle=gap_graph.idle, make=gap_graph.workspace)

    def _with_workspace(
        self,
        run: Callable[[Workspace], tuple[int, int]],
        shots: Packed,
        *,
        idle: list[Workspace],
        first_shot: int = 0,
        make: Callable[[], Workspace] | None = None,
    ) -> int:
        """Run a kernel on an idle workspace until it is done; enlarge the workspace when it is full."""
        try:
            work = idle.pop()
        except IndexError:
            work = make() if make else self._workspace(self.search_graph)
        try:
            at, status = run(work)
            while status == layout.FULL:
                work.grow()
                at, status = run(work)
        finally:
            idle.append(work)
        if status == layout.NO_PARTNER:
            raise ValueError(self._explain(shots[at], first_shot + at))
        return at

    def _pack_one(self, detection_events: ArrayLike) -> Packed:
        events = np.asarray(detection_events)
        if events.shape != (self.num_detectors,):
            raise ValueError(
                f"detection events of one shot have shape {events.shape}, expected ({self.num_detectors},)"
            )
        return pack_shots(events[np.newaxis])

    def _decode_and_verify(self, packed: Packed, predictions: Packed, weights: NDArray[np.int64]) -> None:
        work = self._workspace(self.search_graph)
        work.record["keep_duals"] = 1
        for shot in range(packed.shape[0]):
            self._decode_range(packed, predictions, weights, shot, shot + 1, idle=[work])
            check_certificate(self.graph, packed[shot], work, int(weights[shot]))
            edges = self._edge_numbers(packed[shot : shot + 1], idle=[work])
            check_edges(self.graph, packed[shot], edges, predictions[shot], int(weights[shot]))

    def _verify_gaps(self, packed: Packed, predictions: Packed, weights: Weights, gaps: Gaps) -> None:
        """Compare gaps with those of a verified matching constrained to the other class."""
        assert self._gap_graph is not None
        for observable, logical in enumerate(self._gap_graph.logicals):
            expected = np.full(packed.shape[0], logical.unseen)
            if logical.two_classes:
                flips = predictions[:, observable // 8] >> (observable % 8) & 1 == 0
                other = MWPM(graph=logical.graph, verify=True)
                events = logical.events_of_class(packed, flips)
                _, heavier = other._decode_packed(events, weights=True, threads=1)
                assert heavier is not None
                expected = np.minimum(expected, heavier - weights)
            assert np.allclose(gaps[:, observable], expected, rtol=1e-12, atol=1e-9)

    def _explain(self, shot: Packed, number: int) -> str:
        """Describe why a shot has no perfect matching."""
        inverted = self.search_graph.arrays["inverted"]
        return explain_failure(self.graph, shot ^ inverted, number)
