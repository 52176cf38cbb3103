"""p_ij: the probability of an error that flips two detectors, from how often they fire together.

Google Quantum AI, Nature 595, 383 (2021), supplement: with independent errors,
    p_ij = 1/2 - sqrt(1/4 - (<x_i x_j> - <x_i><x_j>) / (1 - 2<x_i> - 2<x_j> + 4<x_i x_j>)),
and the events of a detector that no pair explains are errors that flip it alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import gammainccinv, gammaincinv

from qec.priors.events import EventColumns, event_columns
from qec.statistics.estimate import check_confidence

Floats = NDArray[np.float64]

_PRODUCTS_AT_ONCE = 2**21
_MAX_DETECTORS = 4096


@dataclass(frozen=True, eq=False)
class PairCorrelations:
    """Probabilities of errors that flip two detectors or one, with standard errors.

    Attributes:
        pairs: (pairs, 2) detectors, the smaller first.
        probability: p_ij in [0, 1/2], float64 (pairs,).
        standard_error: of p_ij, above zero; by propagation of the sampling error of the means.
        clipped: bool (pairs,), pairs with zero in place of a negative or undefined value (too few shots, or
            detectors that fire half of the time).
        boundary: p_i in [0, 1]: errors that flip detector i and none of its partners in `pairs`, float64
            (num_detectors,). Meaningful if `pairs` are those of a DEM: the noise of all possible pairs would
            add up.
        boundary_standard_error: of p_i, above zero.
        boundary_clipped: as `clipped`.
        num_shots: number of shots.
    """

    pairs: NDArray[np.intp]
    probability: Floats
    standard_error: Floats
    clipped: NDArray[np.bool_]
    boundary: Floats
    boundary_standard_error: Floats
    boundary_clipped: NDArray[np.bool_]
    num_shots: int

    def intervals(self, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
        """Return confidence intervals of p_ij: low and high, float64 (pairs,) each.

        They are those of a Poisson mean for the effective number of events (p_ij / standard_error)^2, as Fay
        and Feuer (Statistics in Medicine 16, 791, 1997) make them for weighted sums; p_ij +- 1.96 standard
        errors contain the truth less often than 95 % where few events were seen.
        """
        check_confidence(confidence)
        tail = (1 - confidence) / 2
        count = (self.probability / self.standard_error) ** 2
        # Without events the standard error is that of half an event.
        unit = np.where(
            count > 0,
            self.standard_error**2 / np.maximum(self.probability, 1e-300),
            self.standard_error * 2**0.5,
        )
        low = np.where(count > 0, gammaincinv(np.maximum(count, 1e-300), tail), 0.0) * unit
        high = np.minimum(gammainccinv(count + 1, tail) * unit, 0.5)
        return np.minimum(low, self.probability), np.maximum(high, self.probability)

    def matrix(self) -> Floats:
        """Return p_ij as a symmetric matrix with p_i on its diagonal; NaN for other pairs."""
        size = len(self.boundary)
        table = np.full((size, size), np.nan)
        first, second = self.pairs.T
        table[first, second] = table[second, first] = self.probability
        np.fill_diagonal(table, self.boundary)
        return table


def pair_correlations(
    *, detection_events: ArrayLike, num_detectors: int, pairs: ArrayLike | None = None
) -> PairCorrelations:
    """Estimate the probabilities of errors that flip two detectors, or one, from detection events.

    The formula assumes that errors flip one or two detectors. An error that flips more counts towards every
    pair among them; `learn_error_model` distinguishes them.

    Args:
        detection_events: bool (shots, num_detectors) or bit-packed uint8 (shots, ceil(num_detectors / 8)),
            least significant bit first; memory maps and strided views are read in chunks.
        num_detectors: detectors in a shot.
        pairs: (pairs, 2) detectors; None: all pairs, of up to 4096 detectors.

    Raises:
        ValueError: events of a wrong dtype or shape, no shots, pairs that are not two different detectors or
            occur twice, or all pairs of more than 4096 detectors.
    """
    chosen = _pairs(pairs, num_detectors)
    columns = event_columns(detection_events, num_detectors=num_detectors)
    shots = columns.num_shots
    first, second = chosen.T
    fired, both = columns.singles() / shots, columns.pairs(first, second) / shots
    single = 1 - 2 * fired
    pair = 1 - 2 * fired[first] - 2 * fired[second] + 4 * both
    with np.errstate(divide="ignore", invalid="ignore"):
        unclipped = (1 - np.sqrt(single[first] * single[second] / pair)) / 2
    clipped = ~(unclipped >= 0)
    found = np.where(clipped, 0.0, unclipped)

    # Half a count is added to each outcome, so that no standard error is zero.
    smooth, smooth_pair = _smoothed(columns, fired, both, first, second)
    variance = _log_variance(smooth[first], smooth[second], smooth_pair)
    ratio = np.clip(smooth[first] * smooth[second] / smooth_pair, 1 / shots, 1)
    error = np.sqrt(ratio * variance / shots) / 4

    with np.errstate(divide="ignore"):
        logs = np.log1p(-2 * found)
    drop = np.exp(np.bincount(chosen.ravel(), weights=np.repeat(logs, 2), minlength=num_detectors))
    with np.errstate(divide="ignore", invalid="ignore"):
        alone = (1 - single / drop) / 2
    alone_clipped = ~((alone >= 0) & (alone <= 1))
    boundary = np.where(alone_clipped, 0.0, alone)
    boundary_variance = _boundary_variance(columns, chosen, smooth, smooth_pair, num_detectors)
    left = np.clip(np.abs(smooth) / np.maximum(drop, 1 / shots), 1 / shots, 1)
    boundary_error = left * np.sqrt((boundary_variance + 1 / shots) / shots) / 2
    return PairCorrelations(
        pairs=chosen,
        probability=found,
        standard_error=error,
        clipped=clipped,
        boundary=boundary,
        boundary_standard_error=boundary_error,
        boundary_clipped=alone_clipped,
        num_shots=shots,
    )


def _pairs(pairs: ArrayLike | None, num_detectors: int) -> NDArray[np.intp]:
    if num_detectors < 1:
        raise ValueError(f"num_detectors is {num_detectors}: must be at least 1")
    if pairs is None:
        if num_detectors > _MAX_DETECTORS:
            raise ValueError(
                f"all pairs of {num_detectors} detectors: must be at most {_MAX_DETECTORS}, or give pairs"
            )
        return np.stack(np.triu_indices(num_detectors, k=1), axis=1)
    table = np.asarray(pairs)
    if table.size == 0:
        table = np.empty((0, 2), dtype=np.intp)
    if table.ndim != 2 or table.shape[1] != 2 or table.dtype.kind not in "iu":
        raise ValueError(f"pairs: {table.dtype} of shape {table.shape}, expected integers (pairs, 2)")
    table = np.sort(table.astype(np.intp), axis=1)
    bad = (table[:, 0] < 0) | (table[:, 1] >= num_detectors) | (table[:, 0] == table[:, 1])
    if bad.any():
        one, other = table[int(bad.argmax())]
        raise ValueError(f"pairs: ({one}, {other}) must be two different detectors below {num_detectors}")
    if len(np.unique(table, axis=0)) < len(table):
        raise ValueError("pairs: the same pair occurs twice")
    return table


def _smoothed(
    columns: EventColumns, fired: Floats, both: Floats, first: NDArray[np.intp], second: NDArray[np.intp]
) -> tuple[Floats, Floats]:
    """Compute the means of the products of (1 - 2 x), away from 0 and 1, for variances."""
    shots = columns.num_shots
    single = 1 - 2 * (fired * shots + 0.5) / (shots + 1)
    agree = 1 - fired[first] - fired[second] + 2 * both
    pair = 2 * (agree * shots + 0.5) / (shots + 1) - 1
    tiny = 0.5 / np.sqrt(shots)  # a mean far below its standard error carries no more information
    return _away(single, tiny), _away(pair, tiny)


def _away(values: Floats, least: float) -> Floats:
    return np.where(np.abs(values) < least, least, values)


def _log_variance(first: Floats, second: Floats, pair: Floats) -> Floats:
    """Compute the variance over shots of the influence on ln(<y_i> <y_j> / <y_i y_j>), y = 1 - 2 x."""
    variance = (
        1 / first**2
        + 1 / second**2
        + 1 / pair**2
        + 2 * pair / (first * second)
        - 2 * second / (first * pair)
        - 2 * first / (second * pair)
        - 1
    )
    # Smoothing of the three means is not fully consistent; no variance may vanish for that.
    least = (1 / first**2 - 1) * (1 / second**2 - 1)
    return np.asarray(np.maximum(variance, np.maximum(least, 0)))


def _boundary_variance(
    columns: EventColumns, pairs: NDArray[np.intp], single: Floats, pair: Floats, size: int
) -> Floats:
    """Compute the variance over shots of the influence on ln(1 - 2 p_i), in chunks of shots."""
    first, second = pairs.T
    count = np.arange(len(pairs))
    ends = sparse.csr_array(
        (np.ones(2 * len(pairs)), (np.tile(count, 2), np.concatenate([first, second]))),
        shape=(len(pairs), size),
    )
    # ln(1 - 2 p_i) = ln<y_i> - 1/2 sum over partners of (ln<y_i> + ln<y_j> - ln<y_i y_j>)
    degree = np.bincount(pairs.ravel(), minlength=size)
    links = sparse.csr_array(
        (np.ones(2 * len(pairs)), (np.concatenate([first, second]), np.concatenate([second, first]))),
        shape=(size, size),
    )
    own = sparse.diags_array(1 - degree / 2) - links / 2
    total, squares, shots = np.zeros(size), np.zeros(size), columns.num_shots
    step = max(64, _PRODUCTS_AT_ONCE // max(len(pairs), size) // 64 * 64)
    for start in range(0, shots, step):
        stop = min(start + step, shots)
        words = np.ascontiguousarray(columns.words[:, start // 64 : (stop + 63) // 64])
        bits = np.unpackbits(words.view(np.uint8), axis=1, count=stop - start, bitorder="little")
        y = 1.0 - 2.0 * bits.T
        influence: Floats = np.asarray((y / single) @ own + (y[:, first] * y[:, second] / pair) @ (ends / 2))
        total += influence.sum(axis=0)
        squares += (influence**2).sum(axis=0)
    return np.asarray(np.maximum(squares / shots - (total / shots) ** 2, 0))
