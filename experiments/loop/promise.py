"""Statement, before a run, of what its latencies will be worth, and of what the user can change."""

import sys

from experiments.loop.parts import LoopSetting
from realtime.placement import busy_cores, usable_cores

# A core that other programs use for more than this part of the time delays the loop's threads.
_BUSY = 0.25


def promise_of(setting: LoopSetting, *, busy: dict[int, float] | None = None) -> str:
    """Describe what is promised, what is chosen instead, and what the user can do, in a few lines.

    Args:
        setting: how the loop will run.
        busy: part of the time that each core is in use; None: measure for a fifth of a second.
    """
    if not setting.is_paced:
        return (
            "policy block: the source waits for the decoder\n"
            "  cycles are not paced by the clock; no latencies are reported"
        )
    if setting.placement.promise:
        return f"latencies will be those of the decoder: {setting.placement.note}"
    lines = [f"no latency promise: {setting.placement.note.replace(': no latency promise', '')}"]
    chosen = "one process (inproc)" if setting.transport == "inproc" else "two processes"
    if not setting.placement.spins:
        chosen += ", on any core; latencies include waiting for one"
    lines.append(f"  chosen: {chosen}")
    busy = busy_cores() if busy is None else busy
    crowded = [core for core in usable_cores() if busy.get(core, 0.0) > _BUSY]
    if crowded:
        use = ", ".join(f"core {core} {100 * busy[core]:.0f} %" for core in crowded)
        lines.append(f"  in use by other programs: {use}; shots may end as OVERRUN")
    lines.append(
        "  for latencies of the decoder: more idle cores, or a longer --cycle_time\n"
        "  for an answer to every shot: --policy block (waits; reports no latencies)"
    )
    return "\n".join(lines)


def state_promise(command: str, setting: LoopSetting) -> None:
    """Write the promise to standard error, before the run."""
    print(f"{command}: {promise_of(setting)}", file=sys.stderr, flush=True)
