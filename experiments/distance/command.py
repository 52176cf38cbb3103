"""`qec distance`: distances of a circuit, its lightest logical operators, and the error they imply."""

import argparse

import stim

from experiments.common.circuit_file import read_decodable_circuit
from experiments.common.json_file import write_json
from experiments.common.noise_options import add_noise, has_own_rates, noise_name
from experiments.common.parser import decoder, output, real, whole
from experiments.common.points import Point, decoding_model, rounds_of
from experiments.common.preparation import make_decoder
from experiments.common.settings import DEFAULT_DECODER
from qec.distance import Failures, LogicalGraph
from qec.statistics import per_cycle

# Limits of stim's search for errors with more than two detectors.
_SEARCH = {
    "dont_explore_detection_event_sets_with_size_above": 6,
    "dont_explore_edges_with_degree_above": 4,
    "dont_explore_edges_increasing_symptom_degree": True,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec distance`."""
    add = parser.add_argument
    parser.epilog = (
        "The failure probability counts the smallest sets of errors that the decoder gets wrong. In the\n"
        "limit of low noise it is exact where all of them could be decoded, and an estimate otherwise."
    )
    add("circuit", nargs="?", metavar="CIRCUIT", help="a stim circuit, instead of --code and --distance")
    add("--distance", type=whole(), default=3, metavar="D", help="code distance")
    add("--p", type=real(0), metavar="P", help="strength of the noise model; default: 0.001")
    add("--code", default="surface", help="surface, surface_zxxz, repetition")
    add("--basis", default="z", metavar="B", help="x or z")
    add("--rounds", default="d", metavar="R", help="cycles, such as 30 or 3d; of CIRCUIT, its cycles")
    add_noise(parser)
    add("--decoder", type=decoder, default=DEFAULT_DECODER, metavar="NAME", help="decoder")
    add("--most_sets", type=whole(0), default=200_000, metavar="N", help="most sets of errors to decode")
    add("--json", type=output(), metavar="FILE", help="write the results there")


def run(args: argparse.Namespace) -> int:
    """Search, count, print; see `add_arguments`."""
    circuit, cycles, title = _circuit(args)
    dem = decoding_model(circuit)
    graphlike = len(dem.shortest_graphlike_error()) if _has_operator(dem) else None
    found = circuit.search_for_undetectable_logical_errors(**_SEARCH) if graphlike else []
    graph = LogicalGraph(dem)
    decoder = make_decoder("qec distance", args.decoder, dem)
    half = None if graph.distance is None else (graph.distance + 1) // 2
    operators = graph.count(num_errors=half)[0] if half else 0
    failures = graph.failures(
        lambda events: decoder.decode_batch(events, bit_packed=True), most_sets=args.most_sets
    )
    print(f"{title}, {args.decoder}\n")
    for name, value in _lines(graphlike, len(found), graph, operators, failures, cycles):
        print(f"  {name:<44}{value}")
    if args.json:
        write_json(
            args.json,
            {
                "graphlike_distance": graphlike,
                "distance_at_most": len(found) or graphlike,
                "lightest_operators": operators,
                "errors_of_more_than_two_detectors": graph.num_left_out,
                "failures": None if failures is None else vars(failures),
                "cycles": cycles,
            },
        )
        print(f"\nJSON: {args.json}")
    return 0


def _circuit(args: argparse.Namespace) -> tuple[stim.Circuit, int | None, str]:
    if args.circuit:
        circuit = read_decodable_circuit(args.circuit)
        return circuit, int(args.rounds) if args.rounds.isdigit() else None, args.circuit
    noise = noise_name(args.noise, args.bias)
    if has_own_rates(noise) and args.p is not None:
        raise ValueError("--p with a device: a device has rates of its own, leave --p out")
    p = None if has_own_rates(noise) else 0.001 if args.p is None else args.p
    cycles = rounds_of(args.rounds, distance=args.distance)
    point = Point(args.code, "cx", args.distance, cycles, args.basis.lower(), noise, p)
    name = f"{args.code}, d = {args.distance}, {cycles} cycles, basis {args.basis.upper()}, {noise}"
    return point.circuit(), cycles, name + (f", p = {p:g}" if p else "")


def _has_operator(dem: stim.DetectorErrorModel) -> bool:
    try:
        dem.shortest_graphlike_error()
    except ValueError:  # stim's way to say that there is none
        return False
    return True


def _lines(
    graphlike: int | None,
    found: int,
    graph: LogicalGraph,
    operators: int,
    failures: Failures | None,
    cycles: int | None,
) -> list[tuple[str, str]]:
    if graphlike is None or failures is None:
        return [("graphlike distance", "none: no errors flip an observable undetected")]
    lines = [
        ("graphlike distance", str(graphlike)),
        ("distance, at most", str(found or graphlike)),
        (f"logical operators of {graph.distance} errors", f"{operators:,}"),
    ]
    if failures.exact:
        lines.append((f"failing sets of {failures.num_errors} errors", f"{failures.num_sets:,}"))
    else:
        lines.append(
            (f"halves of {failures.num_errors} errors, counted by operator", f"{failures.num_sets:,}")
        )
    note = "" if failures.exact else " (estimate)"
    lines.append(("failures per shot at low noise", f"{failures.probability:.4g}{note}"))
    if cycles:
        epsilon = per_cycle(probability=min(0.5, failures.probability), cycles=cycles)
        lines.append(("epsilon per cycle at low noise", f"{epsilon:.4g}{note}"))
    if graph.num_left_out:
        lines.append(("errors of more than two detectors, left out", f"{graph.num_left_out:,}"))
    return lines
