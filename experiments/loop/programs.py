"""Programs with feed-forward: patches to run them on, and what was measured as tables and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from experiments.common.numbers import estimate, number
from experiments.common.points import Point
from experiments.common.terminal import table
from experiments.loop.options import CODE
from qec import codes, noise
from qec.families.entangled import entangled_memory_circuit
from qec.statistics import Estimate, logical_error_rate
from realtime.programs.kernels.records import End
from realtime.programs.patches import PatchModel
from realtime.programs.program import Program
from realtime.programs.run import ProgramRun, RunSettings, run_program
from realtime.programs.surgery.model import SurgeryModel
from realtime.programs.surgery.run import SurgeryRun, run_surgery

# Cycles of the circuits from which layers and decoder are made; patches live as long as a program wants.
_MODEL_CYCLES = 12
# Decisions in a row that are compared with others, to find when the machine was least disturbed.
_STRETCH = 500


def patch_circuits(distance: int, *, noise_name: str, p: float | None) -> tuple[stim.Circuit, ...]:
    """Make the circuits of a patch of the rotated surface code (ZXXZ): without readout, in z and in x.

    Args:
        distance: of the code.
        noise_name, p: noise model and its strength.

    Raises:
        ValueError: an unknown noise model, or noise with leakage.
    """
    code, model = codes.code_by_name(CODE, distance, gates="cz"), _noise_model(distance, noise_name, p)
    return tuple(
        entangled_memory_circuit(code, rounds=_MODEL_CYCLES, readout=readout, noise=model)
        for readout in (None, "z", "x")
    )


def _noise_model(distance: int, noise_name: str, p: float | None) -> noise.NoiseModel:
    """Return a noise model whose errors can be drawn layer by layer, or raise ValueError."""
    point = Point(CODE, "cz", distance, _MODEL_CYCLES, "z", noise_name, p)
    if point.leakage is not None:
        raise ValueError(
            f"--noise {noise_name}: leakage cannot be drawn layer by layer: use a noise model without leakage"
        )
    return noise.by_name(noise_name, p)


def patch_model(
    distance: int,
    *,
    noise_name: str,
    p: float | None,
    decoder: str = "mwpm",
    commit: int | None = None,
    buffer: int | None = None,
) -> PatchModel:
    """Make the model of a patch; see `patch_circuits` and `StreamingDecoder.from_circuit`."""
    idle, *readouts = patch_circuits(distance, noise_name=noise_name, p=p)
    return PatchModel.from_circuits(idle, readouts, decoder=decoder, commit=commit, buffer=buffer)


@dataclass(frozen=True, kw_only=True)
class Times:
    """Times of decisions in microseconds.

    Attributes:
        mean, p50, p99, maximum: of all.
        quiet_mean, quiet_p99: of the stretch of decisions with the smallest mean.
    """

    mean: float
    p50: float
    p99: float
    maximum: float
    quiet_mean: float
    quiet_p99: float

    @classmethod
    def of(cls, values_ns: NDArray[np.int64]) -> Times:
        """Summarise times in the order in which they were measured; NaN if there are none."""
        if not len(values_ns):
            return cls(**dict.fromkeys(cls.__dataclass_fields__, float("nan")))
        us = values_ns / 1e3
        size = min(_STRETCH, len(us))
        stretches = us[: len(us) // size * size].reshape(-1, size)
        quiet = stretches[int(np.argmin(stretches.mean(axis=1)))]
        return cls(
            mean=float(us.mean()),
            p50=float(np.median(us)),
            p99=float(np.percentile(us, 99)),
            maximum=float(us.max()),
            quiet_mean=float(quiet.mean()),
            quiet_p99=float(np.percentile(quiet, 99)),
        )


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Results of a run.

    Attributes:
        name: of the run, in tables.
        run: outcomes and times.
        same, checked: see `ProgramRun.check`.
    """

    name: str
    run: ProgramRun
    same: int
    checked: int

    @property
    def failed(self) -> Estimate:
        """Fraction of the kept shots that failed."""
        failed = self.run.failures()
        return logical_error_rate(errors=int(failed.sum()), shots=len(failed))

    @property
    def reaction(self) -> Times:
        """Reaction times."""
        return Times.of(self.run.reaction_ns())

    @property
    def answer(self) -> Times:
        """Times until the answer was at the source."""
        return Times.of(self.run.answer_ns())

    @property
    def shots_per_second(self) -> float:
        """Throughput in the time of the device."""
        cycles = float(self.run.durations().sum())
        return self.run.num_shots / (cycles * self.run.cycle_ns * 1e-9) if cycles else float("nan")

    def to_json(self) -> dict[str, Any]:
        """Everything but the single times."""
        run = self.run
        return {
            "name": self.name,
            "program": run.program.name,
            "end": run.end.name,
            "shots": run.num_shots,
            "failures": int(run.failures().sum()),
            "decisions": len(run.waits),
            "cycles_mean": _mean(run.durations()),
            "idle_mean": _mean(run.idle_cycles()),
            "stopped_wait": run.stopped_wait,
            "shots_per_second": self.shots_per_second,
            "load": run.load,
            "reaction_us": vars(self.reaction),
            "answer_us": vars(self.answer),
            "same": self.same,
            "checked": self.checked,
            "discarded": int((~run.kept()).sum()),
            **({"graphs": _graphs(run)} if isinstance(run, SurgeryRun) else {}),
        }


def run_at(
    distance: int,
    program: Program,
    *,
    noise_name: str,
    p: float | None,
    settings: RunSettings,
    shots: int,
    decoder: str = "mwpm",
    commit: int | None = None,
    buffer: int | None = None,
    core: int | None = None,
) -> Measured:
    """Run a program at one distance, with merges or without.

    Args:
        distance: of the code.
        program: to run.
        noise_name, p: noise model and its strength.
        settings, shots, core: see `run_program`.
        decoder, commit, buffer: see `StreamingDecoder.from_circuit`.

    Raises:
        ValueError: noise or a decoder that such a program cannot have.
    """
    name = f"d = {distance}"
    if not program.has_merges:
        windows: dict[str, Any] = {"decoder": decoder, "commit": commit, "buffer": buffer}
        model = patch_model(distance, noise_name=noise_name, p=p, **windows)
        return measure(
            name, run_program(program, model=model, settings=settings, shots=shots, core=core), model
        )
    if decoder != "mwpm":
        raise ValueError(f"--decoder {decoder}: programs with merges are decoded by mwpm: leave it out")
    made = surgery_model(distance, program, noise_name=noise_name, p=p, commit=commit, buffer=buffer)
    return measure_surgery(name, run_surgery(made, settings=settings, shots=shots, core=core))


def surgery_model(
    distance: int,
    program: Program,
    *,
    noise_name: str,
    p: float | None,
    commit: int | None = None,
    buffer: int | None = None,
) -> SurgeryModel:
    """Make the model of a program with merges; see `SurgeryModel.of` and `run_at`."""
    model = _noise_model(distance, noise_name, p)
    return SurgeryModel.of(program, distance=distance, noise=model, commit=commit, buffer=buffer)


def measure_surgery(name: str, run: SurgeryRun) -> Measured:
    """Check a run with merges against an offline decoder."""
    same, checked = run.check_shots(run.model.make_decoder())
    return Measured(name=name, run=run, same=same, checked=checked)


def measure(name: str, run: ProgramRun, model: PatchModel) -> Measured:
    """Check a run against an offline decoder."""
    same, checked = run.check(model.make_decoder(gaps=run.program.needs_gaps))
    return Measured(name=name, run=run, same=same, checked=checked)


def text(results: Sequence[Measured]) -> str:
    """Format the tables of some runs."""
    outcomes = [
        [
            one.name,
            f"{one.run.num_shots:,}",
            f"{int((~one.run.kept()).sum()):,}",
            estimate(one.failed) if one.run.kept().any() else "-",
            number(_mean(one.run.durations())),
            number(_mean(one.run.idle_cycles())),
            number(one.shots_per_second / 1000),
            f"{one.same:,} of {one.checked:,}",
        ]
        for one in results
    ]
    header = [
        "run",
        "shots",
        "discarded",
        "kept shots that fail",
        "cycles",
        "of them idle",
        "1000 shots/s",
        "as offline",
    ]
    times = []
    for one in results:
        for kind, found in (("reaction", one.reaction), ("answer", one.answer)):
            values = (found.mean, found.p50, found.p99, found.maximum, found.quiet_mean, found.quiet_p99)
            times.append([one.name, kind, f"{len(one.run.waits):,}", *(number(value) for value in values)])
    names = ["run", "time (us)", "n", "mean", "p50", "p99", "max", "quiet mean", "quiet p99"]
    lines = [table(header, outcomes, left=1), "", table(names, times, keys=2, left=2), ""]
    lines += [
        _cut_text(one.name, one.run) for one in results if isinstance(one.run, SurgeryRun) and one.run.is_real
    ]
    lines += [given_up(one) for one in results if one.run.end != End.DONE]
    lines.append(
        "reaction: decision needed -> first cycle that obeys it; answer: until the source had it. quiet:\n"
        f"the {_STRETCH} decisions in a row with the smallest mean. Cycles and idle: means of a shot."
    )
    return "\n".join(lines)


def given_up(result: Measured) -> str:
    """Say why a run ended early."""
    run = result.run
    why = {
        End.UNANSWERED: f"the program had waited for {run.stopped_wait:,} cycles",
        End.OVERRUN: f"frames no longer fitted the decoder's ring, after {run.stopped_wait:,} idle cycles",
        End.FAILED: "the decoder could not explain a patch's detection events",
    }.get(run.end, run.end.name)
    return f"{result.name}: given up after {run.num_shots:,} shots: {why}. The decoder did not keep up."


def _cut_text(name: str, run: SurgeryRun) -> str:
    return (
        f"{name}: {run.cut_before:,} graphs of windows were cut before the start, {run.cut_meanwhile:,}\n"
        f"meanwhile; the clock was stopped for this, {run.stopped_ns / 1e6:,.0f} ms, which no time includes."
    )


def _graphs(run: SurgeryRun) -> dict[str, Any]:
    return {
        "cut_before": run.cut_before,
        "cut_meanwhile": run.cut_meanwhile,
        "stopped_ms": run.stopped_ns / 1e6,
    }


def _mean(values: NDArray[np.int64]) -> float:
    return float(values.mean()) if len(values) else float("nan")
