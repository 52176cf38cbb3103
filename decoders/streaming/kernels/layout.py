"""State of one stream."""

import numpy as np

from decoders.kernels.records import Pool, record

_i8 = np.int64

STREAM = record(
    rows=Pool(np.uint8, "max_rows * num_columns"),  # layers not committed yet, one byte per detector
    flips=Pool(np.uint8, "flip_bytes"),  # observables of what is committed
    num_columns=_i8,
    max_rows=_i8,
    commit=_i8,
    window=_i8,
    flip_bytes=_i8,
    num_rows=_i8,
    first_layer=_i8,  # number of the layer in row 0
    weight=_i8,  # of what is committed
    num_windows=_i8,  # decoded since the start of the shot
)
