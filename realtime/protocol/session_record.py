"""The memory of one session: what it was told, where it stands, what it has counted."""

from typing import Any

import numpy as np

from realtime.protocol import wire


def _record(*names: str) -> np.dtype[np.record]:
    return np.dtype((np.record, [(name, np.int64) for name in names]))  # type: ignore[return-value]


#: Counters, in the order in which they stand at the end of SESSION.
COUNTERS = (
    "frames",  # that came, of any kind
    "accepted",
    "damaged",  # no frame: too short, wrong magic or checksum ...
    "wrong_version",
    "foreign",  # of another session or stream
    "duplicates",  # with a sequence number that was already behind
    "gaps",
    "lost_frames",  # sequence numbers that never came
    "drained",  # frames of shots that had their answer already
    "late_frames",  # later than the soft limit
    "shots",
    "shots_ok",
    "cycles_decoded",
    "results_dropped",  # nobody took them
    "commits_dropped",
    "growths",  # of the workspace
)

SESSION = _record(
    # --- told
    "session",
    "stream",
    "kind",
    "bits",
    "final_bits",
    "num_columns",
    "num_observables",
    "fewest_layers",
    "most_layers",
    "repeats",  # 0: fewest_layers is the only length
    "period",  # layers by which lengths differ
    "max_cycles",
    "cycle_ns",
    "soft_ns",  # a frame later than this is counted
    "hard_ns",  # a frame later than this fails its shot; 0: never
    "timeout_ns",  # an open shot without frames for so long is given up
    "commits",  # whether to report commits
    "commit_gap_ns",  # and not before so long behind the last one
    "digest",
    "reach",  # measurements: cycles that the history holds, less one
    "num_first",
    "parity_period",  # measurements: cycles after which the parities repeat, at least 1
    # --- where it stands
    "next_sequence",
    "is_open",
    "shot",
    "last_shot",  # the greatest that has its answer
    "status",
    "cycles",  # of the open shot
    "first_sequence",
    "last_sequence",
    "hash",
    "garbage",  # bytes that were no frame came since the last good frame
    "due",
    "received",
    "shot_backlog",
    "max_backlog",
    "decoding",  # the workspace was too small in the middle of a frame: call session_resume
    "next_row",  # of the frame being decoded
    "num_answers",  # waiting to be sealed and sent
    "window_due",  # when the data that the last window needed were due, 0 if no window was decoded
    "ended",  # whether the last frame ended a shot with status OK
    "windows_before",
    "ending",  # the graph that the last shot ended with; its number among the endings, plus one
    "touched",  # a sum of memory that was read to keep it near
    "next_commit",  # when the next commit may be reported
    *COUNTERS,
)

#: Rows for answers: a frame can end two shots.
NUM_ANSWERS = 2

OFFSETS = wire.offsets(wire.HEADER)
RESULT_OFFSETS = wire.offsets(wire.RESULT)


def answer_size(num_observables: int) -> int:
    """Bytes of a result frame."""
    return wire.RESULT.itemsize + wire.row_bytes(num_observables)


def constants(enum: Any) -> tuple[np.int64, ...]:
    """The members of an enum as int64, in order: numba compiles once more for every other type."""
    return tuple(np.int64(int(member)) for member in enum)
