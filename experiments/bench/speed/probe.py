"""What only a new process can measure about a decoder; run by `qec bench decoders`, not by people.

`python -m experiments.bench.speed.probe MEASUREMENT DECODER < circuit.stim` prints one line of JSON.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import stim

from experiments.common.machine import resident_bytes

REFERENCE = "PyMatching"  # the library itself; "pymatching" is our adapter to it
_SHOTS = 200


def _decoder_of(name: str, dem: stim.DetectorErrorModel) -> Callable[[Any], object]:
    """Make a decoder; what is returned decodes bit-packed shots."""
    if name == REFERENCE:
        import pymatching

        matching = pymatching.Matching.from_detector_error_model(dem)
        return lambda packed: matching.decode_batch(packed, bit_packed_shots=True)
    import decoders

    decoder = decoders.from_dem(name, dem)
    return lambda packed: decoder.decode_batch(packed, bit_packed=True)


def first_call(name: str, circuit: stim.Circuit) -> dict[str, float]:
    """Seconds to import a decoder, to make it and to decode a first shot, in a process that has only stim."""
    dem = circuit.detector_error_model(decompose_errors=True)
    shot = np.zeros((1, (dem.num_detectors + 7) // 8), dtype=np.uint8)
    start = time.perf_counter()
    _decoder_of(name, dem)(shot)
    return {"seconds": time.perf_counter() - start}


def memory(name: str, circuit: stim.Circuit) -> dict[str, float]:
    """Growth of this process in bytes while a decoder is made and decodes its first shots."""
    small = stim.Circuit.generated(
        "repetition_code:memory", distance=3, rounds=2, before_round_data_depolarization=0.1
    )
    first = small.compile_detector_sampler(seed=1).sample(50, bit_packed=True)
    dem = circuit.detector_error_model(decompose_errors=True)
    shots = circuit.compile_detector_sampler(seed=1).sample(_SHOTS, bit_packed=True)
    _decoder_of(name, small.detector_error_model(decompose_errors=True))(first)  # libraries, compiled kernels
    before = resident_bytes() or 0
    decode = _decoder_of(name, dem)
    decode(shots)
    return {"bytes": (resident_bytes() or 0) - before}


def in_new_process(
    measurement: str, name: str, circuit: stim.Circuit, **environment: str
) -> dict[str, float]:
    """Have a new process run a measurement.

    Args:
        measurement: "first_call" or "memory".
        name: decoder.
        circuit: what to decode.
        environment: variables to set.

    Raises:
        RuntimeError: it failed; the message has the last line of what it said.
    """
    done = subprocess.run(
        [sys.executable, "-m", "experiments.bench.speed.probe", measurement, name],
        input=str(circuit),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"measuring {measurement} of {name} in a new process failed: {reason[0]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Run the measurement that the arguments name."""
    measurement, name = sys.argv[1:]
    run = {"first_call": first_call, "memory": memory}[measurement]
    print(json.dumps(run(name, stim.Circuit(sys.stdin.read()))))


if __name__ == "__main__":
    main()
