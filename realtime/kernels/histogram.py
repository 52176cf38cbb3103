"""Log-bucketed counts, as in HdrHistogram: exact below 256, then 128 buckets to every power of two."""

import numpy as np

from realtime.kernels.jit import kernel

SUB_BITS = 8
_HALF = 1 << (SUB_BITS - 1)
#: Values of 2^LARGEST_BITS and more are counted in the last bucket.
LARGEST_BITS = 44
NUM_BUCKETS = (1 << SUB_BITS) + (LARGEST_BITS - SUB_BITS) * _HALF

# Places in totals.
COUNT, SUM, LEAST, GREATEST = 0, 1, 2, 3
NUM_TOTALS = 4


@kernel
def bucket_of(value):
    """Return the bucket of a value; negative values count as zero."""
    if value < 0:
        return np.int64(0)
    shift = np.int64(0)
    rest = value
    while rest >= (1 << SUB_BITS):
        rest >>= 1
        shift += 1
    if shift == 0:
        return np.int64(rest)
    bucket = np.int64((1 << SUB_BITS) + (shift - 1) * _HALF + rest - _HALF)
    return min(bucket, np.int64(NUM_BUCKETS - 1))


@kernel
def count_value(counts, totals, value):
    """Count one value: counts int64 (NUM_BUCKETS,), totals int64 (NUM_TOTALS,)."""
    counts[bucket_of(value)] += 1
    if totals[COUNT] == 0 or value < totals[LEAST]:
        totals[LEAST] = value
    if totals[COUNT] == 0 or value > totals[GREATEST]:
        totals[GREATEST] = value
    totals[COUNT] += 1
    totals[SUM] += value
