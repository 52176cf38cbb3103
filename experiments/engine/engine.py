"""Engine that counts logical errors: samples, decodes and compares without storing shots."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders import Decoder
from decoders.kernels import layout
from decoders.matching.decoder import MWPM
from decoders.matching.workspace import Pools, Workspace
from experiments.engine.kernels import draw
from qec.sampling import ErrorList
from qec.sampling.kernels import errors as line_kernels

Packed = NDArray[np.uint8]

#: Most errors for which the outcome of decoding each alone is remembered, one byte each.
_MAX_REMEMBERED = 1 << 24
# Shots that are drawn at once for decoders that take batches: their bytes in total, and at most.
_BATCH_BYTES, _MAX_IN_BATCH = 1 << 24, 1 << 14
# Portions of the shots for each thread, which balance easy and hard ones.
_PORTIONS = 4


class Counts(NamedTuple):
    """Shots of a run, and how many of them were decoded wrongly."""

    shots: int
    errors: int


class Engine:
    """Counts logical errors of a decoder on shots of a detector error model.

    For `mwpm` and `mwpm-correlated`, errors are drawn, handed to the decoder as a list of events, and
    the prediction is compared, shot by shot in one compiled loop that holds no GIL. Shots without errors take
    no time, and an error that is alone in its shot is decoded once. Shots for other decoders are drawn in
    batches and decoded by `decode_batch`.

    Shot n of a seed is always the same, and its prediction is that of `decoder.decode_batch`.

    Args:
        dem: errors that are drawn; those of the circuit whose logical errors are counted.
        decoder: made for this model, or for another one with the same detectors and observables.

    Raises:
        ValueError: numbers of detectors or observables of model and decoder differ.

    Examples:
        >>> import decoders, stim
        >>> from experiments.engine import Engine
        >>> dem = stim.DetectorErrorModel("error(0.1) D0\\nerror(0.02) D0 L0")
        >>> engine = Engine(dem=dem, decoder=decoders.from_dem("mwpm", dem))
        >>> engine.count(shots=10_000, seed=1).errors  # 200 expected
        211
    """

    def __init__(self, *, dem: stim.DetectorErrorModel, decoder: Decoder) -> None:
        mine = (dem.num_detectors, dem.num_observables)
        if mine != (decoder.num_detectors, decoder.num_observables):
            raise ValueError(
                f"the decoder takes {decoder.num_detectors} detectors and {decoder.num_observables} "
                f"observables, the model has {mine[0]} and {mine[1]}"
            )
        self.decoder = decoder
        self._compiled = _compiled_loop(decoder)
        self._model = _model_of(dem, decoder if self._compiled else None)
        self._idle: list[tuple[_Run, Workspace]] = []  # memory of threads
        self._lock = threading.Lock()

    @property
    def is_fused(self) -> bool:
        """Whether shots are drawn, decoded and counted in one compiled loop."""
        return self._compiled is not None

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache."""
        self.count(shots=0, seed=0)
        if not self.is_fused:
            self.decoder.warm_up()

    def sample(self, *, shots: int, seed: int, first_shot: int = 0) -> tuple[Packed, Packed]:
        """Draw shots number first_shot, ..., first_shot + shots - 1 of a seed, those that `count` counts.

        Args:
            shots: number of shots, at least 0.
            seed: 0 to 2^64 - 1.
            first_shot: number of the first one, at least 0.

        Returns:
            Bit-packed detection events, uint8 (shots, ceil(detectors / 8)), and flips of observables, uint8
            (shots, ceil(observables / 8)).

        Raises:
            ValueError: a number outside its range.
        """
        _check(shots, seed, first_shot)
        run = _Run(self._model)
        run.begin(seed=seed, first=first_shot, end=first_shot + shots)
        events = np.empty((shots, int(self._model.record["shot_bytes"][0])), dtype=np.uint8)
        flips = np.empty((shots, int(self._model.record["flip_bytes"][0])), dtype=np.uint8)
        if shots:
            draw.draw_rows(self._model.record, run.record, events, flips)
        return events, flips

    def count(self, *, shots: int, seed: int, first_shot: int = 0, threads: int = 1) -> Counts:
        """Count the shots number first_shot, ..., first_shot + shots - 1 of a seed that are decoded wrongly.

        The result does not depend on the number of threads, and not on how shots are split into calls.

        Args:
            shots: number of shots, at least 0.
            seed: 0 to 2^64 - 1.
            first_shot: number of the first one, at least 0.
            threads: number of threads; each takes a workspace.

        Returns:
            The counts; a shot is an error if any observable was predicted wrongly.

        Raises:
            ValueError: a number outside its range, or a shot that the decoder's model cannot explain.
        """
        _check(shots, seed, first_shot)
        if threads < 1:
            raise ValueError(f"threads={threads}: must be at least 1")
        bounds = _portions(first_shot, first_shot + shots, threads)
        if threads == 1 or len(bounds) < 3:
            errors = [self._count(seed, first, end) for first, end in pairwise(bounds)]
        else:
            with ThreadPoolExecutor(max_workers=threads) as pool:
                errors = list(pool.map(lambda part: self._count(seed, *part), pairwise(bounds)))
        return Counts(shots, sum(errors))

    def _count(self, seed: int, first: int, end: int) -> int:
        if self._compiled is None:
            return self._count_in_batches(seed, first, end)
        with self._lock:
            memory = self._idle.pop() if self._idle else None
        run, work = memory or (_Run(self._model), self._compiled.workspace(self._compiled.graph))
        run.begin(seed=seed, first=first, end=end)
        status = layout.FULL
        while status == layout.FULL:
            status = self._compiled.count(
                self._compiled.graph.record, work.record, self._model.record, run.record
            )
            if status == layout.FULL:
                work.grow()
        if status != layout.OK:
            shot = int(run.record["shot"][0]) - 1
            raise ValueError(f"shot {shot} of seed {seed}: no errors of the decoder's model explain it")
        with self._lock:
            self._idle.append((run, work))
        return int(run.record["failures"][0])

    def _count_in_batches(self, seed: int, first: int, end: int) -> int:
        row_bytes = int(self._model.record["shot_bytes"][0]) + int(self._model.record["flip_bytes"][0])
        size = max(1, min(_MAX_IN_BATCH, _BATCH_BYTES // max(1, row_bytes)))
        errors = 0
        for start in range(first, end, size):
            events, flips = self.sample(shots=min(size, end - start), seed=seed, first_shot=start)
            predictions = self.decoder.decode_batch(events, bit_packed=True)
            errors += int(np.count_nonzero((predictions != flips).any(axis=1)))
        return errors


class _Loop(NamedTuple):
    """Compiled loop of a decoder, with the graph it reads and the memory that a thread needs."""

    count: Any
    graph: Pools
    workspace: type[Workspace]


def _compiled_loop(decoder: Decoder) -> _Loop | None:
    """Choose the loop for a decoder; None: it takes batches."""
    if type(decoder) is MWPM and not decoder.verifies:
        # Compiled code takes a while to import: only what is used.
        from experiments.engine.kernels.matching import count_failures

        return _Loop(count_failures, decoder.search_graph, Workspace)
    from decoders.correlated.decoder import CorrelatedMWPM
    from decoders.correlated.workspace import SecondWorkspace

    # Shots that only parts of errors explain go to another decoder.
    if type(decoder) is CorrelatedMWPM and decoder.correlated.parts is None:
        from experiments.engine.kernels.correlated import count_failures_twice

        return _Loop(count_failures_twice, decoder.search_graph, SecondWorkspace)
    return None


def _model_of(dem: stim.DetectorErrorModel, decoder: Any | None) -> Pools:
    """Make the MODEL record of a DEM, for a decoder that matches in the same loop."""
    errors = ErrorList.from_dem(dem)
    groups, guide, table = errors.on_line()
    sizes = groups["size"][:-1] * groups["repeats"][:-1]
    num_slots = int(sizes.sum())
    certain = np.zeros((dem.num_detectors + 7) // 8, dtype=np.uint8)
    certain_flips = np.zeros((dem.num_observables + 7) // 8, dtype=np.uint8)
    line_kernels.flip_certain(groups, table, errors.targets, certain, certain_flips)
    inverted, empty_fails = certain, False
    if decoder is not None:
        graph = decoder.search_graph.arrays
        inverted = certain ^ graph["inverted"]
        empty_fails = bool((certain_flips != graph["certain_flips"]).any())
        every = np.packbits(np.ones((1, dem.num_detectors), dtype=np.bool_), axis=1, bitorder="little")
        decoder.search_graph.prepare(every)
    model = Pools(draw.MODEL)
    model.own(
        groups=groups,
        guide=guide,
        errors=table,
        targets=errors.targets,
        alone_first=np.cumsum(sizes) - sizes,
        alone=np.zeros(num_slots if num_slots <= _MAX_REMEMBERED else 0, dtype=np.uint8),
        certain=certain,
        certain_flips=certain_flips,
        inverted=inverted,
    )
    model.set(
        num_groups=len(sizes),
        num_parts=guide.size,
        num_errors=len(table) - 1,
        num_targets=errors.targets.size,
        num_alone=model.arrays["alone"].size,
        shot_bytes=certain.size,
        flip_bytes=certain_flips.size,
        has_inverted=int(inverted.any()),
        empty_fails=int(empty_fails),
    )
    return model


class _Run(Pools):
    """RUN record: what one thread draws."""

    def __init__(self, model: Pools) -> None:
        super().__init__(draw.RUN)
        shot_bytes, flip_bytes = (int(model.record[name][0]) for name in ("shot_bytes", "flip_bytes"))
        self.own(
            state=np.zeros(4, dtype=np.uint64),
            row=np.zeros(shot_bytes, dtype=np.uint8),
            flips=np.zeros(flip_bytes, dtype=np.uint8),
        )
        self.set(shot_bytes=shot_bytes, flip_bytes=flip_bytes)

    def begin(self, *, seed: int, first: int, end: int) -> None:
        """Start with the shots first, ..., end - 1 of a seed."""
        start = first - first % draw.BLOCK
        self.set(shot=start, block_end=start, first=first, end=end, failures=0, waiting=0)
        self.record["seed"] = np.uint64(seed)


def _portions(first: int, end: int, threads: int) -> list[int]:
    """Cut the shots first, ..., end - 1 into portions that begin with a block."""
    blocks = range(first - first % draw.BLOCK + draw.BLOCK, end, draw.BLOCK)
    step = max(1, -(-len(blocks) // (threads * _PORTIONS)))
    return [first, *blocks[::step], end] if threads > 1 else [first, end]


def _check(shots: int, seed: int, first_shot: int) -> None:
    if shots < 0 or first_shot < 0:
        raise ValueError(f"shots={shots}, first_shot={first_shot}: must be at least 0")
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed={seed}: must be between 0 and 2^64 - 1")
