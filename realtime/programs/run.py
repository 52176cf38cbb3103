"""Run a program in real time, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.matching.workspace import Pools
from decoders.streaming.readouts import ReadoutChoiceDecoder
from qec.sampling.kernels.random import start_stream
from realtime.kernels.clock import now_ns
from realtime.kernels.frames import HEADER_BYTES, RESULT_BYTES
from realtime.kernels.histogram import NUM_BUCKETS, NUM_TOTALS
from realtime.latency import Histogram
from realtime.programs.kernels.play import play_program
from realtime.programs.kernels.records import LAYER, LIFE, PATCH, PROGRAM, SHOT, End
from realtime.programs.patches import PatchModel
from realtime.programs.program import Program
from realtime.programs.server import CompiledServer, PatchServer
from realtime.protocol import wire

_SLICE_NS = 100_000_000
_LEAD_NS = 200_000
# Bytes of a patch's log: at least, more for each of its lives, at most.
_LEAST_LOG, _LOG_PER_LIFE, _MAX_LOG = 1 << 22, 256, 1 << 28
# After the last cycle no answer is awaited for longer.
_PATIENCE_NS = 10 * 10**9
_LEAST = {"cycle_ns": 1, "delay_ns": 0, "longest_wait": 1, "seed": 0, "service_ns": 0, "hop_ns": 0}


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """Pace of a run.

    Attributes:
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame; a frame with a readout leaves at once.
        delay_ns: added to the time at which an answer arrives, for studies of slow links.
        longest_wait: cycles after which a program that waits is given up.
        seed: of the errors and the random outcomes.
        simulated: whether time is simulated: cycles last exactly as long as they should, and the decoder
            takes the processor time that is measured, or service_ns, for its work. Otherwise the source
            keeps pace with the clock, and the decoder runs in its own thread.
        service_ns: of the decoder for a cycle; 0: what it takes. A thread waits until it has passed.
        hop_ns: time of a message from thread to thread, with a simulated clock.

    Raises:
        ValueError: a setting out of range.
    """

    cycle_ns: float = 1100.0
    frame_cycles: int = 5
    delay_ns: int = 0
    longest_wait: int = 100_000
    seed: int = 1
    simulated: bool = False
    service_ns: int = 0
    hop_ns: int = 200

    def __post_init__(self) -> None:
        if not 1 <= self.frame_cycles <= wire.MAX_CYCLES:
            raise ValueError(f"frame_cycles={self.frame_cycles}: must be between 1 and {wire.MAX_CYCLES}")
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least {least}")


@dataclass(frozen=True, eq=False, kw_only=True)
class ProgramRun:
    """Outcomes and times of the shots of a program. Shots that the program discarded have no results.

    Attributes:
        program: what was run.
        end: reason why the run ended; DONE if all shots were played.
        lives: LIFE (lives,), in the order of preparation; of complete shots only.
        shots: SHOT (shots,), complete shots only.
        logs: for each patch the detection events that were sent, uint8 (bytes,).
        lateness: of the source: end of a cycle -> its data sent.
        cycle_ns: time between two cycles.
        stopped_wait: cycles that the program had waited when it was given up, else 0.
        load: fraction of the time in which a simulated decoder was busy; NaN otherwise.
    """

    program: Program
    end: End
    lives: NDArray[Any]
    shots: NDArray[Any]
    logs: list[NDArray[np.uint8]]
    lateness: Histogram
    cycle_ns: float
    stopped_wait: int
    load: float

    @property
    def num_shots(self) -> int:
        """Complete shots."""
        return len(self.shots)

    @property
    def waits(self) -> NDArray[Any]:
        """Lives whose outcome was awaited, LIFE (waits,)."""
        return self.lives[self.lives["needed_ns"] > 0]

    def reaction_ns(self) -> NDArray[np.int64]:
        """Return the reaction time of each wait: decision needed -> next cycle begins with it."""
        waits = self.waits
        found: NDArray[np.int64] = waits["acted_ns"] - waits["needed_ns"]
        return found

    def answer_ns(self) -> NDArray[np.int64]:
        """Return the time from the decision needed to the answer at the source, for each wait; at least 0."""
        waits = self.waits
        found: NDArray[np.int64] = np.maximum(waits["received_ns"] - waits["needed_ns"], 0)
        return found

    def kept(self) -> NDArray[np.bool_]:
        """Return whether each shot was played to its end, bool (shots,)."""
        found: NDArray[np.bool_] = self.shots["is_discarded"] == 0
        return found

    def outcome_errors(self) -> NDArray[np.bool_]:
        """Return whether the outcome of each life is wrong after decoding and corrections.

        Lives without a valid outcome (number -1) count too: look at the others.
        """
        lives = self.lives
        flipped = (lives["flips"] ^ lives["predicted"]) >> lives["basis"] & 1
        wrong: NDArray[np.bool_] = (flipped ^ lives["frame"] ^ lives["ideal_frame"]) == 1
        return wrong

    def decoded_values(self) -> NDArray[np.int64]:
        """Return the outcome of each life after decoding and corrections, 0 or 1."""
        coins: NDArray[np.int64] = self.lives["coin"]
        return coins ^ self.outcome_errors()

    def failures(self) -> NDArray[np.bool_]:
        """Return whether each kept shot failed: a basis was chosen wrongly, or a result is wrong.

        Results are the outcomes on which nothing depends. Wrong corrections show in them; two that cancel do
        no harm.

        Returns:
            bool (kept shots,).
        """
        lives = self.lives
        results = [
            number for number, name in enumerate(self.program.outcomes) if name in self.program.results
        ]
        bad = (lives["basis"] != lives["ideal_basis"]) & (lives["outcome"] >= 0)
        bad |= self.outcome_errors() & np.isin(lives["outcome"], results)
        return (np.bincount(lives["shot"], weights=bad, minlength=self.num_shots) > 0)[self.kept()]

    def durations(self) -> NDArray[np.int64]:
        """Return the cycles of each shot."""
        found: NDArray[np.int64] = self.shots["stop_cycle"] - self.shots["first_cycle"]
        return found

    def idle_cycles(self) -> NDArray[np.int64]:
        """Return the cycles inserted in each shot while it waited."""
        counted = np.bincount(self.lives["shot"], weights=self.lives["idle"], minlength=self.num_shots)
        return counted.astype(np.int64)

    def check(self, decoder: ReadoutChoiceDecoder, *, most: int | None = None) -> tuple[int, int]:
        """Decode offline what was sent, and compare with the answers, and with their gaps if there are any.

        Args:
            decoder: of the patches, with gaps if the program looks at them.
            most: number of lives to check, the first ones; None for all.

        Returns:
            Lives with equal predictions (and gaps) of the measured observable, and lives checked. Lives that
            ended without a measurement are left out.
        """
        width, columns = wire.row_bytes(decoder.parts().num_columns), decoder.parts().num_columns
        same = checked = 0
        for life in self.lives[:most]:
            if life.log < 0 or life.status == wire.Status.ABORTED:
                continue
            size = int(life.cycles + 1) * width
            rows = self.logs[life.patch][life.log : life.log + size].reshape(-1, width)
            layers = np.unpackbits(rows, axis=1, count=columns, bitorder="little")
            offline = decoder.decode(layers, readout=int(life.basis))
            fits = bool(offline[life.basis]) == bool(life.predicted >> life.basis & 1)
            if decoder.has_gaps and life.decides:
                steps = decoder.gap(readout=int(life.basis)) * wire.GAP_STEPS
                fits &= int(min(steps + 0.5, wire.ENDLESS_GAP)) == int(life.gap)
            same += fits
            checked += 1
        return same, checked


class ProgramSource:
    """Source of a program: draws the syndromes of all patches and obeys the answers.

    Args:
        program: to play.
        model: of every patch.
        settings: pace.
        server: decoder, running.
        shots: how many to play.

    Raises:
        ValueError: a program that measures a patch too early for its model, one with merges, or
            one that looks at gaps that the server does not find.
    """

    def __init__(
        self, program: Program, *, model: PatchModel, settings: RunSettings, server: PatchServer, shots: int
    ) -> None:
        if program.shortest_life < model.fewest_cycles:
            raise ValueError(
                f"program {program.name!r} measures a patch in cycle {program.shortest_life} of its life: "
                f"this model needs at least {model.fewest_cycles} cycles"
            )
        if program.has_merges:
            raise ValueError(f"program {program.name!r} merges patches: see realtime.programs.surgery")
        if program.needs_gaps and not server.has_gaps:
            raise ValueError(f"program {program.name!r} looks at gaps: this decoder finds none")
        if shots < 1:
            raise ValueError(f"shots={shots}: must be at least 1")
        self._program, self._settings, self._shots = program, settings, shots
        self._patches = [
            self._patch(number, model, server, shots * program.most_lives)
            for number in range(len(program.patches))
        ]
        self._layers = model.layers.tables()
        self._pools = Pools(PROGRAM)
        state = np.zeros(4, dtype=np.uint64)
        start_stream(state, np.uint64(settings.seed), np.uint64(0))
        self._pools.own(
            operations=program.table(),
            patches=np.concatenate([patch.record for patch in self._patches]).view(PATCH),
            layers=np.concatenate([table.record for table in self._layers]).view(LAYER),
            lives=np.zeros(shots * program.most_lives, dtype=LIFE),
            shots=np.zeros(shots, dtype=SHOT),
            outcomes=np.zeros(len(program.outcomes), dtype=np.int64),
            random=state,
            served=server.served if settings.simulated else server.served[:0],
            lateness_counts=np.zeros(NUM_BUCKETS, dtype=np.int64),
            lateness_totals=np.zeros(NUM_TOTALS, dtype=np.int64),
        )
        self._pools.set(
            num_operations=len(program.operations),
            num_patches=len(program.patches),
            num_served=len(program.patches) if settings.simulated else 0,
            service_ns=settings.service_ns,
            hop_ns=settings.hop_ns,
            num_first=len(model.layers.first),
            most_lives=shots * program.most_lives,
            has_gaps=int(server.has_gaps),
            most_shots=shots,
            num_outcomes=len(program.outcomes),
            cycle_ps=round(settings.cycle_ns * 1000),
            frame_cycles=settings.frame_cycles,
            delay_ns=settings.delay_ns,
            longest_wait=settings.longest_wait,
        )

    def play(self) -> ProgramRun:
        """Play all shots, as far as the decoder keeps up; once."""
        play_program(self._pools.record, np.int64(0))  # compiled before the clock starts
        self._pools.set(start_ns=int(now_ns()) + _LEAD_NS)
        arrays, record = self._pools.arrays, self._pools.record[0]
        waited_since = 0
        while True:
            end = End(play_program(self._pools.record, np.int64(now_ns() + _SLICE_NS)))
            if end != End.PAUSED:
                break
            if record.num_shots == self._shots:
                waited_since = waited_since or int(now_ns())
                if now_ns() - waited_since > _PATIENCE_NS:
                    end = End.UNANSWERED
                    break
        if end == End.FULL:
            raise RuntimeError("the simulated decoder's workspace is too small: use a smaller distance")
        # Answers of the last shots may be missing if the run was given up.
        lives, shots = arrays["lives"], arrays["shots"][: record.num_shots]
        answered = lives["predicted"] >= 0
        stopped = int(lives["idle"][: record.num_lives].max(initial=0)) if end != End.DONE else 0
        complete = len(shots)
        while complete and not answered[shots[complete - 1].first_life : shots[complete - 1].stop_life].all():
            complete -= 1
        shots = shots[:complete]
        stop = int(shots[-1].stop_life) if complete else 0
        passed = float(record.cycle) * self._settings.cycle_ns
        return ProgramRun(
            program=self._program,
            end=end,
            lives=lives[:stop],
            shots=shots,
            logs=[patch.arrays["log"] for patch in self._patches],
            lateness=Histogram(counts=arrays["lateness_counts"], totals=arrays["lateness_totals"]),
            cycle_ns=self._settings.cycle_ns,
            stopped_wait=stopped,
            load=float(record.busy_ns) / passed if self._settings.simulated and passed else float("nan"),
        )

    def _patch(self, number: int, model: PatchModel, server: PatchServer, lives: int) -> Pools:
        width, rows = model.layers.row_bytes, model.layers.reach + 1
        log_bytes = min(_LEAST_LOG + lives * _LOG_PER_LIFE, _MAX_LOG)
        frame = np.zeros(wire.MAX_MESSAGE, dtype=np.uint8)
        header = frame[:HEADER_BYTES].view(wire.HEADER)[0]
        for name, value in (
            ("magic", wire.MAGIC),
            ("version", wire.VERSION),
            ("type", wire.Type.DATA),
            ("header_length", HEADER_BYTES),
            ("session", server.session),
            ("stream", number),
            ("kind", wire.Payload.EVENTS),
            ("bits_per_cycle", model.layers.num_columns),
        ):
            header[name] = value
        stride = 2
        answer = np.zeros(stride * RESULT_BYTES, dtype=np.uint8)
        pools = Pools(PATCH)
        pools.own(
            frame=frame,
            frame_header=frame,
            answer=answer,
            answer_header=answer,
            link=server.links[number].record,
            events=np.zeros(rows * width, dtype=np.uint8),
            flips=np.zeros(8, dtype=np.uint8),
            log=np.zeros(log_bytes, dtype=np.uint8),
        )
        pools.set(
            answer_stride=stride, row_bytes=width, num_rows=rows, log_bytes=log_bytes, size=HEADER_BYTES
        )
        return pools


def run_program(
    program: Program,
    *,
    model: PatchModel,
    settings: RunSettings,
    shots: int,
    core: int | None = None,
) -> ProgramRun:
    """Run a program with source and decoder in this process.

    Args:
        program: to run.
        model: of every patch.
        settings: pace.
        shots: how many.
        core: of the decoder's thread; None leaves it to the operating system.

    Raises:
        ValueError: as `ProgramSource`.
        RuntimeError: a simulated decoder's workspace was too small.
    """
    decoders = [model.make_decoder(gaps=program.needs_gaps) for _ in program.patches]
    server = CompiledServer(decoders, core=core, slow_ns=settings.service_ns)
    if settings.simulated:
        server.begin()
        return ProgramSource(program, model=model, settings=settings, server=server, shots=shots).play()
    with server:
        return ProgramSource(program, model=model, settings=settings, server=server, shots=shots).play()
