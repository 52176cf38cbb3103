"""`qec bench codes`: decoders on circuits of many code families, and on random small models."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from experiments.bench.codes import exact_rates, report
from experiments.bench.codes.random_models import random_model
from experiments.bench.codes.runs import Cell, Limits, Run, measure
from experiments.common import machine
from experiments.common.json_file import write_json
from experiments.common.parser import add_hyperedges, decoder, output, real, whole
from experiments.common.preparation import compile_kernels
from experiments.common.terminal import Progress, fold
from experiments.common.timing import on_one_core
from qec import families

#: Plain matching first: all others are compared with it.
DECODERS = (
    "mwpm",
    "mwpm-correlated",
    "belief-matching",
    "trellis",
    "pymatching",
    "pymatching-correlated",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench codes`."""
    add = parser.add_argument
    parser.epilog = (
        "All decoders decode the same shots of each circuit, alternately on one core. A cell ends when\n"
        "plain matching has --errors logical errors and all others have decoded the same shots, or when its\n"
        "share of --minutes is spent: slow decoders then have decoded fewer shots, and are compared on\n"
        "those.\n\n"
        "--random_models measures random models of up to 12 detectors instead: all syndromes are decoded,\n"
        "and logical error rates are exact.\n\n"
        "Families, with the cells DISTANCE:P that are measured if none is given:\n"
        + "\n".join(
            f"  {name:28}{' '.join(f'{d}:{p:g}' for d, p in families.family(name).cells)}"
            for name in families.names()
        )
    )
    add(
        "--families",
        nargs="+",
        type=str,
        metavar="NAME[:D:P]",
        help="names, or names with distance and noise such as toric:3:0.005; default: all",
    )
    add("--decoders", nargs="+", type=decoder, metavar="NAME", help=f"default: {' '.join(DECODERS)}")
    add("--errors", type=whole(), metavar="N", help="of plain matching, enough for a cell; default: 1000")
    add("--shots", type=whole(), metavar="N", help="most in a cell; default: 500000")
    add("--minutes", type=real(above=0), metavar="M", help="of all cells; default: 10")
    add("--seed", type=whole(0), default=1, metavar="N", help="of the shots or the first model")
    add(
        "--random_models",
        nargs="?",
        type=whole(),
        const=1000,
        metavar="N",
        help="measure random small models instead of circuits; default: 1000 of them",
    )
    add_hyperedges(
        parser, "models are then not decomposed by stim; default: decomposed by stim, or by families"
    )
    add("--model", type=int, metavar="SEED", help="print one random model and what each decoder makes of it")
    add("--json", type=output(), metavar="FILE", help="write all numbers there")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; see `add_arguments`."""
    names = list(dict.fromkeys([DECODERS[0], *(args.decoders or DECODERS)]))
    _check_modes(args)
    if args.model is not None:
        print(random_model(args.model))
        print(f"\n{exact_rates.text_of_model(args.model, names)}")
        return 0
    print(fold(machine.description()), flush=True)
    data: dict[str, Any] = {"machine": machine.description(), "seed": args.seed}
    if args.hyperedges is not None:
        data["hyperedges"] = args.hyperedges
    stopped = False
    if args.random_models is not None:
        stopped = _random_models(args, names, data)
    else:
        stopped = _circuits(args, names, data)
    if args.json:
        write_json(args.json, data)
        print(f"\nJSON: {args.json}")
    if stopped:
        print("qec bench: stopped; the tables hold what was measured", file=sys.stderr)
        return 130
    return 0


def _check_modes(args: argparse.Namespace) -> None:
    """Refuse options of one kind of measurement that were given for another."""
    modes = {"--random_models": args.random_models, "--model": args.model}
    given = [flag for flag, value in modes.items() if value is not None]
    if len(given) > 1:
        raise ValueError("--random_models and --model: give one of them")
    if not given:
        return
    if args.model is not None and args.json:
        raise ValueError("--json and --model: a single model is only printed; leave out --json")
    for flag in ("families", "hyperedges", "errors", "shots", "minutes"):
        if getattr(args, flag) is not None:
            raise ValueError(f"--{flag} is for circuits, {given[0]} for random models: leave out one")


def _limits(args: argparse.Namespace) -> Limits:
    errors = 1000 if args.errors is None else args.errors
    shots = 500_000 if args.shots is None else args.shots
    minutes = 10.0 if args.minutes is None else args.minutes
    return Limits(errors=errors, shots=shots, seconds=60 * minutes)


def _cells(chosen: Sequence[str] | None) -> list[Cell]:
    found: dict[Cell, None] = {}
    for words in families.names() if chosen is None else chosen:
        name, *numbers = words.split(":")
        family = families.family(name)
        if not numbers:
            found |= dict.fromkeys(Cell(name, distance, p) for distance, p in family.cells)
            continue
        try:
            distance, p = numbers
            cell = Cell(name, int(distance), float(p))
        except ValueError:
            raise ValueError(
                f"--families {words!r}: give a name, or name:distance:p such as toric:3:0.005"
            ) from None
        families.circuit(name, distance=cell.distance, p=cell.p)  # raises before any work begins
        found[cell] = None
    return list(found)


def _circuits(args: argparse.Namespace, names: list[str], data: dict[str, Any]) -> bool:
    """Measure circuits and print their table; returns whether Ctrl-C stopped it."""
    limits, cells = _limits(args), _cells(args.families)
    scores: list[report.Score] = []
    stopped = False
    left = limits.seconds
    with Progress() as progress, on_one_core():
        compile_kernels("qec bench codes", names, progress=progress)
        for number, cell in enumerate(cells):
            # Time that quick cells leave goes to those that follow.
            share = left / (len(cells) - number)
            runs: dict[str, Run] = {}
            try:
                left -= measure(
                    cell,
                    names,
                    runs,
                    limits,
                    seconds=share,
                    seed=args.seed,
                    hyperedges=args.hyperedges,
                    progress=progress,
                )
            except KeyboardInterrupt:
                stopped = True
            scores += report.score_cell(cell, runs)
            if stopped:
                break
    print(fold(f"\n{report.text(scores, errors=limits.errors)}"))
    data["cells"] = report.plain_data(scores)
    return stopped


def _random_models(args: argparse.Namespace, names: list[str], data: dict[str, Any]) -> bool:
    """Measure random models and print their table; returns whether Ctrl-C stopped it."""
    outcomes: list[exact_rates.Outcome] = []
    stopped = False
    with Progress() as progress, on_one_core():
        try:
            for seed in range(args.seed, args.seed + args.random_models):
                progress.show(f"random models: {seed - args.seed:,} of {args.random_models:,}")
                outcomes.append(exact_rates.measure(seed, names))
        except KeyboardInterrupt:
            stopped = True
    if outcomes:
        print(fold(f"\n{exact_rates.text(outcomes)}"))
    data["random_models"] = exact_rates.plain_data(outcomes)
    return stopped
