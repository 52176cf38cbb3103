"""Streaming decoder: constant memory, constant time per cycle, any number of cycles, any circuit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.kernels import layout
from decoders.matching.workspace import Pools, SearchGraph, read_only
from decoders.model.hyperedges import Hyperedges
from decoders.streaming.calls import StreamCalls
from decoders.streaming.digests import windows_digest
from decoders.streaming.frames import FrameReader, Kind
from decoders.streaming.gaps import GapCalls
from decoders.streaming.kernels import stream
from decoders.streaming.kernels.layout import STREAM
from decoders.streaming.layers import LayeredModel, graphlike_dem, model_for
from decoders.streaming.measurements import MeasurementModel
from decoders.streaming.parts import StreamParts
from decoders.streaming.quick_push import LAST_STATUS, STATUS_BITS, QuickPush
from decoders.streaming.schedule import Endings, Schedule, WindowGraphs
from decoders.streaming.windows import WindowPlan

# Layer of an observable that errors of any cycle may flip.
_AT_END = np.iinfo(np.int64).max
_NO_GAPS = "this decoder finds no gaps: make it with gaps=True"


class StreamingDecoder:
    """Decoder of a stream of detection events, cycle by cycle.

    Overlapping windows (Dennis et al., quant-ph/0110143, section VI): once `commit + buffer` cycles have
    arrived, they are matched exactly within the window, with open time boundary in the future; edges that
    begin in the first `commit` cycles are final. The only approximation is that the events of a window are
    matched without knowledge of later cycles; the end of a shot is decoded with its true time boundary.

    One object serves one thread. Calls release the GIL while they decode, so that several logical qubits can
    be decoded by one thread each.

    Examples:
        A shot is pushed cycle by cycle; `finish` takes the last layer, made from the data readout. Both are
        rows of the frames of `to_frames`, or raw measurements (`kind="measurements"`).

        >>> import stim
        >>> from decoders import StreamingDecoder
        >>> circuit = stim.Circuit.generated(
        ...     "surface_code:rotated_memory_z", distance=3, rounds=10, after_clifford_depolarization=0.001
        ... )
        >>> decoder = StreamingDecoder.from_circuit(circuit)
        >>> events = circuit.compile_detector_sampler(seed=1).sample(shots=1)
        >>> frame = decoder.to_frames(events)[0]  # (layers, columns)
        >>> for cycle in frame[:-1]:
        ...     _ = decoder.push(cycle[None])
        >>> last_layer = frame[-1]
        >>> decoder.finish(last_layer)
        array([False])
        >>> decoder.reset()  # next shot
    """

    def __init__(
        self,
        *,
        model: LayeredModel,
        plan: WindowPlan,
        measurements: MeasurementModel | None = None,
        gaps: bool = False,
    ) -> None:
        self._model = model
        self._plan = plan
        self._reader = FrameReader(model=model, measurements=measurements)
        self._finished = False
        if model.bulk and not plan.fixed and plan.commit % model.period:
            raise ValueError(
                f"commit={plan.commit}: must be a multiple of the model's period, {model.period}"
            )
        self._cuts = WindowGraphs(model, plan)
        self._schedule = Schedule.of(model, plan, self._cuts)
        self._endings = Endings(model, plan, self._cuts, self._schedule)
        self._repeats = self._endings.repeats
        self._last_flips = model.last_flips
        if self._repeats:
            self._last_flips = np.where(self._last_flips < len(model.first), self._last_flips, _AT_END)
        self._is_quick = self._repeats and not gaps
        self._start(gaps=gaps)

    def __repr__(self) -> str:
        plan = self._plan
        return f"<{type(self).__name__}: {self._model!r}, commit {plan.commit}, buffer {plan.buffer} cycles>"

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # The kernels' records hold addresses, which mean nothing in a copy or in another process. A copy
        # starts with a new shot.
        measurements, gaps = self._reader.measurements, self._soft is not None
        return partial(
            type(self), model=self._model, plan=self._plan, measurements=measurements, gaps=gaps
        ), ()

    @classmethod
    def from_circuit(
        cls,
        circuit: stim.Circuit,
        *,
        commit: int | None = None,
        buffer: int | None = None,
        decoder: str = "mwpm",
        layers: ArrayLike | None = None,
        hyperedges: Hyperedges = "refuse",
        gaps: bool = False,
    ) -> StreamingDecoder:
        """Construct a streaming decoder; cost and memory do not depend on the lengths of REPEAT blocks.

        If one part of the circuit repeats, as in a memory, and the regions of windows contain all cycles
        before and after it, then shots may have any length. Otherwise they have the length of the circuit.

        Args:
            circuit: detectors have coordinates, usually (x, y, t) or (x, t); see
                `decoders.streaming.detector_grid`.
            commit: cycles that a window makes final. Default: four times the default buffer. Must be a
                multiple of the period with which the cycles of shots of any length repeat.
            buffer: further cycles of a window. Default: the number of cycles that a logical error of fewest
                errors extends over, in a memory the distance; more where readout errors are much likelier
                than others. A quarter of all cycles is decoded twice.
            decoder: decoder of windows, "mwpm" or "mwpm-correlated".
            layers: int (detectors,), the cycle of each detector, instead of time coordinates. The columns of
                a frame are then the detectors of each cycle in their order.
            hyperedges: treatment of errors with more than two detectors that stim cannot decompose, as after
                transversal gates; see `resolve_hyperedges`.
            gaps: also find the complementary gap of each observable in every window, see `gaps`. Windows
                then take several times as long. Requires decoder="mwpm".

        Raises:
            ValueError: an unknown decoder, regions too short, or a circuit whose model has no layers (see
                `LayeredModel.from_dem`) or no gaps: a cycle of errors flips an observable, or no window
                contains the lightest error that flips it.
        """
        model = model_for(decoder, graphlike_dem(circuit, hyperedges), layers=layers)
        return cls(
            model=model,
            plan=WindowPlan.for_model(model, commit=commit, buffer=buffer),
            measurements=MeasurementModel.from_circuit(circuit, model) if layers is None else None,
            gaps=gaps,
        )

    @classmethod
    def from_dem(
        cls,
        dem: stim.DetectorErrorModel,
        *,
        commit: int | None = None,
        buffer: int | None = None,
        decoder: str = "mwpm",
        layers: ArrayLike | None = None,
        gaps: bool = False,
    ) -> StreamingDecoder:
        """Construct a streaming decoder for a DEM; it accepts detection events only, no measurements.

        Args and errors as in `from_circuit`, except `dem`, see `LayeredModel.from_dem`.
        """
        model = model_for(decoder, dem, layers=layers)
        return cls(model=model, plan=WindowPlan.for_model(model, commit=commit, buffer=buffer), gaps=gaps)

    @property
    def stabilizers(self) -> NDArray[np.float64]:
        """Coordinates of the columns of a frame, float64 (columns, k), without time."""
        return self._model.stabilizers

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
        """Cycles of a window after those that it makes final."""
        return self._plan.buffer

    @property
    def num_cycles(self) -> int:
        """Cycles pushed since the start of the shot."""
        return int(self._record["first_layer"][0] + self._record["num_rows"][0])

    @property
    def committed_cycles(self) -> int:
        """Cycles whose errors are final."""
        return int(self._record["first_layer"][0])

    @property
    def cycles_until_final(self) -> NDArray[np.int64]:
        """Cycles of a shot after which each observable is final, int64 (observables,).

        An observable is final when the last cycle with an error that flips it is committed; -1 if it is so
        only with `finish`, 0 if no error flips it.
        """
        windows = self._last_flips // self.commit + 1
        cycles = np.where(windows == 0, 0, (windows - 1) * self.commit + self._plan.window)
        most = np.iinfo(np.int64).max if self._repeats else self._model.num_layers - 1
        return np.where((self._last_flips == _AT_END) | (cycles > most), -1, cycles)

    @property
    def final_observables(self) -> NDArray[np.bool_]:
        """Observables that no later cycle of the shot changes, bool (observables,)."""
        return (self._last_flips < self.committed_cycles) | self._finished

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Gap of each observable in all windows of this shot, float64 (observables,), log-likelihood.

        Log-odds that the windows so far have no odd number of logical errors, if errors of windows are
        independent: 2 artanh of the product of tanh(gap / 2) over the `window_gaps`. A window with the same
        gap as the one before is left out: both see one error, where they overlap. At most the smallest gap
        of a window, and infinite before the first one. For a single window it is the complementary gap of
        the shot.

        Raises:
            ValueError: a decoder made without gaps=True.
        """
        return self.gap_calls.gaps

    @property
    def window_gaps(self) -> NDArray[np.float64]:
        """Complementary gap of each observable in the last window, float64 (observables,), log-likelihood.

        The weight of the best solution with the opposite flip, minus that of the best solution, given what
        was committed before, and with the same edges to later layers. Infinite where the window contains no
        error that flips the observable.

        Raises:
            ValueError: a decoder made without gaps=True.
        """
        return self.gap_calls.latest

    @property
    def gap_calls(self) -> GapCalls:
        """Kernels of the gaps; raises as `gaps`."""
        if self._soft is None:
            raise ValueError(_NO_GAPS)
        return self._soft

    def to_frames(self, detection_events: ArrayLike) -> NDArray[np.uint8]:
        """Convert whole shots in stim's order to frames.

        Args:
            detection_events: bool or 0/1 integers (shots, detectors) of the memory that this decoder was
                made from.

        Returns:
            uint8 (shots, layers, columns); columns without a detector in a layer are zero. All layers but
            the last are for `push`; the last, made from the data readout, is for `finish`.
        """
        return self._reader.to_frames(detection_events)

    def push(self, frame: ArrayLike, *, bit_packed: bool = False, kind: Kind = "events") -> NDArray[np.bool_]:
        """Append any number of cycles and decode the windows that they complete.

        Args:
            frame: (cycles, columns) bool or 0/1 integers; with bit_packed uint8 (cycles, ceil(columns / 8)),
                least significant bit first. For kind="measurements" the columns are the measurements of a
                cycle in the circuit's order.
            bit_packed: whether the frame is bit-packed.
            kind: "events" for detection events, "measurements" for raw measurements, whose detector
                parities are computed here (decoders made from a circuit only).

        Returns:
            bool (observables,): flips of the errors that are final so far.

        Raises:
            ValueError: a frame of the wrong shape, or a call after `finish`. The decoder remains usable.
        """
        if kind == "events" and self._is_quick and not self._finished:
            found = self._quick.push(frame, bit_packed=bit_packed)
            if found >= 0:
                self._reader.takes_events(found >> STATUS_BITS)
                status = found & LAST_STATUS
                if status == layout.OK:
                    return self._flips()
                self._check(status)
                self._calls.grow()
                frame = frame[found >> STATUS_BITS :]  # type: ignore[index]
        if self._finished:
            raise ValueError("push after finish: call reset to start the next shot")
        rows = self._reader.check(frame, bit_packed=bit_packed, kind=kind)
        if not self._repeats and self.num_cycles + len(rows) >= self._model.num_layers:
            raise ValueError(f"this circuit takes exactly {self._model.num_layers - 1} cycles before finish")
        first_cycle = self.num_cycles if kind == "measurements" else 0
        rows, packed = self._reader.events(rows, bit_packed=bit_packed, kind=kind, first_cycle=first_cycle)
        status = self._calls.push(read_only(rows), packed=packed)
        self._check(status)
        return self._flips()

    def finish(
        self, last_layer: ArrayLike, *, bit_packed: bool = False, kind: Kind = "events"
    ) -> NDArray[np.bool_]:
        """Append the layer made from the data readout and end the shot.

        Args:
            last_layer: (columns,), one row of a frame, such as `to_frames(events)[0, -1]`; for
                kind="measurements" the measurements of the data qubits.
            bit_packed: see `push`.
            kind: see `push`.

        Returns:
            bool (observables,): the prediction for the shot.

        Raises:
            ValueError: a wrong shape, a second finish, or a shot of a length that this memory cannot have.
        """
        if self._finished:
            raise ValueError("finish after finish: call reset to start the next shot")
        self._check_length(self.num_cycles + 1)
        rows, packed = self._reader.last_events(last_layer, bit_packed=bit_packed, kind=kind)
        stream.add_rows(self._record, read_only(rows), int(packed))
        ending = self._endings.graph(self.committed_cycles, self.num_cycles - self.committed_cycles)
        status = self._calls.finish(ending)
        self._finished = True
        self._check(status)
        return self._flips()

    def decode_frames(
        self,
        frames: NDArray[np.uint8],
        *,
        predictions: NDArray[np.uint8] | None = None,
        gaps: NDArray[np.float64] | None = None,
        first_shot: int = 0,
    ) -> NDArray[np.uint8]:
        """Decode whole shots, each as a separate stream; discards a shot in progress.

        Args:
            frames: uint8 (shots, layers, columns) as returned by `to_frames`.
            predictions: uint8 (shots, ceil(observables / 8)) to write to; allocated if not given.
            gaps: float64 (shots, observables) to write the gaps to; requires a decoder made with gaps=True.
            first_shot: added to the shot indices in error messages.

        Returns:
            The predictions, bit-packed.

        Raises:
            ValueError: wrong shape, or a shot that no error explains (the message names it).
        """
        if gaps is not None and self._soft is None:
            raise ValueError(_NO_GAPS)
        frames = self._reader.check_shots(frames)
        num_layers = frames.shape[1]
        self._check_length(num_layers)
        if predictions is None:
            predictions = np.zeros((len(frames), (self.num_observables + 7) // 8), dtype=np.uint8)
        self._reader.check_predictions(predictions, shots=len(frames))
        if gaps is None:
            gaps = np.zeros((len(frames), self.num_observables))
        self._reader.check_gaps(gaps, shots=len(frames))
        self.reset()
        ending = self._endings.of_shot(num_layers)
        shot, status = self._calls.decode_shots(ending, frames, predictions, gaps)
        self._finished = True
        if status == layout.NO_PARTNER:
            raise ValueError(f"shot {first_shot + shot}: {self._unexplained()}")
        return predictions

    def reset(self) -> None:
        """Start the next shot. Allocates no memory."""
        self._calls.reset()
        self._finished = False
        self._reader.reset()

    def warm_up(self) -> None:
        """Compile the kernels of `push` and `finish`, and build the graph of this memory's ending.

        Kernels in the cache are loaded. The ending of any other length is built by the first shot of that
        length; `decode_frames` compiles its kernel at its first call.
        """
        self.reset()
        cycles = self._model.num_layers - 1
        if (
            self._repeats and cycles > self._plan.window
        ):  # the shortest shot that ends with equally many uncommitted layers
            cycles = self._plan.window + (cycles - self._plan.window) % self._plan.commit
        self.push(np.zeros((cycles, self._model.num_columns), dtype=np.uint8))
        self.push(np.zeros((0, self._model.num_columns), dtype=np.bool_))  # not by QuickPush
        self.finish(np.zeros(self._model.num_columns, dtype=np.uint8))
        self.reset()

    def typical_rows(self, cycles: int, *, seed: int) -> NDArray[np.uint8]:
        """Sample a shot from the error model, uint8 (cycles + 1, columns), the readout's row included.

        A memory of fixed length ignores `cycles`; otherwise the shot has at least the shortest length, and
        more cycles than requested where not all lengths are possible.
        """
        return self._model.sample_rows(cycles, repeats=self._repeats, seed=seed)

    def parts(self) -> StreamParts:
        """Return the records of the kernels, for a loop that calls them directly.

        All endings are built here, so that no shot waits for one. The records belong to this decoder and live
        as long as it does: use either them or `push` and `finish`.
        """
        model, plan = self._model, self._plan
        endings, longest, shortest = self._endings.records()
        return StreamParts(
            stream=self._record,
            windows=self._calls.graphs,
            endings=endings.reshape(-1),
            work=self._work,
            rows=self._pools.arrays["rows"].reshape(-1, model.num_columns),
            most_layers=longest,
            fewest_layers=shortest,
            repeats=self._repeats,
            period=model.period if self._repeats else 1,
            num_columns=model.num_columns,
            measurements=self._reader.measurements,
            num_readouts=1,
            digest=windows_digest(model, plan),
            gaps=self._soft.parts(self._endings, longest) if self._soft else None,
        )

    def search_graphs(self) -> list[SearchGraph]:
        """Return the graphs of all windows and endings that were cut so far."""
        return [*self._schedule.graphs, *self._endings.known]

    def _start(self, *, gaps: bool) -> None:
        """Allocate all memory that shots write to."""
        model, plan = self._model, self._plan
        endings, longest = self._endings.largest(), self._endings.most_layers()
        windows = self._schedule.graphs
        most_rows = max(plan.window if windows else 0, longest) + 1
        flip_bytes = (model.num_observables + 7) // 8
        self._pools = Pools(STREAM)
        self._pools.own(
            rows=np.zeros(most_rows * model.num_columns, dtype=np.uint8),
            flips=np.zeros(flip_bytes, dtype=np.uint8),
            runs=self._schedule.runs,
        )
        self._pools.set(
            num_runs=len(self._schedule.runs),
            num_columns=model.num_columns,
            max_rows=most_rows,
            commit=plan.commit,
            window=plan.window if windows else most_rows + 1,
            flip_bytes=flip_bytes,
        )
        self._record = self._pools.record
        self._committed = self._pools.arrays["flips"]
        self._last_packed = self._committed.tobytes()
        self._unpacked = np.zeros(model.num_observables, dtype=np.bool_)
        self._work = SecondWorkspace(*windows, *endings)
        self._calls = StreamCalls(self._record, self._schedule, self._work)
        self._soft: GapCalls | None = None
        if gaps:
            where: dict[str, Any] = {"model": model, "plan": plan, "cuts": self._cuts}
            where |= {"endings": self._endings, "max_rows": most_rows}
            self._calls = self._soft = GapCalls(self._record, self._schedule, self._work, **where)
        self._quick = QuickPush(
            self._record, self._calls.graphs, self._work.record, num_columns=model.num_columns
        )
        self._finished = False

    def _check_length(self, num_layers: int) -> None:
        """Check that a shot may have this number of layers.

        Raises:
            ValueError: it may not.
        """
        if self._plan.fixed and num_layers != self._model.num_layers:
            raise ValueError(
                f"{num_layers} layers: with commit={self.commit} and buffer={self.buffer} shots have the "
                f"{self._model.num_layers} layers of the circuit"
            )
        self._model.check_length(num_layers)

    def _flips(self) -> NDArray[np.bool_]:
        packed = self._committed.tobytes()
        if packed != self._last_packed:  # most frames complete no window; unpacking takes a cycle's time
            bits = np.unpackbits(self._committed, count=self._model.num_observables, bitorder="little")
            self._last_packed, self._unpacked = packed, bits.view(np.bool_)
        return self._unpacked.copy()

    def _check(self, status: int) -> None:
        if status == layout.NO_PARTNER:
            self._finished = True
            raise ValueError(self._unexplained())

    def _unexplained(self) -> str:
        first, last = self.committed_cycles, self.num_cycles - 1
        return (
            f"no error explains the detection events of cycles {first} to {last}: an odd number of them in a "
            "component without boundary, or an event where there is no detector"
        )
