"""Tanner graph and state of belief propagation."""

import numpy as np

from decoders.belief_matching.kernels.simd import LANES
from decoders.kernels.records import Pool, record

_i4, _i8 = np.int32, np.int64

TANNER = record(
    links=Pool(_i4, "num_detectors + 1"),  # those of row r are links[r]:links[r + 1]
    row_of=Pool(_i4, "num_detectors"),  # the row of each detector
    mechanisms=Pool(_i4, "num_links"),  # the error mechanism at the other end of each link
    prior=Pool(np.float32, "num_mechanisms"),  # odds p / (1 - p)
    shares_start=Pool(_i4, "num_edges + 1"),  # the mechanisms that flip edge e
    shared_by=Pool(_i4, "num_shares"),
    # how often such a mechanism is decomposed so that it flips the edge
    share=Pool(np.float32, "num_shares"),
    flippers=Pool(_i4, "num_flippers"),  # the mechanisms that flip observables
    flipped=Pool(np.uint8, "num_mechanisms * flip_bytes"),  # the observables that each mechanism flips
    num_detectors=_i8,
    num_mechanisms=_i8,
    num_links=_i8,
    num_edges=_i8,
    num_shares=_i8,
    num_flippers=_i8,
    flip_bytes=_i8,
    longest_row=_i8,
)
# Vectors: LANES float32 (or int32) side by side, one for each of the shots that are worked on together.
BELIEF = record(
    odds=Pool(np.float32, f"num_mechanisms * {LANES}"),  # present odds that each mechanism has happened
    # what each detector said last, tanh(log((1 - p) / p) / 2)
    messages=Pool(np.float32, f"num_links * {LANES}"),
    signs=Pool(np.float32, f"num_detectors * {LANES}"),  # by row: -1 where there is an event, else 1
    before=Pool(np.float32, f"longest_row * {LANES}"),  # scratch of one detector
    differences=Pool(np.float32, f"longest_row * {LANES}"),  # likewise
    active=Pool(np.float32, f"{LANES}"),  # 1 where a shot is still worked on, else 0
    chances=Pool(np.float32, f"num_mechanisms * {LANES}"),  # the probabilities found
    weights=Pool(_i4, f"num_edges * {LANES}"),
    shot_weights=Pool(_i4, "num_edges"),  # of one of the shots
    shot_events=Pool(_i8, "num_detectors"),  # of one of the shots
    group=Pool(_i8, f"{LANES}"),  # the shots in the lanes
    waiting=Pool(_i8, "max_waiting"),  # shots to be started once more
    num_detectors=_i8,
    num_mechanisms=_i8,
    num_links=_i8,
    num_edges=_i8,
    longest_row=_i8,
    max_sweeps=_i8,
    num_waiting=_i8,
    max_waiting=_i8,
)
