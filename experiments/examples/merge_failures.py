"""Failures of a ZZ merge of two patches: of its result, and of the patches afterwards.

python -m experiments.examples.merge_failures --distances 3 5 7 --p 0.003 --shots 40000
"""

import argparse
from collections.abc import Sequence

import stim

import decoders
from qec import circuits, families, noise
from qec.codes.code import Basis

_BASES: tuple[Basis, ...] = ("z", "x")


def merge(distance: int, basis: Basis) -> stim.Circuit:
    """Merge two patches for d cycles, with d cycles before and after, in states of this basis."""
    program = circuits.LogicalCircuit(distance=distance)
    for row, name in enumerate(("a", "b")):
        program.prepare(name, tile=(0, row), basis=basis)
    program.idle(distance)
    [product] = program.merge("a", "b", basis="z", cycles=distance)
    program.idle(distance)
    ends = [program.measure(name, basis=basis) for name in ("a", "b")]
    # The merge measures ZZ and keeps XX: in the plus states the product itself is random.
    for outcome in (product, *ends) if basis == "z" else (ends[0] ^ ends[1],):
        program.observable(outcome)
    return program.circuit


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the failures of each distance, with intervals of two standard deviations."""
    parser = argparse.ArgumentParser(description="Failures of a ZZ merge of two patches.")
    parser.add_argument("--distances", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--p", type=float, default=0.003, help="of uniform noise")
    parser.add_argument("--shots", type=int, default=10_000)
    parser.add_argument("--decoder", default="mwpm-correlated")
    options = parser.parse_args(arguments)
    for d in options.distances:
        for basis in _BASES:
            what = {"z": "ZZ or Z", "x": "XX"}[basis]
            circuit = noise.uniform(options.p).apply(merge(d, basis))
            decoder = decoders.from_dem(options.decoder, families.error_model(circuit))
            sampler = circuit.compile_detector_sampler(seed=d)
            events, flips = sampler.sample(options.shots, separate_observables=True)
            failed = (decoder.decode_batch(events) != flips).any(axis=1).mean()
            spread = 2 * (failed * (1 - failed) / options.shots) ** 0.5
            print(f"d = {d}, {what:<7} wrong: {100 * failed:.2f} % +- {100 * spread:.2f} %", flush=True)


if __name__ == "__main__":
    main()
