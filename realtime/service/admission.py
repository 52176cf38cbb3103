"""Whether a stream can be taken in: its decoder must be quicker than the data, with something to spare."""

from collections.abc import Callable

import numpy as np

from decoders import StreamingDecoder

#: Part of a core's time that a stream may need at most: near one, every hiccup becomes a queue.
MOST_LOAD = 0.7
# Data for so many measurements of so many cycles: the same data again would be decoded twice as fast.
_CHUNKS = 16
_CYCLES = 400
# This part of the measurements is quicker than what counts: others are slow because the machine is busy.
_QUARTER = 0.25


class Admission:
    """Keeps the account of what the streams of a daemon need.

    Args:
        most_load: part of a core that a stream may need, and the part of all cores that all may need
            together; 0 takes in everything.
        cores: how many there are.

    Raises:
        ValueError: a negative part, or no core.
    """

    def __init__(self, *, most_load: float = MOST_LOAD, cores: int) -> None:
        if not 0 <= most_load < float("inf"):
            raise ValueError(f"max_load={most_load}: the part of a core, such as 0.7, or 0 for no limit")
        if cores < 1:
            raise ValueError(f"cores={cores}: at least 1")
        self.most_load = most_load
        self._cores = cores
        self._loads: dict[int, float] = {}

    def check(self, *, stream: int, service_ns: float, cycle_ns: float) -> None:
        """Take a stream in, in place of what it was before.

        Args:
            stream: its number.
            service_ns: time that its decoder takes for a cycle.
            cycle_ns: time from cycle to cycle; 0 for a source that has none, or that waits.

        Raises:
            ValueError: there is not enough time; the account stays as it was.
        """
        if cycle_ns <= 0 or not self.most_load:
            self.release(stream)
            return
        load = service_ns / cycle_ns
        least = service_ns / self.most_load
        if load > self.most_load:
            raise ValueError(
                f"stream {stream} would keep a core busy for {100 * load:.0f} % of the time (decoding takes "
                f"{service_ns:.0f} ns of a cycle of {cycle_ns:g} ns), at most "
                f"{100 * self.most_load:.0f} % is taken in: use cycles of {least:.0f} ns or longer, or a "
                "higher max_load"
            )
        others = sum(known for number, known in self._loads.items() if number != stream)
        if others + load > self.most_load * self._cores:
            raise ValueError(
                f"stream {stream} needs {load:.2f} of a core and the others {others:.2f}, at most "
                f"{100 * self.most_load:.0f} % of {self._cores} is given: end another stream, or use a "
                "higher max_load"
            )
        self._loads[stream] = load

    def release(self, stream: int) -> None:
        """Take a stream, if it is there, out of the account."""
        self._loads.pop(stream, None)


def service_ns(decoder: StreamingDecoder, *, clock: Callable[[], int], seed: int = 1) -> float:
    """Time that a decoder takes for a cycle, ns, on data drawn from its own error model.

    Args:
        decoder: ends the shot that is being pushed, if any.
        clock: nanoseconds of a clock that does not run backwards.
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
