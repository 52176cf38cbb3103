"""Latency histograms and their percentiles. Values are whole nanoseconds."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.kernels import histogram as kernels

NUM_BUCKETS = kernels.NUM_BUCKETS
_TICKS_PER_HALF = 5


def upper_edges() -> NDArray[np.int64]:
    """Return the greatest value of each bucket, int64 (NUM_BUCKETS,)."""
    half = 1 << (kernels.SUB_BITS - 1)
    plain = np.arange(1 << kernels.SUB_BITS, dtype=np.int64)
    shifts = np.arange(1, kernels.LARGEST_BITS - kernels.SUB_BITS + 1, dtype=np.int64)[:, np.newaxis]
    rest = np.arange(half, 2 * half, dtype=np.int64)[np.newaxis]
    return np.concatenate([plain, (((rest + 1) << shifts) - 1).reshape(-1)])


_EDGES = upper_edges()


class Histogram:
    """Histogram with a resolution of 0.8 %; recording allocates no memory.

    Attributes:
        counts: int64 (NUM_BUCKETS,), values in each bucket; written by kernels.
        totals: int64 (NUM_TOTALS,), see realtime.kernels.histogram; written by kernels.
        missing: events without a value, for example shots without an answer; infinite in percentiles.

    Examples:
        >>> histogram = Histogram()
        >>> for value in (100, 200, 300):
        ...     histogram.record(value)
        >>> histogram.percentile(50)
        200.0
    """

    def __init__(
        self,
        *,
        counts: NDArray[np.int64] | None = None,
        totals: NDArray[np.int64] | None = None,
        missing: int = 0,
    ) -> None:
        self.counts = np.zeros(NUM_BUCKETS, dtype=np.int64) if counts is None else counts
        self.totals = np.zeros(kernels.NUM_TOTALS, dtype=np.int64) if totals is None else totals
        self.missing = missing

    def record(self, value_ns: int) -> None:
        """Count one value."""
        kernels.count_value(self.counts, self.totals, np.int64(value_ns))

    def merged(self, other: "Histogram") -> "Histogram":
        """Return the histogram of the values of both."""
        totals = self.totals + other.totals
        if self.num and other.num:
            totals[kernels.LEAST] = min(self.totals[kernels.LEAST], other.totals[kernels.LEAST])
            totals[kernels.GREATEST] = max(self.totals[kernels.GREATEST], other.totals[kernels.GREATEST])
        return Histogram(
            counts=self.counts + other.counts, totals=totals, missing=self.missing + other.missing
        )

    def copy(self) -> "Histogram":
        """Return an independent copy."""
        return Histogram(counts=self.counts.copy(), totals=self.totals.copy(), missing=self.missing)

    @property
    def num(self) -> int:
        """Number of values."""
        return int(self.totals[kernels.COUNT])

    @property
    def mean(self) -> float:
        """Mean of the values, ns; NaN if there is none."""
        return float(self.totals[kernels.SUM]) / self.num if self.num else math.nan

    @property
    def max(self) -> float:
        """Greatest value, ns; infinite if any is missing, NaN if there is none."""
        if self.missing:
            return math.inf
        return float(self.totals[kernels.GREATEST]) if self.num else math.nan

    def percentile(self, percent: float) -> float:
        """Return the value that `percent` of all events do not exceed, ns, rounded up by at most 0.8 %.

        Infinite if the percentile falls on a missing event, NaN without events.

        Raises:
            ValueError: percent is not between 0 and 100.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percent={percent}: must be between 0 and 100")
        total = self.num + self.missing
        if not total:
            return math.nan
        rank = max(1, math.ceil(percent / 100 * total))
        if rank > self.num:
            return math.inf
        bucket = int(np.searchsorted(np.cumsum(self.counts), rank))
        return float(min(_EDGES[bucket], self.totals[kernels.GREATEST]))

    def text(self, *, unit_ns: float = 1000.0) -> str:
        """Format the percentile distribution as HdrHistogram does; values in units of unit_ns."""
        lines = [f"{'Value':>12} {'Percentile':>14} {'TotalCount':>10} {'1/(1-Percentile)':>14}", ""]
        cumulative = np.cumsum(self.counts)
        percent, last = 0.0, -1
        while self.num:
            value = self.percentile(percent)
            reached = self.num
            if value < self.totals[kernels.GREATEST]:
                reached = int(cumulative[kernels.bucket_of(np.int64(value))])
            fraction = reached / self.num
            if reached != last:
                tail = f"{1 / (1 - fraction):14.2f}" if fraction < 1 else f"{'inf':>14}"
                lines.append(f"{value / unit_ns:12.3f} {fraction:2.12f} {reached:10d} {tail}")
            last = reached
            if fraction >= 1 or math.isinf(value):
                break
            step = 100 / (_TICKS_PER_HALF * 2 ** (int(math.log2(100 / (100 - percent))) + 1))
            percent = min(100.0, max(percent + step, 100 * fraction))
        spread = self._deviation()
        lines += [
            f"#[Mean    = {self.mean / unit_ns:12.3f}, StdDeviation   = {spread / unit_ns:12.3f}]",
            f"#[Max     = {self.max / unit_ns:12.3f}, Total count    = {self.num:12d}]",
            f"#[Buckets = {kernels.LARGEST_BITS - kernels.SUB_BITS + 1:12d}, "
            f"SubBuckets     = {1 << kernels.SUB_BITS:12d}]",
        ]
        if self.missing:
            lines.append(f"#[Missing = {self.missing:12d}]")
        return "\n".join(lines) + "\n"

    def _deviation(self) -> float:
        if not self.num:
            return math.nan
        return float(np.sqrt(np.sum(self.counts * (_EDGES - self.mean) ** 2) / self.num))

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON object, for `from_json`."""
        used = np.flatnonzero(self.counts)
        return {
            "buckets": used.tolist(),
            "counts": self.counts[used].tolist(),
            "totals": self.totals.tolist(),
            "missing": self.missing,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Histogram":
        """Read the object that `to_json` returned.

        Raises:
            ValueError: not such an object.
        """
        try:
            histogram = cls(missing=int(value["missing"]))
            histogram.counts[np.asarray(value["buckets"], dtype=np.int64)] = value["counts"]
            histogram.totals[:] = value["totals"]
            if min([histogram.missing, *value["buckets"], *value["counts"]]) < 0:
                raise ValueError("a negative number")
        except (KeyError, TypeError, IndexError, ValueError, OverflowError) as error:
            raise ValueError(f"not a histogram: {error}") from None
        return histogram


def summary(histogram: Histogram) -> dict[str, float]:
    """Summarise: number of values, missing values, and mean, percentiles and maximum in microseconds."""
    percents = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}
    return {
        "n": histogram.num,
        "missing": histogram.missing,
        "mean": histogram.mean / 1000,
        **{name: histogram.percentile(percent) / 1000 for name, percent in percents.items()},
        "max": histogram.max / 1000,
    }
