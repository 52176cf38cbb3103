"""Memories, their streaming decoders and shots, for the tests of streams."""

from functools import cache
from typing import Any

import numba
import numpy as np
import pytest
import stim
from numpy.typing import NDArray

import qec
from decoders import StreamingDecoder
from decoders.streaming.layer_edges import LayerEdges
from decoders.streaming.layers import LayeredModel
from qec.codes.code import Code

CODES: dict[str, Code] = {
    "surface": qec.RotatedSurfaceCode(3),
    "tall": qec.RotatedSurfaceCode(distance_x=3, distance_z=5, variant="zxxz", gates="cx"),
    "chain": qec.RepetitionCode(5),
}
compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes uncompiled")

Frames = NDArray[np.uint8]


@cache
def memory(name: str, *, rounds: int, p: float = 0.012) -> stim.Circuit:
    return qec.memory_circuit(CODES[name], rounds=rounds, noise=qec.noise.si1000(p))


def model_of(name: str, *, rounds: int = 20) -> LayeredModel:
    return LayeredModel.from_dem(memory(name, rounds=rounds).detector_error_model(decompose_errors=True))


@cache
def stream_of(name: str, *, rounds: int = 40, commit: int | None = None, buffer: int | None = None) -> Any:
    """A decoder that tests share: each must begin with reset."""
    return StreamingDecoder.from_circuit(memory(name, rounds=rounds), commit=commit, buffer=buffer)


def shots_of(name: str, *, rounds: int = 40, shots: int, seed: int = 1) -> tuple[Frames, NDArray[np.bool_]]:
    """Frames, and what flips the observable."""
    sampler = memory(name, rounds=rounds).compile_detector_sampler(seed=seed)
    events, flips = sampler.sample(shots, separate_observables=True)
    # Regions do not matter here; short ones are made sooner.
    return stream_of(name, rounds=rounds, commit=4, buffer=4).to_frames(events), np.asarray(
        flips, dtype=np.bool_
    )


def decode(
    decoder: StreamingDecoder, shot: Frames, sizes: list[int]
) -> tuple[dict[int, list[bool]], list[bool]]:
    """What `push` returned after how many cycles, and the prediction."""
    decoder.reset()
    committed: dict[int, list[bool]] = {}
    at = 0
    for size in sizes:
        flips = decoder.push(shot[at : at + size])
        at += size
        assert decoder.num_cycles == at
        assert committed.setdefault(at, flips.tolist()) == flips.tolist()
    assert at == len(shot) - 1
    return committed, decoder.finish(shot[-1]).tolist()


def one_by_one(decoder: StreamingDecoder, shot: Frames) -> tuple[dict[int, list[bool]], list[bool]]:
    return decode(decoder, shot, [1] * (len(shot) - 1))


def in_one_layer(dem: stim.DetectorErrorModel) -> stim.DetectorErrorModel:
    """The same model with all detectors in a row at time 0."""
    kept = stim.DetectorErrorModel()
    for instruction in dem.flattened():
        if instruction.type != "detector":
            kept.append(instruction)
    for detector in range(dem.num_detectors):
        kept.append("detector", [detector, 0, 0], [stim.target_relative_detector_id(detector)])
    if dem.num_observables:  # one that only an empty block names
        kept.append("logical_observable", [], [stim.target_logical_observable_id(dem.num_observables - 1)])
    return kept


#: Measurement noise of the cycles of a period.
PERIODS = {2: (0.01, 0.03), 3: (0.01, 0.01, 0.04)}


@cache
def alternating(period: int, *, repeats: int) -> stim.Circuit:
    """A surface code whose REPEAT body has cycles with different noise; some cycles before and after it."""
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=3,
        rounds=5,
        after_clifford_depolarization=0.004,
        before_measure_flip_probability=0.002,
    )
    made = stim.Circuit()
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            body = stim.Circuit()
            for p in PERIODS[period]:
                body += stim.Circuit(str(instruction.body_copy()).replace("(0.002)", f"({p})"))
            made.append(stim.CircuitRepeatBlock(repeats, body))
        else:
            made.append(instruction)
    return made


@cache
def chequered(*, rounds: int) -> stim.Circuit:
    """A repetition code of four checks; two are measured in even cycles, two in odd ones."""
    lines = ["R 0 1 2 3 4 5 6 7 8"]
    for cycle in range(rounds):
        lines += ["DEPOLARIZE1(0.02) 0 2 4 6 8"]
        checks = (1, 5) if cycle % 2 == 0 else (3, 7)
        for check in checks:
            lines.append(f"CX {check - 1} {check} {check + 1} {check}")
        lines += [f"X_ERROR(0.01) {checks[0]} {checks[1]}", f"MR {checks[0]} {checks[1]}"]
        for at, check in enumerate(checks):
            before = f"rec[{at - 6}]" if cycle > 1 else ""
            lines.append(f"DETECTOR({check}, 0, {cycle}) rec[{at - 2}] {before}")
    lines += ["X_ERROR(0.01) 0 2 4 6 8", "M 0 2 4 6 8"]
    latest = {check: at for at, check in enumerate((1, 5, 3, 7) if rounds % 2 == 0 else (3, 7, 1, 5))}
    for check in (1, 3, 5, 7):
        data = f"rec[{check // 2 - 5}] rec[{check // 2 - 4}]"
        lines.append(f"DETECTOR({check}, 0, {rounds - 1}) {data} rec[{latest[check] - 9}]")
    lines.append("OBSERVABLE_INCLUDE(0) rec[-1]")
    return stim.Circuit("\n".join(lines))


def same_edges(ours: LayerEdges, theirs: LayerEdges) -> bool:
    """Whether two layers have the same edges."""
    fields = ("column", "later", "other", "weight", "observables")
    same = all(np.array_equal(getattr(ours, name), getattr(theirs, name)) for name in fields)
    return same and np.allclose(ours.probability, theirs.probability, rtol=1e-9)
