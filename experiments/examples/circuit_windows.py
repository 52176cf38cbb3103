"""Logical errors of windows and of whole shots, on circuits that do not repeat from end to end.

python -m experiments.examples.circuit_windows --distances 3 --errors 2000

Lattice surgery (ZZ and XX), a patch that grows and shrinks, a transversal CNOT, a stability experiment.
"""

import argparse
import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import stim

import decoders
from qec import families, noise
from qec.families.lattice_surgery import lattice_surgery_circuit
from qec.families.patch_growth import patch_growth_circuit
from qec.families.stability import stability_circuit
from qec.families.transversal_cnot import transversal_cnot_circuit

# Cycles of each phase, in units of the distance.
PHASE = 8
_MOST_SHOTS = 200_000


def circuits(distance: int) -> Iterator[tuple[str, Callable[[], stim.Circuit]]]:
    """List the circuits of a distance without noise, by name."""
    rounds = PHASE * distance
    surgery = partial(lattice_surgery_circuit, distance=distance, rounds=rounds)
    heights = [distance, distance + 4, distance]
    yield "ZZ merge and split", partial(surgery, basis="z")
    yield "XX merge and split", partial(surgery, basis="x")
    yield (
        f"patch of height {heights[0]}, {heights[1]}, {heights[2]}",
        partial(patch_growth_circuit, heights=heights, width=distance + 4, rounds=rounds),
    )
    yield "transversal CNOT", partial(transversal_cnot_circuit, distance=distance, rounds=rounds)
    # The default buffer is the number of cycles, which is the distance: one window.
    yield "stability", partial(stability_circuit, width=distance + 1, rounds=distance + 1)


def compare(
    circuit: stim.Circuit,
    *,
    decoder: str,
    errors: int,
    seed: int,
    batch: int = 10_000,
) -> tuple[int, int, int, int, int, str]:
    """Decode the same shots in windows and whole.

    Returns:
        Shots, wrong ones of the whole and of windows, those wrong in only one (windows, whole), and the
        regions as commit+buffer.
    """
    dem = families.error_model(circuit)
    whole = decoders.from_dem(decoder, dem)
    windows = decoders.from_dem("mwpm-stream", dem, decoder=decoder)
    plan = decoders.StreamingDecoder.from_dem(dem, decoder=decoder)
    sampler = circuit.compile_detector_sampler(seed=seed)
    shots, counts = 0, np.zeros(4, dtype=np.int64)
    while counts[0] < errors and shots < _MOST_SHOTS:
        events, flips = sampler.sample(batch, separate_observables=True)
        a, b = ((one.decode_batch(events) != flips).any(axis=1) for one in (whole, windows))
        counts += [a.sum(), b.sum(), (b & ~a).sum(), (a & ~b).sum()]
        shots += batch
    wrong, wrong_in_windows, only_windows, only_whole = counts.tolist()
    return shots, wrong, wrong_in_windows, only_windows, only_whole, f"{plan.commit}+{plan.buffer}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Logical errors of windows relative to whole shots.")
    parser.add_argument("--distances", type=int, nargs="+", default=[3, 5])
    parser.add_argument("--p", type=float, default=0.005)
    parser.add_argument("--errors", type=int, default=2000)
    options = parser.parse_args()
    print(
        "circuit                     decoder           d   windows      shots   whole  windows  ratio (95 %)"
    )
    for distance in options.distances:
        for name, build in circuits(distance):
            noisy = noise.uniform(options.p).apply(build())
            for decoder in ("mwpm", "mwpm-correlated"):
                shots, wrong, streamed, only_windows, only_whole, plan = compare(
                    noisy, decoder=decoder, errors=options.errors, seed=distance
                )
                ratio = streamed / max(1, wrong)
                # As in `qec bench streaming`: logarithm of a ratio of paired proportions.
                spread = math.exp(
                    1.96 * math.sqrt((only_windows + only_whole + 2) / max(1, streamed * wrong))
                )
                interval = f"{ratio:.4f} [{ratio / spread:.4f}, {ratio * spread:.4f}]"
                counted = f"{shots:9,}  {wrong:6,}   {streamed:6,}  {interval}"
                print(f"{name:<27} {decoder:<15} {distance:3}  {plan:>8}  {counted}", flush=True)
