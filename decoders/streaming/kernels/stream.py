"""Layers come in, windows are decoded when they are full, what is final is committed.

Windows are cut at fixed layers of the shot, so the answer does not depend on the sizes of the frames in
which layers arrive.
"""

from decoders.correlated.kernels.batch import match_found_twice
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import AT_BOUNDARY, FLIPS_SOMETHING, LEADS_BEYOND, LEADS_INSIDE, OK, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import has_exit, mate_entry, mate_path
from decoders.matching.kernels.paths import flip_path


@kernel
def stream_reset(stream):
    """Forget the shot."""
    flips = pool(stream, "flips")
    for byte in range(stream.flip_bytes):
        flips[byte] = 0
    stream.num_rows = 0
    stream.first_layer = 0
    stream.num_windows = 0


@kernel
def add_row(stream, row, packed):
    """Append one layer, a byte per column or bit-packed."""
    rows = pool(stream, "rows")
    start = stream.num_rows * stream.num_columns
    if packed:
        for column in range(stream.num_columns):
            rows[start + column] = (row[column >> 3] >> (column & 7)) & 1
    else:
        for column in range(stream.num_columns):
            rows[start + column] = row[column]
    stream.num_rows += 1


@entry_point
def start_shot(streams):
    """Forget the shot: the entry for Python."""
    stream_reset(streams[0])


@entry_point
def add_rows(streams, frame, packed):
    """Append layers without decoding."""
    for at in range(len(frame)):
        add_row(streams[0], frame[at], packed)


@kernel
def find_events(stream, work):
    """List the detectors that fired in the rows at hand; returns how many."""
    rows, found = pool(stream, "rows"), pool(work, "found")
    count = 0
    for detector in range(stream.num_rows * stream.num_columns):
        if rows[detector]:
            found[count] = detector
            count += 1
    return count


@kernel
def other_detector(work, index):
    """The detector of the event that an event is matched to."""
    events = pool(work, "events")
    mate = events[index].mate
    if mate <= PAIRED:
        return events[(PAIRED - mate) >> 1].detector
    return events[pool(work, "halves")[mate].to].detector


@kernel
def commit_path(stream, graph, work, low, high, index):
    """Commit those edges of an event's path that touch the detectors low..high-1.

    What they leave outside becomes an event there, or stops being one.
    """
    rows, flips = pool(stream, "rows"), pool(work, "flips")
    path, ends, edge_flips = pool(work, "path"), pool(graph, "ends"), pool(graph, "edge_flips")
    for at in range(mate_path(graph, work, index)):
        edge = path[at]
        u, v = ends[2 * edge], ends[2 * edge + 1]
        u_inside, v_inside = low <= u < high, low <= v < high
        if not u_inside and not v_inside:
            continue
        for byte in range(graph.flip_bytes):
            flips[byte] ^= edge_flips[edge * graph.flip_bytes + byte]
        if not u_inside:
            rows[u] ^= 1
        if v >= 0 and not v_inside:
            rows[v] ^= 1


@kernel
def commit_matching(stream, graph, work, count, low, high):
    """Commit what the matching of a window says about the detectors low..high-1.

    A pair that lies wholly inside is committed whole; of others, also of pairs outside, the edges that touch
    the inside, for no later window has them. All events inside are explained then. The graph's detours
    (`mark_detours`) are those of low and high.
    """
    detectors, near, events = pool(graph, "detectors"), pool(graph, "near"), pool(work, "events")
    boundary_flips, flips = pool(graph, "boundary_flips"), pool(work, "flips")
    committed = pool(stream, "flips")
    for byte in range(graph.flip_bytes):
        flips[byte] = 0
    for index in range(count):
        event = events[index]
        inside = low <= event.detector < high
        detector = detectors[event.detector]
        leads_inside = detector.flips & LEADS_INSIDE
        if event.mate == AT_BOUNDARY:
            if has_exit(work, index) or leads_inside or (inside and detector.flips & LEADS_BEYOND):
                commit_path(stream, graph, work, low, high, index)
            elif inside and detector.flips & FLIPS_SOMETHING:
                for byte in range(graph.flip_bytes):
                    flips[byte] ^= boundary_flips[event.detector * graph.flip_bytes + byte]
            continue
        entry = mate_entry(work, index)
        if entry == -2:
            continue
        other_inside = low <= other_detector(work, index) < high
        if inside and other_inside:
            if entry == -1 or near[entry].span & 1:
                flip_path(graph, work, mate_path(graph, work, index))
        elif inside or other_inside or leads_inside or entry == -1:
            commit_path(stream, graph, work, low, high, index)
    for byte in range(graph.flip_bytes):
        committed[byte] ^= flips[byte]


@kernel
def drop_rows(stream, layers):
    """Remove the first layers at hand; they are final, or somebody else's."""
    rows = pool(stream, "rows")
    gone = layers * stream.num_columns
    for detector in range(gone, stream.num_rows * stream.num_columns):
        rows[detector - gone] = rows[detector]
    stream.num_rows -= layers
    stream.first_layer += layers


@kernel
def match_rows(stream, graph, work, context, layers):
    """Decode the rows at hand and commit `layers` of them behind the first `context`. Returns a status."""
    count = find_events(stream, work)
    work.only_flips = 1
    status = match_found_twice(graph, work, count)
    if status == OK:
        low = context * stream.num_columns
        commit_matching(stream, graph, work, count, low, low + layers * stream.num_columns)
        stream.num_windows += 1
    return status


@kernel
def decode_window(stream, graph, work, layers):
    """Decode the rows at hand and commit the first `layers` of them. Returns a status."""
    status = match_rows(stream, graph, work, 0, layers)
    if status == OK:
        drop_rows(stream, layers)
    return status


@kernel
def decode_if_full(stream, graphs, work):
    """Decode a window if there is a full one: the first of the shot with graphs[0], others with graphs[1]."""
    if stream.num_rows < stream.window:
        return OK
    graph = graphs[0] if stream.first_layer == 0 else graphs[1]
    return decode_window(stream, graph, work, stream.commit)


@entry_point
def push_layers(streams, graphs, works, frame, packed, start):
    """Take in the layers of a frame from row `start` on, decoding windows as they fill.

    Returns the number of rows taken and a status; after FULL, call again from there in a larger workspace.
    """
    stream, work = streams[0], works[0]
    status = decode_if_full(stream, graphs, work)
    if status != OK:
        return start, status
    for at in range(start, len(frame)):
        add_row(stream, frame[at], packed)
        status = decode_if_full(stream, graphs, work)
        if status != OK:
            return at + 1, status
    return len(frame), OK


@entry_point
def finish_shot(streams, graphs, works):
    """Decode and commit all rows at hand with graphs[0], which ends where they end. Returns a status."""
    stream = streams[0]
    return decode_window(stream, graphs[0], works[0], stream.num_rows)


@entry_point
def decode_shots(streams, graphs, works, frames, predictions, first_shot):
    """Decode whole shots, uint8 (shots, layers, columns), as streams that end with graphs[2].

    Returns the number of the shot at which it stopped and a status; after FULL, that shot begins anew.
    """
    stream, work = streams[0], works[0]
    committed = pool(stream, "flips")
    for shot in range(first_shot, len(frames)):
        stream_reset(stream)
        for at in range(frames.shape[1]):
            add_row(stream, frames[shot, at], 0)
            if at < frames.shape[1] - 1:  # after the data readout there is no open future
                status = decode_if_full(stream, graphs, work)
                if status != OK:
                    return shot, status
        status = decode_window(stream, graphs[2], work, stream.num_rows)
        if status != OK:
            return shot, status
        for byte in range(stream.flip_bytes):
            predictions[shot, byte] = committed[byte]
    return len(frames), OK


@entry_point
def decode_block(streams, graphs, works, layers, context, ending, left):
    """Decode one block of a stream on its own, for windows in parallel (see decoders.streaming.parallel).

    `layers` uint8 (layers, columns) are the block's, behind `context` layers that belong to the gap before
    it; `ending` layers are decoded at the end with graphs[2], to the end of the memory, or none if it is 0
    and the last `window - commit` layers are the gap behind the block. graphs[0] decodes the first window,
    graphs[1] the others. `left` uint8 (context, columns) gets what is left in the gap before; what is left
    behind the block stays in `rows`. Returns a status; after FULL, call again.
    """
    stream, work = streams[0], works[0]
    rows = pool(stream, "rows")
    stream_reset(stream)
    first = context
    for at in range(len(layers) - ending):
        add_row(stream, layers[at], 0)
        if stream.num_rows == first + stream.window:
            graph = graphs[0] if at == first + stream.window - 1 else graphs[1]
            status = match_rows(stream, graph, work, first, stream.commit)
            if status != OK:
                return status
            for detector in range(first * stream.num_columns):
                left[detector // stream.num_columns, detector % stream.num_columns] = rows[detector]
            drop_rows(stream, first + stream.commit)
            first = 0
    if ending > 0:
        for at in range(len(layers) - ending, len(layers)):
            add_row(stream, layers[at], 0)
        status = match_rows(stream, graphs[2], work, first, stream.num_rows - first)
        if status != OK:
            return status
        for detector in range(first * stream.num_columns):
            left[detector // stream.num_columns, detector % stream.num_columns] = rows[detector]
    return OK


@entry_point
def decode_gap(streams, graphs, works, layers):
    """Decode the layers between two blocks, closed on both sides, with graphs[0]. Returns a status."""
    stream = streams[0]
    stream_reset(stream)
    for at in range(len(layers)):
        add_row(stream, layers[at], 0)
    return match_rows(stream, graphs[0], works[0], 0, len(layers))
