"""ZZ merge with the layers, the noise and the failures of a published figure.

python -m experiments.examples.published_merge --distances 3 5 7 --shots 60000
"""

import argparse
from collections.abc import Sequence

import stim

import decoders
from experiments.examples.merge_failures import merge
from qec import families, noise

# All operations of all layers fail with the same probability, waiting included (arXiv 2108.10457).
_KINDS = ("one_qubit", "two_qubit", "idle", "reset", "readout")
SD6 = noise.NoiseModel("sd6", tuple(noise.Channel(kind, 0.003) for kind in _KINDS))


def with_more_layers(circuit: stim.Circuit) -> stim.Circuit:
    """Turn X ancillas by Hadamards in layers of their own; read data qubits after the ancillas."""
    data = {part.targets_copy()[0].value for part in circuit if part.tag == "data"}
    changed, turned = stim.Circuit(), []
    for part in circuit:
        name, targets = part.name, part.targets_copy()
        if name in ("M", "MX") and targets[0].value in data:
            changed.append("TICK")
        elif name == "MX":
            changed.append("H", targets)
            changed.append("TICK")
            part = stim.CircuitInstruction("M", targets)
        elif name == "RX" and targets[0].value not in data:
            turned, part = targets, stim.CircuitInstruction("R", targets)
        changed.append(part)
        if name == "TICK" and turned:
            changed.append("H", turned)
            changed.append("TICK")
            turned = []
    return changed


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the failures of each distance."""
    parser = argparse.ArgumentParser(description="ZZ merge of two patches, SD6 noise, p = 0.3 %%.")
    parser.add_argument("--distances", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--shots", type=int, default=10_000)
    options = parser.parse_args(arguments)
    for d in options.distances:
        circuit = SD6.apply(with_more_layers(merge(d, "z")))
        dem, sampler = families.error_model(circuit), circuit.compile_detector_sampler(seed=d)
        events, flips = sampler.sample(options.shots, separate_observables=True)
        for name in ("pymatching-correlated", "mwpm-correlated"):
            wrong = decoders.from_dem(name, dem).decode_batch(events) != flips
            zz, anything = 100 * wrong[:, 0].mean(), 100 * wrong.any(axis=1).mean()
            print(f"d = {d}, {name}: wrong: ZZ {zz:.2f} %, ZZ or Z {anything:.2f} %", flush=True)


if __name__ == "__main__":
    main()
