"""Logical error per cycle and suppression factor Lambda, with 95 % intervals.

python -m experiments.examples.suppression --distances 3 5 7 --noise si1000 --p 0.002
"""

import argparse

import decoders
import qec
from qec import statistics


def main(arguments: list[str] | None = None) -> None:
    """Fit epsilon_d from memories of several lengths, and Lambda from several distances."""
    parser = argparse.ArgumentParser(description="Logical error per cycle and Lambda.")
    parser.add_argument("--distances", type=int, nargs="+", default=[3, 5, 7])
    parser.add_argument("--noise", default="si1000")
    parser.add_argument("--p", type=float, default=0.003)
    parser.add_argument("--cycles", type=int, nargs="+", default=[5, 15, 30])
    parser.add_argument("--shots", type=int, default=20_000)
    parser.add_argument("--decoder", default="mwpm-correlated")
    options = parser.parse_args(arguments)
    noise = qec.noise.by_name(options.noise, options.p)
    epsilons = []
    for distance in options.distances:
        errors = []
        for cycles in options.cycles:
            code = qec.RotatedSurfaceCode(distance)
            circuit = qec.memory_circuit(code, rounds=cycles, noise=noise)
            decoder = decoders.from_dem(options.decoder, circuit.detector_error_model(decompose_errors=True))
            sampler = circuit.compile_detector_sampler(seed=cycles)
            events, flips = sampler.sample(options.shots, separate_observables=True)
            errors.append(int((decoder.decode_batch(events) != flips).sum()))
        fit = statistics.error_per_cycle(cycles=options.cycles, errors=errors, shots=options.shots)
        epsilons.append(fit.epsilon)
        one = fit.epsilon
        print(f"d = {distance}: {one.value:.3e} ({one.low:.3e} to {one.high:.3e}) per cycle; errors {errors}")
    ratio = statistics.suppression_factor(distances=options.distances, epsilons=epsilons).value
    print(f"Lambda = {ratio.value:.3f} ({ratio.low:.3f} to {ratio.high:.3f})")


if __name__ == "__main__":
    main()
