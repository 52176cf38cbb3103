"""Shots for the real-time loop: simulated ahead, decoded offline as a reference, kept in a folder."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import stim
from numpy.typing import NDArray

from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.streaming.layers import LayeredModel
from experiments.common.points import Point, decoding_model
from experiments.common.sampling import MemorySampler
from qec.noise import LeakageModel
from realtime.source.playlist import Playlist
from realtime.source.simulation import sample_events


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


def simulate(point: Point, *, shots: int, seed: int, progress: Callable[[str], None]) -> Playlist:
    """Simulate shots of a memory.

    Args:
        point: the memory.
        shots: how many.
        seed: of the simulation.
        progress: takes a line now and then.

    Raises:
        ValueError: a memory with leakage that is too long.
    """
    circuit = point.circuit()
    model = LayeredModel.from_dem(decoding_model(circuit))
    return sample_playlist(
        circuit,
        leakage=point.leakage,
        shots=shots,
        seed=seed,
        model=model,
        progress=lambda done, total: progress(
            f"{name_of(point)}: simulating, {100 * done // max(1, total)} %"
        ),
    )


def sample_playlist(
    circuit: stim.Circuit,
    *,
    leakage: LeakageModel | None,
    shots: int,
    seed: int,
    model: LayeredModel,
    progress: Callable[[int, int], None] | None = None,
) -> Playlist:
    """Sample shots of a memory for a streaming decoder; see `realtime.source.simulation.sample_events`.

    Raises:
        ValueError: as `sample_events` and `leakage_sampler`.
    """
    if leakage is None:
        return sample_events(circuit, shots=shots, seed=seed, model=model, progress=progress)
    events, flips = MemorySampler(circuit, leakage=leakage, seed=seed).sample(shots)
    return Playlist.from_events(
        model=model,
        detection_events=np.unpackbits(events, axis=1, count=circuit.num_detectors, bitorder="little"),
        observable_flips=np.unpackbits(flips, axis=1, count=circuit.num_observables, bitorder="little"),
    )


def name_of(point: Point) -> str:
    """Name a point in progress messages."""
    return f"d = {point.distance}, {point.rounds:,} cycles"


def with_endings_of(playlist: Playlist, other: Playlist, *, cycles: int) -> Playlist:
    """Replace the last cycles and the readout of each shot by those of another playlist.

    Shot n gets the ending of the other's shot n modulo their number: how long a decoder takes at the end of
    a shot depends on these data, and so does not differ between the two. Nobody knows the observables'
    true flips then. Where old and new data meet there are a few events that no single error explains; a
    decoder for codes with boundaries in both bases matches them like others.

    Raises:
        ValueError: more cycles than either has, or playlists of different forms.
    """
    if not 0 < cycles <= min(playlist.num_cycles, other.num_cycles):
        raise ValueError(f"an ending of {cycles} cycles in shots of {playlist.num_cycles} cycles")
    if (playlist.kind, playlist.bits, playlist.last_bits) != (other.kind, other.bits, other.last_bits):
        raise ValueError("endings of a playlist of another form")
    donors = np.arange(playlist.num_shots) % other.num_shots
    rows, last = playlist.rows.copy(), other.last[donors]
    rows[:, -cycles:] = other.rows[donors, -cycles:]
    return replace(playlist, rows=rows, last=last, observable_flips=None)


def prepare(
    playlist: Playlist,
    *,
    decoder: StreamingDecoder | ParallelStreamingDecoder,
    folder: Path,
    progress: Callable[[str], None],
) -> Prepared:
    """Decode a playlist offline and save it.

    Raises:
        ValueError: a shot that no error explains.
    """
    answers = np.zeros((playlist.num_shots, (decoder.num_observables + 7) // 8), dtype=np.uint8)
    decoder.warm_up()
    if playlist.num_shots:  # endings are built at the first shot of their length, and this kind's frames read
        _decode(decoder, playlist, 0)
    spent = 0
    for shot in range(playlist.num_shots):
        if shot % 100 == 0 or playlist.num_cycles > 10_000:
            progress(f"decoding offline, {shot} of {playlist.num_shots} shots")
        start = time.perf_counter_ns()
        flips = _decode(decoder, playlist, shot)
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


def _decode(
    decoder: StreamingDecoder | ParallelStreamingDecoder, playlist: Playlist, shot: int
) -> NDArray[np.bool_]:
    """Predict the observable flips of one shot, bool (observables,)."""
    decoder.reset()
    decoder.push(playlist.rows[shot], bit_packed=True, kind=playlist.kind)
    return decoder.finish(playlist.last[shot], bit_packed=True, kind=playlist.kind)
