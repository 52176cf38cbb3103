"""Records of belief propagation: Tanner graph and state."""

import numpy as np

from decoders.belief_matching.kernels.simd import LANES
from decoders.kernels.records import Pool, record

_i4, _i8 = np.int32, np.int64

TANNER = record(
    links=Pool(_i4, "num_detectors + 1"),  # row r has the links links[r]:links[r + 1]
    row_of=Pool(_i4, "num_detectors"),  # the row of each detector
    mechanisms=Pool(_i4, "num_links"),  # mechanism of each link
    prior=Pool(np.float32, "num_mechanisms"),  # odds p / (1 - p)
    shares_start=Pool(_i4, "num_edges + 1"),  # edge e is flipped by entries shares_start[e]:shares_start[e+1]
    shared_by=Pool(_i4, "num_shares"),  # mechanism
    share=Pool(np.float32, "num_shares"),  # fraction of its probability whose decomposition has the edge
    flippers=Pool(_i4, "num_flippers"),  # mechanisms that flip observables
    flipped=Pool(np.uint8, "num_mechanisms * flip_bytes"),  # observables of each mechanism
    num_detectors=_i8,
    num_mechanisms=_i8,
    num_links=_i8,
    num_edges=_i8,
    num_shares=_i8,
    num_flippers=_i8,
    flip_bytes=_i8,
    longest_row=_i8,
)
# Vectors: LANES consecutive float32 (or int32), one for each shot decoded at the same time. reset_beliefs
# resets odds, signs and active; all other fields are written before they are read.
BELIEF = record(
    odds=Pool(np.float32, f"num_mechanisms * {LANES}"),  # current odds of each mechanism
    messages=Pool(np.float32, f"num_links * {LANES}"),  # last message of a detector, tanh(log((1-p)/p) / 2)
    signs=Pool(np.float32, f"num_detectors * {LANES}"),  # by row: -1 if the detector has fired, else 1
    before=Pool(np.float32, f"longest_row * {LANES}"),  # scratch of one detector
    differences=Pool(np.float32, f"longest_row * {LANES}"),  # scratch of one detector
    active=Pool(np.float32, f"{LANES}"),  # 1 for shots not yet explained, else 0
    posteriors=Pool(np.float32, f"num_mechanisms * {LANES}"),  # resulting probabilities
    weights=Pool(_i4, f"num_edges * {LANES}"),  # resulting edge weights
    shot_weights=Pool(_i4, "num_edges"),  # edge weights of one of the shots
    shot_events=Pool(_i8, "num_detectors"),  # events of one of the shots
    group=Pool(_i8, f"{LANES}"),  # shots in the lanes
    postponed=Pool(_i8, "max_postponed"),  # shots to be restarted
    num_detectors=_i8,
    num_mechanisms=_i8,
    num_links=_i8,
    num_edges=_i8,
    longest_row=_i8,
    max_sweeps=_i8,
    num_postponed=_i8,
    max_postponed=_i8,
)
