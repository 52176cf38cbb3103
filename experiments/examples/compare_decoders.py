"""Decoders on the same shots of any stim circuit: errors, paired differences, time per shot.

python -m experiments.examples.compare_decoders --circuit my_circuit.stim --decoders mwpm mwpm-correlated
"""

import argparse
import math
import time
from pathlib import Path

import stim

import decoders
from qec.datasets.models import read_circuit


def main(arguments: list[str] | None = None) -> None:
    """Decode the same shots with all decoders; the first one is the reference."""
    parser = argparse.ArgumentParser(description="Compare decoders on a circuit.")
    parser.add_argument("--circuit", help="stim circuit file; default: a surface code memory")
    parser.add_argument("--decoders", nargs="+", default=["mwpm", "pymatching", "mwpm-correlated"])
    parser.add_argument("--shots", type=int, default=100_000)
    options = parser.parse_args(arguments)
    if options.circuit is not None:
        circuit = read_circuit(Path(options.circuit))
    else:
        circuit = stim.Circuit.generated(
            "surface_code:rotated_memory_z", distance=5, rounds=5, after_clifford_depolarization=0.005
        )
    model = circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    sampler = circuit.compile_detector_sampler(seed=1)
    events, flips = sampler.sample(options.shots, separate_observables=True, bit_packed=True)
    reference = None
    print("decoder                  errors  only it  only the first    sigma  us per shot")
    for name in options.decoders:
        decoder = decoders.from_dem(name, model)
        decoder.warm_up()  # compiling is not decoding time
        start = time.perf_counter()
        predictions = decoder.decode_batch(events, bit_packed=True)
        microseconds = (time.perf_counter() - start) / options.shots * 1e6
        wrong = (predictions != flips).any(axis=1)
        reference = wrong if reference is None else reference
        own, other = int((wrong & ~reference).sum()), int((reference & ~wrong).sum())
        sigma = (own - other) / math.sqrt(own + other) if own + other else 0.0  # McNemar
        print(f"{name:22} {wrong.sum():8}  {own:7}  {other:14}  {sigma:7.1f}  {microseconds:11.2f}")


if __name__ == "__main__":
    main()
