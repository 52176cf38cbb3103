"""The `qec` command: import the module of a subcommand, run it, print errors as one line."""

import argparse
import difflib
import errno
import importlib
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from experiments.common.parent import watch_parent
from experiments.common.parser import USAGE_ERROR, Parser, UsageError, project_version, wrap_epilog

# Worker processes import the main module before anything else.
watch_parent()

# Command -> (module with `add_arguments(parser)` and `run(args) -> int`, one-line summary). The module is
# imported when its command runs and not before: `qec --help` stays quick.
COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("experiments.demo", "the main job in a minute: simulate, decode, fit Lambda, draw"),
    "sweep": (
        "experiments.sweep.command",
        "codes x distances x noise x decoders into a CSV, in processes",
    ),
    "decode": ("experiments.decode", "detector error model and file of shots -> file of predictions"),
    "hardware": (
        "experiments.hardware.command",
        "decode recorded experiments, compare with published predictions",
    ),
    "learn": (
        "experiments.hardware.learn",
        "error rates learned from detection events -> error model",
    ),
    "plot": ("experiments.sweep.plot", "figures, epsilon_d and Lambda from the CSV files of a sweep"),
    "counts": ("experiments.sweep.tables", "counts of many files as one table, with intervals: Parquet"),
    "threshold": (
        "experiments.threshold.command",
        "threshold with an interval, by finite-size scaling",
    ),
    "draw": (
        "experiments.drawing.command",
        "pictures of a shot's matching, an error model, detection fractions",
    ),
    "rare": ("experiments.rare.command", "error per cycle far below direct sampling, by splitting"),
    "distance": (
        "experiments.distance.command",
        "distances of a circuit, smallest failures, error at low noise",
    ),
    "gap": ("experiments.gap.command", "certainty of each prediction: calibration, post-selection"),
    "realtime": (
        "experiments.loop.realtime",
        "decode a memory while it runs, 1.1 us a cycle; latencies, figure",
    ),
    "soak": ("experiments.loop.soak", "the real-time loop for minutes: nothing lost, nothing grown"),
    "serve": ("experiments.loop.serve", "a decoder daemon for sources of your own"),
    "stream": ("experiments.loop.stream", "play simulated or recorded shots to a daemon, or record them"),
    "replay": ("experiments.loop.replay", "decode recorded streams again, compare with their answers"),
    "monitor": ("experiments.monitor.command", "live view of a daemon: terminal, page, Prometheus"),
    "circuit": ("experiments.loop.circuit", "the circuit that --distance, --basis and --noise stand for"),
    "stats": ("experiments.loop.daemon_stats", "counters and latencies of a decoder daemon"),
    "keygen": ("experiments.loop.keygen", "keys for daemons and sources on different machines"),
    "reproduce": (
        "experiments.reproduce.command",
        "the published results in simulation, figure by figure",
    ),
    "info": ("experiments.info", "versions, processor, kernel cache, what the loop can promise here"),
    "completion": ("experiments.completion", "a script for the completion of a shell"),
    "warm": ("experiments.warm", "compile the decoders now; later commands then start at once"),
    "bench": ("experiments.bench.command", "measurements of speed against PyMatching, with CSV and figure"),
}

INTERRUPTED = 130


class Shadowed(ImportError):
    """Another module has the name of one of our packages and is found first."""


_EXAMPLES = """\
examples:
  qec sweep --distances 3 5 7 --p 0.001 0.002 0.003 --out results.csv
  qec plot results.csv

Results go to stdout, progress to stderr.
Exit code 2: wrong use, 130: stopped by Ctrl-C.
"""


def _overview() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:<{width}}  {summary}" for name, (_, summary) in COMMANDS.items())
    parser = Parser(
        prog="qec",
        usage="qec COMMAND [options]    (qec COMMAND --help explains the options)",
        description=f"Quantum error correction below threshold.\n\ncommands:\n{listing}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"qec {project_version()}")
    return parser


def _unknown(command: str) -> str:
    close = difflib.get_close_matches(command, COMMANDS, n=1)
    hint = f"did you mean 'qec {close[0]}'" if close else f"the commands are {', '.join(COMMANDS)}"
    return f"no command {command!r}: {hint}"


def _check_packages() -> None:
    """Raise Shadowed if another folder or file of the same name hides one of our packages."""
    here = Path(__file__).resolve().parents[1]
    for name in ("qec", "decoders", "realtime", "experiments"):
        found = importlib.util.find_spec(name)
        if found is None:
            continue
        places = [Path(place).resolve() for place in found.submodule_search_locations or ()]
        if here / name not in places:
            where = found.origin or ", ".join(map(str, places))
            raise Shadowed(
                f"{where} hides the package {name!r} of this program in {here}: rename it, or start in "
                "another folder (python -m looks in the current folder first, and PYTHONPATH comes before "
                "installed packages)"
            )


def _run_command(command: str, arguments: Sequence[str]) -> int:
    module_name, summary = COMMANDS[command]
    _check_packages()
    module = importlib.import_module(module_name)
    parser = Parser(
        prog=f"qec {command}",
        description=f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    wrap_epilog(parser)
    code: int = module.run(parser.parse_args(arguments))
    return code


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"standard output: {error.strerror}"  # errors of files name them
    return " ".join(str(error).split())


def _dispatch(arguments: Sequence[str]) -> int:
    overview = _overview()
    if not arguments:
        overview.print_help()
        return 0
    command = arguments[0]
    if command.startswith("-"):
        overview.parse_args(arguments)  # --help and --version leave from here
        overview.error("a command must come first")
    if command not in COMMANDS:
        overview.error(_unknown(command))
    try:
        return _run_command(command, arguments[1:])
    except BrokenPipeError:
        raise
    except Shadowed as error:
        print(f"qec: {error}", file=sys.stderr)
        return USAGE_ERROR
    except (ValueError, OSError) as error:
        print(f"qec {command}: {_one_line(error)}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt:
        print(f"qec {command}: stopped", file=sys.stderr)
        return INTERRUPTED


def _settle_messages() -> None:
    """Draw into files for any environment, without messages of matplotlib; warnings are one line.

    The backend of a notebook (MPLBACKEND) may not be installed here, and importing matplotlib would fail.
    """
    os.environ.pop("MPLBACKEND", None)
    warnings.filterwarnings("ignore", module=r"(matplotlib|experiments\.plotting)\b")
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    warnings.formatwarning = lambda message, *_, **__: f"qec: {message}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `qec`.

    Args:
        arguments: what follows `qec` on the command line; `None` takes it from `sys.argv`.

    Returns:
        The exit code: that of the command, 2 for wrong use, 130 after Ctrl-C.
    """
    if arguments is None:
        _settle_messages()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        try:
            return _dispatch(arguments)
        finally:
            _flush(arguments)
    except UsageError as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    except BrokenPipeError:
        # The reader of our output (`| head`) has left: nothing to say, and nothing more to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _flush(arguments: Sequence[str]) -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python complains once more
        name = " ".join(["qec", *arguments[:1]])
        raise UsageError(f"{name}: standard output: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
