"""State of one stream."""

import numpy as np

from decoders.kernels.records import Pool, record

_i8 = np.int64

STREAM = record(
    rows=Pool(np.uint8, "max_rows * num_columns"),  # uncommitted layers, one byte per detector
    flips=Pool(np.uint8, "flip_bytes"),  # observables flipped by committed edges
    num_columns=_i8,
    max_rows=_i8,
    commit=_i8,
    window=_i8,
    flip_bytes=_i8,
    num_rows=_i8,  # uncommitted layers
    first_layer=_i8,  # index of the layer in row 0
    weight=_i8,  # of committed edges
    num_windows=_i8,  # decoded since the start of the shot
)
