"""Client of a decoder daemon: start one, send shots cycle by cycle, compare with the offline decoder.

python -m experiments.examples.daemon_client --shots 20
"""

import argparse
import itertools
import tempfile
import time

import numpy as np
import stim

import decoders
from qec.files import write_file
from realtime.protocol import wire
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig


def main(arguments: list[str] | None = None) -> None:
    """Play shots to a daemon, frame by frame, and print its answers."""
    parser = argparse.ArgumentParser(description="Client of a decoder daemon.")
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--frame_cycles", type=int, default=10)
    options = parser.parse_args(arguments)
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z", distance=3, rounds=options.cycles, after_clifford_depolarization=0.01
    )
    decoder = decoders.StreamingDecoder.from_circuit(circuit)
    frames = decoder.to_frames(circuit.compile_detector_sampler(seed=1).sample(options.shots))
    folder = tempfile.TemporaryDirectory()
    write_file(f"{folder.name}/memory.stim", f"{circuit}\n")
    daemon = DaemonProcess(DaemonConfig(model=f"{folder.name}/memory.stim"))
    with folder, daemon, Client(daemon.control) as client:
        welcome = client.hello()
        pair = client.connect(welcome)
        numbers = itertools.count()
        for shot, layers in enumerate(np.packbits(frames, axis=2, bitorder="little")):
            for first in range(0, options.cycles, options.frame_cycles):
                rows = layers[first : options.cycles][: options.frame_cycles]
                last = first + len(rows) == options.cycles
                frame = wire.encode_frame(
                    session=welcome.session, stream=0, shot=shot, sequence=next(numbers), first_cycle=first,
                    due_ns=0, kind=wire.Payload.EVENTS, rows=rows, bits_per_cycle=welcome.bits,
                    final=layers[-1] if last else None, final_bits=welcome.final_bits if last else 0,
                    flags=wire.Flags.FIRST if first == 0 else 0,
                )  # fmt: skip
                while not pair.send(frame):  # the connection is being made, or the queue is full
                    time.sleep(0.001)
            answer = wire.parse_result(pair.receive(timeout_ms=10_000) or b"")
            flips, offline = answer.flips.tolist(), decoder.decode_frames(frames[[shot]])[0].tolist()
            print(f"shot {shot}: {answer.status.name}, flips {flips}, offline {offline}")
        pair.close()


if __name__ == "__main__":
    main()
