"""State of one stream."""

import numpy as np

from decoders.kernels.layout import GRAPH, WORK
from decoders.kernels.records import Pool, record

_i8 = np.int64

#: Consecutive windows of a shot whose graphs recur: window n has graph + (n - first) % period.
WINDOW_RUN = record(
    first=_i8,  # first window of the run
    graph=_i8,
    period=_i8,
)

STREAM = record(
    rows=Pool(np.uint8, "max_rows * num_columns"),  # uncommitted layers, one byte per detector
    flips=Pool(np.uint8, "flip_bytes"),  # observables flipped by committed edges
    runs=Pool(WINDOW_RUN, "num_runs"),  # graphs of a shot's windows, in order, from graph 0 on
    num_runs=_i8,
    num_columns=_i8,
    max_rows=_i8,
    commit=_i8,
    window=_i8,
    flip_bytes=_i8,
    num_rows=_i8,  # uncommitted layers
    first_layer=_i8,  # index of the layer in row 0
    weight=_i8,  # of committed edges
    num_windows=_i8,  # decoded since the start of the shot
    run=_i8,  # of the next window
    graph=_i8,  # number of its graph
)

#: Records of a decoder, whose one address Python hands over: that costs a fifth of three arrays.
PUSH = record(
    streams=Pool(STREAM, "1"),
    graphs=Pool(GRAPH, "num_graphs"),  # as numbered by STREAM.runs
    works=Pool(WORK, "1"),
    num_graphs=_i8,
)

#: A step of a sequence decoder: in a state, a layer arrives. States are the uncommitted layers.
SEQUENCE_STEP = record(
    symbol=_i8,  # number of the layer in all models
    next_step=_i8,  # another step from the same state, -1 if none
    state=_i8,  # the state afterwards
    committed=_i8,  # layers of the model below this number are final afterwards
    graph=_i8,  # of the window that the layer completes; NO_WINDOW; NOT_CUT
    commit=_i8,  # layers that the window commits
)
#: Values of SEQUENCE_STEP.graph that are no graph.
NO_WINDOW, NOT_CUT = -1, -2

#: Decoder of shots that are sequences of layers. Python adds steps and graphs when kernels return MISSING.
SEQUENCE = record(
    stream=Pool(STREAM, "1"),
    work=Pool(WORK, "1"),
    first_step=Pool(_i8, "max_states"),  # one of the steps from each state, -1 if none
    steps=Pool(SEQUENCE_STEP, "max_steps"),
    graphs=Pool(GRAPH, "max_graphs"),
    used=Pool(_i8, "max_graphs"),  # number of the last window that each graph decoded
    last_flips=Pool(_i8, "num_observables"),  # last layer with an error that flips each observable
    **dict.fromkeys(("max_states", "max_steps", "max_graphs", "num_observables"), _i8),
    # --- state
    state=_i8,
    step=_i8,  # whose window is being decoded, -1 if none
    committed=_i8,  # layers of the model below this number are final
    num_windows=_i8,  # decoded since the start, all shots together
)

#: Gap of one observable in one window.
OBSERVABLE_SIDES = record(
    distances=Pool(_i8, "2 * num_detectors"),  # to the boundary that flips the observable, then to the other
    num_detectors=_i8,  # of the closed graph
    observable=_i8,
    across=_i8,  # distance between the boundaries
)

#: One window without its future, for gaps.
CLOSED_WINDOW = record(
    graph=Pool(GRAPH, "1"),  # with two additional detectors, see decoders.gaps.gap
    sides=Pool(OBSERVABLE_SIDES, "num_observables"),  # of observables with two classes in this window
    num_observables=_i8,
)

#: Gaps of a stream. Written by decode_window_with_gaps; reset_gaps resets gaps, latest and included.
STREAM_GAPS = record(
    windows=Pool(CLOSED_WINDOW, "num_windows"),  # as numbered by STREAM.runs
    works=Pool(WORK, "1"),  # of matchings in closed windows, with keep_duals set
    rows=Pool(np.uint8, "max_rows * num_columns"),  # events of the closed window
    gaps=Pool(np.float64, "num_observables"),  # of all windows of the shot, in units of log-likelihood
    latest=Pool(_i8, "num_observables"),  # of the last window, FAR without another class
    included=Pool(_i8, "num_observables"),  # of the last window that is part of `gaps`
    weight_scale=np.float64,  # integer weight per unit of log-likelihood
    num_windows=_i8,
    max_rows=_i8,
    num_columns=_i8,
    num_observables=_i8,
)
