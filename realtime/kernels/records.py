"""Records of the loop's kernels. Fields are int64 where no type is given; times are ns."""

import numpy as np

from decoders.kernels.layout import GRAPH, WORK
from decoders.kernels.records import Pool, record
from decoders.streaming.kernels.layout import CLOSED_WINDOW, STREAM, STREAM_GAPS
from realtime.kernels.histogram import NUM_BUCKETS, NUM_TOTALS
from realtime.protocol import wire

_i8, _u1 = np.int64, np.uint8


def _numbers(*names: str) -> dict[str, type[np.int64]]:
    return dict.fromkeys(names, np.int64)


RING = record(  # of messages between two threads; see realtime.kernels.ring
    ends=Pool(_i8, "24"),  # messages taken so far at [TAKEN], put in so far at [PUT]: two cache lines apart
    sizes=Pool(_i8, "num_slots * slot_words"),  # the size of a message is the first word of its slot
    bytes=Pool(_u1, "num_slots * 8 * slot_words"),  # the same memory
    **_numbers("num_slots", "slot_words"),
)

TAP = record(  # of the messages of a stream; see realtime.kernels.tap
    ends=Pool(_i8, "24"),  # bytes taken so far at [TAKEN], put in so far at [PUT]: two cache lines apart
    words=Pool(_i8, "num_words"),
    bytes=Pool(_u1, "8 * num_words"),  # the same memory
    num_words=_i8,  # a power of two; 0: nothing is recorded
    num_lost=_i8,  # messages without room since the last entry
)

LINK = record(  # one end of a connection
    **_numbers("uses_sockets", "send_to", "receive_from"),  # addresses of the sockets
    num_empty=_i8,  # looks at an empty ring since the last message, for waiting
    outgoing=Pool(RING, "1"),
    incoming=Pool(RING, "1"),
)

#: Settings of a session, set by Session.begin.
SETTINGS = (
    "session",  # 0: none is open
    "kind",  # a wire.Payload
    "bits_per_cycle",
    "final_bits",
    "max_cycles",
    "cycle_ns",
    "soft_ns",  # a frame later than this is counted
    "hard_ns",  # a frame later than this fails its shot; 0: never
    "timeout_ns",  # an open shot without frames for this time fails
    "commits",  # whether to report commits
    "commit_interval_ns",  # least time between two reports
    "sends_gaps",  # whether outcomes have gaps
)
#: State of a session, reset by Session.begin and written by the kernels.
STATE = (
    "next_sequence",
    "is_open",
    "shot",
    "last_answered_shot",  # the greatest
    "status",  # a wire.Status
    "cycles",  # of the open shot
    "first_sequence",
    "last_sequence",
    "syndrome_hash",
    "has_garbage",  # whether messages that are no frame came since the last frame
    "due_ns",  # last frame
    "received_ns",  # last frame
    "shot_backlog",  # largest backlog of the open shot, cycles
    "decides",  # whether the source waits for the outcome of the open shot
    "is_decoding",  # the workspace was too small in the middle of a frame: call session_resume
    "next_row",  # of the frame being decoded
    "num_answers",  # waiting to be sealed and sent
    "window_due_ns",  # when the data of the last window were due, 0 if the last frame completed none
    "ended_ok",  # whether the last frame ended a shot with status OK
    "windows_before",  # windows of the shot decoded before the last frame
    "ending",  # graph that the last shot ended with: its number among the endings plus one, 0 without
    "touched",  # sum of the memory read by keep_cached
    "next_commit_ns",  # when the next commit may be reported
)
#: Counters of a session, in the order in which they end SESSION. They count on from session to session.
COUNTERS = (
    "frames",  # messages received, of any kind
    "accepted",  # frames of this session in sequence
    "damaged",  # messages that are no valid frame: too short, wrong magic or checksum ...
    "wrong_version",
    "foreign",  # frames of another session or stream
    "duplicates",  # frames with a sequence number that was received before
    "gaps",
    "lost_frames",  # sequence numbers that were skipped
    "drained",  # frames of shots that were answered before
    "late_frames",  # frames received later than the soft limit
    "future_frames",  # frames due later than FUTURE_NS after their arrival: their due time counts as unknown
    "shots",
    "shots_ok",
    "cycles_decoded",
    "results_dropped",  # no room at the receiver
    "commits_dropped",
    "growths",  # enlargements of the workspace
)
BLOCK = record(  # a block on its way to a decoder thread and back; see decoders.streaming.parallel
    words=Pool(_i8, "24"),  # its number plus one: at [GIVEN], [CLAIMED] and [DECODED]; two cache lines
    layers=Pool(_u1, "most_layers * num_columns"),
    left=Pool(_u1, "buffer * num_columns"),  # remaining events of the gap before it
    right=Pool(_u1, "buffer * num_columns"),  # and of the gap after it
    flips=Pool(_u1, "flip_bytes"),
    **_numbers("most_layers", "num_columns", "buffer", "flip_bytes"),
    **_numbers("first_layer", "num_layers", "context", "status"),
)

BLOCK_DECODER = record(  # memory of a thread that decodes blocks
    stream=Pool(STREAM, "1"),
    work=Pool(WORK, "1"),
    next=_i8,  # number of its next block
    claimed=_i8,  # number plus one of the block that it decodes; 0: none
)

BLOCKS = record(  # parallel windows of a stream; without blocks its windows follow each other
    blocks=Pool(BLOCK, "num_blocks"),  # block n is at n modulo their number
    own=Pool(
        BLOCK_DECODER, "1"
    ),  # of the receiving thread: for endings, gaps, and without other threads blocks
    failed=Pool(_i8, "1"),  # not 0: a decoder thread has ended
    graphs=Pool(GRAPH, "num_graphs"),
    # Graphs of a block: the first and their number, at [is it the first block][layers of the ending, or 0].
    first_graph=Pool(_i8, "2 * most_layers + 2"),
    graph_count=Pool(_i8, "2 * most_layers + 2"),
    gap_graph=Pool(GRAPH, "1"),
    before=Pool(_u1, "buffer * num_columns"),  # remaining events of the gap after the block collected last
    gap=Pool(_u1, "buffer * num_columns"),
    ending_left=Pool(_u1, "buffer * num_columns"),
    **_numbers(
        "num_blocks",
        "num_threads",  # that decode blocks; 0: the receiving thread does
        "spins",  # whether it waits without sleeping
        "num_graphs",
        "most_layers",  # of a block, with the gaps before and after it
        "num_columns",
        "buffer",
        "period",  # layers from block to block
        # --- the shot
        "given",  # blocks handed over, in all shots
        "collected",  # blocks whose flips are counted
        "helping",  # number plus one of the block that the receiving thread decodes; 0: none
        "committed",  # layers
        "stage",  # of the ending, see finish_blocks
    ),
)

#: A frame can end two shots: the one before and its own.
MAX_ANSWERS = 2

SESSION = record(
    # --- memory, set when the object Session is made
    frame=Pool(_u1, str(wire.MAX_MESSAGE)),  # the message received last
    frame_header=Pool(wire.HEADER, "1"),  # the same memory
    answers=Pool(_u1, f"{MAX_ANSWERS} * answer_stride * {wire.RESULT.itemsize}"),
    answer_headers=Pool(wire.RESULT, f"{MAX_ANSWERS} * answer_stride"),  # the same memory
    decoder=Pool(STREAM, "1"),
    windows=Pool(GRAPH, "num_window_graphs"),  # as numbered by STREAM.runs
    # see decoders.streaming.parts.StreamParts
    endings=Pool(GRAPH, "2 * num_readouts * most_layers + 2 * num_readouts"),
    work=Pool(WORK, "1"),
    blocks=Pool(BLOCKS, "1"),
    stream_gaps=Pool(STREAM_GAPS, "finds_gaps"),
    closed_endings=Pool(CLOSED_WINDOW, "num_closed_endings"),  # for gaps, in the order of endings
    row=Pool(_u1, "num_columns"),  # detection events of a layer
    history=Pool(_u1, "history_size"),  # measurements of the last cycles, cycle n at n modulo this length
    parity_starts=Pool(_i8, "num_parity_layers + 1"),  # see decoders.streaming.measurements.Parities
    parity_columns=Pool(_i8, "num_parity_terms"),
    parity_offsets=Pool(_i8, "num_parity_terms"),
    parity_expected=Pool(_u1, "num_parity_layers * num_columns"),
    faults=Pool(_i8, str(len(wire.Fault))),  # damaged messages by wire.Fault
    statuses=Pool(_i8, str(len(wire.Status))),  # answered shots by wire.Status
    **_numbers(
        "answer_bytes",
        "answer_stride",  # an answer begins every so many headers
        "num_columns",
        "history_size",
        "num_window_graphs",
        "num_parity_layers",
        "num_parity_terms",
        "num_first_layers",  # measurements: layers before the parities repeat
        "parity_period",  # measurements: cycles after which the parities repeat, at least 1
        "stream",  # number of the logical qubit
        "fewest_layers",  # of a shot
        "most_layers",  # of a shot that ends in the first window
        "repeats",  # whether shots may be longer than fewest_layers
        "layer_period",  # lengths of shots differ by multiples of this
        "num_readouts",  # that shots may end with, 1 or 2
        "own_address",  # of this record
        "windows_at",  # address of the code of parallel windows, or those with gaps; see other_windows
        "finds_gaps",  # whether the decoder finds gaps, 0 or 1
        "gap_bytes",  # of the gaps in an outcome
        "num_closed_endings",
    ),
    **_numbers(*SETTINGS, *STATE),
    # --- counted since the object Session was made, or since reset_latencies (max_backlog)
    **_numbers("max_backlog", *COUNTERS),
)
#: Latencies that are counted.
HISTOGRAMS = (
    "frame",  # received - due
    "service",  # done - received
    "window",  # done - due of the last cycle that the window needed
    "decision",  # correction ready - last data of the shot received
    "shot",  # correction ready - last cycle due
)
FRAME, SERVICE, WINDOW, DECISION, SHOT = range(len(HISTOGRAMS))
#: Fields of a frame in the trace.
TRACE_FIELDS = ("shot", "cycle", "due", "received", "done", "window_due", "backlog")
TRACE = record(**_numbers(*TRACE_FIELDS))
TREND_FIELDS = ("num", "sum_x", "sum_y", "sum_xx", "sum_xy", "sum_yy")

LATENCIES = record(  # of a stream, since the last reset
    counts=Pool(_i8, f"{len(HISTOGRAMS)} * {NUM_BUCKETS}"),
    totals=Pool(_i8, f"{len(HISTOGRAMS)} * {NUM_TOTALS}"),
    trace=Pool(TRACE, "trace_rows"),  # the latest frames, number n in row n modulo trace_rows
    **_numbers("trace_rows", "num_traced"),
    **dict.fromkeys(TREND_FIELDS, np.float64),  # line fit: window latency y, us, against cycle x, millions
)

PLAYER = record(  # a stream that is played to
    # --- memory: the frame and the inbox are set when the object Player is made, the others for each shot
    frame=Pool(_u1, "frame_bytes"),  # its header holds the fields that are the same in the whole session
    frame_header=Pool(wire.HEADER, "1"),  # the same memory
    inbox=Pool(_u1, f"inbox_places * inbox_stride * {wire.RESULT.itemsize}"),
    inbox_headers=Pool(wire.RESULT, "inbox_places * inbox_stride"),  # the same memory
    inbox_sizes=Pool(_i8, "inbox_places"),  # bytes of each message
    inbox_times=Pool(_i8, "inbox_places"),  # when each was received
    rows=Pool(_u1, "num_cycles * row_bytes"),
    readout=Pool(_u1, "readout_bytes"),  # row of the data readout
    link=Pool(LINK, "1"),
    lateness_counts=Pool(_i8, str(NUM_BUCKETS)),  # from due to sent, of every frame
    lateness_totals=Pool(_i8, str(NUM_TOTALS)),
    commit_counts=Pool(_i8, str(NUM_BUCKETS)),  # from the last cycle due to the commit received
    commit_totals=Pool(_i8, str(NUM_TOTALS)),
    backlog=Pool(_i8, "backlog_parts"),  # most cycles sent but not final in each part of the shot
    **_numbers(
        "frame_bytes",
        "inbox_places",  # the last one only serves to look at further messages
        "inbox_stride",  # a message begins every so many headers
        "num_cycles",
        "row_bytes",
        "readout_bytes",
        "backlog_parts",
    ),
    # --- settings
    **_numbers(
        "cycle_ps",
        "frame_cycles",
        "final_bits",
        "frame_flags",  # set in every frame, for example REPLAY
        "blocks",  # whether to wait for the other side instead of giving the shot up
    ),
    # --- the shot
    **_numbers(
        "shot",
        "start_ns",  # when its first cycle begins
        "next_cycle",  # first cycle of the next frame
        "is_overrun",  # the other side did not take a frame in time
        "message_size",  # bytes of the next frame, 0 while it is not written
        "stop_cycle",  # the cycle after the next frame's last one
        "due_ns",  # of the next frame
        "num_answers",  # in the inbox
    ),
    # --- counted since the object Player was made
    **_numbers("sequence", "lost_answers", "num_commits"),
)
