"""`qec serve`: decoder daemon."""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from experiments.common.parser import real, whole
from experiments.common.preparation import preparation
from experiments.common.terminal import Progress
from experiments.loop import options
from experiments.loop.options import DEFAULT_DISTANCE
from experiments.loop.programs import patch_circuits
from qec.files import write_file
from realtime.placement import choose_cores
from realtime.service.block_threads import MAX_THREADS
from realtime.service.daemon import DaemonConfig, main


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec serve`."""
    add = parser.add_argument
    parser.epilog = (
        "Compiles everything, then writes one line of JSON with its address, and serves until Ctrl-C.\n"
        "Addresses that other machines can reach need keys (qec keygen). docs/pages/protocol.md describes\n"
        "what a source sends."
    )
    add("--model", metavar="FILE", help="circuit (.stim) or error model (.dem) to decode, of any length")
    options.add_code(parser, distance=None)
    words = "serve a patch whose basis is chosen when it is measured, for programs with feed-forward"
    add("--patch", action="store_true", help=words)
    words = "find the gap of each outcome, for programs that ask for it; decoding takes several times as long"
    add("--gaps", action="store_true", help=words)
    options.add_decoder(parser)
    add(
        "--bind",
        metavar="ADDRESS",
        help="ipc:///path, shm:///path (shared memory) or tcp://host:port, port * takes any; default: a new "
        "private ipc address",
    )
    add("--streams", type=whole(), default=1, metavar="N", help="logical qubits, a thread each")
    words = "threads that decode each stream's windows; if several in parallel, and another one receives"
    add("--decoder_threads", type=whole(1, MAX_THREADS), default=1, metavar="N", help=words)
    add(
        "--policy",
        choices=["drop-shot", "block"],
        default="drop-shot",
        help="in overload",
    )
    add("--spin", action="store_true", help="wait without sleeping, on cores of their own")
    add(
        "--fifo", type=whole(most=99), metavar="N", help="real-time priority of the decoding threads, 1 to 99"
    )
    add("--secret_key", metavar="FILE", help="of this daemon")
    add("--client_keys", metavar="FOLDER", help="public keys of those who may connect")
    add("--insecure", action="store_true", help="allow addresses that others can reach, without keys")
    add("--record", metavar="FOLDER", help="record all streams with their answers, a file for each session")
    add(
        "--record_limit",
        type=real(0, 1e9),
        default=10.0,
        metavar="GB",
        help="size of all recordings of this daemon at which recording ends",
    )
    add("--log", choices=["text", "json", "none"], default="text", help="events, one line each, on stderr")


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    if args.model is not None and args.distance is not None:
        raise ValueError("--model and --distance: give one of them")
    if args.model is None and args.distance is None:
        args.distance = DEFAULT_DISTANCE
    if args.model is not None and args.bias is not None:
        raise ValueError("--bias with --model: the model has its own errors, leave --bias out")
    if args.patch and args.decoder_threads > 1:
        raise ValueError("--decoder_threads with --patch: readouts of both bases are for one thread")
    if args.patch and args.model is not None:
        raise ValueError("--patch with --model: a patch has three circuits, give --distance")
    placement = (
        choose_cores(streams=args.streams, decoder_threads=args.decoder_threads) if args.spin else None
    )
    if placement is not None and not placement.spins:
        raise ValueError(f"--spin needs a core for each stream: {placement.note}")
    with ExitStack() as preparing:  # ends when the daemon is ready
        model, about = args.model, {"file": args.model}
        readouts: tuple[str, ...] = ()
        if model is None:
            folder = preparing.enter_context(tempfile.TemporaryDirectory(prefix="qec-serve-"))
            point = options.memory_point(args, cycles=options.SERVED_CYCLES)
            about = {"code": point.code, "distance": point.distance, "basis": point.basis}
            about |= {"noise": point.noise, "p": point.p}
            model = str(Path(folder) / "model.stim")
            circuit = point.circuit()
            if args.patch:
                circuit, *others = patch_circuits(args.distance, noise_name=point.noise, p=point.p)
                about["basis"] = "z or x"
                readouts = tuple(str(Path(folder) / f"{basis}.stim") for basis in "zx")
                for name, other in zip(readouts, others, strict=True):
                    write_file(name, f"{other}\n")
            write_file(model, f"{circuit}\n")
        config = DaemonConfig(
            model=model,
            readouts=readouts,
            gaps=args.gaps,
            about=about,
            streams=args.streams,
            decoder=args.decoder,
            max_load=args.max_load,
            commit=args.commit,
            buffer=args.buffer,
            decoder_threads=args.decoder_threads,
            bind=args.bind,
            policy=args.policy,
            cores=placement.decoders if placement else (),
            io_core=placement.messages if placement else None,
            keeper_core=placement.system if placement else None,
            spin=args.spin,
            fifo=args.fifo,
            insecure=args.insecure,
            secret_key=args.secret_key,
            client_keys=args.client_keys,
            log=args.log,
            record=args.record,
            record_bytes=round(args.record_limit * 1e9),
        )
        progress = preparing.enter_context(Progress())
        preparing.enter_context(preparation("qec serve", args.decoder, progress=progress))

        def say(text: str) -> None:
            preparing.close()  # the first line is the ready line
            print(text, flush=True)

        return main(config, say=say)
