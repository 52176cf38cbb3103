"""Programs with merges, and the same circuits sampled by stim and decoded as whole shots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import decoders
from experiments.bench.programs.runs import ATTEMPTS, LONGEST_WAIT, SHORTER, Row, Say
from experiments.common.numbers import estimate
from experiments.common.terminal import table
from experiments.loop.programs import measure_surgery, surgery_model
from qec.statistics import logical_error_rate
from realtime.programs import library
from realtime.programs.kernels.records import End
from realtime.programs.program import Program
from realtime.programs.run import RunSettings
from realtime.programs.surgery.parities import compare_all
from realtime.programs.surgery.run import SurgeryRun, run_surgery

# Time of the decoder for a cycle of all patches.
SERVICE_NS = 500
# Decisions of the chains, of which fewer shots are played.
_CHAINS, _LONGER = (1, 2, 5), 10
# Decisions of the chain whose reaction times are measured.
_REACTING = 2
# Whole shots for one of the loop, and most of them that are decoded at once.
_MORE, _BATCH = 10, 20_000


def merge_runs(
    distance: int, *, p: float, settings: RunSettings, shots: int, cycles: int, say: Say
) -> Iterator[Row]:
    """Run the programs with merges, of `distance` cycles, with a decoder of a fixed time for a cycle."""
    texts = [library.merged_parity(cycles=cycles, merged=distance)]
    for write in (library.teleportation, library.surgery_cnot):
        texts += [write(cycles=cycles, merged=distance, basis=basis) for basis in ("z", "x")]
    pace = replace(settings, simulated=True, service_ns=SERVICE_NS)
    chains = [library.merged_chain(decisions=k, cycles=cycles, merged=distance) for k in _CHAINS]
    sizes = [*([shots] * len(texts)), *([-(-shots // _LONGER)] * len(chains))]
    for text, size in zip([*texts, *chains], sizes, strict=True):
        program = Program.parse(text)
        say(program.name)
        model = surgery_model(distance, program, noise_name="si1000", p=p)
        run = run_surgery(model, settings=pace, shots=size)
        found = measure_surgery(program.name, run)
        yield Row(part="merges", clock="simulated", service_ns=SERVICE_NS, found=found)


def reaction_programs(*, distance: int, cycles: int) -> list[Program]:
    """Return the programs with merges whose reaction times are measured."""
    texts = [
        library.teleportation(cycles=cycles, merged=distance, basis="z"),
        library.surgery_cnot(cycles=cycles, merged=distance, basis="z"),
        library.merged_chain(decisions=_REACTING, cycles=cycles, merged=distance),
    ]
    return [Program.parse(text) for text in texts]


def reaction_runs(
    program: Program, *, distance: int, p: float, settings: RunSettings, shots: int, say: Say
) -> Iterator[Row]:
    """Run a program whose decoder takes the time that it needs, on the simulated and on the real clock.

    If the run on the real clock is given up, short ones follow, since other programs may use the machine.
    """
    model = surgery_model(distance, program, noise_name="si1000", p=p)
    decoder = model.make_decoder()

    def play(count: int, *, clock: str, attempt: int = 0) -> SurgeryRun:
        say(f"{program.name}, {clock} clock, {count} shots" + f", attempt {attempt}" * bool(attempt))
        pace = replace(
            settings,
            simulated=clock == "simulated",
            longest_wait=LONGEST_WAIT,
            seed=settings.seed + attempt,
        )
        return run_surgery(model, settings=pace, shots=count, decoder=decoder)

    for clock in ("simulated", "real"):
        run = play(shots, clock=clock)
        name = f"{program.name}, {clock} clock"
        yield Row(part="reaction", clock=clock, found=measure_surgery(name, run))
    if run.end == End.DONE:
        return
    few = max(1, shots // SHORTER)
    attempts = [play(few, clock="real", attempt=1 + attempt) for attempt in range(ATTEMPTS)]
    complete = [one for one in attempts if one.end == End.DONE]
    if complete:
        best = min(complete, key=lambda one: float(one.reaction_ns().mean()))
        name = f"{program.name}, quickest of {ATTEMPTS} ({len(complete)} complete)"
        yield Row(part="reaction", clock="real", found=measure_surgery(name, best))


def compare_with_whole_shots(rows: list[Row], *, seed: int, say: Say) -> str:
    """Format the errors of each outcome, in the loop and of the same circuit decoded as whole shots.

    Whole shots have the waits that most shots of the run have. Random outcomes are left out, and programs
    whose bases depend on outcomes. Corrections do not count: errors are those of the parities that determine
    the outcomes.
    """
    lines = []
    for row in rows:
        run = row.found.run
        if not isinstance(run, SurgeryRun) or not run.num_shots:
            continue
        if any(len(one.observables) > 1 for one in run.model.measurements):
            continue
        say(f"{run.program.name}: whole shots")
        wrong, shots = _whole_shot_errors(run, shots=_MORE * run.num_shots, seed=seed)
        width = len(run.model.measurements)
        for number, one in enumerate(run.model.measurements):
            if number not in wrong:
                continue
            lives = run.lives[number::width]
            errors = int((lives["flips"] != lives["predicted"]).sum())
            lines.append(
                [
                    run.program.name,
                    run.program.outcomes[run.program.operations[one.operation].outcome],
                    estimate(logical_error_rate(errors=errors, shots=len(lives), confidence=0.95)),
                    estimate(logical_error_rate(errors=wrong[number], shots=shots, confidence=0.95)),
                ]
            )
    return table(
        ["program", "outcome", "wrong in the loop (95 %)", "wrong in whole shots (95 %)"], lines, left=2
    )


def _whole_shot_errors(run: SurgeryRun, *, shots: int, seed: int) -> tuple[dict[int, int], int]:
    """Sample the circuit of a run with stim and decode whole shots.

    Returns:
        Errors of each measurement that is not random, and the number of shots.
    """
    [(waits, _)] = Counter(map(tuple, run.shot_waits)).most_common(1)
    circuit = run.model.circuit(waits)
    decoder = decoders.from_dem("mwpm", circuit.detector_error_model(decompose_errors=True))
    sampler = circuit.compile_detector_sampler(seed=seed)
    operations, measurements = run.program.operations, run.model.measurements
    comparisons = compare_all(measurements, operations)
    observables = [one.observables[operations[one.operation].basis] for one in measurements]
    wrong = {number: 0 for number, one in enumerate(comparisons) if one.outcomes}
    for begin in range(0, shots, _BATCH):
        events, flips = sampler.sample(min(_BATCH, shots - begin), separate_observables=True)
        errors = decoder.decode_batch(events) ^ flips
        for number in wrong:
            compared = [observables[other] for other in comparisons[number].outcomes]
            wrong[number] += int((errors[:, compared].sum(axis=1) % 2).sum())
    return wrong, shots
