"""Matching twice: the second time with the weights that the first one's edges imply."""

from collections.abc import Callable
from functools import partial
from typing import Self

import stim

from decoders.correlations import CorrelatedGraph
from decoders.mwpm import MWPM


class CorrelatedMWPM(MWPM):
    """Two-pass correlated matching (after Fowler, arXiv 1310.0863), both passes exact.

    A first matching as by "mwpm"; its edges make the edges more likely that the same errors flip (see
    `CorrelatedGraph`), and the shot is matched with those weights. The second matching is the lightest
    with the new weights, but only that part of the shot is matched anew for which the first matching's dual
    solution does not prove that nothing changes (see `decoders.kernels.implied`).

    Where the two matchings predict different flips, the errors of the model decide which is taken. Weights
    are those of the matching taken, with the second matching's edge weights.
    """

    gives_gaps = False  # the other class would imply other weights

    def __init__(self, *, correlated: CorrelatedGraph, compare: bool = True) -> None:
        super().__init__(graph=correlated.graph, name="mwpm-correlated", implied=correlated.implied)
        self.search_graph.set(certain_weight=correlated.offset, compares=int(compare))
        self.correlated = correlated
        self._compare = compare

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        return partial(type(self), correlated=self.correlated, compare=self._compare), ()

    @classmethod
    def from_dem(  # type: ignore[override]
        cls, dem: stim.DetectorErrorModel, *, compare: bool = True
    ) -> Self:
        """Make the decoder for a DEM.

        Args:
            dem: errors decomposed into components with at most two detectors, as `decompose_errors=True`
                makes them; without `^` this is plain matching.
            compare: where the two matchings predict different flips, take the one that the errors of the
                model explain better (see `decoders.kernels.compare`); otherwise the second.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        return cls(correlated=CorrelatedGraph.from_dem(dem), compare=compare)
