"""`qec realtime`: latencies and logical errors of memories decoded in real time."""

import argparse
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments.common.json_file import write_json
from experiments.common.machine import description
from experiments.common.noise_options import noise_name
from experiments.common.parser import add_live, figure, output, whole
from experiments.common.points import Point
from experiments.common.sampling import check_size
from experiments.common.terminal import Progress, fold
from experiments.loop import options, panels, programs, report
from experiments.loop.live import LoopView
from experiments.loop.measurement import Plan, measure, spread, tail
from experiments.loop.options import CODE, duration, nanoseconds, strength
from experiments.loop.parts import LoopSetting
from experiments.loop.promise import state_promise
from experiments.loop.results import LoopResult, Spread
from realtime.jitter import JitterMonitor
from realtime.latency import Histogram
from realtime.programs.kernels.records import End
from realtime.programs.program import Program
from realtime.programs.run import RunSettings

#: Cycles of the shots for the logical error per cycle.
COUNTED = (10, 30, 50)
_CONTROL_SECONDS = 2.0

# Options that only memories have, and that only programs have.
_OF_MEMORIES = (
    "cycles",
    "error_shots",
    "bases",
    "transport",
    "streams",
    "policy",
    "max_load",
    "decoder_threads",
    "live",
    "out",
)
_OF_PROGRAMS = ("clock", "delay", "service")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec realtime`."""
    add = parser.add_argument
    parser.epilog = (
        "Shots are simulated ahead, then played at the pace of the device to a decoder in its own process.\n"
        "Latencies count from the times at which data were due. Four free cores are needed for numbers that\n"
        "mean something; with fewer, everything runs in one process, and a line before the run says so."
    )
    add("--distance", nargs="+", type=whole(), default=[3, 5], metavar="D", help="code distance")
    add("--cycles", type=whole(), default=100_000, metavar="N", help="cycles of a shot")
    shots = "shots of that length; of 100000 cycles at least 50, of 10000 and fewer 200"
    add("--shots", type=whole(), metavar="N", help=f"{shots}; default: 10, with --program 1000")
    counted = "shots of 10, 30 and 50 cycles in each basis, for the logical error per cycle"
    add("--error_shots", type=whole(0), default=1000, metavar="N", help=counted)
    add("--bases", nargs="+", choices=["x", "z"], default=["z"], metavar="B", help="x, z or both")
    options.add_loop(parser)
    add_live(parser)
    _add_program(parser)
    add("--json", type=output(), metavar="FILE", help="write everything that was measured")
    add(
        "--out",
        type=figure,
        default="qec_realtime.png",
        metavar="FILE",
        help="PNG, SVG or PDF",
    )


def _add_program(parser: argparse.ArgumentParser) -> None:
    """Declare the options of programs with feed-forward."""
    words = "run a program of operations that wait for decoded outcomes, in one process, instead of memories"
    parser.add_argument("--program", metavar="FILE", help=words)
    simulated = "simulated: only the decoder's processor time counts"
    parser.add_argument(
        "--clock",
        choices=["real", "simulated"],
        default="real",
        metavar="CLOCK",
        help=f"of programs, real or {simulated}",
    )
    delay = "added to every answer to a program"
    parser.add_argument("--delay", type=nanoseconds, metavar="TIME", help=delay)
    service = "least decoding time of a program's cycle; if simulated, all of it"
    parser.add_argument("--service", type=nanoseconds, metavar="TIME", help=service)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Memories decoded while they ran, and the machine without them before and after."""

    setting: LoopSetting
    noise: str
    p: float | None
    results: list[LoopResult]
    before: Histogram
    after: Histogram

    @property
    def title(self) -> str:
        """Noise, decoder and pace in one line."""
        setting = self.setting
        several = f", {setting.streams} streams at once" if setting.streams > 1 else ""
        strength = "" if self.p is None else f", p = {self.p:g}"
        return (
            f"noise {self.noise}{strength}, decoder {setting.decoder}, {setting.transport}, "
            f"{setting.frame_cycles} cycles of {duration(setting.cycle_ns)} in a frame{several}"
        )

    def _controls(self) -> list[tuple[str, Spread]]:
        if not self.setting.is_paced:
            return []
        return [("machine, before", spread(self.before)), ("machine, after", spread(self.after))]

    def text(self) -> str:
        """Tables and explanations."""
        lines = [f"Real-time loop: rotated surface code (ZXXZ) memory, {self.title}", description()]
        lines.append(self.setting.placement.note)
        if self.setting.transport == "inproc":
            lines.append("Source and decoder are threads of one process (inproc).")
        lines += ["", report.shots_table(self.results), ""]
        if self.setting.is_paced:
            lines += [report.latency_table(self.results, self._controls()), ""]
        return "\n".join([*lines, report.explanation(self.results, cycle_ns=self.setting.cycle_ns)])

    def to_json(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Everything that was measured, and the options that it was measured with."""
        chosen = {**options, "p": self.p, "transport": self.setting.transport}
        chosen |= {"placement": asdict(self.setting.placement), "machine": description()}
        return report.to_json(self.results, setting=chosen, hiccups=self._controls())


def run(args: argparse.Namespace) -> int:
    """Run the loop; see `add_arguments`."""
    args.noise = noise_name(args.noise, args.bias)
    _check_options(args)
    if args.program is not None:
        return _run_program(args)
    args.shots = args.shots or 10
    view = LoopView.of("qec realtime") if args.live else None
    setting = options.setting_of(args)
    p = strength(args.noise, args.p)
    _check_memories(args.distance, cycles=args.cycles, noise=args.noise, p=p)
    state_promise("qec realtime", setting)
    plan = Plan(
        cycles=args.cycles,
        shots=args.shots,
        counted=COUNTED,
        counted_shots=args.error_shots,
        bases=list(dict.fromkeys(args.bases)),
    )
    with Progress() if view is None else view.progress as progress:
        found = measure_memories(
            args.distance,
            plan=plan,
            setting=setting,
            noise=args.noise,
            p=p,
            seed=args.seed,
            say=progress.show,
            view=view,
        )
    print(fold(found.text()))
    if args.json:
        write_json(args.json, found.to_json(vars(args)))
        print(f"JSON: {args.json}")
    if not setting.is_paced:
        print("Figure: none; without a pace there are no latencies to draw")
        return 0
    title = f"Real-time loop, {found.title}"
    alone = tail(found.before.merged(found.after))
    print(f"Figure: {panels.draw(Path(args.out), found.results, title=title, alone=alone)}")
    return 0


def _check_options(args: argparse.Namespace) -> None:
    """Raise ValueError for an option that means nothing with, or without, a program."""
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with_program = args.program is not None
    for name in _OF_MEMORIES if with_program else _OF_PROGRAMS:
        if getattr(args, name) != parser.get_default(name):
            reason = "is for memories: leave it out with" if with_program else "is for programs: give"
            raise ValueError(f"--{name} {reason} --program")


def _run_program(args: argparse.Namespace) -> int:
    """Run a program at each distance, print tables; exit code 1 if a decoder did not keep up."""
    program = Program.read(args.program)
    settings = RunSettings(
        cycle_ns=args.cycle_time,
        frame_cycles=args.frame_cycles,
        delay_ns=round(args.delay or 0),
        service_ns=round(args.service or 0),
        simulated=args.clock == "simulated",
        seed=args.seed,
    )
    p = strength(args.noise, args.p)
    core = options.setting_of(args).placement.decoder(0) if not settings.simulated else None
    results = []
    with Progress() as progress:
        for distance in sorted(set(args.distance)):
            progress.show(f"d = {distance}")
            found = programs.run_at(
                distance,
                program,
                noise_name=args.noise,
                p=p,
                settings=settings,
                shots=args.shots or 1000,
                decoder=args.decoder,
                commit=args.commit,
                buffer=args.buffer,
                core=core,
            )
            results.append(found)
    pace = f"cycles of {duration(args.cycle_time)}, {args.clock} clock"
    print(f"Program: {program.name}, {len(program.patches)} patches, noise {args.noise}, {pace}")
    print(f"{fold(description())}\n\n{programs.text(results)}")
    if args.json:
        write_json(args.json, {"setting": vars(args), "runs": [one.to_json() for one in results]})
        print(f"JSON: {args.json}")
    return int(any(one.run.end != End.DONE for one in results))


def measure_memories(
    distances: Iterable[int],
    *,
    plan: Plan,
    setting: LoopSetting,
    noise: str,
    p: float | None,
    seed: int,
    say: Callable[[str], None],
    view: LoopView | None = None,
) -> Measured:
    """Decode memories of several distances while they run.

    Args:
        distances: code distances.
        plan: shots of each.
        setting: how the loop runs.
        noise: name of the noise model.
        p: its strength; None for a device.
        seed: of the shots.
        say: takes a line of progress.
        view: live view of the loop.

    Raises:
        ValueError: as `Point.metadata`, or a circuit that is too long to be sampled with leakage.
    """
    chosen = sorted(set(distances))
    _check_memories(chosen, cycles=plan.cycles, noise=noise, p=p)  # before the machine is measured
    before = measure_control(setting, say=say)
    results = [
        measure(distance, plan=plan, setting=setting, noise=noise, p=p, seed=seed, say=say, view=view)
        for distance in chosen
    ]
    after = measure_control(setting, say=say)
    return Measured(setting=setting, noise=noise, p=p, results=results, before=before, after=after)


def _check_memories(distances: Iterable[int], *, cycles: int, noise: str, p: float | None) -> None:
    """Raise ValueError for memories that cannot be made or sampled."""
    longest = Point(CODE, "cz", max(distances), cycles, "z", noise, p)
    longest.metadata()
    if longest.leakage is not None:
        check_size(longest.circuit())


def measure_control(setting: LoopSetting, *, say: Callable[[str], None]) -> Histogram:
    """Measure the operating system's jitter on the decoder's core, with the schedule of its frames.

    Returns:
        Its times; none if cycles are not paced by the clock.
    """
    if not setting.is_paced:
        return Histogram()
    say("measuring the machine alone")
    interval = round(setting.cycle_ns * setting.frame_cycles)
    with JitterMonitor(core=setting.placement.decoder(0), interval_ns=interval) as meter:
        threading.Event().wait(_CONTROL_SECONDS)
    return meter.histogram
