"""Reference for the second matching, computed by PyMatching from the start; and a model without ties."""

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

from decoders.correlated.decoder import CorrelatedMWPM
from decoders.matching.decoder import MWPM
from decoders.matching.workspace import Implied


class Twin:
    """What the decoder should find, from its own graph and table and a plain first matching."""

    def __init__(self, decoder: CorrelatedMWPM) -> None:
        self.decoder = decoder
        self.graph = decoder.graph
        self.first: MWPM = MWPM(graph=decoder.graph)
        found = decoder.correlated
        if found.observed.any():
            # Only observed edges imply others: the second matching of this decoder is the first of the other.
            given = np.repeat(found.observed, np.diff(found.implied.start))
            count = np.where(found.observed, np.diff(found.implied.start), 0)
            implied = Implied(
                np.append(0, np.cumsum(count)).astype(np.int32),
                found.implied.edge[given],
                found.implied.weight[given],
            )
            observed = np.zeros_like(found.observed)
            self.first = CorrelatedMWPM(
                correlated=found._replace(implied=implied, observed=observed), compare=False
            )

    def weights(self, shot: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Integer weight of every edge for the second matching, int64 (edges,)."""
        implied = self.decoder.correlated.implied
        weights = self.graph.edge_weight.astype(np.int64)
        for edge in self.first.decode_to_edge_numbers(shot):
            for entry in range(implied.start[edge], implied.start[edge + 1]):
                target = implied.edge[entry]
                weights[target] = min(weights[target], implied.weight[entry])
        return weights

    def least_weight(self, shot: NDArray[np.bool_], weights: NDArray[np.int64]) -> int:
        """Weight of the lightest matching of the shot."""
        outside = self.graph.num_detectors
        matching = pymatching.Matching()
        for u, v, weight in zip(self.graph.edge_u, self.graph.edge_v, weights, strict=True):
            ends = (int(u), outside if v < 0 else int(v))
            matching.add_edge(*ends, weight=int(weight) // 2, merge_strategy="smallest-weight")
        if not self.graph.num_edges:
            return 0
        matching.set_boundary_nodes({outside})
        events = np.zeros(max(outside + 1, matching.num_nodes), dtype=np.uint8)
        events[:outside] = shot ^ self.graph.certain_detectors
        _, found = matching.decode(events[: matching.num_nodes], return_weight=True)
        return 2 * round(found)

    def check(self, shot: NDArray[np.bool_]) -> None:
        """Check weight, edges and prediction of one shot that has a matching."""
        weights = self.weights(shot)
        prediction, found = self.decoder.decode_batch(shot[np.newaxis], return_weights=True)
        weight = round(found[0] * self.graph.weight_scale) - self.decoder.correlated.offset
        assert weight == self.least_weight(shot, weights)
        edges = self.decoder.decode_to_edge_numbers(shot)
        assert weights[edges].sum() == weight
        ends = np.concatenate([self.graph.edge_u[edges], self.graph.edge_v[edges]])
        times = np.bincount(ends[ends >= 0], minlength=self.graph.num_detectors)
        assert np.array_equal(times % 2 == 1, shot ^ self.graph.certain_detectors)
        words = [self.graph.edge_observables[edges], self.graph.certain_observables[np.newaxis]]
        flips = np.bitwise_xor.reduce(np.concatenate(words), axis=0)
        bits = np.unpackbits(flips.astype("<u8").view(np.uint8), bitorder="little")
        assert np.array_equal(bits[: prediction.shape[1]].astype(np.bool_), prediction[0])


def with_uneven_errors(dem: stim.DetectorErrorModel, *, second: bool) -> stim.DetectorErrorModel:
    """Errors of different probabilities, so that nothing is tied; and an observable for the other half."""
    graph = MWPM.from_dem(dem).graph
    flips = graph.edge_observables.any(axis=1)
    half = graph.component[graph.edge_u[flips][0]]
    rng = np.random.default_rng(4)
    uneven = stim.DetectorErrorModel()
    for error in dem.flattened():
        if error.type != "error":
            continue
        targets: list[stim.DemTarget] = []
        for part in error.target_groups():
            ends = [target.val for target in part if target.is_relative_detector_id()]
            targets += [*part]
            if second and len(ends) == 1 and graph.component[ends[0]] != half and ends[0] % 2:
                targets.append(stim.target_logical_observable_id(1))
            targets.append(stim.target_separator())
        uneven.append("error", error.args_copy()[0] * np.exp(rng.normal(0, 0.3)), targets[:-1])
    return uneven
