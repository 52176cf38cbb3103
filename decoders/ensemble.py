"""The likeliest class of errors: by matching where that is clear, else by sums over errors."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.base import Decoder, Gaps, Packed, Weights
from decoders.dem_reader import DemArrays, read_dem, with_likely_errors_present
from decoders.graph import MatchingGraph
from decoders.kernels import sweep
from decoders.mechanisms import Mechanisms, mechanisms_of
from decoders.mwpm import MWPM
from decoders.sweep import Beam, SweepPlan, orders_of, words_of_class
from decoders.workspace import read_only

# Shots that a thread takes at a time.
_PORTION = 64


class Ensemble(Decoder):
    """Chooses the class of errors (those with the same observables) of greatest total likelihood.

    Matching decides the shots in which its best solution of another class is much heavier (the complementary
    gap; Gidney, Newman, Brooks, Jones, arXiv 2312.04522). For the others the errors are taken as they are,
    not as edges: sweeps over the detectors in different orders each add up the chances of all errors that
    explain the shot, as far as a beam of states finds them. Each sweep misses some: a class gets the most
    that any found, and the class with most is the answer, as in an ensemble of matchings (Shutty, Newman,
    Villalonga, arXiv 2401.12434).

    Sums over choices that lead to the same frontier are exact if nothing is given up (a decoder by the
    trellis of the code). What to give up is judged by the price of the detection events left, as the most
    likely error is searched in Tesseract (Beni, Higgott, Shutty, arXiv 2503.10988).

    The gap of an observable is log(chance of the best class / chance of the best class that differs in this
    observable), chances being those that the sweeps found: with one observable the natural log odds of the
    prediction, up to what the beams leave out. Shots that matching decides keep matching's gap, which is
    `gap` or more, and so do those few whose other class no sweep finds. Larger `gap` sums more shots. An
    error that no detector sees bounds the gaps of its observables by log((1 - p) / p).
    """

    uses_threads = True
    gives_weights = False
    gives_gaps = True

    def __init__(
        self,
        *,
        arrays: DemArrays,
        gap: float = 6.0,
        beam: int = 100,
        spread: float = 12.5,
        sweeps: int = 2,
    ) -> None:
        super().__init__(
            name="ensemble", num_detectors=arrays.num_detectors, num_observables=arrays.num_observables
        )
        if not gap >= 0:
            raise ValueError(f"gap={gap}: the gap from which matching decides is at least 0")
        if beam < 1:
            raise ValueError(f"beam={beam}: a beam has at least 1 state")
        if not spread > 0:
            raise ValueError(f"spread={spread}: states within a factor of exp(spread), spread > 0, are kept")
        if not 1 <= sweeps <= 6:
            raise ValueError(f"sweeps={sweeps}: from 1 to 6 orders to sweep in are known")
        self.gap, self.beam, self.spread, self.sweeps = gap, beam, spread, sweeps
        self._arrays = arrays
        self.graph, _ = MatchingGraph.from_arrays(arrays)
        self._matching = MWPM(graph=self.graph)
        self._told_apart = True
        mechanisms = mechanisms_of(arrays)
        self._unseen = _least_unseen(mechanisms, num_observables=self.num_observables)
        orders = orders_of(self.graph, mechanisms, count=sweeps)
        self._plans = [SweepPlan(mechanisms=mechanisms, order=order) for order in orders]
        self._plan_records = np.concatenate([plan.record for plan in self._plans])
        self._idle: list[Beam] = []

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # The kernels' records hold addresses, which mean nothing in a copy or in another process.
        made = partial(
            type(self),
            arrays=self._arrays,
            gap=self.gap,
            beam=self.beam,
            spread=self.spread,
            sweeps=self.sweeps,
        )
        return made, ()

    @classmethod
    def from_dem(
        cls,
        dem: stim.DetectorErrorModel,
        *,
        gap: float = 6.0,
        beam: int = 100,
        spread: float = 12.5,
        sweeps: int = 2,
    ) -> Self:
        """Make the decoder for a DEM.

        Args:
            dem: errors with at most two detectors per component, as `decompose_errors=True` makes them. The
                components of an error are matched as edges and swept together.
            gap: matching decides where its complementary gap is at least this, in units of log-likelihood;
                0 leaves all to matching. Where there is no gap (observables that do not depend on
                boundaries alone) every shot with detection events is swept.
            beam: how many states a sweep keeps at each detector.
            spread: states are also given up that are exp(spread) times less likely than the best.
            sweeps: in how many orders of the detectors, 1 to 6: along time, back, along other coordinates.

        Raises:
            ValueError: an error has a component with more than two detectors, or an option is out of range.
        """
        arrays = with_likely_errors_present(read_dem(dem))
        return cls(arrays=arrays, gap=gap, beam=beam, spread=spread, sweeps=sweeps)

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache, so that the first shot is as fast as others."""
        self._matching.warm_up()
        none = np.zeros((0, (self.num_detectors + 7) // 8), dtype=np.uint8)
        self._unclear(none, threads=1)
        self._sweep(none, np.zeros(0, dtype=np.int64), threads=1)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        predictions, gaps = self._unclear(packed, threads=threads)
        chosen = np.flatnonzero(gaps < self.gap)
        flips, scores, _ = self._sweep(packed, chosen, threads=threads)
        better = np.flatnonzero(scores[:, 0] > -np.inf)
        predictions[chosen[better]] = flips[better, 0]
        return predictions, None

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        predictions, _, gaps = self._matching._decode_with_gaps(packed, threads=threads)
        chosen = np.flatnonzero(gaps.min(axis=1, initial=np.inf) < self.gap)
        flips, scores, opposites = self._sweep(packed, chosen, threads=threads, opposites=True)
        better = np.flatnonzero(scores[:, 0] > -np.inf)
        shots = chosen[better]
        bits = np.unpackbits(
            predictions[shots] ^ flips[better, 0], axis=1, count=self.num_observables, bitorder="little"
        )
        gaps[shots] = np.where(bits, 0.0, gaps[shots])  # matching's gap spoke of the other class
        predictions[shots] = flips[better, 0]
        summed = scores[better, :1] - opposites[better]
        gaps[shots] = np.where(np.isfinite(summed), summed, gaps[shots])
        return predictions, np.zeros(0), np.minimum(gaps, self._unseen)

    def _unclear(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights]:
        """Matching's predictions, and the least gap of any observable of each shot."""
        if self._told_apart and self.num_observables and self.gap > 0:
            try:
                predictions, _, gaps = self._matching._decode_with_gaps(packed, threads=threads)
                return predictions, gaps.min(axis=1)
            except ValueError as error:
                if "no gap for observable" not in str(error):
                    raise
                self._told_apart = False
        predictions, _ = self._matching._decode_packed(packed, weights=False, threads=threads)
        clear = (
            np.ones(packed.shape[0], dtype=np.bool_)
            if self.num_observables == 0 or self.gap == 0
            else ~(packed ^ np.packbits(self.graph.certain_detectors, bitorder="little")).any(axis=1)
        )
        return predictions, np.where(clear, np.inf, 0.0)

    def _sweep(
        self, packed: Packed, chosen: NDArray[np.int64], *, threads: int, opposites: bool = False
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
        """The two best classes of chosen shots: predictions uint8 (chosen, 2, bytes), scores (chosen, 2).

        And, with `opposites`, the score of the best class that differs from the best in each observable,
        (chosen, observables).
        """
        packed = read_only(packed)
        flips = np.zeros((chosen.size, 2, words_of_class(self._plans[0])), dtype=np.uint64)
        scores = np.full((chosen.size, 2), -np.inf)
        others = np.full((chosen.size, self.num_observables if opposites else 0), -np.inf)
        toggles = np.packbits(self.graph.certain_detectors, bitorder="little")

        def run(first: int) -> None:
            part = slice(first, first + _PORTION)
            try:
                beam = self._idle.pop()
            except IndexError:
                beam = Beam(self._plans, width=self.beam, spread=self.spread)
            try:
                sweep.sweep_shots(
                    self._plan_records,
                    beam.record,
                    packed,
                    toggles,
                    chosen[part],
                    flips[part],
                    scores[part],
                    others[part],
                )
            finally:
                self._idle.append(beam)

        portions = range(0, max(chosen.size, 1), _PORTION)
        if threads == 1 or len(portions) < 2:
            for first in portions:
                run(first)
        else:
            with ThreadPoolExecutor(max_workers=threads) as pool:
                list(pool.map(run, portions))
        flips ^= self.graph.certain_observables
        as_bytes = flips.astype("<u8").view(np.uint8)[..., : (self.num_observables + 7) // 8]
        return np.ascontiguousarray(as_bytes), scores, others


def _least_unseen(mechanisms: Mechanisms, *, num_observables: int) -> NDArray[np.float64]:
    """The least weight of an error without detectors that flips each observable, infinite without one."""
    least = np.full(num_observables, np.inf)
    for detectors, odds, words in zip(
        mechanisms.detectors, mechanisms.odds, mechanisms.observables, strict=True
    ):
        if not detectors:
            bits = np.unpackbits(words.astype("<u8").view(np.uint8), bitorder="little")
            flipped = bits[:num_observables] == 1
            least[flipped] = np.minimum(least[flipped], -np.log(odds))
    return least
