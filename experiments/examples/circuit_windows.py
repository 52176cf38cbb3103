"""Logical errors of windows and of whole shots, on circuits that do not repeat from end to end.

python -m experiments.examples.circuit_windows --distances 3 5 --errors 2000
"""

import argparse
import math
from collections.abc import Sequence

import decoders
from qec import families, noise


def main(arguments: Sequence[str] | None = None) -> None:
    """Decode the same shots whole and in windows; print errors, and their ratio with a paired interval."""
    parser = argparse.ArgumentParser(description="Logical errors of windows relative to whole shots.")
    parser.add_argument("--distances", type=int, nargs="+", default=[3])
    parser.add_argument("--p", type=float, default=0.005)
    parser.add_argument("--errors", type=int, default=2000)
    parser.add_argument("--cycles", type=int, default=8, help="of each phase, times the distance")
    parser.add_argument("--most_shots", type=int, default=200_000)
    options = parser.parse_args(arguments)
    print("circuit                  decoder           d   windows      shots   whole  windows  ratio (95 %)")
    for d in options.distances:
        cycles = options.cycles * d
        circuits = {
            "ZZ merge and split": families.lattice_surgery_circuit(distance=d, rounds=cycles),
            "XX merge and split": families.lattice_surgery_circuit(distance=d, rounds=cycles, basis="x"),
            "growing patch": families.patch_growth_circuit(heights=(d, d + 4, d), width=d + 4, rounds=cycles),
            "CNOT by surgery": families.surgery_cnot_circuit(distance=d, rounds=cycles),
            "transversal CNOT": families.transversal_cnot_circuit(distance=d, rounds=cycles),
            "stability": families.stability_circuit(width=d + 1, rounds=d + 1),
        }
        for name, clean in circuits.items():
            circuit = noise.uniform(options.p).apply(clean)
            dem = families.error_model(circuit)
            for decoder in ("mwpm", "mwpm-correlated"):
                whole = decoders.from_dem(decoder, dem)
                windows = decoders.from_dem("mwpm-stream", dem, decoder=decoder)
                plan = decoders.StreamingDecoder.from_dem(dem, decoder=decoder)
                sampler = circuit.compile_detector_sampler(seed=d)
                shots = wrong = streamed = differ = 0
                while wrong < options.errors and shots < options.most_shots:
                    events, flips = sampler.sample(min(10_000, options.most_shots), separate_observables=True)
                    a, b = ((one.decode_batch(events) != flips).any(axis=1) for one in (whole, windows))
                    wrong, streamed = wrong + int(a.sum()), streamed + int(b.sum())
                    shots, differ = shots + len(events), differ + int((a != b).sum())
                ratio, product = streamed / max(1, wrong), max(1, streamed * wrong)
                spread = math.exp(1.96 * math.sqrt((differ + 2) / product))  # as in `qec bench streaming`
                regions = f"{plan.commit}+{plan.buffer}"
                counted = f"{shots:9,}  {wrong:6,}   {streamed:6,}  {ratio:.4f}"
                interval = f"[{ratio / spread:.4f}, {ratio * spread:.4f}]"
                print(f"{name:<24} {decoder:<15} {d:3}  {regions:>8}  {counted} {interval}", flush=True)


if __name__ == "__main__":
    main()
