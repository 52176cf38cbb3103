"""Post-selection by complementary gaps: logical errors of the kept shots, and calibration of the gaps.

python -m experiments.examples.post_selection --distance 5 --p 0.005 --fractions 0 0.01 0.03 0.1
"""

import argparse

import stim

import decoders
from qec.statistics import soft


def main(arguments: list[str] | None = None) -> None:
    """Discard the least certain shots, and compare predicted with observed errors."""
    parser = argparse.ArgumentParser(description="Post-selection by complementary gaps.")
    parser.add_argument("--distance", type=int, default=5)
    parser.add_argument("--p", type=float, default=0.006)
    parser.add_argument("--shots", type=int, default=100_000)
    parser.add_argument("--fractions", type=float, nargs="+", default=[0.0, 0.003, 0.01, 0.03, 0.1])
    parser.add_argument("--decoder", choices=decoders.with_gaps(), default="mwpm-correlated")
    options = parser.parse_args(arguments)
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_x",
        distance=options.distance,
        rounds=options.distance,
        after_clifford_depolarization=options.p,
        before_measure_flip_probability=options.p,
        after_reset_flip_probability=options.p,
    )
    decoder = decoders.from_dem(options.decoder, circuit.detector_error_model(decompose_errors=True))
    events, flips = circuit.compile_detector_sampler(seed=1).sample(options.shots, separate_observables=True)
    predictions, gaps = decoder.decode_batch(events, return_gap=True)
    failed = (predictions != flips)[:, 0]
    print("discarded  smallest gap kept  logical error (95 %)")
    for kept in soft.post_selection(gaps=gaps[:, 0], failed=failed, fractions=options.fractions):
        rate = kept.error
        interval = f"{rate.value:.2e} ({rate.low:.2e} to {rate.high:.2e})"
        print(f"{kept.discarded:9.2%}  {kept.threshold:17.2f}  {interval}")
    print("gaps            predicted  observed")
    for bin in soft.calibration(gaps=gaps[:, 0], failed=failed, bins=5):
        print(f"{bin.low:5.2f} to {bin.high:5.2f}   {bin.predicted:9.2e}  {bin.observed.value:8.2e}")


if __name__ == "__main__":
    main()
