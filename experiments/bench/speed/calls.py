"""Times of calls of the drop-in `Matching` and of PyMatching's: one syndrome, or a batch, at a time."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import numpy as np
import pymatching

from decoders.pymatching import Matching
from experiments.bench.speed.costs import Cost
from experiments.common.points import Point
from experiments.common.timing import Ratio, in_turns, on_one_core

#: Name of the drop-in in the table.
NAME = "Matching"
_SYNDROMES = 200


def measure_calls(
    *,
    repeats: int,
    shots: int,
    distances: Sequence[int] = (3, 5, 7),
    rates: Sequence[float] = (0.003, 0.005),
) -> Iterator[Cost]:
    """Time `decode` of one uint8 syndrome, and `decode_batch` of bit-packed shots, without correlations.

    Surface codes with as many cycles as the distance, uniform noise. The ratio is ours to PyMatching's.

    Args:
        repeats: turns for each.
        shots: shots in a batch.
        distances: of the surface code.
        rates: physical error rates.
    """
    for distance in distances:
        for p in rates:
            circuit = Point("surface", "cx", distance, distance, "z", "uniform", p).circuit()
            dem = circuit.detector_error_model(decompose_errors=True)
            sampler = circuit.compile_detector_sampler(seed=1)
            syndromes = list(sampler.sample(_SYNDROMES).astype(np.uint8))
            packed = sampler.sample(shots, bit_packed=True)
            both = {"own": Matching(dem), "reference": pymatching.Matching(dem)}
            functions = {
                f"{library} {kind}": function
                for library, matching in both.items()
                for kind, function in (
                    ("decode", _decode_each(matching, syndromes)),
                    ("decode_batch", _decode_batch(matching, packed)),
                )
            }
            with on_one_core():
                in_turns(functions, repeats=1)
                times = in_turns(functions, repeats=repeats)
            for kind, count in (("decode", _SYNDROMES), ("decode_batch", shots)):
                theirs, ours = times[f"reference {kind}"], times[f"own {kind}"]
                ratio = Ratio.of(ours, theirs)
                yield Cost(
                    part="calls",
                    quantity=f"{kind}, a shot, d = {distance}, p = {p:g} (us)",
                    decoder=NAME,
                    reference=median(theirs) / count / 1e3,
                    own=median(ours) / count / 1e3,
                    ratio=ratio,
                    met=ratio.median < 1,
                )


def _decode_each(matching: Any, syndromes: Sequence[np.ndarray[Any, Any]]) -> Callable[[], object]:
    def decode() -> None:
        for syndrome in syndromes:
            matching.decode(syndrome)

    return decode


def _decode_batch(matching: Any, packed: np.ndarray[Any, Any]) -> Callable[[], object]:
    return lambda: matching.decode_batch(packed, bit_packed_shots=True, bit_packed_predictions=True)
