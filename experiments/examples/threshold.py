"""Threshold of a code: crossing of the logical error rates of two distances.

python -m experiments.examples.threshold --family toric --distances 5 7 --strengths 0.004 0.006 0.008 0.01
"""

import argparse

import decoders
from qec import families, statistics
from qec.statistics.crossing import crossing


def main(arguments: list[str] | None = None) -> None:
    """Count logical errors at each strength, and print rates and crossing."""
    parser = argparse.ArgumentParser(description="Threshold of a code family.")
    parser.add_argument("--family", choices=families.names(), default="surface-uniform")
    parser.add_argument("--distances", type=int, nargs=2, default=[5, 7])
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.005, 0.006, 0.007, 0.008, 0.009])
    parser.add_argument("--shots", type=int, default=20_000)
    parser.add_argument("--decoder", default="mwpm-correlated")
    options = parser.parse_args(arguments)
    rates: dict[int, list[statistics.Estimate]] = {distance: [] for distance in options.distances}
    for p in options.strengths:
        for distance in options.distances:
            circuit = families.circuit(options.family, distance=distance, p=p)
            decoder = decoders.from_dem(options.decoder, families.error_model(circuit))
            sampler = circuit.compile_detector_sampler(seed=distance)
            events, flips = sampler.sample(options.shots, separate_observables=True)
            errors = int((decoder.decode_batch(events) != flips).any(axis=1).sum())
            rate = statistics.logical_error_rate(errors=errors, shots=options.shots, confidence=0.95)
            rates[distance].append(rate)
            print(f"p = {p:g}, d = {distance}: {rate.value:.5f} ({rate.low:.5f} to {rate.high:.5f}) per shot")
    at = crossing(options.strengths, *rates.values(), seed=1)
    if at is None:
        print("no crossing within these strengths (at least four of them are needed)")
    else:
        print(f"crossing at p = {at.value:.5f} ({at.low:.5f} to {at.high:.5f})")


if __name__ == "__main__":
    main()
