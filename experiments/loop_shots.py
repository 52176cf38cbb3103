"""Shots for the real-time loop: simulated ahead, decoded offline as a reference, kept in a folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from decoders import StreamingDecoder
from decoders.layers import LayeredModel
from experiments.points import Point
from realtime.playlist import Playlist
from realtime.sampling import sample_events


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A playlist in its folder, with the answers of the offline decoder.

    Attributes:
        folder: where `Playlist.save` put it.
        cycles: cycles of a shot.
        shots: number of shots in the playlist.
        offline: uint8 (shots, bytes), predictions of the streaming decoder without any loop.
        truth: uint8 (shots, bytes), what the observables did; None if unknown.
        detection_fraction: part of all bits of the rows that are one.
        decoder_us: time of the offline decoder for a cycle, in microseconds.
    """

    folder: Path
    cycles: int
    shots: int
    offline: NDArray[np.uint8]
    truth: NDArray[np.uint8] | None
    detection_fraction: float
    decoder_us: float


def simulate(
    point: Point,
    *,
    shots: int,
    seed: int,
    decoder: StreamingDecoder,
    folder: Path,
    progress: Callable[[str], None],
) -> Prepared:
    """Simulate shots of a memory, decode them offline, save them.

    Args:
        point: the memory.
        shots: how many.
        seed: of the simulation.
        decoder: made from a memory of the same code and noise; of any length.
        folder: a new one for this playlist.
        progress: takes a line now and then.
    """
    circuit = point.circuit()
    model = LayeredModel.from_dem(circuit.detector_error_model(decompose_errors=True))
    name = f"d = {point.distance}, {point.rounds:,} cycles"
    playlist = sample_events(
        circuit,
        shots=shots,
        seed=seed,
        model=model,
        progress=lambda done, total: progress(f"{name}: simulating, {100 * done // max(1, total)} %"),
    )
    return prepare(
        playlist, decoder=decoder, folder=folder, progress=lambda text: progress(f"{name}: {text}")
    )


def prepare(
    playlist: Playlist, *, decoder: StreamingDecoder, folder: Path, progress: Callable[[str], None]
) -> Prepared:
    """Decode a playlist offline and save it.

    Raises:
        ValueError: a shot that no error explains.
    """
    answers = np.zeros((playlist.num_shots, (decoder.num_observables + 7) // 8), dtype=np.uint8)
    decoder.warm_up()
    spent = 0
    for shot in range(playlist.num_shots):
        if shot % 100 == 0 or playlist.num_cycles > 10_000:
            progress(f"decoding offline, {shot} of {playlist.num_shots} shots")
        start = time.perf_counter_ns()
        decoder.reset()
        decoder.push(playlist.rows[shot], bit_packed=True, kind=playlist.kind)
        flips = decoder.finish(playlist.last[shot], bit_packed=True, kind=playlist.kind)
        spent += time.perf_counter_ns() - start
        answers[shot] = np.packbits(flips, bitorder="little")
    decoder.reset()
    playlist.save(folder)
    ones = sum(int(np.bitwise_count(rows).sum()) for rows in playlist.rows)
    bits = playlist.num_shots * playlist.num_cycles * playlist.bits
    return Prepared(
        folder=folder,
        cycles=playlist.num_cycles,
        shots=playlist.num_shots,
        offline=answers,
        truth=playlist.observable_flips,
        detection_fraction=ones / bits,
        decoder_us=spent / 1e3 / (playlist.num_shots * playlist.num_cycles),
    )
