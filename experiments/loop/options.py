"""Options that the commands of the real-time loop share, and the setting that they make."""

import argparse
import math
import re
from pathlib import Path

from experiments.common.noise_options import add_noise, has_own_rates
from experiments.common.settings import CYCLE_NS, DEFAULT_DECODER
from experiments.loop.parts import TRANSPORTS, LoopSetting
from realtime.placement import choose_cores
from realtime.service.admission import MOST_LOAD
from realtime.transport import register_functions

_UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def nanoseconds(text: str) -> float:
    """A time such as `1.1us`, in ns.

    Raises:
        argparse.ArgumentTypeError: no number with a unit, or nothing positive.
    """
    found = re.fullmatch(r"([0-9.]+(?:e[+-]?[0-9]+)?)\s*(ns|us|ms|s)", text.strip())
    try:
        value = float(found[1]) * _UNITS[found[2]] if found else math.nan
    except ValueError:
        value = math.nan
    if not 0 < value < 1e10:
        raise argparse.ArgumentTypeError(f"{text!r}: give a time such as 1.1us or 500ns, less than 10 s")
    return value


def add_pace(parser: argparse.ArgumentParser) -> None:
    """How fast the source is."""
    parser.add_argument(
        "--cycle_time",
        type=nanoseconds,
        default=CYCLE_NS,
        metavar="TIME",
        help="time from cycle to cycle, such as 500ns; default: 1.1us",
    )
    parser.add_argument(
        "--frame_cycles", type=int, default=10, metavar="N", help="cycles in a frame, 1 to 64; default: 10"
    )


def add_memory(parser: argparse.ArgumentParser) -> None:
    """Which memory is simulated."""
    add = parser.add_argument
    add_noise(parser)
    add("--p", type=float, default=None, metavar="P", help="strength of the noise model; default: 0.003")
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")


def add_decoder(parser: argparse.ArgumentParser) -> None:
    """Which decoder, in which windows, and how busy it may be."""
    add = parser.add_argument
    add(
        "--decoder", default=DEFAULT_DECODER, metavar="NAME", help="decodes the windows; default: %(default)s"
    )
    add("--commit", type=int, metavar="N", help="cycles a window makes final; default: 4 times the distance")
    add("--buffer", type=int, metavar="N", help="cycles a window looks ahead; default: the distance")
    add(
        "--max_load",
        type=float,
        default=MOST_LOAD,
        metavar="PART",
        help="refuse a stream whose decoder would be busy for more of the time; 0: never; default: "
        "%(default)s",
    )


def add_loop(parser: argparse.ArgumentParser) -> None:
    """The whole loop: how it runs, at which pace, with which decoder, on which memory."""
    add = parser.add_argument
    add(
        "--transport",
        choices=TRANSPORTS,
        help="ipc and tcp: two processes; inproc: one; default: ipc, with several streams or fewer than four "
        "cores inproc",
    )
    add("--streams", type=int, default=1, metavar="N", help="logical qubits at once; default: 1")
    add_pace(parser)
    add_decoder(parser)
    add_memory(parser)


def check_loop(args: argparse.Namespace) -> None:
    """Check the numbers and files that commands of the whole loop share.

    Raises:
        ValueError, FileNotFoundError: in one line, what is wrong.
    """
    for name in ("cycles", "shots", "frame_cycles", "streams"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}: it must be at least 1")
    if args.seed < 0:
        raise ValueError(f"--seed is {args.seed}: it must not be negative")
    check_folder("--json", args.json)


def check_folder(flag: str, file: str | None) -> None:
    """Raise FileNotFoundError if there is no folder for a file that will be written."""
    if file is not None and not Path(file).parent.is_dir():
        raise FileNotFoundError(f"{flag} {file}: no folder {Path(file).parent}, make it first")


def setting_of(args: argparse.Namespace) -> LoopSetting:
    """What the options of `add_loop` say; chooses cores, and without --transport how data travel.

    With too few cores processes would wait for each other; moving the messages of one stream takes most of a
    core, so that two are too many for one; and where compiled code cannot reach libzmq a source cannot keep
    its pace. All these run in one process.
    """
    transport = args.transport
    placement = choose_cores(streams=args.streams, in_process=transport == "inproc")
    if transport is None:
        apart = placement.spins and args.streams == 1 and register_functions()
        transport = "ipc" if apart else "inproc"
        if not apart:
            placement = choose_cores(streams=args.streams, in_process=True)
    return LoopSetting(
        transport=transport,
        placement=placement,
        streams=args.streams,
        cycle_ns=args.cycle_time,
        frame_cycles=args.frame_cycles,
        decoder=args.decoder,
        commit=args.commit,
        buffer=args.buffer,
        max_load=args.max_load,
    )


def strength(noise: str, p: float | None) -> float | None:
    """The strength to use; a device brings its own rates."""
    return 0.003 if p is None and not has_own_rates(noise) else p


def duration(nanoseconds: float) -> str:
    """A short time for people: `1.1 us`."""
    for unit, size in reversed(_UNITS.items()):
        if nanoseconds >= size:
            return f"{nanoseconds / size:g} {unit}"
    return f"{nanoseconds:g} ns"
