"""`qec realtime`: a memory decoded while it runs, and every latency on the way."""

import argparse
import json
import threading
from dataclasses import asdict
from pathlib import Path

from experiments.common.machine import description
from experiments.common.noise_options import noise_name
from experiments.common.points import Point
from experiments.common.progress import Progress
from experiments.common.sampling import check_size
from experiments.loop import options, panels, report
from experiments.loop.measurement import CODE, Plan, measure, spread, tail
from experiments.loop.options import duration, strength
from experiments.loop.parts import LoopSetting
from realtime.jitter import JitterMonitor
from realtime.latency import Histogram

_COUNTED = (10, 30, 50)
_CONTROL_SECONDS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec realtime`."""
    add = parser.add_argument
    parser.epilog = (
        "Shots are simulated ahead, then played at the pace of the device to a decoder in its own process.\n"
        "Latencies count from the times at which data were due. Four free cores are needed for numbers that\n"
        "mean something; with fewer, everything runs in one process and the output says so."
    )
    add("--distance", nargs="+", type=int, default=[3, 5], metavar="D", help="default: 3 5")
    add("--cycles", type=int, default=100_000, metavar="N", help="cycles of a shot; default: 100000")
    add(
        "--shots",
        type=int,
        default=10,
        metavar="N",
        help="shots of that length; of 100000 cycles at least 50, of 10000 and fewer 200; default: 10",
    )
    add(
        "--error_shots",
        type=int,
        default=1000,
        metavar="N",
        help="shots of 10, 30 and 50 cycles in each basis, for the logical error per cycle; default: 1000",
    )
    add("--bases", nargs="+", choices=["x", "z"], default=["z"], metavar="B", help="x, z or both; default: z")
    options.add_loop(parser)
    add("--json", metavar="FILE", help="write everything that was measured")
    add("--out", default="qec_realtime.png", metavar="PNG", help="figure; default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Run the loop; see `add_arguments`."""
    plan = _plan(args)
    out = Path(args.out)
    if out.suffix != ".png":
        raise ValueError(f"--out {out}: the figure is a PNG file, give a name that ends in .png")
    options.check_folder("--out", args.out)
    setting = options.setting_of(args)
    args.noise = noise_name(args.noise, args.bias)
    p = strength(args.noise, args.p)
    longest = Point(CODE, "cz", max(args.distance), plan.cycles, "z", args.noise, p)
    if longest.leakage is not None:
        check_size(longest.circuit())  # before the machine is measured
    with Progress() as progress:
        progress.show("measuring the machine alone")
        control = measure_control(setting)
        results = [
            measure(
                distance, plan=plan, setting=setting, noise=args.noise, p=p, seed=args.seed, say=progress.show
            )
            for distance in sorted(set(args.distance))
        ]
        progress.show("measuring the machine alone")
        again = measure_control(setting)
    hiccups = [("machine, before", spread(control)), ("machine, after", spread(again))]
    several = f", {args.streams} streams at once" if args.streams > 1 else ""
    noise = args.noise if p is None else f"{args.noise}, p = {p:g}"
    words = (
        f"noise {noise}, decoder {args.decoder}, {setting.transport}, {args.frame_cycles} cycles of "
        f"{duration(args.cycle_time)} in a frame{several}"
    )
    print(
        f"Real-time loop: rotated surface code (ZXXZ) memory, {words}\n{description()}\n"
        f"{setting.placement.note}"
    )
    if setting.transport == "inproc":
        print("Source and decoder are threads of one process (inproc).")
    print(f"\n{report.shots_table(results)}\n\n{report.latency_table(results, hiccups)}\n")
    print(report.explanation(results, cycle_ns=args.cycle_time))
    if args.json:
        settings = {**vars(args), "p": p, "transport": setting.transport}
        settings["placement"] = asdict(setting.placement)
        settings["machine"] = description()
        data = report.to_json(results, setting=settings, hiccups=hiccups)
        Path(args.json).write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
        print(f"JSON: {args.json}")
    title = f"Real-time loop, {words}"
    print(f"Figure: {panels.draw(out, results, title=title, alone=tail(control.merged(again)))}")
    return 0


def measure_control(setting: LoopSetting) -> Histogram:
    """How late a thread without work is, where the decoder runs and with the same appointments."""
    interval = round(setting.cycle_ns * setting.frame_cycles)
    with JitterMonitor(core=setting.placement.decoder(0), interval_ns=interval) as meter:
        threading.Event().wait(_CONTROL_SECONDS)
    return meter.histogram


def _plan(args: argparse.Namespace) -> Plan:
    options.check_loop(args)
    if args.error_shots < 0:
        raise ValueError(f"--error_shots is {args.error_shots}: it must not be negative")
    return Plan(
        cycles=args.cycles,
        shots=args.shots,
        counted=_COUNTED,
        counted_shots=args.error_shots,
        bases=list(dict.fromkeys(args.bases)),
    )
