"""Parallel windows of a stream: blocks handed to decoder threads, their results collected in order.

The receiving thread fills blocks, decodes the gaps between them and the ending of a shot, and keeps the
result; block n is for thread n modulo their number. Where the receiving thread would wait for a block that
nobody has begun, it decodes the block itself: the other threads may have no core. A block's words order all
accesses to its memory. Predictions are those of `ParallelStreamingDecoder` with the same blocks.
"""

import numpy as np

from decoders.kernels.layout import FULL, OK
from decoders.kernels.records import pool
from decoders.streaming.kernels.blocks import copy_rows, match_block, match_gap
from decoders.streaming.kernels.stream import drop_rows
from realtime.kernels.atomics import exchange_word, load_word, store_word
from realtime.kernels.clock import sleep_us
from realtime.kernels.jit import kernel

# Places in BLOCK.words: number plus one of the block last handed over, taken by a thread, and decoded.
GIVEN, DECODED, CLAIMED = 0, 16, 20
# Stages of an ending.
_DECODE, _COLLECT, _CLOSE = 0, 1, 2
# Reasons of `decode_blocks` to return.
STOPPED, GROW = 0, 1
# Polls for a block before the thread sleeps, if it may; and how long it sleeps, us.
_POLLS, _SLEEP_US = 2000, 20


@kernel
def graphs_of(blocks, is_first, ending_layers):
    """Return the graphs of a block; `ending_layers` is 0 if the memory continues."""
    at = is_first * (blocks.most_layers + 1) + ending_layers
    first = pool(blocks, "first_graph")[at]
    return pool(blocks, "graphs")[first : first + pool(blocks, "graph_count")[at]]


@kernel
def add_flips(decoder, found):
    """Add flips of observables, uint8 (flip_bytes,), to those of the shot in record STREAM."""
    flips = pool(decoder, "flips")
    for byte in range(decoder.flip_bytes):
        flips[byte] ^= found[byte]


@kernel
def decode_block(blocks, block, decoder):
    """Decode a block that was handed over, with the memory of `decoder`; return a status."""
    stream, work = pool(decoder, "stream")[0], pool(decoder, "work")[0]
    graphs = graphs_of(blocks, 1 if block.first_layer == 0 else 0, 0)
    layers, left = pool(block, "layers"), pool(block, "left")
    status = match_block(stream, graphs, work, layers, block.num_layers, block.context, 0, left)
    if status == OK:
        copy_rows(stream, blocks.buffer, pool(block, "right"))
        flips, found = pool(block, "flips"), pool(stream, "flips")
        for byte in range(stream.flip_bytes):
            flips[byte] = found[byte]
    return status


@kernel
def claim(blocks, block, number):
    """Take a block that was handed over; false if another thread has taken it."""
    return exchange_word(
        pool(block, "words"), CLAIMED, max(np.int64(0), number + 1 - blocks.num_blocks), number + 1
    )


@kernel
def publish(block, number, status):
    """Mark a block as decoded."""
    block.status = status
    store_word(pool(block, "words"), DECODED, number + 1)


@kernel
def decode_blocks(words, blocks, decoder):
    """Decode the blocks of one thread until told to stop.

    Args:
        words: int64 (1,), not 0: stop.
        blocks, decoder: records BLOCKS and BLOCK_DECODER.

    Returns:
        STOPPED; GROW: enlarge the workspace and call again.
    """
    polls = 0
    while True:
        number = decoder.next
        block = pool(blocks, "blocks")[number % blocks.num_blocks]
        if load_word(pool(block, "words"), GIVEN) > number:
            if decoder.claimed == number + 1 or claim(blocks, block, number):
                decoder.claimed = number + 1
                status = decode_block(blocks, block, decoder)
                if status == FULL:
                    return GROW
                decoder.claimed = 0
                publish(block, number, status)
            decoder.next += blocks.num_threads
            polls = 0
            continue
        polls += 1
        if load_word(words, 0):
            return STOPPED
        if polls > _POLLS and not blocks.spins:
            sleep_us(_SLEEP_US)


@kernel
def wait_for(blocks, block, number):
    """Wait until a block is decoded; decode it if no thread has begun.

    Returns:
        OK; FULL: call again, or a thread has ended.
    """
    polls = 0
    while load_word(pool(block, "words"), DECODED) != number + 1:
        if load_word(pool(blocks, "failed"), 0):
            return FULL
        if blocks.helping == number + 1 or claim(blocks, block, number):
            blocks.helping = number + 1
            status = decode_block(blocks, block, pool(blocks, "own")[0])
            if status == FULL:
                return FULL
            blocks.helping = 0
            publish(block, number, status)
            break
        polls += 1
        if polls > _POLLS and not blocks.spins:
            sleep_us(_SLEEP_US)
    return OK


@kernel
def close_gap(blocks, decoder, left, original):
    """Decode the gap before a block, whose flips `decoder` gets; return a status.

    Args:
        blocks: its `before` holds the events of the gap that remain after the block before it was decoded.
        decoder: record STREAM of the shot.
        left: events of the gap that remain after the block after it was decoded, uint8 (buffer * columns,).
        original: events of the gap before either block was decoded.
    """
    own, before, gap = pool(blocks, "own")[0], pool(blocks, "before"), pool(blocks, "gap")
    stream = pool(own, "stream")[0]
    # Both blocks started from the same events; the changes of both apply.
    for detector in range(blocks.buffer * blocks.num_columns):
        gap[detector] = before[detector] ^ left[detector] ^ original[detector]
    status = match_gap(stream, pool(blocks, "gap_graph")[0], pool(own, "work")[0], gap, blocks.buffer)
    if status == OK:
        add_flips(decoder, pool(stream, "flips"))
    return status


@kernel
def collect_block(blocks, decoder, waits):
    """Add the next block's flips to those of the shot, and decode the gap before it.

    Returns:
        Whether it was decoded, and a status; FULL: call again, or with `waits` a thread has ended.
    """
    number = blocks.collected
    block = pool(blocks, "blocks")[number % blocks.num_blocks]
    if load_word(pool(block, "words"), DECODED) != number + 1:
        if not waits:
            return False, OK
        if wait_for(blocks, block, number) != OK:
            return False, FULL
    status = block.status
    if status == OK and block.context > 0:
        status = close_gap(blocks, decoder, pool(block, "left"), pool(block, "layers"))
    if status == FULL:
        return True, status
    blocks.collected += 1
    if status == OK:
        add_flips(decoder, pool(block, "flips"))
        before, right = pool(blocks, "before"), pool(block, "right")
        for detector in range(blocks.buffer * blocks.num_columns):
            before[detector] = right[detector]
        blocks.committed = block.first_layer + block.num_layers - blocks.buffer
        decoder.num_windows += 1
    return True, status


@kernel
def collect_decoded(blocks, decoder):
    """Collect the blocks that are decoded by now; return a status."""
    while blocks.collected < blocks.given:
        is_decoded, status = collect_block(blocks, decoder, False)
        if not is_decoded or status != OK:
            return status
    return OK


@kernel
def give_if_full(blocks, decoder):
    """Hand a block over if the rows fill one, and keep the gap after it; return a status. FULL: call again.

    Waits while all blocks are in use.
    """
    context = blocks.buffer if decoder.first_layer > 0 else 0
    if decoder.num_rows < context + blocks.period:
        return OK
    while blocks.given - blocks.collected >= blocks.num_blocks:
        _, status = collect_block(blocks, decoder, True)
        if status != OK:
            return status
    number = blocks.given
    block = pool(blocks, "blocks")[number % blocks.num_blocks]
    copy_rows(decoder, decoder.num_rows, pool(block, "layers"))
    block.first_layer, block.num_layers, block.context = decoder.first_layer, decoder.num_rows, context
    if blocks.num_threads == 0:
        status = decode_block(blocks, block, pool(blocks, "own")[0])
        if status == FULL:
            return status
        claim(blocks, block, number)
        publish(block, number, status)
    store_word(pool(block, "words"), GIVEN, number + 1)
    blocks.given += 1
    drop_rows(decoder, decoder.num_rows - blocks.buffer)
    return OK


@kernel
def finish_blocks(blocks, decoder):
    """Decode the rows as the ending of a shot, then what precedes them; return a status. FULL: call again."""
    own = pool(blocks, "own")[0]
    context = blocks.buffer if decoder.first_layer > 0 else 0
    left = pool(blocks, "ending_left")
    if blocks.stage == _DECODE:
        stream, rows, num_rows = pool(own, "stream")[0], pool(decoder, "rows"), decoder.num_rows
        graphs = graphs_of(blocks, 1 if context == 0 else 0, num_rows)
        status = match_block(stream, graphs, pool(own, "work")[0], rows, num_rows, context, 1, left)
        if status != OK:
            return status
        add_flips(decoder, pool(stream, "flips"))
        blocks.stage = _COLLECT
    if blocks.stage == _COLLECT:
        while blocks.collected < blocks.given:
            _, status = collect_block(blocks, decoder, True)
            if status != OK:
                return status
        blocks.stage = _CLOSE
    if context > 0:
        status = close_gap(blocks, decoder, left, pool(decoder, "rows"))
        if status != OK:
            return status
    blocks.committed = decoder.first_layer + decoder.num_rows
    decoder.num_windows += 1
    return OK


@kernel
def reset_blocks(blocks):
    """Start the next shot; discard the blocks of an aborted one, and wait for those already begun."""
    while blocks.collected < blocks.given:
        number = blocks.collected
        block = pool(blocks, "blocks")[number % blocks.num_blocks]
        if blocks.helping == number + 1 or claim(blocks, block, number):
            blocks.helping = 0
            publish(block, number, OK)
        elif wait_for(blocks, block, number) != OK:
            return
        blocks.collected += 1
    blocks.committed = 0
    blocks.stage = _DECODE
