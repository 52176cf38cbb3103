"""Repetition code with bursts of errors on neighbouring qubits: logical errors with and without them.

python -m experiments.examples.bursts --distances 5 11 21 --rate 1e-5
"""

import argparse

import numpy as np

import decoders
import qec
from qec.sampling import BurstModel, ChainShots, DetectorSampler


def main(arguments: list[str] | None = None) -> None:
    """Count logical errors of sub-chains of one long record, with bursts and without."""
    parser = argparse.ArgumentParser(description="Repetition code with bursts.")
    parser.add_argument("--distances", type=int, nargs="+", default=[3, 5, 11, 21])
    parser.add_argument("--p", type=float, default=0.004)
    parser.add_argument("--rate", type=float, default=2e-5, help="bursts per cycle")
    parser.add_argument("--cycles", type=int, default=50, help="cycles of a shot")
    parser.add_argument("--shots", type=int, default=50_000)
    options = parser.parse_args(arguments)
    whole = max(options.distances)
    noise = qec.noise.uniform(options.p)
    circuit = qec.memory_circuit(qec.RepetitionCode(whole), rounds=options.cycles, noise=noise)
    model = circuit.detector_error_model(decompose_errors=True)
    chain = ChainShots(distance=whole, rounds=options.cycles)
    quiet, quiet_flips = DetectorSampler.from_dem(model).sample(shots=options.shots, seed=1)
    bursts = BurstModel(rate=options.rate).bursts(
        cycles=options.shots * options.cycles, num_data=whole, seed=2
    )
    events, flips = quiet.copy(), quiet_flips.copy()
    chain.add_bursts(events, flips, bursts=bursts, first_shot=0, seed=3)
    touched = int((events != quiet).any(axis=1).sum())
    print(f"{len(bursts)} bursts in {options.shots * options.cycles:,} cycles change {touched:,} shots")
    print("distance  errors without  errors with bursts")
    for distance in options.distances:
        first = (whole - distance) // 2  # the sub-chain in the middle
        decoder = decoders.from_dem("mwpm", chain.cut_model(model, first=first, distance=distance))
        errors = []
        for record in ((quiet, quiet_flips), (events, flips)):
            part, actual = chain.cut(*record, first=first, distance=distance)
            errors.append(np.count_nonzero(decoder.decode_batch(part, bit_packed=True) != actual))
        print(f"{distance:8}  {errors[0]:14}  {errors[1]:18}")


if __name__ == "__main__":
    main()
