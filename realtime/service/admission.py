"""Admission control: reject streams whose decoder cannot sustain their cycle rate."""

from collections.abc import Callable

import numpy as np

from decoders import StreamingDecoder

#: Largest load of a core by a stream: close to 1, every delay would grow into a queue.
MAX_LOAD = 0.7
# Chunks that are timed, and their cycles. Their data differ: decoding the same data again is twice as fast.
_CHUNKS = 16
_CYCLES = 400
# The service time is this quantile of the measurements: slower ones show that the machine is busy.
_QUARTER = 0.25


class Admission:
    """Loads of the streams of a daemon, and their limit.

    Args:
        most_load: largest load of a core by a stream, and of all cores by all streams together, as a
            fraction; 0 admits everything.
        cores: number of cores.

    Raises:
        ValueError: a negative load, or no core.
    """

    def __init__(self, *, most_load: float = MAX_LOAD, cores: int) -> None:
        if not 0 <= most_load < float("inf"):
            raise ValueError(f"max_load={most_load}: must be a fraction of a core (0.7), or 0 for no limit")
        if cores < 1:
            raise ValueError(f"cores={cores}: must be at least 1")
        self.most_load = most_load
        self._cores = cores
        self._loads: dict[int, tuple[float, int]] = {}  # of a core, and the number of such cores

    def check(self, *, stream: int, service_ns: float, cycle_ns: float, threads: int = 1) -> None:
        """Admit a stream, in place of its earlier load.

        Args:
            stream: number of the logical qubit.
            service_ns: decoding time per cycle, with all of the stream's threads.
            threads: that decode the stream's blocks.
            cycle_ns: time between cycles; 0 for a source without a schedule, or one that waits.

        Raises:
            ValueError: the load would be too large; the admitted loads stay as they were.
        """
        if cycle_ns <= 0 or not self.most_load:
            self.release(stream)
            return
        load = service_ns / cycle_ns
        least = service_ns / self.most_load
        if load > self.most_load:
            busy = "a core" if threads == 1 else f"{threads} cores"
            raise ValueError(
                f"stream {stream} would keep {busy} busy for {100 * load:.0f} % of the time (decoding takes "
                f"{service_ns:.0f} ns of a cycle of {cycle_ns:g} ns), at most "
                f"{100 * self.most_load:.0f} % is admitted: use cycles of {least:.0f} ns or longer, more "
                "decoder_threads, or a higher max_load"
            )
        others = sum(known * count for number, (known, count) in self._loads.items() if number != stream)
        if others + load * threads > self.most_load * self._cores:
            raise ValueError(
                f"stream {stream} needs {load * threads:.2f} of a core and the others {others:.2f}, at most "
                f"{100 * self.most_load:.0f} % of {self._cores} cores is admitted: end another stream, or "
                "use a higher max_load"
            )
        self._loads[stream] = load, threads

    def load(self, stream: int) -> float:
        """Return the load of each of a stream's cores, 0 if it has none."""
        return self._loads.get(stream, (0.0, 0))[0]

    def release(self, stream: int) -> None:
        """Remove the load of a stream, if it was admitted."""
        self._loads.pop(stream, None)


def measure_service_time(decoder: StreamingDecoder, *, clock: Callable[[], int], seed: int = 1) -> float:
    """Measure the decoding time per cycle, ns, on data drawn from the decoder's error model.

    Args:
        decoder: reset before and after; a shot that is being pushed is lost.
        clock: returns the nanoseconds of a monotonic clock.
        seed: of the data.
    """
    rows = decoder.typical_rows(_CHUNKS * _CYCLES, seed=seed)
    decoder.reset()
    decoder.push(rows[:0])  # compiles `push`, which the real-time loop does not call
    times = []
    for first in range(0, len(rows) - 1, _CYCLES):
        chunk = rows[first : min(first + _CYCLES, len(rows) - 1)]
        start = clock()
        decoder.push(chunk)
        times.append((clock() - start) / len(chunk))
    decoder.reset()
    return float(np.quantile(times, _QUARTER))
