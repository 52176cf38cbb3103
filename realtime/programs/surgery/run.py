"""Play programs with merges on a simulated clock, one decoder for all patches, and check what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.streaming.sequences import SequenceDecoder
from realtime.kernels.clock import cpu_now_ns
from realtime.latency import Histogram
from realtime.programs.kernels.records import LIFE, SHOT, End, Kind
from realtime.programs.layers import LayerErrors
from realtime.programs.operations import Operation
from realtime.programs.run import ProgramRun, RunSettings
from realtime.programs.surgery.circuit import WAIT_CYCLES
from realtime.programs.surgery.model import SurgeryModel
from realtime.programs.surgery.parities import Comparison, Comparisons, Reference

Rows = NDArray[np.uint8]


@dataclass(frozen=True, eq=False, kw_only=True)
class SurgeryRun(ProgramRun):
    """Outcomes and times of the shots of a program with merges.

    `lives` has one entry for each measurement, of a patch or by a merge (patch -1), in their order; `logs` is
    empty. Flips and predictions are those of the parity that determines the outcome (see `Comparison`).

    Attributes:
        model: of the program.
        shot_rows: of each shot the detection events that were sent, uint8 (layers, columns).
        shot_layers: of each shot their layers, int64 (layers,).
        shot_models: of each shot the numbers of its layers' models, int64 (layers,).
        shot_waits: of each shot the cycles of its waits.
    """

    model: SurgeryModel
    shot_rows: list[Rows]
    shot_layers: list[NDArray[np.int64]]
    shot_models: list[NDArray[np.int64]]
    shot_waits: list[list[int]]

    def check_shots(self, decoder: SequenceDecoder) -> tuple[int, int]:
        """Decode offline what was sent, and compare with the answers.

        Returns:
            Outcomes with equal predictions, and outcomes checked: all that are not random.
        """
        same = checked = 0
        width = len(self.model.measurements)
        shots = zip(self.shot_rows, self.shot_layers, self.shot_models, strict=True)
        for shot, (rows, layers, models) in enumerate(shots):
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


class _Source:
    """Draws the detection events of a shot layer by layer."""

    def __init__(self, model: SurgeryModel, seed: int) -> None:
        self._model, self._columns = model, model.layers[0].num_columns
        self._random = np.random.default_rng(seed)
        self._tables: dict[tuple[int, int], _ErrorTable] = {}
        self._rows = np.zeros((model.layers[0].longest_reach + 1, self._columns), dtype=np.uint8)
        #: Observables that errors of this shot have flipped, as bits.
        self.flips = 0

    def reset(self) -> None:
        """Start the next shot."""
        self._rows[:] = 0
        self.flips = 0

    def draw(self, layer: int, model: int) -> Rows:
        """Draw the errors that begin in the next layer; return its detection events, uint8 (columns,)."""
        if (layer, model) not in self._tables:
            self._tables[layer, model] = _ErrorTable(self._model.errors[model][layer], self._columns)
        table = self._tables[layer, model]
        if table.deepest >= len(self._rows):
            more = np.zeros((table.deepest + 1 - len(self._rows), self._columns), dtype=np.uint8)
            self._rows = np.concatenate([self._rows, more])
        events = self._rows.reshape(-1)
        for error in np.flatnonzero(self._random.random(len(table.probability)) < table.probability).tolist():
            events[table.places[error]] ^= 1
            self.flips ^= table.flips[error]
        row: Rows = self._rows[0].copy()
        self._rows[:-1] = self._rows[1:]
        self._rows[-1] = 0
        return row

    def flip(self) -> int:
        """Draw a fair coin."""
        return int(self._random.integers(2))


class _ErrorTable:
    """Errors of one layer, as places in its rows and the next ones."""

    def __init__(self, errors: LayerErrors, columns: int) -> None:
        self.probability = np.array(list(errors.values()))
        self.places = [
            np.array([later * columns + column for later, column in detectors]) for detectors, _ in errors
        ]
        self.flips = [sum(1 << number for number in observables) for _, observables in errors]
        self.deepest = max((later for detectors, _ in errors for later, _ in detectors), default=0)


@dataclass
class _Clock:
    """Time of the source and of the decoder, in ns and cycles."""

    settings: RunSettings
    cycle: int = 0
    decoder_free: float = 0.0
    busy: float = 0.0

    @property
    def now(self) -> int:
        """Beginning of the next cycle."""
        return round(self.cycle * self.settings.cycle_ns)

    def decoded(self, spent: float) -> int:
        """Return when the source has the answers to data sent now, whose decoding takes some time."""
        begin = max(self.decoder_free, self.now + self.settings.hop_ns)
        self.decoder_free = begin + spent
        self.busy += spent
        return round(self.decoder_free + self.settings.hop_ns)


@dataclass
class _Shot:
    """State of a shot."""

    first: int
    #: Model layer of the next cycle.
    layer: int = 0
    waits: list[int] = field(default_factory=list)
    rows: list[Rows] = field(default_factory=list)
    layers: list[int] = field(default_factory=list)
    num_sent: int = 0
    models: list[int] = field(default_factory=list)
    #: Measurement -> when its answer is at the source, ns.
    received: dict[int, int] = field(default_factory=dict)
    predicted: dict[int, int] = field(default_factory=dict)
    comparisons: dict[int, Comparison] = field(default_factory=dict)
    #: Measurements of the last cycle and the one before that are not made in the basis of their operation.
    turned: list[dict[int, int]] = field(default_factory=lambda: [{}, {}])
    #: Values of the references if there were no errors, 0 or 1.
    coins: dict[Reference, int] = field(default_factory=dict)
    #: Measurement -> outcome without errors and with right corrections; with errors.
    ideal: dict[int, int] = field(default_factory=dict)
    decoded: dict[int, int] = field(default_factory=dict)
    #: Outcome -> number of its last measurement.
    latest: dict[int, int] = field(default_factory=dict)
    #: Measurements whose patches end with the next cycle.
    ending: list[int] = field(default_factory=list)


class _Player:
    """Plays the shots of a program, one after the other."""

    def __init__(self, model: SurgeryModel, settings: RunSettings, shots: int) -> None:
        self._model, self._settings = model, settings
        self._operations = model.program.operations
        self._decoder = model.make_decoder()
        count = model.layers[0].num_layers  # a first shot loads the kernels
        nothing = np.zeros((count, model.layers[0].num_columns), dtype=np.uint8)
        self._decoder.decode_shot(nothing, np.arange(count))
        self._source = _Source(model, settings.seed)
        self._numbers = {one.operation: at for at, one in enumerate(model.measurements)}
        self._lives = np.zeros(shots * len(model.measurements), dtype=LIFE)
        self.clock = _Clock(settings)
        self.stopped_wait = 0

    def play(self, number: int) -> tuple[NDArray[Any], _Shot, int] | None:
        """Play one shot; its measurements, rows and last cycle, or None if the program waited too long."""
        width = len(self._model.measurements)
        self._lives_now = self._lives[width * number : width * (number + 1)]
        self._shot = shot = _Shot(first=self.clock.cycle)
        self._comparisons = Comparisons(self._operations)
        self._frames = np.zeros((len(self._model.program.patches), 2), dtype=np.int64)
        self._source.reset()
        self._decoder.reset()
        self._lives_now["shot"], self._lives_now["log"], self._lives_now["predicted"] = number, -1, -1
        for at, one in enumerate(self._operations):
            match one.kind:
                case Kind.PREPARE:
                    self._frames[one.patch] = 0
                case Kind.IDLE:
                    self._pass(one.cycles)
                case Kind.MEASURE:
                    self._begin_measurement(self._numbers[at], one)
                    shot.ending.append(self._numbers[at])
                case Kind.MERGE:
                    self._begin_measurement(self._numbers[at], one)
                    self._pass(1)
                    self._lives_now[self._numbers[at]]["due_ns"] = self.clock.now
                    self._pass(one.cycles - 1)
                case Kind.CORRECT:
                    met = self._condition(one.condition) if one.condition >= 0 else (1, 1)
                    self._frames[one.patch] ^= one.flips * np.array(met)
                case Kind.WAIT:
                    if not self._wait(one):
                        return None
        if shot.ending:
            self._pass(1)
        for at in range(width):
            self._resolve(at)
        return self._lives_now, shot, self.clock.cycle

    def _begin_measurement(self, number: int, one: Operation) -> None:
        life = self._lives_now[number]
        life["patch"] = self._model.measurements[number].patch
        life["outcome"], life["decides"] = one.outcome, one.decides
        life["basis"] = life["ideal_basis"] = one.basis
        life["cycles"] = one.cycles
        if one.condition >= 0:
            decoded, ideal = self._condition(one.condition)
            life["basis"] = one.basis_if if decoded else one.basis
            life["ideal_basis"] = one.basis_if if ideal else one.basis
        frame = self._frames[one.patch] >> life["basis"] & 1
        if one.kind == Kind.MERGE:
            frame = frame ^ (self._frames[one.other] >> life["basis"] & 1)
        life["frame"], life["ideal_frame"] = frame
        self._shot.latest[one.outcome] = number
        references = self._model.measurements[number].references[int(life["basis"])]
        self._shot.comparisons[number] = self._comparisons.take(number, references)

    def _condition(self, outcome: int) -> tuple[int, int]:
        """Return the value of an awaited outcome, decoded, and if there had been no errors."""
        number = self._shot.latest[outcome]
        self._resolve(number)
        return self._shot.decoded[number], self._shot.ideal[number]

    def _resolve(self, number: int) -> None:
        """Find the values of an outcome whose answer has arrived."""
        shot, life, basis = self._shot, self._lives_now[number], int(self._lives_now[number]["basis"])
        if number in shot.ideal:
            return
        comparison = shot.comparisons[number]
        value, flipped = int(life["ideal_frame"]), 0
        if not comparison.outcomes:
            value = self._source.flip()
        for reference in comparison.references:
            if reference not in shot.coins:
                shot.coins[reference] = self._source.flip()
            value ^= shot.coins[reference]
        for other in comparison.outcomes:
            flipped ^= self._source.flips >> self._observable(other) & 1
            if other != number:  # as measured, before corrections
                self._resolve(other)
                value ^= shot.ideal[other] ^ int(self._lives_now[other]["ideal_frame"])
        life["flips"], life["predicted"] = flipped << basis, shot.predicted[number] << basis
        life["coin"] = shot.ideal[number] = value
        wrong = flipped ^ shot.predicted[number]
        shot.decoded[number] = value ^ wrong ^ int(life["frame"]) ^ int(life["ideal_frame"])

    def _observable(self, number: int) -> int:
        """Return the observable of a measurement in the basis in which it is made."""
        return self._model.measurements[number].observables[int(self._lives_now[number]["basis"])]

    def _wait(self, one: Operation) -> bool:
        """Idle until the source has an outcome, for a cycle at least; whether it came in time."""
        shot, number = self._shot, self._shot.latest[one.outcome]
        life = self._lives_now[number]
        if shot.ending:
            self._pass(1)
        if not life["needed_ns"]:
            life["needed_ns"] = self.clock.now
        first, idle = shot.layer, 0
        while True:
            if idle >= self._settings.longest_wait:
                self.stopped_wait = idle
                return False
            shot.layer = first + min(idle, WAIT_CYCLES - 1)
            self._pass(1)
            idle += 1
            arrived = shot.received.get(number)
            if arrived is not None and arrived + self._settings.delay_ns <= self.clock.now:
                break
        shot.layer = first + WAIT_CYCLES
        shot.waits.append(idle)
        life["idle"] += idle
        if not life["acted_ns"]:
            life["acted_ns"] = self.clock.now
        return True

    def _pass(self, cycles: int) -> None:
        """Let cycles pass."""
        shot = self._shot
        for _ in range(cycles):
            self._play_layer()
            self.clock.cycle += 1
            is_readout = bool(shot.ending)
            for number in shot.ending:
                self._lives_now[number]["due_ns"] = self.clock.now
            shot.ending.clear()
            if shot.layer == self._model.layers[0].num_layers - 1:  # the readout that ends the shot
                self._play_layer()
                self._send(is_last=True)
            elif is_readout or len(shot.rows) - shot.num_sent >= self._settings.frame_cycles:
                self._send(is_last=False)

    def _play_layer(self) -> None:
        """Draw the next layer. A chosen basis shows in the last cycle of its patch and in the next layer."""
        shot = self._shot
        chosen = {}
        for number in shot.ending:
            life = self._lives_now[number]
            if life["basis"] != self._operations[self._model.measurements[number].operation].basis:
                chosen[number] = int(life["basis"])
        shot.turned = [shot.turned[1], chosen]
        model = self._model.number_of(shot.turned[0] | shot.turned[1])
        shot.rows.append(self._source.draw(shot.layer, model))
        shot.layers.append(shot.layer)
        shot.models.append(model)
        shot.layer += 1

    def _send(self, *, is_last: bool) -> None:
        """Let the decoder decode what it has not had, and receive its answers."""
        shot, decoder, spent = self._shot, self._decoder, 0.0
        count = len(shot.rows)
        for at in range(shot.num_sent, count):
            row, layer, model = shot.rows[at], shot.layers[at], shot.models[at]
            if is_last and at == count - 1:
                decoder.finish(row, layer, model=model)
            elif not decoder.add(row, layer, model=model):
                continue
            before = cpu_now_ns()
            decoder.decode()
            spent += float(cpu_now_ns() - before)
        if self._settings.service_ns:
            spent = float(self._settings.service_ns * (count - shot.num_sent))
        shot.num_sent = count
        received = self.clock.decoded(spent)
        final, flips = decoder.final_observables, decoder.flips
        for number, comparison in shot.comparisons.items():
            life = self._lives_now[number]
            if number in shot.received or not life["due_ns"]:
                continue
            observables = [self._observable(other) for other in comparison.outcomes]
            if final[observables].all():
                shot.received[number] = received
                shot.predicted[number] = int(flips[observables].sum() & 1)
                life["done_ns"] = received - self._settings.hop_ns
                life["received_ns"] = received


def run_surgery(model: SurgeryModel, *, settings: RunSettings, shots: int) -> SurgeryRun:
    """Run a program with merges.

    The simulated decoder handles one frame after the other, all patches together. Each takes it the processor
    time that the matching of its windows took, or `service_ns` for each cycle.

    Args:
        model: of the program.
        settings: pace; simulated.
        shots: how many.

    Raises:
        ValueError: the real clock, or no shots.
    """
    if not settings.simulated:
        raise ValueError("a program with merges runs on a simulated clock only")
    if shots < 1:
        raise ValueError(f"shots={shots}: must be at least 1")
    player = _Player(model, settings, shots)
    found: list[NDArray[Any]] = []
    records = np.zeros(shots, dtype=SHOT)
    rows: list[Rows] = []
    layers: list[NDArray[np.int64]] = []
    waits: list[list[int]] = []
    models: list[NDArray[np.int64]] = []
    width = len(model.measurements)
    for number in range(shots):
        played = player.play(number)
        if played is None:
            break
        lives, shot, stop = played
        found.append(lives)
        records[number] = (shot.first, stop, width * number, width * (number + 1), 0)
        rows.append(np.array(shot.rows))
        layers.append(np.array(shot.layers))
        waits.append(shot.waits)
        models.append(np.array(shot.models))
    passed = player.clock.now
    return SurgeryRun(
        program=model.program,
        end=End.DONE if len(rows) == shots else End.UNANSWERED,
        lives=np.concatenate(found) if found else np.zeros(0, dtype=LIFE),
        shots=records[: len(rows)],
        logs=[],
        lateness=Histogram(),
        cycle_ns=settings.cycle_ns,
        stopped_wait=player.stopped_wait,
        load=player.clock.busy / passed if passed else float("nan"),
        model=model,
        shot_rows=rows,
        shot_layers=layers,
        shot_models=models,
        shot_waits=waits,
    )
