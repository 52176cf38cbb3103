"""Results of `qec bench streaming` as tables and as rows of CSV files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from textwrap import fill

from experiments.bench.streaming.pairs import MAX_EXCESS, Pair
from experiments.bench.streaming.shots import (
    BARS,
    CYCLE_MICROSECONDS,
    MAX_DRIFT,
    MAX_GROWTH,
    Shot,
    ShotRun,
)
from experiments.bench.streaming.threads import Threads
from experiments.bench.streaming.windows import METHODS, Length
from experiments.common.numbers import number
from experiments.common.terminal import table
from experiments.common.timing import Ratio

COLUMNS = ["part", "distance", "cycles", "variant", "quantity", "value", "low", "high", "met"]
TIME_COLUMNS = ["part", "distance", "cycles", "variant", "turn", "segment", "cycles_timed", "ns"]
COUNT_COLUMNS = [
    *("decoder", "distance", "cycles", "commit", "buffer", "shots", "both_wrong"),
    *("only_streaming_wrong", "only_whole_wrong"),
]

Row = list[object]


@dataclass
class Findings:
    """Everything that was measured."""

    p: float
    fractions: dict[int, float] = field(default_factory=dict)
    shots: dict[int, Shot] = field(default_factory=dict)
    runs: list[ShotRun] = field(default_factory=list)
    builds: dict[int, dict[int, list[int]]] = field(default_factory=dict)
    lengths: list[Length] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    buffers: list[Pair] = field(default_factory=list)
    threads: list[Threads] = field(default_factory=list)

    def tables(self) -> Iterator[str]:
        """Format the tables of all results, each with an explanation."""
        if self.runs:
            yield _run_table(self.runs, self.shots)
        if self.builds:
            yield _build_table(self.builds)
        if self.lengths:
            yield _length_table(self.lengths)
        if self.pairs:
            yield _pair_table(self.pairs)
        if self.buffers:
            yield _buffer_table(self.buffers)
        if self.threads:
            yield _thread_table(self.threads)

    def rows(self) -> Iterator[Row]:
        """Values of `COLUMNS`: every number of the tables."""
        for distance, fraction in self.fractions.items():
            yield ["calibration", distance, "", f"p={self.p:.6g}", "detection fraction", fraction, "", "", ""]
        for shot in self.shots.values():
            yield ["shots", *_place(shot), "sampled", "detection fraction", shot.fraction, "", "", ""]
            yield ["shots", *_place(shot), "sampled", "peak MB", shot.peak_bytes / 1e6, "", "", ""]
        for run in self.runs:
            yield from _run_rows(run)
        for distance, times in self.builds.items():
            for cycles, found in times.items():
                milliseconds = [ns / 1e6 for ns in found]
                ends = (min(milliseconds), max(milliseconds))
                yield ["build", distance, cycles, "streaming", "ms", median(milliseconds), *ends, ""]
        for length in self.lengths:
            for method in length.times_ns:
                value = length.microseconds(method)
                yield ["lengths", *_place(length), method, "us per cycle", value, "", "", ""]
        for part, pairs in (("accuracy", self.pairs), ("buffers", self.buffers)):
            for pair in pairs:
                yield from _pair_rows(part, pair)
        for threads in self.threads:
            for count in threads.times_ns:
                variant = f"{count} threads" if count else "streaming"
                value, least = threads.microseconds(count), threads.least(count)
                met = _word(value <= CYCLE_MICROSECONDS)
                yield ["parallel", *_place(threads), variant, "us per cycle", value, least, "", met]

    def time_rows(self) -> Iterator[Row]:
        """Values of `TIME_COLUMNS`: every single time."""
        for run in self.runs:
            variant = f"frames of {run.frame_cycles}"
            for turn, times in enumerate(run.times_ns):
                for segment, ns in enumerate(times):
                    yield ["shots", *_place(run), variant, turn, segment, run.segment_cycles, ns]
        for distance, by_cycles in self.builds.items():
            for cycles, found in by_cycles.items():
                for turn, ns in enumerate(found):
                    yield ["build", distance, cycles, "streaming", turn, "", "", ns]
        for length in self.lengths:
            timed = length.shots * length.point.rounds
            for method, found in length.times_ns.items():
                for turn, ns in enumerate(found):
                    yield ["lengths", *_place(length), method, turn, "", timed, ns]
        for pair in self.buffers:
            timed = pair.timed_shots * pair.point.rounds
            for turn, ns in enumerate(pair.times_ns):
                yield ["buffers", *_place(pair), f"buffer {pair.buffer}", turn, "", timed, ns]
        for threads in self.threads:
            for count, found in threads.times_ns.items():
                for turn, ns in enumerate(found):
                    variant = f"{count} threads" if count else "streaming"
                    yield ["parallel", *_place(threads), variant, turn, "", threads.point.rounds, ns]

    def count_rows(self) -> Iterator[Row]:
        """Values of `COUNT_COLUMNS`: the counts of every ratio of logical errors."""
        for pair in [*self.pairs, *self.buffers]:
            counts = (pair.shots, pair.both, pair.only_stream, pair.only_whole)
            yield [pair.decoder, *_place(pair), pair.commit, pair.buffer, *counts]


def calibration_line(p: float, *, distance: int, fractions: Mapping[int, float]) -> str:
    """Format the noise strength and its detection fractions."""
    others = [f"{100 * fractions[d]:.2f} % at d = {d}" for d in sorted(fractions) if d != distance]
    rest = f" ({', '.join(others)})" if others else ""
    return (
        f"SI1000, p = {100 * p:.4f} %: mean detection fraction inside the memory "
        f"{100 * fractions[distance]:.2f} % at d = {distance}{rest}"
    )


def _place(found: Shot | ShotRun | Length | Pair | Threads) -> tuple[int, int]:
    return found.point.distance, found.point.rounds


def _run_table(runs: Sequence[ShotRun], shots: Mapping[int, Shot]) -> str:
    passes = len(runs[0].times_ns)
    header = ["d", "cycles", "fraction", "frame", "us/cycle", "", "last/first tenth", "", "growth (MB)", ""]
    rows = []
    for run in runs:
        verdicts, growth = run.verdicts(), run.growth()
        distance = run.point.distance
        bar = f"<= {BARS[distance]:g} " if distance in BARS else ""
        rows.append(
            [
                *(str(distance), f"{run.point.rounds:,}", f"{100 * shots[distance].fraction:.2f} %"),
                *(str(run.frame_cycles), f"{run.microseconds():.3f}"),
                bar + _verdict(verdicts.get("time")),
                *(_three(run.drift()), _verdict(verdicts.get("constant"))),
                "-" if growth is None else f"{growth:.2f}",
                _verdict(verdicts.get("memory")),
            ]
        )
    plans = ", ".join(
        f"{run.commit}+{run.buffer} at d = {run.point.distance}"
        for run in {run.point.distance: run for run in runs}.values()
    )
    sizes = ", ".join(
        f"{run.decoder_bytes / 1e6:.0f} MB at d = {run.point.distance}"
        for run in {run.point.distance: run for run in runs}.values()
        if run.decoder_bytes is not None
    )
    return "\n".join(
        [
            _words(
                "One shot pushed in bit-packed frames of several cycles, on one core. Time per cycle: median "
                f"over segments and {passes} passes. Last/first tenth of the shot: each segment in its "
                f"fastest pass (single passes: least-most), bar {100 * MAX_DRIFT:g} %. Growth of the "
                f"resident memory since the start of the shot: bar {MAX_GROWTH:g} MB. Windows "
                f"(commit+buffer): {plans}. A decoder itself takes {sizes or '(not measured)'}."
            ),
            table(header, rows, keys=2),
        ]
    )


def _build_table(builds: Mapping[int, Mapping[int, Sequence[int]]]) -> str:
    lengths = list(next(iter(builds.values())))
    rows = []
    for distance, times in builds.items():
        cells = [f"{median(times[cycles]) / 1e6:.1f}" for cycles in lengths]
        rows.append([str(distance), *cells, _three(Ratio.of(times[lengths[-1]], times[lengths[0]]))])
    header = ["d", *[f"{cycles:,} cycles" for cycles in lengths], "ratio"]
    return f"Time from a circuit to a decoder (ms):\n{table(header, rows)}"


def _length_table(lengths: Sequence[Length]) -> str:
    header = ["d", "cycles", *METHODS]
    rows = []
    for length in lengths:
        values = [length.microseconds(method) for method in METHODS]
        cells = ["-" if value is None else f"{value:.3f}" for value in values]
        rows.append([str(length.point.distance), f"{length.point.rounds:,}", *cells])
    differing = sum(length.differing for length in lengths)
    shots = sum(length.shots for length in lengths)
    return "\n".join(
        [
            _words(
                "Time per cycle in us by the length of a shot, on one core and the same shots; windows in "
                "turns, then whole histories. Windows are the same for PyMatching (graphs made once, one "
                "call per window) and for streaming; pushed: frames of 10 cycles, one call each. Both kinds "
                f"of windows predict the same in all but {differing} of {shots:,} shots."
            ),
            table(header, rows),
        ]
    )


def _pair_table(pairs: Sequence[Pair]) -> str:
    header = ["d", "cycles", "decoder", "windows", "shots", "whole", "streaming", "only s.", "only w."]
    rows = [
        [
            *(str(pair.point.distance), str(pair.point.rounds), pair.decoder),
            f"{pair.commit}+{pair.buffer}",
            f"{pair.shots:,}",
            *(str(pair.both + pair.only_whole), str(pair.both + pair.only_stream)),
            *(str(pair.only_stream), str(pair.only_whole), _interval(pair), _verdict(pair.met())),
        ]
        for pair in pairs
    ]
    return "\n".join(
        [
            _words(
                "Logical errors on the same shots, streaming and whole history, and shots that only one gets "
                f"wrong; ratio per cycle with its paired 95 % interval, bar {100 * MAX_EXCESS:g} %. "
                "Parallel windows have seams as often here as they can."
            ),
            table([*header, "ratio per cycle", ""], rows, keys=3),
        ]
    )


def _buffer_table(pairs: Sequence[Pair]) -> str:
    header = ["d", "commit", "buffer", "errors", "ratio per cycle", "us/cycle"]
    rows = []
    for pair in pairs:
        time = pair.microseconds()
        cells = [str(pair.point.distance), str(pair.commit), str(pair.buffer)]
        cells += [str(pair.both + pair.only_stream), _interval(pair)]
        rows.append([*cells, "-" if time is None else f"{time:.3f}"])
    cycles = ", ".join(map(str, dict.fromkeys(pair.point.rounds for pair in pairs)))
    words = "Logical errors relative to the whole history, and time per cycle, by buffer"
    return f"{_words(f'{words} (shots of {cycles} cycles, decoded in one call):')}\n{table(header, rows)}"


def _thread_table(found: Sequence[Threads]) -> str:
    numbers = list(found[0].times_ns)
    rows = [
        [
            *(str(threads.point.distance), f"{threads.point.rounds:,}"),
            *[f"{threads.microseconds(count):.3f} ({threads.least(count):.3f})" for count in numbers],
            f"<= {CYCLE_MICROSECONDS:g} {_verdict(threads.met())}",
        ]
        for threads in found
    ]
    names = [f"{count} thread{'s' if count > 1 else ''}" if count else "streaming" for count in numbers]
    return "\n".join(
        [
            _words(
                "Time per cycle in us with parallel windows on several threads besides the caller's, frames "
                "of 1,000 cycles: median (least) of the turns; streaming: StreamingDecoder on the caller's "
                "thread. Bar: the best median keeps up with the cycles."
            ),
            table(["d", "cycles", *names, "bar"], rows, keys=2),
        ]
    )


def _run_rows(run: ShotRun) -> Iterator[Row]:
    start: Row = ["shots", *_place(run), f"frames of {run.frame_cycles}"]
    verdicts, drift = run.verdicts(), run.drift()
    yield [*start, "us per cycle", run.microseconds(), "", "", _word(verdicts.get("time"))]
    ends = (drift.median, drift.low, drift.high)
    yield [*start, "last tenth / first tenth", *ends, _word(verdicts.get("constant"))]
    growth = run.growth()
    if growth is not None:
        yield [*start, "growth MB", growth, "", "", _word(verdicts.get("memory"))]
    if run.decoder_bytes is not None:
        yield [*start, "decoder MB", run.decoder_bytes / 1e6, "", "", ""]


def _pair_rows(part: str, pair: Pair) -> Iterator[Row]:
    start: Row = [part, *_place(pair), f"{pair.decoder} {pair.commit}+{pair.buffer}"]
    ratio = pair.ratio()
    met = _word(pair.met()) if part == "accuracy" else ""
    yield [*start, "logical error per cycle, ratio", ratio.value, ratio.low, ratio.high, met]
    for name, value in zip(("streaming", "whole"), pair.per_cycle(), strict=True):
        yield [*start, f"logical error per cycle, {name}", value, "", "", ""]
    if pair.times_ns:
        yield [*start, "us per cycle", pair.microseconds(), "", "", ""]


def _words(text: str) -> str:
    return fill(text, 100)


def _interval(pair: Pair) -> str:
    ratio = pair.ratio()
    return f"{number(ratio.value, 5)} [{number(ratio.low, 5)}, {number(ratio.high, 5)}]"


def _three(ratio: Ratio) -> str:
    return f"{ratio.median:.3f} ({ratio.low:.3f}-{ratio.high:.3f})"


def _verdict(met: bool | None) -> str:
    return "" if met is None else "met" if met else "MISSED"


def _word(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "no"
