"""Kernels of a stream: append layers, decode windows when they are full, commit their earliest layers.

Windows begin at fixed layers of the shot, so predictions do not depend on the sizes of the frames in which
layers arrive.
"""

import numpy as np

from decoders.correlated.kernels.arbitrate import is_relevant
from decoders.correlated.kernels.batch import match_found_twice
from decoders.correlated.kernels.layout import second_of
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    BEYOND,
    NONE,
    OK,
    PAIRED,
    PATH_ENTERS_COMMIT,
    PATH_FLIPS,
    PATH_LEAVES_WINDOW,
)
from decoders.kernels.records import pool, record_at
from decoders.matching.kernels.correction import has_exit, mate_entry, mate_path
from decoders.matching.kernels.paths import flip_path
from decoders.streaming.kernels.layout import PUSH

#: Result of `push_frame` for a frame with other values than bits; bits of the status in other results.
INVALID, STATUS_BITS = np.int64(-1), 3


@kernel
def reset_stream(stream):
    """Reset the state of the shot: rows, flips and counters."""
    flips = pool(stream, "flips")
    for byte in range(stream.flip_bytes):
        flips[byte] = 0
    stream.num_rows = 0
    stream.first_layer = 0
    stream.num_windows = 0
    stream.run = 0
    stream.graph = 0


@kernel
def add_row(stream, row, packed):
    """Append one layer to the rows.

    `row` is uint8 (columns,), or uint8 (ceil(columns / 8),) if `packed`.
    """
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
    """Reset the state of the shot. Entry point for Python."""
    reset_stream(streams[0])


@entry_point
def add_rows(streams, frame, packed):
    """Append the layers of a frame, as in `add_row`, without decoding."""
    for at in range(len(frame)):
        add_row(streams[0], frame[at], packed)


@kernel
def find_events(stream, work):
    """List the detectors that fired in the rows in WORK.fired; return their number."""
    rows, fired = pool(stream, "rows"), pool(work, "fired")
    count = 0
    for detector in range(stream.num_rows * stream.num_columns):
        if rows[detector]:
            fired[count] = detector
            count += 1
    return count


@kernel
def mate_of(work, index):
    """Return the index of an event's mate; the event is not matched to the boundary."""
    mate = pool(work, "events")[index].mate
    return (PAIRED - mate) >> 1 if mate <= PAIRED else np.int64(pool(work, "halves")[mate].to)


@kernel
def other_detector(work, index):
    """Return the detector of an event's mate."""
    return pool(work, "events")[mate_of(work, index)].detector


@kernel
def commit_edge(stream, graph, work, low, high, edge):
    """Commit an edge if it touches the detectors low..high-1.

    Toggles the event at its outer end if it leaves this range. Writes STREAM.rows and WORK.flips.
    """
    rows, flips = pool(stream, "rows"), pool(work, "flips")
    ends, edge_flips = pool(graph, "ends"), pool(graph, "edge_flips")
    u, v = ends[2 * edge], ends[2 * edge + 1]
    u_inside, v_inside = low <= u < high, low <= v < high
    if not u_inside and not v_inside:
        return
    for byte in range(graph.flip_bytes):
        flips[byte] ^= edge_flips[edge * graph.flip_bytes + byte]
    if not u_inside:
        rows[u] ^= 1
    if v >= 0 and not v_inside:
        rows[v] ^= 1


@kernel
def commit_path(stream, graph, work, low, high, index):
    """Commit those edges of an event's path that touch the detectors low..high-1."""
    path = pool(work, "path")
    for at in range(mate_path(graph, work, index)):
        commit_edge(stream, graph, work, low, high, path[at])


@kernel
def commit_matching(stream, graph, work, count, low, high):
    """Commit the matching of a window for the detectors low..high-1.

    Pairs inside this range are committed completely; of all other pairs the edges that touch the range, since
    no later window contains these edges. Afterwards all events of the range are explained. The graph must
    have been prepared by `mark_window_crossings` for the same low and high. Writes STREAM.rows and flips.
    """
    detectors, neighbours, events = pool(graph, "detectors"), pool(graph, "neighbours"), pool(work, "events")
    boundary_flips, flips = pool(graph, "boundary_flips"), pool(work, "flips")
    committed = pool(stream, "flips")
    for byte in range(graph.flip_bytes):
        flips[byte] = 0
    second = second_of(work)
    if second.takes_first:
        for at in range(second.num_first):
            commit_edge(stream, graph, work, low, high, pool(second, "first_edges")[at])
        count = 0
    for index in range(count):
        event = events[index]
        inside = low <= event.detector < high
        detector = detectors[event.detector]
        leads_inside = detector.flips & PATH_ENTERS_COMMIT
        if event.mate == AT_BOUNDARY:
            if has_exit(work, index) or leads_inside or (inside and detector.flips & PATH_LEAVES_WINDOW):
                commit_path(stream, graph, work, low, high, index)
            elif inside and detector.flips & PATH_FLIPS:
                for byte in range(graph.flip_bytes):
                    flips[byte] ^= boundary_flips[event.detector * graph.flip_bytes + byte]
            continue
        entry = mate_entry(work, index)
        if entry == -2:
            continue
        other_inside = low <= other_detector(work, index) < high
        if inside and other_inside:
            if entry == -1 or neighbours[entry].span & 1:
                flip_path(graph, work, mate_path(graph, work, index))
        elif inside or other_inside or leads_inside or entry == -1:
            commit_path(stream, graph, work, low, high, index)
    for byte in range(graph.flip_bytes):
        committed[byte] ^= flips[byte]


@kernel
def path_near_seam(graph, work, index):
    """Write the edges between an event near the seam and its mate to WORK.path.

    Returns their number; 0 for one of two events that are both near the seam.
    """
    events = pool(work, "events")
    if events[index].mate != AT_BOUNDARY and mate_entry(work, index) == -2:
        index = mate_of(work, index)
        if graph.partner_first <= events[index].detector < graph.partner_stop:
            return np.int64(0)
    return np.int64(mate_path(graph, work, index))


@kernel
def events_near_seam(graph, work, count):
    """Return the first event near the seam and the first one after those; `count` events lie in order."""
    events = pool(work, "events")
    stop = count
    while stop > 0 and events[stop - 1].detector >= graph.partner_stop:
        stop -= 1
    first = stop
    while first > 0 and events[first - 1].detector >= graph.partner_first:
        first -= 1
    return first, stop


@kernel
def touches(graph, edge, low, high):
    """Return whether an edge has one of the detectors low..high-1."""
    ends = pool(graph, "ends")
    return low <= ends[2 * edge] < high or low <= ends[2 * edge + 1] < high


@kernel
def list_near_seam(graph, work, count):
    """List the edges of the matching near the seam in SECOND.near; return their number.

    `count` events lie in order.
    """
    second, path = second_of(work), pool(work, "path")
    near, first_edges = pool(second, "near"), pool(second, "first_edges")
    size = np.int64(0)
    if second.takes_first:
        for at in range(second.num_first):
            if touches(graph, first_edges[at], graph.partner_first, graph.partner_stop):
                near[size] = first_edges[at]
                size += 1
        return size
    first, stop = events_near_seam(graph, work, count)
    for index in range(first, stop):
        for at in range(path_near_seam(graph, work, index)):
            if size < second.num_graph_edges:
                near[size] = path[at]
                size += 1
    return size


@kernel
def list_open_edges(graph, work, count, low, high):
    """List those of the first `count` edges in SECOND.near without one of the detectors low..high-1.

    Edges that lead out of the window or belong to components without observables are left out. Writes
    SECOND.second_edges; returns their number.
    """
    second, ends = second_of(work), pool(graph, "ends")
    near, remaining = pool(second, "near"), pool(second, "second_edges")
    size = np.int64(0)
    for at in range(count):
        edge = near[at]
        if touches(graph, edge, low, high) or ends[2 * edge + 1] == BEYOND:
            continue
        if is_relevant(graph, edge):
            remaining[size] = edge
            size += 1
    return size


@kernel
def commit_partners(stream, graph, work, count, low, high):
    """Commit edges beyond a seam of the matching that edges committed for the detectors low..high-1 imply.

    An error may flip edges on both sides of a seam. The events of the committed edge are explained now: the
    next window would decide about the other edge without them. Call after `commit_matching`. Writes
    STREAM.rows and flips.
    """
    second, ends = second_of(work), pool(graph, "ends")
    num_near = list_near_seam(graph, work, count)
    num_open = list_open_edges(graph, work, num_near, low, high)
    if num_open == 0:
        return
    near, remaining = pool(second, "near"), pool(second, "second_edges")
    implied, starts = pool(graph, "implied"), pool(graph, "implied_start")
    rows, committed, edge_flips = pool(stream, "rows"), pool(stream, "flips"), pool(graph, "edge_flips")
    for at in range(num_near):
        edge = near[at]
        if not touches(graph, edge, low, high):
            continue
        for entry in range(starts[edge], starts[edge + 1]):
            for place in range(num_open):
                other = remaining[place]
                if other != implied[entry].edge:
                    continue
                remaining[place] = NONE
                for byte in range(graph.flip_bytes):
                    committed[byte] ^= edge_flips[other * graph.flip_bytes + byte]
                rows[ends[2 * other]] ^= 1
                if ends[2 * other + 1] >= 0:
                    rows[ends[2 * other + 1]] ^= 1


@kernel
def drop_rows(stream, layers):
    """Remove the first `layers` rows."""
    rows = pool(stream, "rows")
    gone = layers * stream.num_columns
    for detector in range(gone, stream.num_rows * stream.num_columns):
        rows[detector - gone] = rows[detector]
    stream.num_rows -= layers
    stream.first_layer += layers


@kernel
def match_rows(stream, graph, work, context, layers):
    """Decode the rows and commit `layers` of them after the first `context`; return a status."""
    second = second_of(work)
    count = find_events(stream, work)
    second.only_flips = 1
    status = match_found_twice(graph, work, count)
    if status == OK:
        low = context * stream.num_columns
        high = low + layers * stream.num_columns
        commit_matching(stream, graph, work, count, low, high)
        if graph.partner_stop > 0:
            commit_partners(stream, graph, work, count, low, high)
        stream.num_windows += 1
    return status


@kernel
def decode_window(stream, graph, work, layers):
    """Decode the rows, commit and remove the first `layers` of them; return a status."""
    status = match_rows(stream, graph, work, 0, layers)
    if status == OK:
        drop_rows(stream, layers)
    return status


@kernel
def advance_graph(stream):
    """Choose the graph of the next window. Writes STREAM.run and graph."""
    runs = pool(stream, "runs")
    if stream.run + 1 < stream.num_runs and runs[stream.run + 1].first == stream.num_windows:
        stream.run += 1
        stream.graph = runs[stream.run].graph
    else:
        # No remainder of the window's number: a division would add an exception to the loop over rows.
        run = runs[stream.run]
        stream.graph += 1
        if stream.graph == run.graph + run.period:
            stream.graph = run.graph


@kernel
def decode_if_full(stream, graphs, work):
    """Decode a window if the rows fill one, with graph number STREAM.graph; return a status."""
    if stream.num_rows < stream.window:
        return OK
    status = decode_window(stream, graphs[stream.graph], work, stream.commit)
    if status == OK:
        advance_graph(stream)
    return status


@entry_point
def push_layers(streams, graphs, works, frame, packed, start):
    """Append the layers of a frame from row `start` on, decoding windows as they fill.

    Args:
        streams: one STREAM record; written.
        graphs: GRAPH (n,), as numbered by STREAM.runs.
        works: one WORK record; written.
        frame: uint8 (layers, columns), or (layers, ceil(columns / 8)) if `packed`.
        packed: whether the frame is bit-packed.
        start: first row to append.

    Returns:
        Number of rows appended, and a status; after FULL, call again from there with a larger workspace.
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
def push_frame(address, frame, packed):
    """Check the values of a frame, append its layers and decode windows as they fill.

    Args:
        address: of a record PUSH; its records are written.
        frame: uint8 (layers, columns), or (layers, ceil(columns / 8)) if `packed`.
        packed: 1 if the frame is bit-packed, else 0.

    Returns:
        Number of rows appended, shifted by STATUS_BITS, plus a status: after FULL, continue with
        `push_layers` and a larger workspace. INVALID if a value is not 0 or 1, or a bit beyond the columns is
        set; nothing is appended.
    """
    call = record_at(address, PUSH)
    stream, graphs, work = pool(call, "streams")[0], pool(call, "graphs"), pool(call, "works")[0]
    num_layers, width = frame.shape
    found = np.uint8(0)
    if packed == 0:
        for at in range(num_layers):
            for column in range(width):
                found |= frame[at, column]
        found >>= 1
    elif stream.num_columns & 7:
        for at in range(num_layers):
            found |= frame[at, width - 1]
        found >>= stream.num_columns & 7
    if found:
        return INVALID
    status = decode_if_full(stream, graphs, work)
    at = 0
    while status == OK and at < num_layers:
        add_row(stream, frame[at], packed)
        status = decode_if_full(stream, graphs, work)
        at += 1
    return (at << STATUS_BITS) + status


@entry_point
def finish_shot(streams, graphs, works):
    """Decode and commit all rows with graphs[0], which ends after them; return a status."""
    stream = streams[0]
    return decode_window(stream, graphs[0], works[0], stream.num_rows)


@entry_point
def decode_shots(streams, graphs, works, frames, predictions, first_shot):
    """Decode whole shots as streams.

    Args:
        streams: one STREAM record; written.
        graphs: GRAPH (n + 1,): those of STREAM.runs, and that of the ending.
        works: one WORK record; written.
        frames: uint8 (shots, layers, columns).
        predictions: uint8 (shots, flip_bytes), written.
        first_shot: first shot to decode.

    Returns:
        Index of the shot at which it stopped, and a status; after FULL, this shot is started again.
    """
    stream, work = streams[0], works[0]
    committed = pool(stream, "flips")
    for shot in range(first_shot, len(frames)):
        reset_stream(stream)
        for at in range(frames.shape[1]):
            add_row(stream, frames[shot, at], 0)
            if at < frames.shape[1] - 1:  # the data readout belongs to the ending
                status = decode_if_full(stream, graphs, work)
                if status != OK:
                    return shot, status
        status = decode_window(stream, graphs[len(graphs) - 1], work, stream.num_rows)
        if status != OK:
            return shot, status
        for byte in range(stream.flip_bytes):
            predictions[shot, byte] = committed[byte]
    return len(frames), OK
