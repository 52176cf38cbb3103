"""Windows that are committed with the gap of each observable.

A window is matched with an open future: some events are matched out of it. With these events removed, the
rest of the matching is a best solution of the window alone, the closed window. Its complementary gap is
searched as that of a whole shot, before the window is committed.

The gap of a shot is that of the parity of its windows' errors. Windows overlap: an error in the buffer of one
has the same gap in the next one, and is counted once.
"""

import math

from decoders.correlated.kernels.batch import match_found_twice
from decoders.correlated.kernels.layout import second_of
from decoders.gaps.kernels.gap import search_other_class
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import AT_BOUNDARY, BEYOND, FAR, OK, PATH_LEAVES_WINDOW
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import match_found
from decoders.matching.kernels.correction import mate_path
from decoders.streaming.kernels.stream import (
    add_row,
    advance_graph,
    commit_matching,
    drop_rows,
    find_events,
    reset_stream,
)


@kernel
def reset_gaps(soft):
    """Forget the gaps of the last shot. Writes `gaps`, `latest` and `included`."""
    gaps, latest, included = pool(soft, "gaps"), pool(soft, "latest"), pool(soft, "included")
    for observable in range(soft.num_observables):
        gaps[observable] = math.inf
        latest[observable] = FAR
        included[observable] = FAR


@kernel
def combine_gaps(one, other):
    """Return the log-odds that an even number of two independent errors happened, given those of neither.

    2 artanh(tanh(one / 2) tanh(other / 2)), without loss of precision for large gaps.
    """
    if other == math.inf:
        return one
    return min(one, other) + math.log1p(math.exp(-one - other)) - math.log1p(math.exp(-abs(one - other)))


@kernel
def include_window(soft):
    """Combine the gaps of the last window with those of the shot. Writes `gaps` and `included`."""
    gaps, latest, included = pool(soft, "gaps"), pool(soft, "latest"), pool(soft, "included")
    for observable in range(soft.num_observables):
        if latest[observable] < FAR and latest[observable] != included[observable]:
            gaps[observable] = combine_gaps(gaps[observable], latest[observable] / soft.weight_scale)
        included[observable] = latest[observable]


@kernel
def close_future(stream, graph, work, count, soft):
    """Write the events that the matching leaves in the window when its edges to later layers are removed.

    Writes STREAM_GAPS.rows.
    """
    events, detectors, path = pool(work, "events"), pool(graph, "detectors"), pool(work, "path")
    rows, closed, ends = pool(stream, "rows"), pool(soft, "rows"), pool(graph, "ends")
    for detector in range(stream.num_rows * stream.num_columns):
        closed[detector] = rows[detector]
    for index in range(count):
        event = events[index]
        if event.mate == AT_BOUNDARY and detectors[event.detector].flips & PATH_LEAVES_WINDOW:
            for at in range(mate_path(graph, work, index)):
                if ends[2 * path[at] + 1] == BEYOND:
                    closed[ends[2 * path[at]]] ^= 1


@kernel
def search_gaps(soft, window, num_detectors):
    """Compute the gap of each observable for the events in STREAM_GAPS.rows; return a status.

    `window` is a CLOSED_WINDOW with this number of detectors. Writes `latest` and the workspace.
    """
    graph, work = pool(window, "graph")[0], pool(soft, "works")[0]
    sides, closed, fired = pool(window, "sides"), pool(soft, "rows"), pool(work, "fired")
    latest = pool(soft, "latest")
    for observable in range(soft.num_observables):
        latest[observable] = FAR
    count = 0
    for detector in range(num_detectors):
        if closed[detector]:
            fired[count] = detector
            count += 1
    for at in range(window.num_observables):
        side = sides[at]
        gap = side.across
        if count > 0:
            status = match_found(graph, work, count)
            if status != OK:
                return status
            distances = pool(side, "distances").reshape((2, side.num_detectors))
            gap, status = search_other_class(graph, work, count, distances, side.across)
            if status != OK:
                return status
        latest[side.observable] = gap
    return OK


@kernel
def decode_window_with_gaps(stream, graph, work, soft, window, layers):
    """Decode the rows, find their gaps, then commit and remove the first `layers` rows; return a status."""
    second_of(work).only_flips = 1
    count = find_events(stream, work)
    status = match_found_twice(graph, work, count)
    if status != OK:
        return status
    close_future(stream, graph, work, count, soft)
    status = search_gaps(soft, window, stream.num_rows * stream.num_columns)
    if status == OK:
        include_window(soft)
        commit_matching(stream, graph, work, count, 0, layers * stream.num_columns)
        stream.num_windows += 1
        drop_rows(stream, layers)
    return status


@kernel
def decode_if_full_with_gaps(stream, graphs, work, soft):
    """Decode a window if the rows fill one, with graph number STREAM.graph; return a status."""
    if stream.num_rows < stream.window:
        return OK
    window = pool(soft, "windows")[stream.graph]
    status = decode_window_with_gaps(stream, graphs[stream.graph], work, soft, window, stream.commit)
    if status == OK:
        advance_graph(stream)
    return status


@entry_point
def start_shot_with_gaps(softs):
    """Forget the gaps of the last shot. Entry point for Python."""
    reset_gaps(softs[0])


@entry_point
def push_layers_with_gaps(streams, graphs, works, softs, frame, packed, start):
    """Append the layers of a frame as `push_layers` does, with the gaps of the windows that it completes.

    Args:
        streams, graphs, works, frame, packed, start: as in `push_layers`.
        softs: one STREAM_GAPS record; written.

    Returns:
        Number of rows appended, and a status; after FULL, call again from there with larger workspaces.
    """
    stream, work, soft = streams[0], works[0], softs[0]
    status = decode_if_full_with_gaps(stream, graphs, work, soft)
    if status != OK:
        return start, status
    for at in range(start, len(frame)):
        add_row(stream, frame[at], packed)
        status = decode_if_full_with_gaps(stream, graphs, work, soft)
        if status != OK:
            return at + 1, status
    return len(frame), OK


@entry_point
def finish_shot_with_gaps(streams, graphs, works, softs, endings):
    """Decode all rows as `finish_shot` does, with the gaps of endings[0], CLOSED_WINDOW; return a status."""
    stream = streams[0]
    return decode_window_with_gaps(stream, graphs[0], works[0], softs[0], endings[0], stream.num_rows)


@entry_point
def decode_shots_with_gaps(streams, graphs, works, softs, endings, frames, predictions, gaps, first_shot):
    """Decode whole shots as `decode_shots` does, with their gaps.

    Args:
        streams, graphs, works, frames, predictions, first_shot: as in `decode_shots`.
        softs: one STREAM_GAPS record; written.
        endings: CLOSED_WINDOW (1,) of the ending.
        gaps: float64 (shots, observables), written.

    Returns:
        Index of the shot at which it stopped, and a status; after FULL, this shot is started again.
    """
    stream, work, soft = streams[0], works[0], softs[0]
    committed, found = pool(stream, "flips"), pool(soft, "gaps")
    for shot in range(first_shot, len(frames)):
        reset_stream(stream)
        reset_gaps(soft)
        for at in range(frames.shape[1]):
            add_row(stream, frames[shot, at], 0)
            if at < frames.shape[1] - 1:  # the data readout belongs to the ending
                status = decode_if_full_with_gaps(stream, graphs, work, soft)
                if status != OK:
                    return shot, status
        ending = graphs[len(graphs) - 1]
        status = decode_window_with_gaps(stream, ending, work, soft, endings[0], stream.num_rows)
        if status != OK:
            return shot, status
        for byte in range(stream.flip_bytes):
            predictions[shot, byte] = committed[byte]
        for observable in range(soft.num_observables):
            gaps[shot, observable] = found[observable]
    return len(frames), OK
