"""One memory of a million cycles, decoded as a stream in overlapping windows.

python -m experiments.examples.million_cycles --cycles 1000000
"""

import argparse
import time

import numpy as np

import decoders
import qec


def main(arguments: list[str] | None = None) -> None:
    """Push a sampled shot in frames; print the time per cycle along the shot, and the prediction."""
    parser = argparse.ArgumentParser(description="A long memory decoded as a stream.")
    parser.add_argument("--distance", type=int, default=3)
    parser.add_argument("--cycles", type=int, default=1_000_000)
    parser.add_argument("--p", type=float, default=0.001, help="strength of SI1000 noise")
    parser.add_argument("--frame_cycles", type=int, default=1000)
    options = parser.parse_args(arguments)
    code = qec.RotatedSurfaceCode(options.distance)
    noise = qec.noise.si1000(options.p)
    circuit = qec.memory_circuit(code, rounds=options.cycles, basis="z", noise=noise)
    print(f"sampling {circuit.num_detectors:,} detectors")
    events, flips = circuit.compile_detector_sampler(seed=1).sample(1, separate_observables=True)
    stream = decoders.StreamingDecoder.from_circuit(circuit)  # its memory does not depend on the length
    layers = np.packbits(stream.to_frames(events)[0], axis=1, bitorder="little")
    cycles, last_layer = layers[:-1], layers[-1]
    stream.warm_up()  # compiles the kernels, or loads them
    seconds = []
    for start in range(0, options.cycles, options.frame_cycles):
        begin = time.perf_counter()
        stream.push(cycles[start : start + options.frame_cycles], bit_packed=True)
        seconds.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    prediction = stream.finish(last_layer, bit_packed=True)
    end = time.perf_counter() - begin
    for part, times in enumerate(np.array_split(np.array(seconds), min(5, len(seconds)))):
        per_cycle = times.mean() / options.frame_cycles * 1e6
        print(f"part {part + 1} of the shot: {per_cycle:.2f} us per cycle")
    print(f"after the last cycle: {end * 1e6:.0f} us")
    print(f"{options.cycles:,} cycles; predicted {prediction.tolist()}, actual {flips[0].tolist()}")


if __name__ == "__main__":
    main()
