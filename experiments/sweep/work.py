"""Work of a sweep: sinter's tasks of its points, compiled decoders, samplers, numbers of workers."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import sinter

from decoders.sinter_adapter import sinter_decoder
from experiments.common.points import Point, decoding_model
from experiments.common.preparation import compile_kernels
from experiments.common.sampling import leakage_sampler
from experiments.common.terminal import Progress
from experiments.engine.preparation import compile_engines
from experiments.sweep.circuits import CircuitFile
from experiments.sweep.plan import PointState, point_states
from experiments.sweep.portions import PointTask
from experiments.sweep.task_sampler import SharedShots, TaskSampler, independent_errors

Source = Point | CircuitFile


def num_workers_of(processes: str) -> int:
    """Read the option --processes."""
    if processes == "auto":
        return len(usable_cores())
    if not (processes.isascii() and processes.isdigit()) or int(processes) == 0:
        raise ValueError(f"--processes {processes!r}: give a positive number, or auto")
    return int(processes)


def usable_cores() -> Sequence[int]:
    """List the cores that this process may use."""
    # sinter pins worker k to core k of this list; without it, it would leave the cores we were given.
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def make_tasks(
    points: Sequence[Source], names: Sequence[str], progress: Progress, *, seeded: bool
) -> list[Any]:
    """Make sinter's task of each point and decoder, in this order.

    Raises:
        ValueError: a circuit that cannot be sampled, with a seed if `seeded`.
    """
    tasks = []
    for number, point in enumerate(points):
        progress.show(f"preparing point {number + 1} of {len(points)}")
        circuit = point.circuit()
        if (leakage := point.leakage) is not None:
            leakage_sampler(circuit, leakage)  # raises for what cannot be sampled, before any work begins
        elif seeded and independent_errors(circuit) is None:
            raise ValueError(
                f"--seed: {point.metadata()} has errors that exclude each other, such as heralded ones; "
                "stim draws their shots, which cannot be numbered: leave --seed out"
            )
        dem = decoding_model(circuit)
        tasks += [
            sinter.Task(
                circuit=circuit, detector_error_model=dem, decoder=name, json_metadata=point.metadata()
            )
            for name in dict.fromkeys(names)
        ]
    return tasks


def samplers(names: Sequence[str], points: Iterable[Source], shots: SharedShots | None) -> dict[str, Any]:
    """Make the samplers of sinter's workers."""
    models = {model.text: model for point in points if (model := point.leakage) is not None}
    return {name: TaskSampler(sinter_decoder(name), models, shots) for name in names}


def compile_decoders(command: str, names: Sequence[str], *, leaking: bool, progress: Progress) -> None:
    """Compile once what every worker process would otherwise compile for itself.

    Args:
        command: for messages, such as "qec sweep".
        names: decoders, as `sinter_decoder` takes them.
        leaking: whether qubits of a point leak, so that shots are decoded in batches.
        progress: shows a line in the meantime.
    """
    made = [sinter_decoder(name) for name in names]
    with_gaps = {one.name for one in made if one.gap_threshold is not None}
    compile_engines(command, [one.name for one in made if one.gap_threshold is None], progress=progress)
    if leaking:
        with_batches = [one.name for one in made]
    else:
        with_batches = [one.name for one in made if one.gap_threshold is not None]
    compile_kernels(command, with_batches, with_gaps=with_gaps, progress=progress)


def states_of(
    points: Sequence[Source],
    names: Sequence[str],
    tasks: Sequence[Any],
    existing: Mapping[str, Any],
    *,
    seed: int | None,
) -> list[PointState]:
    """Make the states of a run whose shots are given out in portions.

    Args:
        points, names, tasks: see `make_tasks`.
        existing: strong_id -> counts of the file.
        seed: of the run; None: drawn from the system.
    """
    leakages = [point.leakage for point in points for _ in dict.fromkeys(names)]
    sent = [PointTask.from_task(*pair) for pair in zip(tasks, leakages, strict=True)]
    if seed is None:
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    sizes = [task.detector_error_model.num_detectors for task in tasks]
    return point_states(sent, sizes, existing, seed=seed)
