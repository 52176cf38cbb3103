"""Runs of the benchmark of programs: a memory, slow decoders, chains of decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from experiments.bench.programs.pymatching_server import PyMatchingServer
from experiments.loop.programs import Measured, measure
from realtime.programs import library
from realtime.programs.kernels.records import End
from realtime.programs.patches import PatchModel
from realtime.programs.program import Program
from realtime.programs.run import ProgramSource, RunSettings, run_program

Say = Callable[[str], None]
#: Waits of more cycles mean that a decoder does not keep up.
LONGEST_WAIT = 20_000
# Cycles on which PyMatching is timed.
_TIMED_CYCLES = 5000
#: On a machine that other programs use, only short runs may be undisturbed: their number, and how many times
#: shorter they are.
ATTEMPTS, SHORTER = 40, 500
# Repetitions of an unsure measurement at most.
_REPETITIONS = 5
# Time of the decoder for a cycle in programs that look at gaps.
_GAP_SERVICE_NS = 400


@dataclass(frozen=True, kw_only=True)
class Row:
    """One run, with what distinguishes it.

    Attributes:
        part: "memory", "slow", "pymatching", "chain", "gaps", "merges" or "reaction".
        clock: "real" or "simulated".
        service_ns: of the decoder for a cycle, as set; 0: what it takes.
        delay_ns: added to every answer.
        decisions: of a shot.
        found: the results.
    """

    part: str
    clock: str
    service_ns: int = 0
    delay_ns: int = 0
    decisions: int = 1
    found: Measured


def memory_runs(
    model: PatchModel, *, settings: RunSettings, shots: int, cycles: int, say: Say
) -> Iterator[Row]:
    """Run the feed-forward memory with the compiled decoder, on the simulated and on the real clock."""
    program = Program.parse(library.feed_forward_memory(cycles=cycles))
    say("feed-forward memory, simulated clock")
    run = run_program(program, model=model, settings=replace(settings, simulated=True), shots=shots)
    yield Row(part="memory", clock="simulated", found=measure("compiled, simulated clock", run, model))
    say("feed-forward memory, real clock")
    run = run_program(program, model=model, settings=settings, shots=shots)
    yield Row(part="memory", clock="real", found=measure("compiled, real clock", run, model))
    if run.end != End.DONE:
        yield from _attempts(program, model, settings=settings, shots=max(1, shots // SHORTER), say=say)


def _attempts(
    program: Program, model: PatchModel, *, settings: RunSettings, shots: int, say: Say
) -> Iterator[Row]:
    """Run a program for a short time again and again; the quickest complete run, if there is one."""
    complete = []
    for attempt in range(ATTEMPTS):
        say(f"{shots} shots, real clock, attempt {attempt + 1} of {ATTEMPTS}")
        pace = replace(settings, seed=settings.seed + 1 + attempt)
        run = run_program(program, model=model, settings=pace, shots=shots)
        if run.end == End.DONE:
            complete.append(run)
    if complete:
        best = min(complete, key=lambda one: float(one.reaction_ns().mean()))
        name = f"real clock, quickest of {ATTEMPTS} ({len(complete)} complete)"
        yield Row(part="memory", clock="real", found=measure(name, best, model))


def slow_runs(
    model: PatchModel,
    *,
    settings: RunSettings,
    shots: int,
    cycles: int,
    services_ns: Sequence[int],
    say: Say,
) -> Iterator[Row]:
    """Run the feed-forward memory with decoders of a fixed time for a cycle, on the simulated clock."""
    program = Program.parse(library.feed_forward_memory(cycles=cycles))
    for service in services_ns:
        say(f"decoder of {service} ns for a cycle")
        pace = replace(settings, simulated=True, service_ns=service, longest_wait=LONGEST_WAIT)
        run = run_program(program, model=model, settings=pace, shots=shots)
        found = measure(f"{service} ns a cycle, simulated clock", run, model)
        yield Row(part="slow", clock="simulated", service_ns=service, found=found)


def pymatching_run(
    model: PatchModel, *, settings: RunSettings, shots: int, cycles: int, say: Say
) -> Iterator[Row]:
    """Run the feed-forward memory with PyMatching in windows.

    On the simulated clock each cycle takes the decoder the mean processor time that was measured.
    """
    say("PyMatching in windows")
    program = Program.parse(library.feed_forward_memory(cycles=cycles))
    pace = replace(settings, longest_wait=LONGEST_WAIT)
    rows = model.make_decoder().of_readout(0).typical_rows(_TIMED_CYCLES, seed=settings.seed)
    timed = PyMatchingServer(model, patches=1).service_ns(rows, frame_cycles=settings.frame_cycles)
    run = run_program(
        program, model=model, settings=replace(pace, simulated=True, service_ns=timed), shots=shots
    )
    found = measure(f"PyMatching, {timed} ns a cycle, simulated clock", run, model)
    yield Row(part="pymatching", clock="simulated", service_ns=timed, found=found)
    with PyMatchingServer(model, patches=len(program.patches)) as server:
        run = ProgramSource(program, model=model, settings=pace, server=server, shots=shots).play()
    yield Row(part="pymatching", clock="real", found=measure("PyMatching in windows, real clock", run, model))


def gap_runs(
    model: PatchModel, *, settings: RunSettings, shots: int, cycles: int, gaps: Sequence[float], say: Say
) -> Iterator[Row]:
    """Run the feed-forward memory with programs that react to outcomes with a small gap.

    The decoder takes a fixed time for a cycle, with gaps as without, so that the programs alone differ.
    """
    reactions: list[tuple[str, dict[str, Any]]] = [("no look at gaps", {})]
    for gap in gaps:
        reactions.append((f"ancilla below {gap:g}: discard", {"gap": gap}))
        reactions.append((f"both below {gap:g}: discard", {"gap": gap, "result_gap": gap}))
        again = {"gap": gap, "below": {"repeat": _REPETITIONS}}
        reactions.append((f"ancilla below {gap:g}: repeat", again))
    for name, reaction in reactions:
        say(name)
        program = Program.parse(library.feed_forward_memory(cycles=cycles, **reaction))
        pace = replace(settings, simulated=True, service_ns=_GAP_SERVICE_NS)
        run = run_program(program, model=model, settings=pace, shots=shots)
        yield Row(part="gaps", clock="simulated", service_ns=_GAP_SERVICE_NS, found=measure(name, run, model))


def chain_runs(
    model: PatchModel,
    *,
    settings: RunSettings,
    shots: int,
    cycles: int,
    lengths: Sequence[int],
    delays_ns: Sequence[int],
    say: Say,
) -> Iterator[Row]:
    """Run chains of decisions for several lengths and artificial delays, on the simulated clock."""
    for delay in delays_ns:
        for length in lengths:
            say(f"chain of {length} decisions, answers {delay / 1000:g} us later")
            program = Program.parse(library.decision_chain(decisions=length, cycles=cycles))
            pace = replace(settings, simulated=True, delay_ns=delay)
            run = run_program(program, model=model, settings=pace, shots=shots)
            found = measure(f"{length} decisions, +{delay / 1000:g} us", run, model)
            yield Row(part="chain", clock="simulated", delay_ns=delay, decisions=length, found=found)
