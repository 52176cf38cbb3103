"""Subprocesses of `qec bench streaming`: compile kernels, sample a long shot, decode one.

`python -m experiments.bench.streaming.probe compile|sample|push < request.json` prints one line of JSON.
Memory is counted from the start of the shot, when the decoder has been made and warmed up and the first
segment read; layers are read from the file segment by segment into one array.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import stim
from numpy.typing import NDArray

import decoders
from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from decoders.streaming.parallel import ParallelStreamingDecoder
from experiments.common.machine import resident_bytes
from experiments.common.timing import on_one_core
from qec.files import new_file

_PIECE = 10_000  # layers converted at a time


def sample(request: dict[str, Any]) -> dict[str, Any]:
    """Sample one shot of a circuit and write its layers as bit-packed rows."""
    circuit = stim.Circuit(request["circuit"])
    model = LayeredModel.from_dem(circuit.detector_error_model(decompose_errors=True))
    sampler = circuit.compile_detector_sampler(seed=request["seed"])
    with tempfile.TemporaryDirectory() as folder:
        events_path, flips_path = Path(folder, "events.b8"), Path(folder, "flips.b8")
        # Written by stim itself: long shots do not pass through Python.
        sampler.sample_write(
            1,
            filepath=str(events_path),
            format="b8",
            obs_out_filepath=str(flips_path),
            obs_out_format="b8",
        )
        events = np.fromfile(events_path, dtype=np.uint8)
        flips = np.fromfile(flips_path, dtype=np.uint8)
        # stim reports no error on a full disk.
        for path, found, bits in (
            (events_path, events, circuit.num_detectors),
            (flips_path, flips, circuit.num_observables),
        ):
            if len(found) != (bits + 7) // 8:
                raise OSError(f"{path}: {len(found)} of {(bits + 7) // 8} bytes; is the disk full?")
    with new_file(request["path"]) as file:
        for first in range(0, model.num_layers, _PIECE):
            last = min(first + _PIECE, model.num_layers)
            file.write(np.packbits(_layers(model, events, first, last), axis=1, bitorder="little").tobytes())
    return {
        "num_columns": model.num_columns,
        "fraction": int(np.bitwise_count(events).sum()) / model.num_detectors,
        "flips": np.unpackbits(flips, count=circuit.num_observables, bitorder="little").tolist(),
        "peak_bytes": _peak_bytes(),
    }


def _layers(model: LayeredModel, events: NDArray[np.uint8], first: int, last: int) -> NDArray[np.uint8]:
    """Layers first to last - 1 of a bit-packed shot, uint8 (layers, columns)."""
    seen, per_period = model.seen_detectors, model.detectors_per_period
    left_out = model.num_layers - len(seen)
    layers = np.arange(first, last)
    # Every layer is one that was seen, some repetitions of the bulk later.
    start, stop = len(model.first), len(seen) - len(model.last)
    inner = start + (layers - start) % model.period
    like = np.where(layers < start, layers, np.where(layers >= stop + left_out, layers - left_out, inner))
    present = seen[like] >= 0
    numbers = np.where(present, seen[like] + ((layers - like) // model.period * per_period)[:, np.newaxis], 0)
    bits: NDArray[np.uint8] = (events[numbers >> 3] >> (numbers & 7).astype(np.uint8)) & 1
    bits[~present] = 0
    return bits


def compile_kernels(request: dict[str, Any]) -> dict[str, Any]:
    """Compile all kernels, or find them in the cache.

    Kernels that a process has compiled itself run slower than the same ones from the cache, where all but
    the first process of a machine have them from.
    """
    circuit = stim.Circuit(request["circuit"])
    dem = circuit.detector_error_model(decompose_errors=True)
    packed = circuit.compile_detector_sampler(seed=1).sample(2, bit_packed=True)
    for name in ("mwpm", "mwpm-stream"):
        decoders.from_dem(name, dem).decode_batch(packed, bit_packed=True)
    StreamingDecoder.from_circuit(circuit).warm_up()
    with ParallelStreamingDecoder.from_circuit(circuit, threads=1, block=1) as parallel:
        parallel.warm_up()
    return {}


def push(request: dict[str, Any]) -> dict[str, Any]:
    """Push a shot in frames of several sizes, in turns, and time its segments."""
    small = stim.Circuit.generated(
        "repetition_code:memory", distance=3, rounds=20, before_round_data_depolarization=0.1
    )
    StreamingDecoder.from_circuit(small).warm_up()  # libraries and compiled kernels
    before = resident_bytes()
    decoder = StreamingDecoder.from_circuit(stim.Circuit(request["circuit"]))
    decoder.warm_up()
    made = resident_bytes()
    segment = np.zeros((request["segment_cycles"], request["row_bytes"]), dtype=np.uint8)
    runs: list[dict[str, Any]] = [
        {"frame_cycles": size, "times_ns": [], "grown_bytes": []} for size in request["frames"]
    ]
    with Path(request["path"]).open("rb") as file, on_one_core():
        _read(file, segment)
        baseline = resident_bytes()
        for _ in range(request["passes"]):
            for run in runs:
                file.seek(0)
                times, resident, flips = _push_once(decoder, file, segment, run["frame_cycles"], request)
                run["times_ns"].append(times)
                run["grown_bytes"].append([grown - (baseline or 0) for grown in resident])
                if run.setdefault("flips", flips) != flips:
                    raise AssertionError("two passes of the same shot gave different predictions")
    if baseline is None:
        for run in runs:
            run["grown_bytes"] = None
    return {
        "runs": runs,
        "commit": decoder.commit,
        "buffer": decoder.buffer,
        "decoder_bytes": None if made is None or before is None else made - before,
    }


def _push_once(
    decoder: StreamingDecoder,
    file: BinaryIO,
    segment: NDArray[np.uint8],
    frame_cycles: int,
    request: dict[str, Any],
) -> tuple[list[int], list[int], list[int]]:
    """Push all cycles and finish: times and resident memory of the whole segments, and the prediction."""
    decoder.reset()
    times, resident = [], []
    left = request["cycles"]
    while left:
        cycles = min(left, len(segment))
        _read(file, segment[:cycles])
        start = time.perf_counter_ns()
        for at in range(0, cycles, frame_cycles):
            decoder.push(segment[at : min(at + frame_cycles, cycles)], bit_packed=True)
        spent = time.perf_counter_ns() - start
        left -= cycles
        if cycles == len(segment):
            times.append(spent)
            resident.append(resident_bytes() or 0)
    last = np.zeros(segment.shape[1], dtype=np.uint8)
    _read(file, last)
    flips = decoder.finish(last, bit_packed=True)
    return times, resident, [int(flip) for flip in flips]


def _read(file: BinaryIO, into: NDArray[np.uint8]) -> None:
    count = file.readinto(into.data)  # type: ignore[attr-defined]
    if count != into.nbytes:
        raise ValueError("the file of the shot is shorter than its number of cycles")


def _peak_bytes() -> int:
    import resource  # not on every system

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def main() -> None:
    """Do what the argument names."""
    run = {"compile": compile_kernels, "sample": sample, "push": push}[sys.argv[1]]
    print(json.dumps(run(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
