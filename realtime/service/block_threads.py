"""Threads that decode the blocks of one stream in parallel; see realtime.kernels.blocks."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.matching.workspace import Pools
from decoders.streaming.parts import BlockParts, StreamParts
from realtime.kernels import blocks as kernels
from realtime.kernels.records import BLOCK, BLOCK_DECODER, BLOCKS

#: Most threads that decode a stream.
MAX_THREADS = 64
# In cycles, rounded up to a window: short blocks, as the last ones are decoded while the answer is awaited.
_BLOCK = 1
# Blocks for each thread: one that it decodes, and those that wait while the machine stands still.
_BLOCKS_EACH = 4
_JOIN_S = 60.0


def make_stream_decoder(
    model: stim.Circuit | stim.DetectorErrorModel, *, threads: int = 1, gaps: bool = False, **options: Any
) -> StreamingDecoder | ParallelStreamingDecoder:
    """Make the decoder of a stream.

    Args:
        model: circuit or error model.
        threads: more than 1: parallel windows.
        gaps: whether to find gaps, by one thread only.
        options: see `StreamingDecoder.from_circuit`.

    Raises:
        ValueError: see `StreamingDecoder.from_circuit` and `ParallelStreamingDecoder.parts`.
    """
    if threads > 1:
        if gaps:
            raise ValueError(f"decoder_threads={threads}: parallel windows have no gaps, use one thread")
        options |= {"threads": threads, "block": _BLOCK}
        if isinstance(model, stim.Circuit):
            return ParallelStreamingDecoder.from_circuit(model, **options)
        return ParallelStreamingDecoder.from_dem(model, **options)
    if isinstance(model, stim.Circuit):
        return StreamingDecoder.from_circuit(model, gaps=gaps, **options)
    return StreamingDecoder.from_dem(model, gaps=gaps, **options)


class BlockThreads:
    """Memory of parallel windows, and the threads that decode them.

    Until `start`, and after `stop`, the receiving thread decodes all blocks itself, with the same results.

    Args:
        parts: of the stream; `parts.blocks` is None for windows that follow each other, without any threads.
    """

    def __init__(self, parts: StreamParts) -> None:
        self._parts = parts.blocks
        self._pools = Pools(BLOCKS)
        self._words = np.zeros(1, dtype=np.int64)
        self._failed = np.zeros(1, dtype=np.int64)
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._memory: list[Pools] = []  # of blocks and threads, whose records hold its addresses
        if parts.blocks is not None:
            self._own(parts, parts.blocks)

    @property
    def record(self) -> NDArray[np.void]:
        """Record BLOCKS (1,)."""
        return self._pools.record

    @property
    def count(self) -> int:
        """Threads that may decode blocks besides the receiving one."""
        return self._parts.threads if self._parts is not None else 0

    def _own(self, parts: StreamParts, blocks: BlockParts) -> None:
        buffer, columns = int(parts.stream[0].window - parts.stream[0].commit), parts.num_columns
        sizes = {
            "most_layers": blocks.most_layers,
            "num_columns": columns,
            "buffer": buffer,
            "flip_bytes": int(parts.stream[0].flip_bytes),
        }

        def gap() -> NDArray[np.uint8]:
            return np.zeros(buffer * columns, dtype=np.uint8)

        num_blocks = _BLOCKS_EACH * blocks.threads
        records = np.zeros(num_blocks, dtype=BLOCK)
        for at in range(num_blocks):
            block = Pools(BLOCK)
            block.own(
                words=np.zeros(24, dtype=np.int64),
                layers=np.zeros(blocks.most_layers * columns, dtype=np.uint8),
                left=gap(),
                right=gap(),
                flips=np.zeros(sizes["flip_bytes"], dtype=np.uint8),
            )
            block.set(**sizes)
            records[at] = block.record[0]
            self._memory.append(block)
        self._decoders = []
        for workspace in blocks.workspaces:
            decoder = Pools(BLOCK_DECODER)
            decoder.own(stream=workspace.stream.record, work=workspace.work.record)
            self._decoders.append(decoder)
        self._pools.own(
            blocks=records,
            own=self._decoders[0].record,
            failed=self._failed,
            graphs=blocks.graphs,
            first_graph=blocks.first_graph.reshape(-1),
            graph_count=blocks.graph_count.reshape(-1),
            gap_graph=blocks.gap_graph,
            before=gap(),
            gap=gap(),
            ending_left=gap(),
        )
        self._pools.set(
            num_blocks=num_blocks,
            num_graphs=len(blocks.graphs),
            most_layers=blocks.most_layers,
            num_columns=columns,
            buffer=buffer,
            period=blocks.period,
        )

    def start(self, *, cores: Sequence[int] = (), spins: bool = False, fifo: int | None = None) -> None:
        """Start the threads, between two shots.

        Args:
            cores: one for each thread; without enough of them the others run anywhere.
            spins: whether all threads of the stream wait without sleeping.
            fifo: SCHED_FIFO priority, where the system permits it; None for the default scheduling.
        """
        if self._parts is None or self._threads:
            return
        state = self._pools.record[0]
        count = self._parts.threads
        self._words[0] = 0
        for number in range(count):
            # The first block of this thread that is not handed over yet.
            self._decoders[1 + number].set(next=int(state.given) + (number - int(state.given)) % count)
        self._pools.set(num_threads=count, spins=int(spins))
        for number in range(count):
            core = cores[number] if number < len(cores) else None
            thread = threading.Thread(
                target=self._main, args=(number, core, fifo), name=f"blocks-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End the threads, between two shots."""
        self._words[0] = 1
        for thread in self._threads:
            thread.join(_JOIN_S)
        self._threads = []
        self._pools.set(num_threads=0)

    def check(self) -> None:
        """Raise RuntimeError if a thread has ended by itself."""
        if self._failure is not None:
            raise RuntimeError("a thread that decodes blocks has ended") from self._failure

    def _main(self, number: int, core: int | None, fifo: int | None) -> None:
        # What the system does not permit, the stream thread reports, which asks for the same.
        with suppress(OSError, AttributeError, ValueError):
            if core is not None:
                os.sched_setaffinity(0, {core})
        with suppress(OSError, AttributeError, ValueError):
            if fifo is not None:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(fifo))
        assert self._parts is not None
        try:
            decoder, workspace = self._decoders[1 + number], self._parts.workspaces[1 + number]
            while (
                kernels.decode_blocks(self._words, self._pools.record[0], decoder.record[0]) == kernels.GROW
            ):
                workspace.work.grow()
        except BaseException as error:  # the receiving thread raises it
            self._failure = error
            self._failed[0] = 1
