"""Run programs with merges, one decoder for all patches, and check what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from decoders.streaming.sequences import SequenceDecoder
from realtime.programs.run import ProgramRun, RunSettings
from realtime.programs.surgery.model import SurgeryModel
from realtime.programs.surgery.parities import Comparisons
from realtime.programs.surgery.server import SequenceServer
from realtime.programs.surgery.source import MergedSource, Played
from realtime.programs.surgery.tables import ProgramTables

Rows = NDArray[np.uint8]


@dataclass(frozen=True, eq=False, kw_only=True)
class SurgeryRun(ProgramRun):
    """Outcomes and times of the shots of a program with merges.

    `lives` has one entry for each measurement, of a patch or by a merge (patch -1), in their order; `logs` is
    empty. Flips and predictions are those of the parity that determines the outcome (see `Comparison`).

    Attributes:
        model: of the program.
        shot_rows: of each shot the detection events that were sent, uint8 (layers, columns); None if they did
            not fit the log.
        shot_layers: of each shot their layers, int64 (layers,).
        shot_models: of each shot the numbers of its layers' models, int64 (layers,).
        cut_before: graphs of windows that were cut before the clock started.
        cut_meanwhile: those that were cut while it was stopped, and on a simulated clock all others.
        stopped_ns: time for which a real clock was stopped; it is part of no other time.
        is_real: whether the clock was real.
    """

    model: SurgeryModel
    shot_rows: list[Rows | None]
    shot_layers: list[NDArray[np.int64]]
    shot_models: list[NDArray[np.int64]]
    cut_before: int
    cut_meanwhile: int
    stopped_ns: int
    is_real: bool

    @cached_property
    def shot_waits(self) -> list[list[int]]:
        """Cycles of the waits of each shot; of those whose layers did not fit the log, none."""
        return [self.model.waits_of(layers) for layers in self.shot_layers]

    def check_shots(self, decoder: SequenceDecoder) -> tuple[int, int]:
        """Decode offline what was sent, and compare with the answers.

        Returns:
            Outcomes with equal predictions, and outcomes checked: all that are not random, of shots whose
            layers fit the log.
        """
        same = checked = 0
        width = len(self.model.measurements)
        shots = zip(self.shot_rows, self.shot_layers, self.shot_models, strict=True)
        for shot, (rows, layers, models) in enumerate(shots):
            if rows is None:
                continue
            found = decoder.decode_shot(rows, layers, models)
            lives = self.lives[width * shot : width * (shot + 1)]
            comparisons = Comparisons(self.program.operations)
            observables = []
            for number, (one, life) in enumerate(zip(self.model.measurements, lives, strict=True)):
                basis = int(life["basis"])
                observables.append(one.observables[basis])
                outcomes = comparisons.take(number, one.references[basis]).outcomes
                if outcomes:
                    parity = bool(np.bitwise_xor.reduce([found[observables[other]] for other in outcomes]))
                    same += parity == bool(life["predicted"] >> basis & 1)
                    checked += 1
        return same, checked


# Shots before the clock starts, for each number of cycles by which answers are delayed, and most of these.
_WARM_UP_SHOTS, _WARM_UP_CYCLES = 8, 16


def run_surgery(
    model: SurgeryModel,
    *,
    settings: RunSettings,
    shots: int,
    core: int | None = None,
    decoder: SequenceDecoder | None = None,
) -> SurgeryRun:
    """Run a program with merges.

    With a real clock, source and decoder are threads of this process. Before it starts, the program is played
    on a simulated clock with answers of any usual delay, so that the graphs of most windows are cut. Where
    another one is needed, the program's clock is stopped until it is cut.

    Args:
        model: of the program.
        settings: pace.
        shots: how many.
        core: of the decoder's thread; None leaves it to the operating system.
        decoder: of the program's shots; default: a new one.

    Raises:
        ValueError: no shots, or too many bases that are chosen at the same time.
    """
    if shots < 1:
        raise ValueError(f"shots={shots}: must be at least 1")
    tables = ProgramTables.of(model)
    decoder = model.make_decoder() if decoder is None else decoder
    _load_kernels(decoder)
    if not settings.simulated:
        _warm_up(model, tables, decoder, settings)
    before = decoder.num_cut
    server = SequenceServer(
        decoder, frame_cycles=settings.frame_cycles, core=core, slow_ns=settings.service_ns
    )
    source = MergedSource(model, tables=tables, settings=settings, server=server, shots=shots)
    if settings.simulated:
        played = source.play()
    else:
        with server:
            played = source.play()
    return _run_of(model, settings, played, cut_before=before, cut_meanwhile=decoder.num_cut - before)


def _load_kernels(decoder: SequenceDecoder) -> None:
    """Decode a shot without events."""
    model = decoder.model
    nothing = np.zeros((model.num_layers, model.num_columns), dtype=np.uint8)
    decoder.decode_shot(nothing, np.arange(model.num_layers))


def _warm_up(
    model: SurgeryModel, tables: ProgramTables, decoder: SequenceDecoder, settings: RunSettings
) -> None:
    """Play on a simulated clock until graphs of usual waits are cut, or no more can be kept."""
    for cycles in range(_WARM_UP_CYCLES):
        pace = replace(
            settings,
            simulated=True,
            delay_ns=settings.delay_ns + round(cycles * settings.cycle_ns),
            longest_wait=max(settings.longest_wait, 1000),
        )
        server = SequenceServer(decoder, frame_cycles=settings.frame_cycles)
        MergedSource(model, tables=tables, settings=pace, server=server, shots=_WARM_UP_SHOTS).play()
        if decoder.has_forgotten:
            return


def _run_of(
    model: SurgeryModel, settings: RunSettings, played: Played, *, cut_before: int, cut_meanwhile: int
) -> SurgeryRun:
    """Put the results together."""
    count = model.layers[0].num_layers
    layers = [symbols % count for symbols in played.symbols]
    return SurgeryRun(
        program=model.program,
        end=played.end,
        lives=played.lives,
        shots=played.shots,
        logs=[],
        lateness=played.lateness,
        cycle_ns=settings.cycle_ns,
        stopped_wait=played.stopped_wait,
        load=played.load,
        model=model,
        shot_rows=played.rows,
        shot_layers=layers,
        shot_models=[symbols // count for symbols in played.symbols],
        cut_before=cut_before,
        cut_meanwhile=cut_meanwhile,
        stopped_ns=played.stopped_ns,
        is_real=not settings.simulated,
    )
