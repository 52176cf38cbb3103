"""Alternating decoding of the same shots by all decoders, for one circuit of `qec bench codes`."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

import decoders
from decoders.model.hyperedges import Hyperedges
from experiments.bench.accuracy.runs import PIECE, Packed, Shots
from experiments.common.preparation import make_decoder
from experiments.common.terminal import Progress
from qec import families

REFERENCE = "mwpm"
# Longest call of a decoder, in seconds, unless one shot takes longer.
_TURN = 0.5
_WARM_UP = 5
# Part of a cell's time in which plain matching may decode before all others.
_FIRST_SHARE = 0.25


@dataclass(frozen=True)
class Cell:
    """One circuit: family, distance, strength."""

    family: str
    distance: int
    p: float


@dataclass(frozen=True)
class Limits:
    """When a cell is done: errors of plain matching, shots; seconds of all cells together."""

    errors: int
    shots: int
    seconds: float


@dataclass
class Run:
    """One decoder in one cell.

    Attributes:
        wrong: for each decoded shot, from the first one on, whether it was predicted wrongly or refused.
        refused: shots that the decoder raised an error for.
        time_ns: decoding time of all shots.
        note: why it decoded nothing, if so.
    """

    wrong: list[NDArray[np.bool_]] = field(default_factory=list)
    shots: int = 0
    errors: int = 0
    refused: int = 0
    time_ns: int = 0
    note: str = ""

    @property
    def microseconds(self) -> float:
        """Mean decoding time of a shot; NaN before the first one."""
        return self.time_ns / self.shots / 1000 if self.shots else float("nan")


def measure(
    cell: Cell,
    names: Sequence[str],
    runs: dict[str, Run],
    limits: Limits,
    *,
    seconds: float,
    seed: int,
    hyperedges: Hyperedges | None = None,
    progress: Progress,
) -> float:
    """Let all decoders decode the shots of one cell.

    Plain matching decodes until it has made enough errors; the others follow up to the same shot. Of them the
    one that has had the least time is next, so that all but the slowest get there. Compilation, construction
    and the first shots happen outside the clock and outside `seconds`.

    Args:
        cell: the circuit.
        names: decoders, plain matching among them.
        runs: filled with one run for each decoder; complete as far as it goes when Ctrl-C ends this.
        limits: see there.
        seconds: decoding time of this cell.
        seed: of the shots.
        hyperedges: decoders get the errors of the circuit as they are and treat those with more than two
            detectors like this; None: errors are decomposed by stim or `families.graphlike_dem`.
        progress: for messages.

    Returns:
        Seconds that decoding took, without what comes before it.
    """
    title = f"{cell.family}, d = {cell.distance}, p = {cell.p:g}"
    circuit = families.circuit(cell.family, distance=cell.distance, p=cell.p)
    if hyperedges is None:
        dem = families.error_model(circuit)
    else:
        dem = circuit.detector_error_model(approximate_disjoint_errors=True)
    shots = Shots(circuit, seed=seed)
    ready: dict[str, decoders.Decoder] = {}
    for name in names:
        progress.show(f"{title}: making {name}")
        runs[name] = Run()
        try:
            progress.clear()
            ready[name] = make_decoder("qec bench", name, dem, hyperedges=hyperedges or "refuse")
            ready[name].warm_up()  # the first shots may be quiet, and decoded without all kernels
            decode_or_refuse(ready[name], shots.piece(0)[0][:_WARM_UP])
        except ValueError as error:
            ready.pop(name, None)
            runs[name].note = f"refuses the model: {' '.join(str(error).split())}"
    if REFERENCE not in ready:
        return 0.0
    start = time.monotonic()
    deadline = start + seconds
    goal = limits.shots
    while ready and time.monotonic() < deadline:
        name = min(ready, key=lambda one: runs[one].time_ns)
        # Others follow plain matching, so that they never decode more than is compared. It goes first while
        # its errors cost little: they decide how far the others have to go.
        first = REFERENCE in ready and runs[REFERENCE].time_ns < _FIRST_SHARE * seconds * 1e9
        if first or runs[REFERENCE].shots <= runs[name].shots:
            name = REFERENCE
        run = runs[name]
        progress.show(f"{title}: {name} at {run.shots:,} shots, {deadline - time.monotonic():.0f} s left")
        _turn(ready[name], run, shots, most=goal)
        if name == REFERENCE and (run.errors >= limits.errors or run.shots >= limits.shots):
            goal = run.shots
        if REFERENCE in ready and runs[REFERENCE].shots >= goal:
            del ready[REFERENCE]
        ready = {one: decoder for one, decoder in ready.items() if runs[one].shots < goal}
    return time.monotonic() - start


def _turn(decoder: decoders.Decoder, run: Run, shots: Shots, *, most: int) -> None:
    """Decode the next shots, at most to the end of a piece."""
    offset = run.shots % PIECE
    events, flips = shots.piece(run.shots // PIECE)
    size = _WARM_UP if not run.shots else max(1, round(_TURN * 1e6 / max(run.microseconds, 1e-3)))
    end = min(PIECE, offset + size, offset + most - run.shots)
    start = time.perf_counter_ns()
    predictions, refused = decode_or_refuse(decoder, events[offset:end])
    run.time_ns += time.perf_counter_ns() - start
    wrong = np.any(predictions != flips[offset:end], axis=1) | refused
    run.wrong.append(wrong)
    run.shots += len(wrong)
    run.errors += int(wrong.sum())
    run.refused += int(refused.sum())


def decode_or_refuse(decoder: decoders.Decoder, events: Packed) -> tuple[Packed, NDArray[np.bool_]]:
    """Decode a batch; where a shot is refused, decode the others one by one.

    Returns:
        Bit-packed predictions, and bool (shots,) which shots were refused: their predictions are zero.
    """
    refused = np.zeros(len(events), dtype=np.bool_)
    try:
        return decoder.decode_batch(events, bit_packed=True), refused
    except ValueError:
        predictions = np.zeros((len(events), (decoder.num_observables + 7) // 8), dtype=np.uint8)
    for shot in range(len(events)):
        try:
            predictions[shot] = decoder.decode_batch(events[shot : shot + 1], bit_packed=True)[0]
        except ValueError:
            refused[shot] = True
    return predictions, refused
