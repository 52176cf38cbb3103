"""Options that the commands of the real-time loop share, and the setting that they make."""

import argparse
import math
import re
from functools import partial
from pathlib import Path

from decoders.streaming.layers import WINDOW_DECODERS
from experiments.common.noise_options import add_noise, has_own_rates, noise_name
from experiments.common.parser import real, whole
from experiments.common.points import Point
from experiments.common.settings import CYCLE_NS, DEFAULT_DECODER
from experiments.loop.parts import TRANSPORTS, LoopSetting
from realtime.placement import choose_cores
from realtime.security import ClientKeys
from realtime.service.admission import MAX_LOAD
from realtime.service.block_threads import MAX_THREADS
from realtime.service.session import Policy
from realtime.transport import register_functions

DEFAULT_DISTANCE = 5  # of the memory that `qec serve` decodes and `qec stream` plays
#: Code of the simulated memories.
CODE = "surface_zxxz"
#: Cycles of the memory from which a daemon takes its model; shots may have any number.
SERVED_CYCLES = 30
_UNITS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}


def nanoseconds(text: str) -> float:
    """Parse a time such as `1.1us`, in ns.

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


def window_decoder(text: str) -> str:
    """Accept the name of a decoder that decodes windows."""
    if text not in WINDOW_DECODERS:
        raise argparse.ArgumentTypeError(f"{text}: choose from {', '.join(WINDOW_DECODERS)}")
    return text


def add_pace(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the source's pace."""
    parser.add_argument(
        "--cycle_time",
        type=nanoseconds,
        default="1.1us",
        metavar="TIME",
        help="from cycle to cycle, such as 500ns",
    )
    parser.add_argument(
        "--frame_cycles", type=whole(), default=10, metavar="N", help="cycles in a frame, 1 to 64"
    )


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Declare the treatment of a decoder that does not keep up."""
    parser.add_argument(
        "--policy",
        choices=["drop-shot", "block"],
        default="drop-shot",
        help="when the decoder does not keep up: give the shot up, or wait, without pace and latencies",
    )


def decoder_threads(text: str) -> int:
    """Accept a number of threads, or `auto` as 0."""
    return 0 if text == "auto" else whole(1, MAX_THREADS)(text)


def add_memory(parser: argparse.ArgumentParser, *, seed: bool = True) -> None:
    """Declare the options of the simulated memory, with or without a seed."""
    add = parser.add_argument
    add_noise(parser)
    add("--p", type=real(), metavar="P", help="strength of the noise model; default: 0.003")
    if seed:
        add("--seed", type=whole(0), default=1, metavar="N", help="random seed")


def add_decoder(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the decoder, its windows and its load."""
    add = parser.add_argument
    add("--decoder", type=window_decoder, default=DEFAULT_DECODER, metavar="NAME", help="decodes the windows")
    add(
        "--commit",
        type=whole(),
        metavar="N",
        help="cycles a window makes final; default: 4 times the distance",
    )
    add("--buffer", type=whole(0), metavar="N", help="cycles a window looks ahead; default: the distance")
    load = "refuse a stream whose decoder would be busy for more of the time; 0: never"
    add("--max_load", type=real(), default=MAX_LOAD, metavar="PART", help=load)


def add_loop(parser: argparse.ArgumentParser) -> None:
    """Declare all options of the loop: transport, pace, decoder, memory."""
    add = parser.add_argument
    add(
        "--transport",
        choices=TRANSPORTS,
        help="ipc, shm (shared memory), tcp: two processes; inproc: one; default: as streams and cores allow",
    )
    add("--streams", type=whole(), default=1, metavar="N", help="logical qubits at once")
    add_policy(parser)
    add_pace(parser)
    add_decoder(parser)
    words = "that decode a stream; auto: as many as keep up"
    add("--decoder_threads", type=decoder_threads, default=1, metavar="N", help=words)
    add_memory(parser)


def setting_of(args: argparse.Namespace) -> LoopSetting:
    """Make the setting from the options of `add_loop`; see `loop_setting`."""
    return loop_setting(
        transport=args.transport,
        streams=args.streams,
        cycle_ns=args.cycle_time,
        frame_cycles=args.frame_cycles,
        decoder=args.decoder,
        commit=args.commit,
        buffer=args.buffer,
        decoder_threads=args.decoder_threads,
        max_load=args.max_load,
        policy=args.policy,
    )


def loop_setting(
    *,
    transport: str | None = None,
    streams: int = 1,
    cycle_ns: float = CYCLE_NS,
    frame_cycles: int = 10,
    decoder: str = DEFAULT_DECODER,
    commit: int | None = None,
    buffer: int | None = None,
    decoder_threads: int = 1,
    max_load: float = MAX_LOAD,
    policy: Policy = "drop-shot",
) -> LoopSetting:
    """Choose cores, and without a transport how data travel.

    With too few cores processes would wait for each other; moving the messages of one stream takes most of a
    core, so that two are too many for one; and where compiled code cannot reach libzmq a source cannot keep
    its pace. All these run in one process.

    Arguments are fields of `LoopSetting`; no transport means that one is chosen.
    """
    cores = partial(choose_cores, streams=streams, decoder_threads=max(1, decoder_threads))
    placement = cores(in_process=transport == "inproc")
    if transport is None:
        apart = placement.spins and streams == 1 and register_functions()
        transport = "ipc" if apart else "inproc"
        if not apart:
            placement = cores(in_process=True)
    return LoopSetting(
        transport=transport,
        placement=placement,
        streams=streams,
        cycle_ns=cycle_ns,
        frame_cycles=frame_cycles,
        decoder=decoder,
        commit=commit,
        buffer=buffer,
        decoder_threads=decoder_threads,
        max_load=max_load,
        policy=policy,
    )


def add_code(parser: argparse.ArgumentParser, *, distance: int | None, seed: bool = True) -> None:
    """Declare distance, basis, noise and strength of a memory of the rotated surface code (ZXXZ)."""
    add = parser.add_argument
    add("--distance", type=whole(3), default=distance, metavar="D", help="of the rotated surface code (ZXXZ)")
    add("--basis", choices=["x", "z"], default="z", help="of that memory")
    add_memory(parser, seed=seed)


def memory_point(args: argparse.Namespace, *, cycles: int) -> Point:
    """Make the memory experiment that the options of `add_code` stand for."""
    noise = noise_name(args.noise, args.bias)
    return Point(CODE, "cz", args.distance, cycles, args.basis, noise, strength(noise, args.p))


def add_client_keys(parser: argparse.ArgumentParser) -> None:
    """Declare the key files of a client."""
    parser.add_argument("--secret_key", metavar="FILE", help="of this client")
    parser.add_argument("--server_key", metavar="FILE", help="public key of the daemon")


def client_keys(args: argparse.Namespace) -> ClientKeys | None:
    """Read the options of `add_client_keys`.

    Raises:
        ValueError: only one of them is given.
    """
    if (args.secret_key is None) != (args.server_key is None):
        raise ValueError("--secret_key and --server_key: give both or none")
    if args.secret_key is None:
        return None
    return ClientKeys(secret=Path(args.secret_key), server=Path(args.server_key))


def strength(noise: str, p: float | None) -> float | None:
    """Choose the noise strength; None for a device, which has its own rates."""
    return 0.003 if p is None and not has_own_rates(noise) else p


def duration(nanoseconds: float) -> str:
    """Format a short time: `1.1 us`."""
    for unit, size in reversed(_UNITS.items()):
        if nanoseconds >= size:
            return f"{nanoseconds / size:g} {unit}"
    return f"{nanoseconds:g} ns"
