"""Soft readout: the probability that each outcome is wrong, and the outcomes only.

python -m experiments.examples.soft_readout --distances 5 7 --strengths 0.02 0.03 0.04 --shots 10000

Each cycle depolarizes the data qubits with probability p. A readout gives -1 or +1 with Gaussian noise, so
that its sign is wrong with probability p.
"""

import argparse
from statistics import NormalDist

import numpy as np

import decoders
import qec


def count_errors(distance: int, p: float, shots: int, *, seed: int, batch: int = 1000) -> list[int]:
    """Decode the same shots with and without the analog values."""
    noise = qec.noise.phenomenological(p)
    code = qec.RotatedSurfaceCode(distance)
    circuit = qec.memory_circuit(code, rounds=distance, basis="z", noise=noise)
    clear = qec.memory_circuit(code, rounds=distance, basis="z", noise=noise.scaled({"readout": 0}))
    deviation = 1 / NormalDist().inv_cdf(1 - p)
    side = decoders.SideInformation(circuit, soft_readout=True)
    soft = decoders.ReweightedDecoder(graph=side.graph)
    hard = decoders.from_dem("mwpm", circuit.detector_error_model(decompose_errors=True))
    sampler, converter = clear.compile_sampler(seed=seed), circuit.compile_m2d_converter()
    random = np.random.default_rng(seed)
    errors = [0, 0]
    for start in range(0, shots, batch):
        sent = sampler.sample(min(batch, shots - start))
        values = random.normal(2.0 * sent - 1, deviation)
        outcomes, wrong = decoders.classify_gaussian(values, mean=(-1, 1), deviation=(deviation, deviation))
        events, flips = converter.convert(measurements=outcomes, separate_observables=True)
        probabilities = side.edge_probabilities(events, readout_probabilities=wrong)
        errors[0] += int((soft.decode_batch(events, edge_probabilities=probabilities) != flips).sum())
        errors[1] += int((hard.decode_batch(events) != flips).sum())
    return errors


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Soft readout against outcomes only.")
    parser.add_argument("--distances", type=int, nargs="+", default=[5, 7])
    parser.add_argument("--strengths", type=float, nargs="+", default=[0.02, 0.03, 0.04])
    parser.add_argument("--shots", type=int, default=10_000)
    options = parser.parse_args()
    print("    p  distance     soft     hard")
    for p in options.strengths:
        for distance in options.distances:
            errors = count_errors(distance, p, options.shots, seed=distance)
            print(f"{p:.3f}  {distance:8}  " + "  ".join(f"{n / options.shots:7.5f}" for n in errors))
