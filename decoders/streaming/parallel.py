"""Parallel windows: streaming decoding on several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.kernels import layout
from decoders.matching.workspace import SearchGraph
from decoders.model.hyperedges import Hyperedges
from decoders.streaming.digests import windows_digest
from decoders.streaming.frames import FrameReader, Kind
from decoders.streaming.kernels import blocks
from decoders.streaming.layers import LayeredModel, graphlike_dem, model_for
from decoders.streaming.measurements import MeasurementModel
from decoders.streaming.parts import BlockParts, BlockWorkspace, StreamParts, stream_pools
from decoders.streaming.schedule import WindowGraphs, graph_records, num_windows
from decoders.streaming.windows import Cut, WindowPlan, cut_layers

Rows = NDArray[np.uint8]

# Long enough that dispatching a block costs little compared with decoding it; it also sets the latency.
_BLOCK_CYCLES = 500


class _Block(NamedTuple):
    """Result of a block: its flips, and the remaining events of the gaps before and after it."""

    flips: Rows
    left: Rows
    right: Rows


class ParallelStreamingDecoder:
    """Decode blocks of a stream in parallel, then the gaps between them.

    Parallel windows (Skoric et al., arXiv 2209.08552; Tan et al., arXiv 2209.09219): a block extends `buffer`
    cycles into the gaps before and after it, and commits its own cycles; a gap is decoded when both adjacent
    blocks are done, with the events that remain in it. Within a block, windows follow each other as in
    `StreamingDecoder`, so that a block may be long and its dispatch cheap. Predictions depend neither on the
    number of threads nor on the sizes of frames.

    One object serves one caller; call `close` or use a `with` block to end its threads.

    Examples:
        >>> import stim
        >>> from decoders import ParallelStreamingDecoder
        >>> circuit = stim.Circuit.generated(
        ...     "repetition_code:memory", distance=3, rounds=50, before_round_data_depolarization=0.01
        ... )
        >>> with ParallelStreamingDecoder.from_circuit(circuit, threads=2) as decoder:
        ...     events = circuit.compile_detector_sampler(seed=1).sample(shots=1)
        ...     frame = decoder.to_frames(events)[0]
        ...     _ = decoder.push(frame[:-1])
        ...     flips = decoder.finish(frame[-1])
    """

    def __init__(
        self,
        *,
        model: LayeredModel,
        plan: WindowPlan,
        threads: int,
        block: int | None = None,
        measurements: MeasurementModel | None = None,
    ) -> None:
        if block is not None and block < 1:
            raise ValueError(f"block={block}: must be at least 1 cycle")
        if threads < 1:
            raise ValueError(f"threads={threads}: must be at least 1")
        if not plan.fixed:
            if not model.bulk:
                raise ValueError(
                    f"a memory of {model.num_layers - 1} cycles has no repeating bulk: use a fixed plan"
                )
            if model.num_final_only:
                raise ValueError(
                    "the last cycles of this memory have detectors where the repeated ones have none: use "
                    "StreamingDecoder"
                )
            for name, cycles in (("commit", plan.commit), ("buffer", plan.buffer)):
                if cycles % model.period:
                    raise ValueError(
                        f"{name}={cycles}: must be a multiple of the model's period, {model.period}"
                    )
        self._threads = threads
        self._windows = max(1, round((block or _BLOCK_CYCLES) / plan.commit))
        self._model = model
        self._plan = plan
        self._period = self._windows * plan.commit + plan.buffer
        self._reader = FrameReader(model=model, measurements=measurements)
        self._cuts = WindowGraphs(model, plan)
        self._graphs: dict[tuple[Any, ...], list[SearchGraph]] = {}
        self._largest = self._cut_all() if plan.fixed else self._cut_longest()
        self._pool = ThreadPoolExecutor(max_workers=threads)
        self._most_running = 2 * threads
        self._idle: deque[BlockWorkspace] = deque()
        self._finished = False
        self._flips = np.zeros((model.num_observables + 7) // 8, dtype=np.uint8)
        self.reset()

    @classmethod
    def from_circuit(
        cls,
        circuit: stim.Circuit,
        *,
        threads: int,
        commit: int | None = None,
        buffer: int | None = None,
        block: int | None = None,
        decoder: str = "mwpm",
        layers: ArrayLike | None = None,
        hyperedges: Hyperedges = "refuse",
    ) -> ParallelStreamingDecoder:
        """Construct a decoder for a circuit.

        Args:
            circuit, commit, buffer, decoder, layers, hyperedges: see `StreamingDecoder.from_circuit`.
            threads: number of blocks decoded at the same time.
            block: cycles in a block, rounded to whole windows; default 500.

        Raises:
            ValueError: see `StreamingDecoder.from_circuit`; detectors without a boundary.
        """
        model = model_for(decoder, graphlike_dem(circuit, hyperedges), layers=layers)
        return cls(
            model=model,
            plan=WindowPlan.for_model(model, commit=commit, buffer=buffer),
            threads=threads,
            block=block,
            measurements=MeasurementModel.from_circuit(circuit, model) if layers is None else None,
        )

    @classmethod
    def from_dem(
        cls,
        dem: stim.DetectorErrorModel,
        *,
        threads: int,
        commit: int | None = None,
        buffer: int | None = None,
        block: int | None = None,
        decoder: str = "mwpm",
        layers: ArrayLike | None = None,
    ) -> ParallelStreamingDecoder:
        """Construct a decoder for a DEM; it accepts detection events only, no measurements.

        Args and errors as in `from_circuit`, except `dem`, see `LayeredModel.from_dem`.
        """
        model = model_for(decoder, dem, layers=layers)
        plan = WindowPlan.for_model(model, commit=commit, buffer=buffer)
        return cls(model=model, plan=plan, threads=threads, block=block)

    def __enter__(self) -> ParallelStreamingDecoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads; blocks that are not decoded yet are discarded."""
        self._pool.shutdown(cancel_futures=True)

    @property
    def stabilizers(self) -> NDArray[np.float64]:
        """Coordinates of the columns of a frame, float64 (columns, k), without time."""
        return self._model.stabilizers

    @property
    def num_cycles(self) -> int:
        """Cycles pushed since the start of the shot."""
        return self._first_layer + self._num_rows

    @property
    def num_observables(self) -> int:
        """Number of observables."""
        return self._model.num_observables

    @property
    def commit(self) -> int:
        """Cycles that a window makes final."""
        return self._plan.commit

    @property
    def buffer(self) -> int:
        """Cycles that a window looks ahead, and of the gaps between blocks."""
        return self._plan.buffer

    def to_frames(self, detection_events: ArrayLike) -> Rows:
        """Convert whole shots in stim's order to frames; see `StreamingDecoder.to_frames`."""
        return self._reader.to_frames(detection_events)

    def push(self, frame: ArrayLike, *, bit_packed: bool = False, kind: Kind = "events") -> NDArray[np.bool_]:
        """Append any number of cycles; see `StreamingDecoder.push`.

        Returns at once unless many blocks are waiting; the flips are those of the blocks done so far.
        """
        if self._finished:
            raise ValueError("push after finish: call reset to start the next shot")
        rows = self._reader.check(frame, bit_packed=bit_packed, kind=kind)
        if self._plan.fixed and self.num_cycles + len(rows) >= self._model.num_layers:
            raise ValueError(f"this circuit takes exactly {self._model.num_layers - 1} cycles before finish")
        rows, packed = self._reader.events(
            rows, bit_packed=bit_packed, kind=kind, first_cycle=self.num_cycles
        )
        if packed:
            rows = np.unpackbits(rows, axis=1, count=self._model.num_columns, bitorder="little")
        while len(rows):
            taken = min(len(rows), len(self._rows) - self._num_rows)
            self._rows[self._num_rows : self._num_rows + taken] = rows[:taken]
            self._num_rows += taken
            rows = rows[taken:]
            if self._num_rows == len(self._rows):
                self._dispatch_block()
        self._collect(wait_for=self._most_running)
        return self._as_bools()

    def finish(
        self, last_layer: ArrayLike, *, bit_packed: bool = False, kind: Kind = "events"
    ) -> NDArray[np.bool_]:
        """Append the layer made from the data readout and end the shot; see `StreamingDecoder.finish`."""
        if self._finished:
            raise ValueError("finish after finish: call reset to start the next shot")
        if self._plan.fixed and self.num_cycles + 1 != self._model.num_layers:
            raise ValueError(f"this circuit takes exactly {self._model.num_layers - 1} cycles before finish")
        self._model.check_length(self.num_cycles + 1)
        rows, packed = self._reader.last_events(last_layer, bit_packed=bit_packed, kind=kind)
        if packed:
            rows = np.unpackbits(rows, axis=1, count=self._model.num_columns, bitorder="little")
        layers = np.concatenate([self._rows[: self._num_rows], rows])
        self._finished = True
        self._submit(layers, ending=True)
        self._collect(wait_for=0)
        return self._as_bools()

    def reset(self) -> None:
        """Start the next shot; blocks of the last one that are not decoded yet are discarded."""
        self._reader.reset()
        for future in getattr(self, "_running", ()):
            future.cancel()
        self._running: deque[Future[_Block]] = deque()
        self._gaps: deque[Future[Rows]] = deque()
        self._flips[:] = 0
        self._before: tuple[Rows, Rows] | None = None  # gap after the last block: remaining, original events
        self._original: deque[tuple[int, Rows]] = deque()
        # Rows of the gap before the block being filled, of the block, and of the gap after it.
        self._rows = self._new_rows(context=0)
        self._num_rows = 0
        self._first_layer = 0
        self._finished = False

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache."""
        self.reset()
        cycles = self._model.num_layers - 1 if self._plan.fixed else 2 * self._period
        self.push(np.zeros((cycles, self._model.num_columns), dtype=np.uint8))
        self.finish(np.zeros(self._model.num_columns, dtype=np.uint8))
        self.reset()

    def typical_rows(self, cycles: int, *, seed: int) -> Rows:
        """Sample a shot from the error model; see `StreamingDecoder.typical_rows`."""
        repeats = bool(self._model.bulk) and not self._plan.fixed
        return self._model.sample_rows(cycles, repeats=repeats, seed=seed)

    def parts(self) -> StreamParts:
        """Return the records of the kernels, for a loop that calls them; see `StreamingDecoder.parts`.

        The loop has threads and workspaces of its own, so `push` and `finish` may be used at the same time.

        Raises:
            ValueError: a circuit without repeating cycles, whose blocks all differ.
        """
        model, plan = self._model, self._plan
        if plan.fixed or not model.bulk:
            raise ValueError(
                "several threads for a stream need cycles that repeat, as in a memory: use one thread"
            )
        most_layers = plan.buffer + self._period
        shortest = len(model.first) + len(model.last)
        graphs: list[SearchGraph] = []
        first_graph, graph_count = (np.zeros((2, most_layers + 1), dtype=np.int64) for _ in range(2))
        for is_first in (0, 1):
            first = 0 if is_first else self._period - plan.buffer
            endings = (
                range(shortest, self._period + 1) if is_first else range(plan.buffer + 1, most_layers + 1)
            )
            lengths = [0, *(count for count in endings if (count - shortest) % model.period == 0)]
            for length in lengths:
                count = length or (self._period if is_first else most_layers)
                found = self._block_graphs(first, count, ending=length > 0)
                first_graph[is_first, length], graph_count[is_first, length] = len(graphs), len(found)
                graphs += found
        gap = self._gap_graph(self._period - plan.buffer)
        workspaces = [BlockWorkspace(model, plan, [*self._largest, gap]) for _ in range(1 + self._threads)]
        self._stream = stream_pools(model, plan, most_rows=most_layers + 1)
        return StreamParts(
            stream=self._stream.record,
            windows=np.zeros(0, dtype=layout.GRAPH),
            endings=np.zeros(2 * most_layers + 2, dtype=layout.GRAPH),
            work=workspaces[0].work,
            rows=self._stream.arrays["rows"].reshape(-1, model.num_columns),
            most_layers=most_layers,
            fewest_layers=shortest,
            repeats=True,
            period=model.period,
            num_columns=model.num_columns,
            measurements=self._reader.measurements,
            num_readouts=1,
            digest=windows_digest(model, plan),
            blocks=BlockParts(
                threads=self._threads,
                graphs=graph_records(graphs),
                first_graph=first_graph,
                graph_count=graph_count,
                gap_graph=graph_records([gap]),
                period=self._period,
                most_layers=most_layers,
                workspaces=workspaces,
            ),
        )

    def _new_rows(self, *, context: int) -> Rows:
        return np.zeros((context + self._period, self._model.num_columns), dtype=np.uint8)

    def _dispatch_block(self) -> None:
        """Submit a complete block with the gap after it, and start the next block."""
        full = self._rows
        gap = full[-self._plan.buffer :]
        self._submit(full, ending=False)
        self._first_layer += self._num_rows - self._plan.buffer
        self._rows = self._new_rows(context=self._plan.buffer)
        self._rows[: self._plan.buffer] = gap
        self._num_rows = self._plan.buffer
        self._collect(wait_for=self._most_running)

    def _submit(self, layers: Rows, *, ending: bool) -> None:
        first = self._first_layer
        context = self._plan.buffer if first else 0
        graphs = self._block_graphs(first, len(layers), ending=ending)
        self._original.append((first, layers[:context]))
        self._running.append(self._pool.submit(self._decode_block, layers, context, ending, graphs))

    def _block_graphs(self, first: int, count: int, *, ending: bool) -> list[SearchGraph]:
        """Return the graphs of a block of `count` layers from layer `first` on, as `decode_block` takes them.

        The first layers of all blocks but the first of a shot are those of the gap before.
        """
        model, plan = self._model, self._plan
        key: tuple[Any, ...] = (first > 0, count, ending)
        if plan.fixed:
            earliest = max(0, first - model.longest_reach)
            key += (model.contents[model.own_layers(earliest, first + count - earliest)].tobytes(),)
        if key in self._graphs:
            return self._graphs[key]
        context = plan.buffer if first else 0
        windows = num_windows(plan, count - context) if ending else self._windows
        # Windows after the first are alike in memories of any length.
        cut = [
            self._cuts.cut(first + context + number * plan.commit, plan.window, commit=(0, plan.commit))
            for number in range(1, windows if plan.fixed else min(windows, 2))
        ]
        if windows:
            seam = (context, context + plan.commit)
            cut.insert(0, self._cuts.cut(first, context + plan.window, open_past=context > 0, commit=seam))
        rows, at = count, first
        if windows:
            rows, at = count - windows * plan.commit - context, first + windows * plan.commit + context
            context = 0
        cut.append(
            self._cuts.cut(at, rows, to_end=True, open_past=context > 0, commit=(context, rows))
            if ending
            else cut[-1]
        )
        self._graphs[key] = cut
        return cut

    def _gap_graph(self, first: int) -> SearchGraph:
        """Return the graph of the gap that begins with layer `first`."""
        return self._cuts.cut(first, self._plan.buffer, open_future=False)

    def _cut_longest(self) -> list[SearchGraph]:
        """Return the graphs that need the largest workspace, for shots of any length."""
        model, plan = self._model, self._plan
        _check_gap(model, plan, len(model.first))
        longest = (model.longest_length(plan.window), model.longest_length(plan.buffer + plan.window))
        return [
            self._cuts.cut(
                plan.commit,
                plan.buffer + plan.window,
                open_past=True,
                commit=(plan.buffer, plan.buffer + plan.commit),
            ),
            self._cuts.cut(0, longest[0], to_end=True, commit=(0, longest[0])),
            self._cuts.cut(
                plan.commit, longest[1], to_end=True, open_past=True, commit=(plan.buffer, longest[1])
            ),
        ]

    def _cut_all(self) -> list[SearchGraph]:
        """Cut the graphs of all blocks and gaps of a shot of fixed length."""
        last, buffer = self._model.num_layers - 1, self._plan.buffer
        gaps = [block * self._period - buffer for block in range(1, last // self._period + 1)]
        checked: set[bytes] = set()
        found: dict[int, SearchGraph] = {}
        for first in gaps:
            layers = self._model.contents[self._model.own_layers(first, buffer)].tobytes()
            if layers not in checked:
                checked.add(layers)
                _check_gap(self._model, self._plan, first)
                graph = self._gap_graph(first)
                found[id(graph)] = graph
        for first, stop in pairwise([0, *gaps, last + 1]):
            ending = stop > last
            count = stop - first + (0 if ending else buffer)
            found |= {id(graph): graph for graph in self._block_graphs(first, count, ending=ending)}
        return list(found.values())

    def _collect(self, *, wait_for: int) -> None:
        """Collect results in order, waiting until at most `wait_for` blocks are running."""
        while self._running and (self._running[0].done() or len(self._running) > wait_for):
            block = self._running.popleft().result()
            first, original = self._original.popleft()
            self._flips ^= block.flips
            if self._before is not None:
                # Both blocks started from the same events of the gap; apply the changes of both.
                gap = self._before[0] ^ block.left ^ original
                self._gaps.append(self._pool.submit(self._decode_gap, gap, self._gap_graph(first)))
            self._before = (block.right, original)
        while self._gaps and (self._gaps[0].done() or wait_for == 0 or len(self._gaps) > wait_for):
            self._flips ^= self._gaps.popleft().result()

    def _decode_block(self, layers: Rows, context: int, ending: bool, graphs: list[SearchGraph]) -> _Block:
        left = np.zeros((context, self._model.num_columns), dtype=np.uint8)
        with self._workspace() as worker:
            _run(blocks.decode_block, worker, graphs, layers, context, int(ending), left)
            rows = worker.stream.arrays["rows"].reshape(-1, self._model.num_columns)
            return _Block(worker.flips(), left, rows[: self._plan.buffer].copy())

    def _decode_gap(self, gap: Rows, graph: SearchGraph) -> Rows:
        with self._workspace() as worker:
            _run(blocks.decode_gap, worker, [graph], gap)
            return worker.flips()

    @contextmanager
    def _workspace(self) -> Iterator[BlockWorkspace]:
        """Yield the memory of a thread: idle, or new."""
        try:
            found = self._idle.pop()
        except IndexError:
            found = BlockWorkspace(self._model, self._plan, self._largest)
        try:
            yield found
        finally:
            self._idle.append(found)

    def _as_bools(self) -> NDArray[np.bool_]:
        bits = np.unpackbits(self._flips, count=self._model.num_observables, bitorder="little")
        return bits.astype(np.bool_)


def _check_gap(model: LayeredModel, plan: WindowPlan, first: int) -> None:
    """Check that every detector of a gap has a boundary, so that any remaining events can be explained."""
    where: dict[str, Any] = {"first": first, "count": plan.buffer, "to_end": False, "fixed": plan.fixed}
    gap, _ = cut_layers(model, **where, open_future=False)
    in_use = model.has_edges[Cut.of(model, **where).layers].reshape(-1)
    if not gap.component_has_boundary[gap.component][in_use].all():
        raise ValueError(
            f"buffer={plan.buffer}: some detectors have no way to a boundary within so many cycles; use "
            "StreamingDecoder"
        )


def _run(
    kernel: Callable[..., int], worker: BlockWorkspace, graphs: list[SearchGraph], *arguments: Any
) -> None:
    """Run a kernel, again with a larger workspace while it is full."""
    records = graph_records(graphs)
    while True:
        status = kernel(worker.stream.record, records, worker.work.record, *arguments)
        if status != layout.FULL:
            break
        worker.work.grow()
    if status == layout.NO_PARTNER:
        raise ValueError(
            "no error explains the detection events of a block: an odd number of them in a component "
            "without boundary, or an event where there is no detector"
        )
