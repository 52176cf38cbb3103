"""Decoding load of a published factoring layout: service times measured here, queueing simulated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import stim

from experiments.reproduce.engine.figure import Job, Place, Record, Records, Settings
from experiments.reproduce.engine.published import value
from experiments.reproduce.work import chips
from experiments.scaling.machine_load import (
    Layout,
    Load,
    cores_needed,
    simulate_load,
    speed_up_needed,
)
from experiments.scaling.queueing import Queue
from experiments.scaling.service_times import measure_service_times
from qec import RotatedSurfaceCode, memory_circuit, noise
from qec.statistics import Estimate
from qec.statistics.propagation import from_sigma

#: Noise -> words. The layout assumes the first, the devices have the second.
UNIFORM, DEVICE = "uniform 0.1 %", "105 qubits"
DECODERS = ("mwpm", "mwpm-correlated")
_DISTANCES = (3, 5, 7, 9, 11, 13, 17, 21, 27)
_LARGEST_OF_DEVICE = 17
_QUICK_DISTANCES = (3, 5)
#: Cycles that a window makes final, in units of the distance: the streaming decoder's default, and fewer.
LONG, SHORT = 4, 1
_BUFFER = 1
_CYCLES = 6  # of the memory that the decoder is made from, in units of the distance, beyond a window
# Distance from which fewer windows are timed, and windows and ends below and from there; quick: of all.
_LARGE, _WINDOWS, _ENDS, _QUICK = 17, ((400, 80), (120, 40)), 8, (40, 8)
#: Patches that share a pool of cores, and cycles from one decision of a patch to the next in units of the
#: distance: assumptions.
PATCHES_PER_POOL, DECISION_CYCLES = 10, 40
#: Cycle time of the published processor.
CYCLE_US = 1.1
_SIMULATED = 2000  # windows of a stream with a core of its own
_DECISIONS, _DECISIONS_IN_SEARCH = 2000, 400  # of a run, and of a step in the search for the speed-up


@dataclass(frozen=True, kw_only=True)
class Case:
    """One decoder at one distance under one noise.

    Attributes:
        noise: `UNIFORM` or `DEVICE`.
        decoder: of the windows.
        distance: of the patch.
        commit: cycles of data between windows, in units of the distance.
    """

    noise: str
    decoder: str
    distance: int
    commit: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """Measured service times of a case, in microseconds.

    Attributes:
        case: the case.
        windows, last: processor times of windows and of last windows.
    """

    case: Case
    windows: Sequence[float]
    last: Sequence[float]

    @property
    def cycles(self) -> int:
        """Cycles of data between windows."""
        return self.case.commit * self.case.distance

    @property
    def per_cycle_us(self) -> Estimate:
        """Mean time per cycle of data, 95 % by the scatter of windows."""
        times = np.asarray(self.windows) / self.cycles
        return from_sigma(float(times.mean()), float(times.std(ddof=1)) / math.sqrt(times.size))

    def queue(self, *, cycle_us: float, streams: int, cores: int) -> Queue:
        """Make the queue of a pool."""
        return Queue(
            streams=streams,
            cores=cores,
            period_us=self.cycles * cycle_us,
            service_us=self.windows,
            last_us=self.last,
            last_every=DECISION_CYCLES / self.case.commit,
        )


def cases(settings: Settings) -> list[Case]:
    """List the cases; the layout's distance with short windows too."""
    if settings.quick:
        return [
            Case(noise=UNIFORM, decoder=decoder, distance=distance, commit=LONG)
            for decoder, distance in product(DECODERS, _QUICK_DISTANCES)
        ]
    long = [
        Case(noise=kind, decoder=decoder, distance=distance, commit=LONG)
        for kind, decoder, distance in product((UNIFORM, DEVICE), DECODERS, _DISTANCES)
        if kind == UNIFORM or distance <= _LARGEST_OF_DEVICE
    ]
    short = [Case(noise=UNIFORM, decoder=decoder, distance=27, commit=SHORT) for decoder in DECODERS]
    return [*long, *short]


def jobs(settings: Settings) -> list[Job]:
    """List jobs, each of which has the machine for itself."""
    return [_job(settings, case) for case in cases(settings)]


def _job(settings: Settings, case: Case) -> Job:
    windows, ends = _QUICK if settings.quick else _WINDOWS[case.distance >= _LARGE]
    return Job(
        work=time_windows,
        arguments={
            "noise_name": case.noise,
            "model": chips.fingerprint(chips.CHIP_105),
            "decoder": case.decoder,
            "distance": case.distance,
            "commit": case.commit * case.distance,
            "buffer": _BUFFER * case.distance,
            "windows": windows,
            "ends": ends,
            "seed": settings.seed,
        },
        cost=(1 + 20 * (case.distance / 27) ** 3) * settings.workers,
        alone=True,
    )


def time_windows(
    *,
    noise_name: str,
    model: str,
    decoder: str,
    distance: int,
    commit: int,
    buffer: int,
    windows: int,
    ends: int,
    seed: int,
    place: Place,
) -> Record:
    """Measure service times; see `measure_service_times`.

    Returns:
        windows, last: lists of microseconds.
    """
    assert model == chips.fingerprint(chips.CHIP_105)
    place.say(f"timing windows of {decoder}, d = {distance}, {noise_name}")
    circuit = _circuit(noise_name, distance, commit + buffer + _CYCLES * distance)
    found = measure_service_times(
        circuit, decoder=decoder, commit=commit, buffer=buffer, windows=windows, ends=ends, seed=seed
    )
    return {
        "windows": [round(us, 2) for us in found.windows],
        "last": [round(us, 2) for us in found.last],
    }


def _circuit(noise_name: str, distance: int, cycles: int) -> stim.Circuit:
    model = noise.uniform(value("factoring.gate_error").value)
    if noise_name == DEVICE:
        model = chips.device(chips.CHIP_105)
    return memory_circuit(RotatedSurfaceCode(distance, variant="zxxz"), rounds=cycles, noise=model)


def layout() -> Layout:
    """Read the published layout."""
    return Layout(
        patches=int(value("factoring.patches").value),
        distance=int(value("factoring.distance").value),
        cycle_us=value("factoring.cycle_us").value,
        reaction_us=value("factoring.reaction_us").value,
        cycles=value("factoring.cycles").value,
    )


def services(settings: Settings, records: Records) -> dict[Case, Service]:
    """Read the measured times."""
    found = {}
    for case in cases(settings):
        record = records[_job(settings, case)]
        found[case] = Service(case=case, windows=record["windows"], last=record["last"])
    return found


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The layout decoded with one decoder.

    Attributes:
        service: measured.
        load: of a pool of `PATCHES_PER_POOL` patches with as many cores as it needs.
        cores: of the whole machine, 95 % by the uncertainty of the mean service time.
        one_core: utilisation if each patch had one core.
        growth: slope of the wait with one core for each patch, simulated; 0 where that is enough.
        speed_up: factor by which all service times must shrink for 99 % of the reactions, with one server
            for each patch, to fit into the layout's reaction time.
    """

    service: Service
    load: Load
    cores: Estimate
    one_core: float
    growth: float
    speed_up: Estimate

    @property
    def fast_window_us(self) -> float:
        """Mean service time of a window after that speed-up."""
        return float(np.mean(self.service.windows)) / self.speed_up.value

    @property
    def fast_last_us(self) -> float:
        """Mean service time of a last window after that speed-up."""
        return float(np.mean(self.service.last)) / self.speed_up.value


def machine(service: Service, plan: Layout, *, seed: int) -> Machine:
    """Simulate the layout with a decoder's service times."""
    pool = service.queue(cycle_us=plan.cycle_us, streams=PATCHES_PER_POOL, cores=1)
    cores = cores_needed(pool)
    load = simulate_load(
        service.queue(cycle_us=plan.cycle_us, streams=PATCHES_PER_POOL, cores=cores),
        cycle_us=plan.cycle_us,
        windows=math.ceil(_DECISIONS * pool.last_every / PATCHES_PER_POOL),
        seed=seed,
    )
    alone = service.queue(cycle_us=plan.cycle_us, streams=1, cores=1)
    single = simulate_load(alone, cycle_us=plan.cycle_us, windows=_SIMULATED, seed=seed)
    pools = plan.patches / PATCHES_PER_POOL
    mean = service.per_cycle_us
    ends = [pools * cores_needed(pool.scaled(part / mean.value)) for part in (mean.low, mean.high)]
    return Machine(
        service=service,
        load=load,
        cores=Estimate(pools * cores, ends[0], ends[1]),
        one_core=alone.utilisation,
        growth=0.0 if single.is_stable else single.growth,
        speed_up=speed_up_needed(
            alone,
            budget_us=plan.reaction_us,
            windows=math.ceil(_DECISIONS_IN_SEARCH * alone.last_every),
            seed=seed,
        ),
    )


def sustained_distance(found: Sequence[Service], *, cycle_us: float) -> Estimate | None:
    """Find the distance at which the mean service time reaches the cycle time.

    Straight between measured distances in the logarithms; None if the smallest is too slow, and infinite
    ends beyond the largest.

    Args:
        found: of one decoder and noise, by distance.
        cycle_us: time of a cycle.
    """
    places = np.log([service.case.distance for service in found])
    ends = []
    for part in ("value", "high", "low"):
        logs = np.log([getattr(service.per_cycle_us, part) for service in found])
        above = np.flatnonzero(logs > math.log(cycle_us))
        if above.size and above[0] == 0:
            return None
        if not above.size:
            ends.append(math.inf)
            continue
        right = int(above[0])
        share = (math.log(cycle_us) - logs[right - 1]) / (logs[right] - logs[right - 1])
        ends.append(math.exp(places[right - 1] + share * (places[right] - places[right - 1])))
    return Estimate(*ends)
