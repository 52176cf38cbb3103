"""Assignment of threads to cores.

Each spinning thread needs a core: two on one core delay each other by milliseconds. One core is left to the
operating system. So the loop takes four: the source, the threads that move messages (together), the system
and a decoder; every further stream takes one more, and every thread for parallel windows. In one process
there are no threads that move messages.
"""

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Source, messages, system, one decoder.
LEAST_CORES = 4
# A core that was busy for more than this fraction of a short observation is taken as in use.
_IDLE = 0.25
_STAT = Path("/proc/stat")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Cores of the threads of the loop.

    Attributes:
        source: core of the source; None leaves the choice to the operating system (as for the others).
        messages: core of all threads that move messages between processes; None in one process.
        system: core left to the operating system; where one core is missing, that of the messages.
        decoders: one core for each stream, with parallel windows followed by those of their threads, or
            empty.
        decoder_threads: threads that decode the windows of a stream, see `choose_cores`.
        control: an unused core for the jitter monitor; None if there is none.
        usable: number of usable cores.
        promise: whether latencies measured with this placement are those of the decoder, not of the machine.
        note: one line that explains the placement.
    """

    source: int | None = None
    messages: int | None = None
    system: int | None = None
    decoders: tuple[int, ...] = ()
    decoder_threads: int = 1
    control: int | None = None
    usable: int
    promise: bool
    note: str

    @property
    def spins(self) -> bool:
        """Whether threads may spin: each has a core."""
        return self.source is not None

    @property
    def jitter_core(self) -> tuple[int, bool] | None:
        """Core for a jitter monitor while the loop runs, and whether it must run at low priority.

        An unused core, or that of the operating system at low priority; None where it would disturb the loop.
        """
        if self.control is not None:
            return self.control, False
        if self.system is None or self.system == self.messages:
            return None
        return self.system, True

    def decoder(self, stream: int) -> int | None:
        """Return the core of a stream's decoder; None leaves it to the operating system."""
        return cores_of_stream(self.decoders, stream, decoder_threads=self.decoder_threads)[0]

    def block_cores(self, stream: int) -> tuple[int, ...]:
        """Return the cores of a stream's threads for parallel windows; none: as of `decoder`."""
        return cores_of_stream(self.decoders, stream, decoder_threads=self.decoder_threads)[1]


def threads_of_stream(decoder_threads: int) -> int:
    """Return the threads of a stream: with parallel windows one more than decode, which receives."""
    return decoder_threads + (decoder_threads > 1)


def cores_of_stream(
    cores: Sequence[int], stream: int, *, decoder_threads: int
) -> tuple[int | None, tuple[int, ...]]:
    """Choose the cores of a stream among those of all streams: of the receiving thread, and of the others."""
    each = threads_of_stream(decoder_threads)
    own = tuple(cores[stream * each : (stream + 1) * each])
    return (own[0] if own else None), own[1:]


def usable_cores() -> list[int]:
    """Return the cores that this process may run on, fewer if its control group has a CPU quota."""
    if hasattr(os, "sched_getaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
    else:
        allowed = list(range(os.cpu_count() or 1))
    return allowed[: max(1, _quota(len(allowed)))]


def choose_cores(
    *,
    streams: int = 1,
    decoder_threads: int = 1,
    in_process: bool = False,
    allowed: Iterable[int] | None = None,
    busy: Mapping[int, float] | None = None,
) -> Placement:
    """Choose cores for a source and the decoders of `streams` logical qubits.

    Args:
        streams: number of logical qubits; each has its own decoder.
        decoder_threads: threads that decode the windows of a stream; with more than 1 another one receives.
        in_process: source and decoders are threads of one process; no core moves messages.
        allowed: cores to choose from; None: those that this process may use.
        busy: fraction of time that each core is in use, 0 to 1; None: measure for a fifth of a second (all
            count as idle where the system does not report it).

    Returns:
        The placement. With too few cores, and always below four, no thread is pinned, and there is no
        promise. Where a single core is missing, the system and the messages share one, without promise.

    Raises:
        ValueError: less than one stream or thread, or no core.
    """
    if streams < 1:
        raise ValueError(f"streams={streams}: must be at least 1")
    if decoder_threads < 1:
        raise ValueError(f"decoder_threads={decoder_threads}: must be at least 1")
    cores = usable_cores() if allowed is None else sorted(set(allowed))
    if not cores:
        raise ValueError("allowed=[]: must hold at least one core")
    needed = LEAST_CORES - 1 + streams * threads_of_stream(decoder_threads) - in_process
    shared = not in_process and len(cores) == needed - 1
    if len(cores) < LEAST_CORES or len(cores) < needed - shared:
        return Placement(
            decoder_threads=decoder_threads,
            usable=len(cores),
            promise=False,
            note=f"{_count(len(cores))} usable, {max(needed, LEAST_CORES)} needed: no latency promise",
        )
    if busy is None:
        busy = busy_cores()
    load = {core: busy.get(core, 0.0) for core in cores}
    # Idle cores for the spinning threads, the busiest of the chosen for the system; equal ones by number.
    ranked = sorted(cores, key=lambda core: (load[core] > _IDLE, core))
    chosen = ranked[:needed]
    system = max(chosen, key=lambda core: (load[core], core == chosen[1 if shared else 2]))
    spinners = [core for core in chosen if core != system]
    messages = None if in_process else system if shared else spinners.pop(1)
    source, *decoders = spinners
    rest = ranked[needed:]
    busy_ones = [core for core in (source, messages, *decoders) if core is not None and load[core] > _IDLE]
    where = f"source on core {source}, decoder {', '.join(str(core) for core in decoders)}, "
    if shared:
        note = where + f"messages and system share core {system}: no latency promise"
    elif busy_ones:
        note = f"core {busy_ones[0]} is in use by other programs: no latency promise"
    else:
        moved = "" if in_process else f"messages {messages}, "
        note = where + moved + f"core {system} for the system"
    return Placement(
        source=source,
        messages=messages,
        system=system,
        decoders=tuple(decoders),
        decoder_threads=decoder_threads,
        control=next((core for core in rest if load[core] <= _IDLE), None),
        usable=len(cores),
        promise=not shared and not busy_ones,
        note=note,
    )


def pin_thread(core: int | None) -> bool:
    """Pin the calling thread to a core, if it is not None and the system allows it; true if pinned."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        return False
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        return False
    return True


def busy_cores(seconds: float = 0.2, *, stat: Path = _STAT) -> dict[int, float]:
    """Measure the fraction of time that each core is in use, 0 to 1; empty where the system has no counters.

    Args:
        seconds: duration of the measurement.
        stat: file with the counters, as Linux's /proc/stat.
    """
    before = _ticks(stat)
    if not before:
        return {}
    threading.Event().wait(seconds)
    after = _ticks(stat)
    shares = {}
    for core, (worked, passed) in after.items():
        worked_before, passed_before = before.get(core, (worked, passed))
        if passed > passed_before:
            shares[core] = (worked - worked_before) / (passed - passed_before)
    return shares


def _ticks(stat: Path) -> dict[int, tuple[int, int]]:
    """Read each core's ticks in use (those stolen by other virtual machines included) and all its ticks."""
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return {}
    ticks = {}
    for line in lines:
        name, *fields = line.split() or [""]
        if name.startswith("cpu") and name != "cpu":
            numbers = [int(field) for field in fields[:8]]
            ticks[int(name.removeprefix("cpu"))] = (sum(numbers[:3]) + sum(numbers[5:]), sum(numbers))
    return ticks


def _quota(cores: int) -> int:
    """Return the whole cores of the control group's quota, `cores` without one."""
    try:
        share, period = _QUOTA.read_text().split()
        return min(cores, int(share) // int(period))
    except (OSError, ValueError):
        return cores


def _count(cores: int) -> str:
    return "1 core" if cores == 1 else f"{cores} cores"
