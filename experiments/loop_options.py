"""Options that the commands of the real-time loop share."""

import argparse
import math
import re

from experiments.settings import CYCLE_NS, DEFAULT_DECODER

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
    add(
        "--noise",
        default="si1000",
        metavar="MODEL",
        help="si1000, uniform, phenomenological, device:NAME, device:FILE.toml; default: %(default)s",
    )
    add("--p", type=float, default=None, metavar="P", help="strength of the noise model; default: 0.003")
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")


def add_decoder(parser: argparse.ArgumentParser) -> None:
    """Which decoder, in which windows."""
    add = parser.add_argument
    add(
        "--decoder", default=DEFAULT_DECODER, metavar="NAME", help="decodes the windows; default: %(default)s"
    )
    add("--commit", type=int, metavar="N", help="cycles a window makes final; default: twice the distance")
    add("--buffer", type=int, metavar="N", help="cycles a window looks ahead; default: the distance")


def strength(noise: str, p: float | None) -> float | None:
    """The strength to use; a device brings its own rates."""
    return 0.003 if p is None and not noise.startswith("device:") else p


def duration(nanoseconds: float) -> str:
    """A short time for people: `1.1 us`."""
    for unit, size in reversed(_UNITS.items()):
        if nanoseconds >= size:
            return f"{nanoseconds / size:g} {unit}"
    return f"{nanoseconds:g} ns"
