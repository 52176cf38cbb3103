"""Threshold with half of the errors heralded: with the flags, as correlations, and without.

python -m experiments.examples.erasure --distances 5 7 --strengths 0.03 0.04 0.05 0.06 --shots 10000

Each cycle depolarizes the data qubits with probability p / 2 and erases them with probability 2p / 3: an
error with probability p / 2. Readouts are wrong with probability p.
"""

import argparse
from collections import defaultdict

import decoders
import qec
from qec.families.erasure import with_erasure
from qec.statistics import Estimate, logical_error_rate
from qec.statistics.crossing import crossing

WAYS = ("flags", "correlated", "no flags")


def count_errors(distance: int, p: float, shots: int, *, seed: int, batch: int = 10_000) -> list[int]:
    """Decode the same shots in the three ways."""
    noise = qec.noise.phenomenological(p / 2).scaled({"readout": 2})
    clean = qec.memory_circuit(qec.RotatedSurfaceCode(distance), rounds=distance, basis="z", noise=noise)
    circuit = with_erasure(clean, 2 * p / 3)
    side = decoders.SideInformation(circuit)
    with_flags = decoders.ReweightedDecoder(graph=side.graph)
    model = circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    others = [decoders.from_dem(name, model) for name in ("mwpm-correlated", "mwpm")]
    sampler = circuit.compile_detector_sampler(seed=seed)
    errors = [0, 0, 0]
    for start in range(0, shots, batch):
        events, flips = sampler.sample(min(batch, shots - start), separate_observables=True)
        found = [with_flags.decode_batch(events, edge_probabilities=side.edge_probabilities(events))]
        found += [decoder.decode_batch(events) for decoder in others]
        errors = [count + int((each != flips).sum()) for count, each in zip(errors, found, strict=True)]
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Threshold with half of the errors heralded.")
    parser.add_argument("--distances", type=int, nargs=2, default=[5, 7])
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.03, 0.04, 0.05, 0.06])
    parser.add_argument("--shots", type=int, default=10_000)
    options = parser.parse_args()
    rates: dict[tuple[str, int], list[Estimate]] = defaultdict(list)
    print("    p  distance  " + "  ".join(f"{way:>10}" for way in WAYS))
    for p in options.strengths:
        for distance in options.distances:
            errors = count_errors(distance, p, options.shots, seed=distance)
            print(f"{p:.3f}  {distance:8}  " + "  ".join(f"{n / options.shots:10.5f}" for n in errors))
            for way, count in zip(WAYS, errors, strict=True):
                rate = logical_error_rate(errors=count, shots=options.shots, confidence=0.95)
                rates[way, distance].append(rate)
    for way in WAYS:
        at = crossing(options.strengths, *(rates[way, distance] for distance in options.distances), seed=1)
        print(f"{way}: crossing at p = " + (f"{at.value:.4f} ({at.low:.4f} to {at.high:.4f})" if at else "-"))
