"""Which thread runs on which core, and whether this machine can promise a latency at all.

Spinning threads want a core each: two on one core cost milliseconds, and a core must be left to the system.
So the loop takes four: the source, the threads that move messages (together on one), the system, a decoder;
every further stream one more, for its decoder. In one process no messages have to be moved.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Source, messages, system, one decoder.
LEAST_CORES = 4
# A core that was busy for more than this part of a short look belongs to somebody else.
_IDLE = 0.25
_STAT = Path("/proc/stat")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Cores of the parts of the loop.

    Attributes:
        source: core of the source; None leaves it to the system (as for the others).
        messages: core of all threads that move messages between processes; None in one process.
        system: core left to the system; where one core is missing, that of the messages.
        decoders: one core for each stream, or none at all.
        control: a core that is left for measuring the machine's own hiccups; None if there is none.
        usable: number of cores that could be used.
        promise: whether latencies measured here say something about the decoder.
        note: one line that explains it.
    """

    source: int | None = None
    messages: int | None = None
    system: int | None = None
    decoders: tuple[int, ...] = ()
    control: int | None = None
    usable: int
    promise: bool
    note: str

    @property
    def spins(self) -> bool:
        """Whether threads may wait by spinning: they have a core each."""
        return self.source is not None

    @property
    def beside(self) -> tuple[int, bool] | None:
        """Where the machine's hiccups can be measured while the loop runs, and whether modestly.

        A core that is left, or that of the system, to which the measurement has to give way. None where it
        would disturb the loop.
        """
        if self.control is not None:
            return self.control, False
        if self.system is None or self.system == self.messages:
            return None
        return self.system, True

    def decoder(self, stream: int) -> int | None:
        """The core of a stream's decoder; None leaves it to the system."""
        return self.decoders[stream] if stream < len(self.decoders) else None


def usable_cores() -> list[int]:
    """Cores that this process may run on, fewer if a group it belongs to has less computing time."""
    if hasattr(os, "sched_getaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
    else:
        allowed = list(range(os.cpu_count() or 1))
    return allowed[: max(1, _quota(len(allowed)))]


def choose_cores(
    *,
    streams: int = 1,
    in_process: bool = False,
    allowed: Iterable[int] | None = None,
    busy: Mapping[int, float] | None = None,
) -> Placement:
    """Choose cores for a source and so many streams.

    Args:
        streams: logical qubits, each with a decoder of its own.
        in_process: source and decoders are threads of one process; no core moves messages.
        allowed: cores to choose from; None takes those that this process may use.
        busy: part of the time that each core works for others, 0 to 1; None looks for a fifth of a second
            (where the system does not tell, all count as idle).

    Returns:
        The placement; with too few cores, and always below four, without any pinning and without promise.
        Where a single core is missing, the system and the messages share one, without promise.

    Raises:
        ValueError: less than one stream, or no core at all.
    """
    if streams < 1:
        raise ValueError(f"streams={streams}: at least 1")
    cores = usable_cores() if allowed is None else sorted(set(allowed))
    if not cores:
        raise ValueError("no core to choose from")
    needed = LEAST_CORES - 1 + streams - in_process
    shared = not in_process and len(cores) == needed - 1
    if len(cores) < LEAST_CORES or len(cores) < needed - shared:
        return Placement(
            usable=len(cores),
            promise=False,
            note=f"{_count(len(cores))} usable, {max(needed, LEAST_CORES)} needed: no latency promise",
        )
    if busy is None:
        busy = busy_cores()
    load = {core: busy.get(core, 0.0) for core in cores}
    # The quietest cores for those who spin, the busiest of the chosen for the system; equal ones by number.
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
        note = f"core {busy_ones[0]} works for somebody else: no latency promise"
    else:
        moved = "" if in_process else f"messages {messages}, "
        note = where + moved + f"core {system} for the system"
    return Placement(
        source=source,
        messages=messages,
        system=system,
        decoders=tuple(decoders),
        control=next((core for core in rest if load[core] <= _IDLE), None),
        usable=len(cores),
        promise=not shared and not busy_ones,
        note=note,
    )


def pin_thread(core: int | None) -> bool:
    """Keep the calling thread on a core where the system allows it; tells whether it did. Not for None."""
    if core is None or not hasattr(os, "sched_setaffinity"):
        return False
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        return False
    return True


def busy_cores(seconds: float = 0.2, *, stat: Path = _STAT) -> dict[int, float]:
    """Part of a short time that each core worked, 0 to 1; empty where the system does not tell."""
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
    """For each core the ticks worked (those stolen by other machines included) and all ticks."""
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
    """Whole cores that a group's quota leaves; `cores` without one."""
    try:
        share, period = _QUOTA.read_text().split()
        return min(cores, int(share) // int(period))
    except (OSError, ValueError):
        return cores


def _count(cores: int) -> str:
    return "1 core" if cores == 1 else f"{cores} cores"
