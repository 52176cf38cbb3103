"""Edge probabilities of each shot from heralded errors and soft readout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.base import check_packed
from decoders.model.dem import DemArrays, read_dem
from decoders.model.matching_graph import MatchingGraph
from decoders.reweighted.herald_tables import (
    Outcome,
    PatternChanges,
    Source,
    group_sources,
    log_bias,
    make_table,
)
from decoders.reweighted.tagged_circuit import (
    HERALDED,
    READOUT,
    REPORT,
    Symptom,
    TaggedCircuit,
    X,
    Y,
    Z,
    find_herald_detectors,
)

#: Probability of an edge that cannot be flipped in a shot; as good as impossible in a matching.
_IMPOSSIBLE = 1e-30
_CERTAIN = 1 - 2.0**-50

_Set = frozenset[int]
_NONE: _Set = frozenset()


class SideInformation:
    """Edge probabilities that follow from a shot's erasure flags and readout, for `ReweightedDecoder`.

    Heralded errors (HERALDED_ERASE, HERALDED_PAULI_CHANNEL_1) are conditioned on the herald detectors, which
    show reports of such errors and nothing else. The probability of an edge is exactly that of an odd number
    of flips given these detectors: with other errors on the edge, several heralds on one edge, reports
    combined in one detector, and false or missed reports (noise of the same detectors, as by MPAD(p)).

    Soft readout replaces the error probability of each measurement by that of the shot.

    As in matching with fixed weights, edges are taken as independent of each other, given the heralds.

    Attributes:
        graph: matching graph without reports; edge probabilities are those of a shot in which no herald
            detector fired and readouts are as the circuit has them. A herald detector has one edge, of weight
            zero, to the boundary: detection events need not be changed.
        herald_detectors: int64 (heralds,), ascending.
        readout_probability: float64 (measurements,), argument of each measurement in the circuit, 0 without.

    Examples:
        >>> import decoders, stim
        >>> circuit = stim.Circuit('''
        ...     HERALDED_ERASE(0.1) 0
        ...     DETECTOR rec[-1]
        ...     M 0
        ...     DETECTOR rec[-1]
        ... ''')
        >>> side = decoders.SideInformation(circuit)
        >>> side.edge_probabilities([[True, False], [False, False]]).toarray()
        array([[0. , 0.5],
               [0. , 0. ]])
    """

    graph: MatchingGraph
    herald_detectors: NDArray[np.int64]
    readout_probability: NDArray[np.float64]

    def __init__(self, circuit: stim.Circuit, *, soft_readout: bool = False) -> None:
        """Analyse a circuit: one error at a time is followed to the detectors that it flips.

        Args:
            circuit: with detectors and noise.
            soft_readout: whether shots come with an error probability for each measurement. It replaces the
                argument of measurements, as in M(p); errors that are separate instructions, such as X_ERROR
                before M, remain.

        Raises:
            ValueError: neither soft_readout nor any herald detector, a herald that always fires, more than
                12 herald detectors that depend on each other, or an error that is not made of edges.
        """
        tagged = TaggedCircuit(circuit, soft_readout=soft_readout)
        symptoms = tagged.symptoms()
        self.herald_detectors = find_herald_detectors(symptoms)
        self.readout_probability = tagged.readout_probability
        self._soft_readout = soft_readout
        if not soft_readout and not self.herald_detectors.size:
            raise ValueError(
                f"no detector shows reports of {' or '.join(HERALDED)} and nothing else: add "
                "'DETECTOR rec[-1]' after each of them, or pass soft_readout=True"
            )
        model = tagged.decomposed_model(without=self.herald_detectors)
        tags = np.array([error.tag for error in model if error.type == "error"] + [""])
        arrays = _with_boundary_edges(read_dem(model), self.herald_detectors, error=tags.size - 1)
        graph, edge_of = MatchingGraph.from_arrays(arrays)
        component_tag = tags[arrays.component_error]
        edges_of_tag: dict[str, _Set] = {}
        # Errors that no detector sees are no edges; unlikely ones are never predicted.
        is_seen, is_tagged = edge_of >= 0, component_tag != ""
        seen = np.flatnonzero(is_seen & is_tagged)
        for tag, edge in zip(component_tag[seen].tolist(), edge_of[seen].tolist(), strict=True):
            edges_of_tag[tag] = edges_of_tag.get(tag, _NONE) ^ {edge}

        # log|1 - 2p| of each edge, and whether 1 - 2p is negative: of other errors, then with heralded ones.
        self._logarithm = np.zeros(graph.num_edges)
        self._negative = np.zeros(graph.num_edges, dtype=np.bool_)
        others = is_seen & ~is_tagged
        self._multiply(edge_of[others], 1 - 2 * arrays.component_probability[others])
        _check_undetectable(tagged, component_tag[~is_seen].tolist())
        heralds = frozenset(self.herald_detectors.tolist())
        sources = [
            *_channels(tagged, symptoms, edges_of_tag, heralds),
            *_false_reports(tagged, symptoms, heralds),
        ]
        groups, unheralded = group_sources(sources)
        tables = [make_table(group) for group in groups]
        self._changes = PatternChanges(tables)
        for table in [*tables, *(make_table([source]) for source in unheralded)]:
            self._multiply(table.edges, table.bias[0])

        self._readouts = _rank_readouts(edges_of_tag)
        bias = self._with_readout(self.readout_probability[np.newaxis])[0]
        probability = _probability(log_bias(bias), bias < 0)
        self.graph = replace(graph.reweighted(probability), edge_probability=probability)

    def _multiply(self, edges: NDArray[Any], bias: NDArray[np.float64]) -> None:
        """Add errors to edges: biases 1 - 2p multiply."""
        np.add.at(self._logarithm, edges, log_bias(bias))
        np.logical_xor.at(self._negative, edges, bias < 0)

    def edge_probabilities(
        self,
        detection_events: ArrayLike,
        *,
        readout_probabilities: ArrayLike | None = None,
        bit_packed: bool = False,
    ) -> Any:
        """Compute the edge probabilities of some shots.

        Args:
            detection_events: bool, or integers 0 and 1, (shots, detectors); with bit_packed uint8
                (shots, ceil(detectors / 8)). Only herald detectors are read.
            readout_probabilities: float (shots, measurements), from 0 to 1: probability that each recorded
                outcome is wrong, as by `classify_gaussian`; required with soft_readout. Values for MPAD
                and for reports of heralded errors mean nothing.
            bit_packed: whether detection events are bit-packed.

        Returns:
            scipy.sparse.csr_array (shots, edges) of the edges whose probability differs from
            `graph.edge_probability`; with soft_readout float64 (shots, edges). In the form that
            `ReweightedDecoder.decode_batch` takes.

        Raises:
            ValueError: wrong shape, dtype or value, or values of herald detectors that no error explains.
        """
        fired = self._fired(np.asarray(detection_events), bit_packed=bit_packed)
        shot, edge, change, turns = self._changes.of_shots(fired)
        shape = (fired.shape[0], self.graph.num_edges)
        if self._soft_readout:
            bias = self._with_readout(self._check_readout(readout_probabilities, shape[0]))
            np.multiply.at(bias, (shot, edge), np.exp(change) * np.where(turns, -1, 1))
            np.subtract(1, bias, out=bias)
            bias /= 2
            return np.clip(bias, _IMPOSSIBLE, _CERTAIN, out=bias)
        if readout_probabilities is not None:
            raise ValueError("readout_probabilities need SideInformation(circuit, soft_readout=True)")
        place, inverse = np.unique(shot * shape[1] + edge, return_inverse=True)
        logarithm = self._logarithm[place % shape[1]]
        negative = self._negative[place % shape[1]]
        np.add.at(logarithm, inverse, change)
        np.logical_xor.at(negative, inverse, turns)
        start = np.searchsorted(place, np.arange(shape[0] + 1) * shape[1])
        return scipy.sparse.csr_array(
            (_probability(logarithm, negative), place % shape[1], start), shape=shape
        )

    def _fired(self, events: NDArray[Any], *, bit_packed: bool) -> NDArray[np.bool_]:
        """Values of the herald detectors: bool (shots, heralds)."""
        detectors = self.herald_detectors
        if bit_packed:
            packed = check_packed(events, self.graph.num_detectors)
            return (packed[:, detectors >> 3] >> (detectors & 7).astype(np.uint8) & 1).astype(np.bool_)
        if events.ndim != 2 or events.shape[1] != self.graph.num_detectors:
            raise ValueError(
                f"detection events have shape {events.shape}, expected (shots, {self.graph.num_detectors})"
            )
        chosen = events[:, detectors]
        if chosen.dtype != np.bool_ and not np.isin(chosen, (0, 1)).all():
            raise ValueError("detection events must be bool, or integers 0 and 1")
        return chosen.astype(np.bool_)

    def _check_readout(self, probabilities: ArrayLike | None, num_shots: int) -> NDArray[np.float64]:
        shape = (num_shots, self.readout_probability.size)
        found = np.asarray(probabilities, dtype=np.float64)
        if found.shape != shape:
            given = "are missing" if probabilities is None else f"have shape {found.shape}"
            raise ValueError(f"readout_probabilities {given}: must be (shots, measurements) = {shape}")
        wrong = ~((found >= 0) & (found <= 1))
        if wrong.any():
            shot, number = np.argwhere(wrong)[0]
            raise ValueError(
                f"readout_probabilities: shot {shot}, measurement {number} has {found[shot, number]}: must "
                "lie between 0 and 1"
            )
        return found

    def _with_readout(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """1 - 2p of each edge (shots, edges), without heralds that fired."""
        bias = np.tile(np.exp(self._logarithm) * np.where(self._negative, -1, 1), (len(probabilities), 1))
        if self._readouts:
            of_readout = 1 - 2 * probabilities
            for edges, readouts in self._readouts:
                bias[:, edges] *= of_readout[:, readouts]
        return bias


def _rank_readouts(edges_of_tag: dict[str, _Set]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """List the edges that readouts flip: first one readout of each edge, then the second, and so on."""
    readouts_of: dict[int, list[int]] = {}
    for tag, edges in edges_of_tag.items():
        number, _, kind = tag.partition(":")
        for edge in edges if kind == READOUT else ():
            readouts_of.setdefault(edge, []).append(int(number))
    found = []
    for rank in range(max(map(len, readouts_of.values()), default=0)):
        pairs = sorted(
            (edge, readouts[rank]) for edge, readouts in readouts_of.items() if rank < len(readouts)
        )
        columns = np.array(pairs, dtype=np.int64)
        found.append((columns[:, 0], columns[:, 1]))
    return found


def _channels(
    tagged: TaggedCircuit, symptoms: list[Symptom], edges_of_tag: dict[str, _Set], heralds: _Set
) -> Iterator[Source]:
    """List the heralded channels as sources of errors."""
    heralds_of = {symptom.tag: symptom.detectors & heralds for symptom in symptoms if symptom.tag}
    for number, channel in enumerate(tagged.channels):
        outcomes = [Outcome(1 - channel.fires, _NONE, _NONE)]
        # Of Y, either the tags X and Z exist or the tag Y.
        for probability, kinds in zip(channel, ((), (X,), (X, Y, Z), (Z,)), strict=True):
            flipped_heralds, flipped_edges = _NONE, _NONE
            for kind in (REPORT, *kinds):
                flipped_heralds ^= heralds_of.get(f"{number}:{kind}", _NONE)
                flipped_edges ^= edges_of_tag.get(f"{number}:{kind}", _NONE)
            outcomes.append(Outcome(probability, flipped_heralds, flipped_edges))
        yield outcomes


def _false_reports(tagged: TaggedCircuit, symptoms: list[Symptom], heralds: _Set) -> Iterator[Source]:
    """List the errors other than heralded ones that flip herald detectors; they flip nothing else."""
    for symptom in symptoms:
        number, _, kind = symptom.tag.partition(":")
        if kind in (REPORT, X, Y, Z) or not symptom.detectors & heralds:
            continue
        p = tagged.readout_probability[int(number)] if kind == READOUT else symptom.probability
        yield [Outcome(1 - p, _NONE, _NONE), Outcome(p, symptom.detectors, _NONE)]


def _check_undetectable(tagged: TaggedCircuit, tags: list[str]) -> None:
    """Refuse reports after which an observable is more likely than not flipped and no detector sees it."""
    for tag in tags:
        number, _, kind = tag.partition(":")
        if kind in (X, Y, Z):
            channel = tagged.channels[int(number)]
            if channel.p_y + {X: channel.p_x, Y: 0, Z: channel.p_z}[kind] > channel.fires / 2:
                raise ValueError(
                    f"heralded channel {number} flips observables by {kind}, more likely than not, and no "
                    "detector sees it: add detectors, or lower its probability"
                )


def _with_boundary_edges(arrays: DemArrays, detectors: NDArray[np.int64], *, error: int) -> DemArrays:
    """Add components of probability 1/2 from some detectors to the boundary; they belong to `error`."""
    count = detectors.size
    ends = np.stack([detectors, np.full(count, -1)], axis=1).astype(np.int32)
    observables = np.zeros((count, arrays.component_observables.shape[1]), dtype=np.uint64)
    return arrays._replace(
        component_ends=np.concatenate([arrays.component_ends, ends]),
        component_probability=np.concatenate([arrays.component_probability, np.full(count, 0.5)]),
        component_observables=np.concatenate([arrays.component_observables, observables]),
        component_error=np.concatenate([arrays.component_error, np.full(count, error, dtype=np.int32)]),
    )


def _probability(logarithm: NDArray[np.float64], negative: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Probability p of log|1 - 2p| and the sign of 1 - 2p, strictly between 0 and 1."""
    small = -np.expm1(logarithm) / 2
    found: NDArray[np.float64] = np.clip(np.where(negative, 1 - small, small), _IMPOSSIBLE, _CERTAIN)
    return found
