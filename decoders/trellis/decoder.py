"""Trellis decoder: most likely logical class, by matching where that is unambiguous, else by summation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import ClassVar, Self

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.base import Decoder, Gaps, Packed, Weights
from decoders.matching.decoder import MWPM
from decoders.matching.workspace import as_bytes, read_only
from decoders.model.dem import HyperedgeError, make_likely_errors_certain, read_dem
from decoders.model.matching_graph import MatchingGraph
from decoders.model.mechanisms import ErrorModel, has_joint_errors
from decoders.trellis.error_basis import ErrorBasis
from decoders.trellis.kernels import beam as kernels
from decoders.trellis.likelihood_table import LikelihoodTable
from decoders.trellis.plan import Beam, TrellisPlan, check_open, orders_of, words_of_class

# Shots per task of a thread.
_PORTION = 64
# Beam width and spread of the sweep that checks matching's prediction: at d = 5 and 7, p = 0.3 and 0.5 %, it
# takes 20 to 130 us per shot and finds every class that the full sweeps prefer to matching's.
_CHECK_BEAM, _CHECK_SPREAD = 8, 6.0


class Trellis(Decoder):
    """Choose the class of errors (those with equal observables) of greatest total likelihood.

    Errors are treated as hyperedges, not decomposed into edges. For small models the likelihoods of all
    syndromes and classes are tabulated; predictions and gaps are then exact (`is_exact`). Otherwise sweeps
    over the detectors in different orders each sum the probabilities of error sets that explain the shot, as
    far as a beam of states finds them. Every sum is a lower bound: a class gets the largest, and the class
    with the largest is the prediction, as in an ensemble of matchings (Shutty, Newman, Villalonga, arXiv
    2401.12434).

    Summing over choices that lead to the same frontier is exact if no state is dropped (decoding by the
    trellis of the code; see also Frontier, arXiv 2606.20513). States are ranked by a heuristic for the
    remaining detection events, as in the search for the most likely error of Tesseract (Beni, Higgott,
    Shutty, arXiv 2503.10988).

    Sweeps are slow, so shots with a large complementary gap (Gidney, Newman, Brooks, Jones, arXiv 2312.04522)
    are decoded by matching. If every error is one edge, matching's weights are the weights of error sets, and
    its gap differs from the log odds only by the number of likely solutions. If errors have several
    components, matching's gap ignores their joint likelihood; then a narrow sweep over hyperedges must find
    the same class, and no other one nearly as likely, before matching's prediction is used.

    The gap of an observable is log(likelihood of the best class / likelihood of the best class that differs
    in this observable): with one observable the log odds of the prediction. Undetectable errors are included.

    Examples:
        >>> import decoders, stim
        >>> decoder = decoders.from_dem("trellis", stim.DetectorErrorModel("error(0.1) D0 D1 D2 L0"))
        >>> decoder.decode([True, True, True])
        array([ True])
    """

    takes_hyperedges = True
    uses_threads = True
    gives_weights = False
    gives_gaps = True
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 55.0, 5: 280.0, 7: 900.0, 9: 3000.0, 11: 8000.0}

    def __init__(
        self,
        *,
        model: ErrorModel,
        graph: MatchingGraph | None,
        joint: bool = True,
        gap: float = 6.0,
        beam: int = 100,
        spread: float = 12.5,
        sweeps: int = 2,
    ) -> None:
        super().__init__(
            name="trellis", num_detectors=model.num_detectors, num_observables=model.num_observables
        )
        _check_options(gap=gap, beam=beam, spread=spread, sweeps=sweeps)
        self.gap, self.beam, self.spread, self.sweeps = gap, beam, spread, sweeps
        #: Matching graph of the DEM without undetectable errors; None if an error is not an edge.
        self.graph = graph
        self._model, self._joint = model, joint
        self._matching = None if graph is None else MWPM(graph=graph)
        self._has_matching_gaps: bool | None = None  # determined by the first shots
        self._toggles = np.packbits(model.certain_detectors, bitorder="little")
        self._basis: ErrorBasis | None = None
        self._table = LikelihoodTable(model) if gap > 0 and LikelihoodTable.fits(model) else None
        undetectable = model.mechanisms.undetectable()
        self._undetectable = np.ascontiguousarray(model.mechanisms.observables[undetectable])
        self._undetectable_odds = model.mechanisms.odds[undetectable]
        self._orders = orders_of(model, count=sweeps)
        if gap > 0 and self._table is None:
            for order in self._orders:
                check_open(order, model.mechanisms)
        self._plans: list[TrellisPlan] = []
        self._idle: dict[bool, list[Beam]] = {False: [], True: []}

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # The kernels' records hold addresses, which mean nothing in a copy or in another process.
        made = partial(
            type(self),
            model=self._model,
            graph=self.graph,
            joint=self._joint,
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
        """Construct the decoder for a DEM.

        Models of up to 18 detectors and observables are tabulated unless gap is 0: this is exact, so `gap`,
        `beam`, `spread` and `sweeps` do not change predictions.

        Args:
            dem: any DEM. If all components of its errors have at most two detectors, as
                `decompose_errors=True` makes them, matching decodes the unambiguous shots. Otherwise all
                shots are summed.
            gap: shots with a smaller complementary gap (by matching, in units of log-likelihood) are
                summed; 0 leaves all to matching, inf sums all. If there is no gap (observables that do
                not depend on boundaries alone), every shot with detection events is summed.
            beam: number of states that a sweep keeps at each detector.
            spread: states are dropped that are exp(spread) times less likely than the best.
            sweeps: number of orders of the detectors, 1 to 6: along each coordinate and back. A shot gets
                all, unless matching has gaps and earlier sweeps find two classes at least `gap` apart.

        Raises:
            ValueError: an option is out of range, or gap=0 requires matching where it is not possible.
        """
        try:
            arrays = make_likely_errors_certain(read_dem(dem))
        except HyperedgeError as error:
            if gap == 0:
                raise ValueError(f"gap=0 leaves every shot to matching, but {error}") from None
            model = ErrorModel.from_dem(dem)
            return cls(model=model, graph=None, gap=gap, beam=beam, spread=spread, sweeps=sweeps)
        graph, _ = MatchingGraph.from_arrays(arrays)
        seen = replace(
            graph,
            undetectable_probability=graph.undetectable_probability[:0],
            undetectable_observables=graph.undetectable_observables[:0],
        )
        return cls(
            model=ErrorModel.from_arrays(arrays),
            graph=seen,
            joint=has_joint_errors(arrays),
            gap=gap,
            beam=beam,
            spread=spread,
            sweeps=sweeps,
        )

    @property
    def is_exact(self) -> bool:
        """Whether all likelihoods are tabulated: predictions are the most likely classes, gaps exact."""
        return self._table is not None

    def warm_up(self, *, gaps: bool = False) -> None:
        """Compile the kernels; see `Decoder.warm_up`."""
        super().warm_up(gaps=gaps)
        none = np.zeros((0, (self.num_detectors + 7) // 8), dtype=np.uint8)
        self._match(none, threads=1)
        if self._table is None:
            self._sweep(none, np.zeros(0, dtype=np.int64), threads=1)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        return self._decode_shots(packed, threads=threads, with_gaps=False)[0], None

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        predictions, gaps = self._decode_shots(packed, threads=threads, with_gaps=True)
        return predictions, np.zeros(0), gaps

    def _decode_shots(self, packed: Packed, *, threads: int, with_gaps: bool) -> tuple[Packed, Gaps]:
        """Predict, with gaps if requested (otherwise those returned are undefined)."""
        if self._table is not None:
            return self._look_up(packed, self._table, threads=threads, with_gaps=with_gaps)
        predictions, weights, gaps = self._match(packed, threads=threads)
        if self.gap == 0 or (self.num_observables == 0 and self.graph is not None):
            return predictions, self._with_undetectable_errors(gaps, with_gaps=with_gaps)
        eventful = (packed ^ self._toggles).any(axis=1)
        # Without events and likely errors, no class is more likely than that of no error.
        unclear = gaps.min(axis=1, initial=np.inf) < self.gap if self._has_matching_gaps else eventful
        if self.gap == np.inf or (with_gaps and not self._has_matching_gaps):
            unclear = np.ones_like(eventful)
        if self._joint and self._has_matching_gaps:
            unclear |= self._find_ambiguous(
                packed, predictions, np.flatnonzero(eventful & ~unclear), threads=threads
            )
        selected = np.flatnonzero(unclear)
        # If every error is one edge, matching's solution is the most likely error set.
        candidates = None if self._joint else (self._words_of(predictions[selected]), -weights[selected])
        flips, scores, opposites = self._sweep(
            packed, selected, threads=threads, opposites=with_gaps, candidates=candidates
        )
        found = scores[:, 0] > -np.inf
        if not found.all():
            gaps[self._explain_by_basis(packed, selected[~found], predictions)] = 0.0
        better = np.flatnonzero(found)
        shots = selected[better]
        changed = predictions[shots] ^ flips[better, 0]
        predictions[shots] = flips[better, 0]
        gaps = self._with_undetectable_errors(gaps, with_gaps=with_gaps)
        if with_gaps:
            bits = np.unpackbits(changed, axis=1, count=self.num_observables, bitorder="little")
            # If no other class was found, use matching's gap if its prediction is this class.
            least = np.where(bits, 0.0, gaps[shots]) if self._has_matching_gaps else self.spread
            summed = scores[better, :1] - opposites[better]
            gaps[shots] = np.where(np.isfinite(summed), np.maximum(summed, 0.0), least)
        return predictions, gaps

    def _look_up(
        self, packed: Packed, table: LikelihoodTable, *, threads: int, with_gaps: bool
    ) -> tuple[Packed, Gaps]:
        """Decode by the table of likelihoods."""
        shots = packed ^ self._toggles
        flips, possible = table.decode(shots)
        predictions = self._bytes_of(flips)
        gaps = table.gaps(shots) if with_gaps else np.zeros((0, self.num_observables))
        if not possible.all():
            # Components of errors may explain shots that whole errors do not.
            matched, _, matched_gaps = self._match(packed, threads=threads)
            matched_gaps[self._explain_by_basis(packed, np.flatnonzero(~possible), matched)] = 0.0
            predictions[~possible] = matched[~possible]
            if with_gaps:
                undetectable = self._with_undetectable_errors(matched_gaps, with_gaps=True)
                gaps[~possible] = undetectable[~possible]
        return predictions, gaps

    def _match(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        """Decode by matching: predictions, weights, gaps. Gaps are 0 if matching has none."""
        no_gaps = np.zeros((packed.shape[0], self.num_observables))
        if self._matching is None:
            self._has_matching_gaps = False
            nothing = np.zeros((packed.shape[0], words_of(self._model)), dtype=np.uint64)
            return self._bytes_of(nothing), np.zeros(packed.shape[0]), no_gaps
        if self._has_matching_gaps is None:
            try:  # an observable that a cycle of edges flips has no gap
                self._matching._decode_with_gaps(packed[:0], threads=1)
                self._has_matching_gaps = True
            except ValueError:
                self._has_matching_gaps = False
        if self._has_matching_gaps and self.num_observables:
            return self._matching._decode_with_gaps(packed, threads=threads)
        predictions, weights = self._matching._decode_packed(packed, weights=True, threads=threads)
        assert weights is not None
        return predictions, weights, no_gaps

    def _find_ambiguous(
        self, packed: Packed, predictions: Packed, shots: NDArray[np.int64], *, threads: int
    ) -> NDArray[np.bool_]:
        """Mark shots for which a narrow sweep does not find matching's class to be clearly the best."""
        flips, scores, _ = self._sweep(packed, shots, threads=threads, narrow=True)
        other = (flips[:, 0] != predictions[shots]).any(axis=1)
        doubted = np.zeros(packed.shape[0], dtype=np.bool_)
        with np.errstate(invalid="ignore"):  # none found: -inf - -inf
            doubted[shots] = other | ~(scores[:, 0] - scores[:, 1] >= self.gap)
        return doubted

    def _sweep(
        self,
        packed: Packed,
        selected: NDArray[np.int64],
        *,
        threads: int,
        opposites: bool = False,
        narrow: bool = False,
        candidates: tuple[NDArray[np.uint64], NDArray[np.float64]] | None = None,
    ) -> tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
        """Sum the classes of selected shots.

        Args:
            packed: uint8 (shots, bytes).
            chosen: int64 (selected,): indices of the shots.
            threads: number of threads.
            opposites: also return scores of opposite predictions.
            narrow: make one sweep with few states, and omit undetectable errors.
            known: observables, uint64 (selected, words), and log odds, float64 (selected,), of one error set
                of each shot.

        Returns:
            The two best classes: predictions uint8 (selected, 2, bytes), scores float64 (selected, 2), -inf
            if not found; with `opposites` the score of the best class that differs from the best in each
            observable, float64 (selected, observables).
        """
        if not self._plans:
            self._plans = [
                TrellisPlan(mechanisms=self._model.mechanisms, order=order) for order in self._orders
            ]
        plans = self._plans[:1] if narrow else self._plans
        records = np.concatenate([plan.record for plan in plans])
        packed = read_only(packed)
        num_words = words_of_class(plans[0])
        flips = np.zeros((selected.size, 2, num_words), dtype=np.uint64)
        scores = np.full((selected.size, 2), -np.inf)
        others = np.full((selected.size, self.num_observables if opposites else 0), -np.inf)
        if candidates is None:
            candidates = (
                np.zeros((selected.size, num_words), dtype=np.uint64),
                np.full(selected.size, -np.inf),
            )
        undetectable = slice(0, 0) if narrow else slice(None)
        # Without matching's gaps (torus, colour codes) a second sweep still finds better classes: 149 instead
        # of 156 logical errors for a toric code of size 8 with depolarizing errors.
        decisive_gap = self.gap if self._has_matching_gaps else np.inf

        def run(first: int) -> None:
            part = slice(first, first + _PORTION)
            try:
                beam = self._idle[narrow].pop()
            except IndexError:
                beam = (
                    Beam(plans, width=_CHECK_BEAM, spread=_CHECK_SPREAD)
                    if narrow
                    else Beam(plans, width=self.beam, spread=self.spread, decisive_gap=decisive_gap)
                )
            try:
                kernels.decode_selected(
                    records,
                    beam.record,
                    packed,
                    self._toggles,
                    selected[part],
                    candidates[0][part],
                    candidates[1][part],
                    self._undetectable[undetectable],
                    self._undetectable_odds[undetectable],
                    flips[part],
                    scores[part],
                    others[part],
                )
            finally:
                self._idle[narrow].append(beam)

        portions = range(0, max(selected.size, 1), _PORTION)
        if threads == 1 or len(portions) < 2:
            for first in portions:
                run(first)
        else:
            with ThreadPoolExecutor(max_workers=threads) as pool:
                list(pool.map(run, portions))
        found = self._bytes_of(flips.reshape(2 * selected.size, num_words))
        return found.reshape(selected.size, 2, found.shape[1]), scores, others

    def _explain_by_basis(
        self, packed: Packed, shots: NDArray[np.int64], predictions: Packed
    ) -> NDArray[np.int64]:
        """Check predictions of shots for which no error set was found; replace those of no error set.

        Matching's prediction remains if an error set has it, or if only components of errors explain the
        shot.

        Returns:
            int64: shots with a changed prediction, that of the most likely independent mechanisms.

        Raises:
            ValueError: nothing explains a shot.
        """
        if self._basis is None:
            self._basis = ErrorBasis(self._model)
        changed = []
        for shot in shots.tolist():
            bits = np.unpackbits(packed[shot] ^ self._toggles, count=self.num_detectors, bitorder="little")
            events = np.flatnonzero(bits).tolist()
            flips = self._basis.observables_of(events)
            if flips is None and self.graph is None:
                shown = ", ".join(f"D{detector}" for detector in events[:4])
                shown += ", ..." if len(events) > 4 else ""
                raise ValueError(
                    f"shot {shot}: no set of errors explains its detection events ({shown}): check that the "
                    "shots were sampled from this model"
                )
            if flips is None:
                continue
            matched = self._words_of(predictions[shot : shot + 1])[0].tolist()
            before = sum(word << 64 * place for place, word in enumerate(matched))
            if self.graph is None or not self._basis.are_alternatives(before, flips):
                words = [flips >> 64 * word & (1 << 64) - 1 for word in range(len(matched))]
                predictions[shot] = self._bytes_of(np.array([words], dtype=np.uint64))[0]
                changed.append(shot)
        return np.array(changed, dtype=np.int64)

    def _with_undetectable_errors(self, gaps: Gaps, *, with_gaps: bool) -> Gaps:
        """Convolve log odds of each observable with the undetectable errors."""
        if not with_gaps or not self._undetectable_odds.size:
            return gaps
        p = self._undetectable_odds / (1 + self._undetectable_odds)
        flipped = np.unpackbits(
            as_bytes(self._undetectable, 8 * self._undetectable.shape[1]),
            axis=1,
            count=self.num_observables,
            bitorder="little",
        )
        odd = 0.5 - 0.5 * np.prod(1 - 2 * p[:, np.newaxis] * flipped, axis=0)
        other = np.exp(-gaps)
        with np.errstate(divide="ignore"):
            log_odds: Gaps = np.log((1 - odd) + odd * other) - np.log((1 - odd) * other + odd)
        return log_odds

    def _bytes_of(self, flips: NDArray[np.uint64]) -> Packed:
        """Convert classes, uint64 (shots, words), to bit-packed predictions, including certain flips."""
        return as_bytes(flips ^ self._model.certain_observables, (self.num_observables + 7) // 8)

    def _words_of(self, predictions: Packed) -> NDArray[np.uint64]:
        """Convert bit-packed predictions to classes; inverse of `_bytes_of`."""
        padded = np.zeros((predictions.shape[0], 8 * words_of(self._model)), dtype=np.uint8)
        padded[:, : predictions.shape[1]] = predictions
        words: NDArray[np.uint64] = padded.view("<u8").astype(np.uint64)
        return words ^ self._model.certain_observables


def words_of(model: ErrorModel) -> int:
    """Return the number of words of a model's observables."""
    return int(model.certain_observables.size)


def _check_options(*, gap: float, beam: float, spread: float, sweeps: float) -> None:
    """Validate the options of `Trellis.from_dem`."""
    if not gap >= 0:
        raise ValueError(
            f"gap={gap}: must be a number of at least 0; shots with a smaller complementary gap are summed"
        )
    if not isinstance(beam, int | np.integer) or beam < 1:
        raise ValueError(f"beam={beam!r}: must be a whole number of states, at least 1")
    if not spread > 0:
        raise ValueError(
            f"spread={spread}: must be a number above 0; states within a factor of exp(spread) are kept"
        )
    if not isinstance(sweeps, int | np.integer) or not 1 <= sweeps <= 6:
        raise ValueError(f"sweeps={sweeps!r}: must be a whole number between 1 and 6")
