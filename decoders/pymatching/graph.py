"""Matching graphs with the construction methods of PyMatching's `Matching`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from operator import index
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Self

import networkx as nx
import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.model.text_files import read_circuit_file, read_dem_file
from decoders.pymatching import arguments, graphs
from decoders.pymatching.check_matrix import read_check_matrix
from decoders.pymatching.edges import BOUNDARY, MAX_WEIGHT, UNKNOWN, Edge, EdgeTable
from decoders.pymatching.models import read_model
from decoders.pymatching.noise import sample_errors

if TYPE_CHECKING:
    import rustworkx as rx

Bits = NDArray[np.uint8]
FaultIds = int | Iterable[int] | None
Path = str | PathLike[str]


class EditableGraph:
    """Nodes, boundary nodes, and edges with fault ids, weights and probabilities."""

    def __init__(
        self,
        graph: Any = None,
        weights: ArrayLike | None = None,
        error_probabilities: ArrayLike | None = None,
        repetitions: int | None = None,
        timelike_weights: ArrayLike | None = None,
        measurement_error_probabilities: ArrayLike | None = None,
        *,
        enable_correlations: bool = False,
        **kwargs: Any,
    ) -> None:
        """Load a graph, or make an empty one.

        Args:
            graph: a check matrix (dense or sparse), a NetworkX or rustworkx graph, a stim.Circuit or a
                stim.DetectorErrorModel.
            weights, error_probabilities, repetitions, timelike_weights, measurement_error_probabilities: of
                check matrices, see `load_from_check_matrix`.
            enable_correlations: also prepare correlated matching, for circuits and detector error models.
            kwargs: further options of `load_from_check_matrix`.
        """
        self._reset()
        is_matrix = False
        if graph is None:
            pass
        elif isinstance(graph, nx.Graph):
            self.load_from_networkx(graph)
        elif isinstance(graph, stim.DetectorErrorModel):
            self._load_model(graph, enable_correlations=enable_correlations)
        elif isinstance(graph, stim.Circuit):
            self._load_circuit(graph, enable_correlations=enable_correlations)
        elif graphs.is_rustworkx(graph):
            self.load_from_rustworkx(graph)
        else:
            is_matrix = True
            self.load_from_check_matrix(
                graph,
                weights,
                error_probabilities,
                repetitions,
                timelike_weights,
                measurement_error_probabilities,
                **kwargs,
            )
        if kwargs and not is_matrix:
            raise TypeError(f"{next(iter(kwargs))}: an option of check matrices only")

    def _reset(self) -> None:
        self._table = EdgeTable()
        self._num_nodes = self._num_fault_ids = 0
        self._boundary: set[int] = set()
        none = np.zeros(0, dtype=np.int64)
        self._certain: tuple[NDArray[np.int64], NDArray[np.int64]] = none, none
        self._model: stim.DetectorErrorModel | None = None
        self._changed()

    def _changed(self) -> None:
        """Note a change; what was made of the graph before is out of date."""

    def __repr__(self) -> str:
        def counted(number: int, noun: str) -> str:
            return f"{number} {noun}{'' if number == 1 else 's'}"

        return (
            f"<decoders.pymatching.Matching object with {counted(self.num_detectors, 'detector')}, "
            f"{counted(len(self._boundary), 'boundary node')}, and {counted(self.num_edges, 'edge')}>"
        )

    # --- construction

    @classmethod
    def from_check_matrix(cls, check_matrix: Any, *args: Any, **kwargs: Any) -> Self:
        """Make a matching of a check matrix; arguments as of `load_from_check_matrix`."""
        matching = cls()
        matching.load_from_check_matrix(check_matrix, *args, **kwargs)
        return matching

    def load_from_check_matrix(
        self,
        check_matrix: Any = None,
        weights: ArrayLike | None = None,
        error_probabilities: ArrayLike | None = None,
        repetitions: int | None = None,
        timelike_weights: ArrayLike | None = None,
        measurement_error_probabilities: ArrayLike | None = None,
        *,
        faults_matrix: Any = None,
        merge_strategy: str = "smallest-weight",
        use_virtual_boundary_node: bool = False,
        spacelike_weights: ArrayLike | None = None,
        measurement_error_probability: ArrayLike | None = None,
    ) -> None:
        """Load the graph of a check matrix: rows are nodes, columns edges.

        Args:
            check_matrix: zeros and ones, (checks, columns), dense or any scipy.sparse matrix or array, with
                at most two ones in a column. A column with a single one is an edge to the boundary, one with
                none is left out.
            weights: of the columns, one number or (columns,). Default 1.
            error_probabilities: of the columns, for `add_noise` only.
            repetitions: how often the checks are measured. With more than one there is an edge between each
                check and the same one a repetition later. Default 1.
            timelike_weights: of those edges, one number or (checks,). Default 1.
            measurement_error_probabilities: of those edges, for `add_noise` only.
            faults_matrix: zeros and ones, (fault ids, columns): the fault ids of each column. Default:
                column j has the fault id j.
            merge_strategy: for equal columns, see `add_edge`.
            use_virtual_boundary_node: whether edges to the boundary end at the virtual boundary; otherwise at
                a boundary node, with a number after those of all checks.
            spacelike_weights: former name of `weights`.
            measurement_error_probability: former name of `measurement_error_probabilities`.

        Raises:
            ValueError: a column with more than two ones, elements other than 0 and 1, arrays of wrong shape.
        """
        if check_matrix is None:
            raise ValueError("no check_matrix given")
        found = read_check_matrix(
            check_matrix,
            weights=arguments.one_of(weights=weights, spacelike_weights=spacelike_weights),
            error_probabilities=error_probabilities,
            repetitions=repetitions,
            timelike_weights=timelike_weights,
            measurement_error_probabilities=arguments.one_of(
                measurement_error_probabilities=measurement_error_probabilities,
                measurement_error_probability=measurement_error_probability,
            ),
            faults_matrix=faults_matrix,
            merge_strategy=merge_strategy,
            use_virtual_boundary_node=use_virtual_boundary_node,
        )
        self._reset()
        self._table, self._num_nodes, self._num_fault_ids, self._boundary = found

    @classmethod
    def from_detector_error_model(
        cls, model: stim.DetectorErrorModel, *, enable_correlations: bool = False
    ) -> Self:
        """Make a matching of a detector error model.

        Components of errors with one or two detectors are edges; parallel ones are merged as independent,
        with the observables of the first. Components with more detectors are left out, with a warning.

        Args:
            model: with `decompose_errors=True`, so that no error is left out.
            enable_correlations: also prepare `decode(..., enable_correlations=True)`; then no component may
                have more than two detectors.
        """
        matching = cls()
        matching._load_model(model, enable_correlations=enable_correlations)
        return matching

    @classmethod
    def from_detector_error_model_file(cls, dem_path: Path, *, enable_correlations: bool = False) -> Self:
        """Make a matching of a file with a detector error model, see `from_detector_error_model`."""
        model = read_dem_file(fspath(dem_path))
        return cls.from_detector_error_model(model, enable_correlations=enable_correlations)

    @classmethod
    def from_stim_circuit(cls, circuit: stim.Circuit, *, enable_correlations: bool = False) -> Self:
        """Make a matching of a circuit's errors, decomposed; see `from_detector_error_model`."""
        matching = cls()
        matching._load_circuit(circuit, enable_correlations=enable_correlations)
        return matching

    @classmethod
    def from_stim_circuit_file(cls, stim_circuit_path: Path, *, enable_correlations: bool = False) -> Self:
        """Make a matching of a file with a circuit, see `from_stim_circuit`."""
        circuit = read_circuit_file(fspath(stim_circuit_path))
        return cls.from_stim_circuit(circuit, enable_correlations=enable_correlations)

    def _load_circuit(self, circuit: stim.Circuit, *, enable_correlations: bool) -> None:
        if not isinstance(circuit, stim.Circuit):
            raise TypeError(f"expected a stim.Circuit, got {type(circuit).__name__}")
        model = circuit.detector_error_model(decompose_errors=True)
        self._load_model(model, enable_correlations=enable_correlations)

    def _load_model(self, model: stim.DetectorErrorModel, *, enable_correlations: bool) -> None:
        if not isinstance(model, stim.DetectorErrorModel):
            raise TypeError(f"expected a stim.DetectorErrorModel, got {type(model).__name__}")
        found = read_model(model, drop_hyperedges=not enable_correlations)
        self._reset()
        self._table = EdgeTable(found.columns)
        self._num_nodes, self._num_fault_ids = found.num_detectors, found.num_observables
        self._certain = found.certain_detectors, found.certain_observables
        self._model = model.copy() if enable_correlations else None

    @classmethod
    def from_networkx(cls, graph: nx.Graph, *, min_num_fault_ids: int | None = None) -> Self:
        """Make a matching of a NetworkX graph, see `load_from_networkx`."""
        matching = cls()
        matching.load_from_networkx(graph, min_num_fault_ids=min_num_fault_ids)
        return matching

    def load_from_networkx(self, graph: nx.Graph, *, min_num_fault_ids: int | None = None) -> None:
        """Load a NetworkX graph.

        Args:
            graph: nodes are integers from 0, boundary nodes have the attribute `is_boundary=True`; attributes
                of edges are `fault_ids`, `weight` and `error_probability`, as in `add_edge`. Of parallel
                edges the lightest counts.
            min_num_fault_ids: see `ensure_num_fault_ids`.
        """
        self._load_graph(graphs.read_networkx(graph), min_num_fault_ids)

    def load_from_rustworkx(
        self, graph: rx.PyGraph[Any, Any], *, min_num_fault_ids: int | None = None
    ) -> None:
        """Load a rustworkx graph; payloads are dictionaries with the attributes of `load_from_networkx`."""
        self._load_graph(graphs.read_rustworkx(graph), min_num_fault_ids)

    def load_from_retworkx(
        self, graph: rx.PyGraph[Any, Any], *, min_num_fault_ids: int | None = None
    ) -> None:
        """Load a rustworkx graph; former name of `load_from_rustworkx`."""
        _warn_of_former_name("load_from_retworkx", "load_from_rustworkx")
        self.load_from_rustworkx(graph, min_num_fault_ids=min_num_fault_ids)

    def _load_graph(self, found: graphs.GraphEdges, min_num_fault_ids: int | None) -> None:
        loaded = type(self)()
        for node1, node2, attributes in found.edges:
            loaded.add_edge(node1, node2, **arguments.edge_attributes(attributes))
        loaded.set_boundary_nodes(found.boundary)
        loaded._num_nodes = max(loaded._num_nodes, found.num_nodes)
        loaded.ensure_num_fault_ids(min_num_fault_ids or 0)
        self.__dict__.update(loaded.__dict__)

    # --- changes

    def add_edge(
        self,
        node1: int,
        node2: int,
        fault_ids: FaultIds = None,
        weight: float = 1.0,
        error_probability: float | None = None,
        *,
        merge_strategy: str = "disallow",
        qubit_id: FaultIds = None,
    ) -> None:
        """Add an edge between two nodes; also between decodings.

        Args:
            node1, node2: the nodes, from 0.
            fault_ids: what the edge flips: an integer, several, or none.
            weight: of any sign, at most 2**24 - 1 in size; with more, the edge is left out with a warning.
            error_probability: for `add_noise`; unknown if it is outside [0, 1].
            merge_strategy: if the two nodes have an edge already: "disallow" raises ValueError; "independent"
                makes the weight and the probability those of an odd number of two independent errors, and
                keeps the fault ids; "smallest-weight" keeps the lighter edge, "keep-original" the old one,
                "replace" the new one.
            qubit_id: former name of `fault_ids`.
        """
        nodes = arguments.node(node1), arguments.node(node2)
        if qubit_id is not None:
            fault_ids = arguments.one_of(fault_ids=fault_ids, qubit_id=qubit_id)
        self._add(*nodes, fault_ids, weight, error_probability, merge_strategy)

    def add_boundary_edge(
        self,
        node: int,
        fault_ids: FaultIds = None,
        weight: float = 1.0,
        error_probability: float | None = None,
        *,
        merge_strategy: str = "disallow",
        qubit_id: FaultIds = None,
    ) -> None:
        """Add an edge from a node to the virtual boundary; arguments as of `add_edge`."""
        if qubit_id is not None:
            fault_ids = arguments.one_of(fault_ids=fault_ids, qubit_id=qubit_id)
        self._add(arguments.node(node), BOUNDARY, fault_ids, weight, error_probability, merge_strategy)

    def _add(
        self,
        node1: int,
        node2: int,
        fault_ids: FaultIds,
        weight: float,
        error_probability: float | None,
        merge_strategy: str,
    ) -> None:
        faults = arguments.fault_ids(fault_ids)
        weight = arguments.number(weight, name="weight")
        probability = UNKNOWN
        if error_probability is not None:
            probability = arguments.number(error_probability, name="error_probability")
            probability = probability if 0 <= probability <= 1 else UNKNOWN
        if abs(weight) > MAX_WEIGHT:
            warnings.warn(
                f"edge ({node1}, {'boundary' if node2 == BOUNDARY else node2}) left out: its weight {weight} "
                f"exceeds the maximum absolute edge weight of {MAX_WEIGHT:.0f}",
                UserWarning,
                stacklevel=3,
            )
            return
        kept = self._table.add(Edge(node1, node2, weight, probability, faults), merge_strategy=merge_strategy)
        self._num_nodes = max(self._num_nodes, node1 + 1, node2 + 1)
        if kept.fault_ids:
            self._num_fault_ids = max(self._num_fault_ids, max(kept.fault_ids) + 1)
        self._model = None
        self._changed()

    def set_boundary_nodes(self, nodes: Iterable[int]) -> None:
        """Make these nodes, and no others, boundary nodes; their values in syndromes do not matter."""
        self._boundary = {arguments.node(node) for node in nodes}
        self._num_nodes = max(self._num_nodes, max(self._boundary, default=-1) + 1)
        self._model = None
        self._changed()

    def ensure_num_fault_ids(self, min_num_fault_ids: int) -> None:
        """Make predictions at least this long."""
        wanted = index(min_num_fault_ids)
        if wanted < 0:
            raise ValueError(f"min_num_fault_ids={wanted}: must not be negative")
        if wanted > self._num_fault_ids:
            self._num_fault_ids = wanted
            self._changed()

    # --- inspection

    @property
    def num_nodes(self) -> int:
        """Number of nodes, boundary nodes included: the largest number of a node plus one."""
        return self._num_nodes

    @property
    def num_detectors(self) -> int:
        """Number of nodes that are no boundary nodes."""
        return self._num_nodes - len(self._boundary)

    @property
    def num_edges(self) -> int:
        """Number of edges."""
        return len(self._table)

    @property
    def num_fault_ids(self) -> int:
        """Number of fault ids, the length of predictions: the largest of an edge plus one, or more."""
        return self._num_fault_ids

    @property
    def boundary(self) -> set[int]:
        """A copy of the set of boundary nodes."""
        return set(self._boundary)

    def edges(self) -> list[tuple[int, int | None, dict[str, Any]]]:
        """List the edges in the order in which they were added.

        Returns:
            (node1, node2, attributes) each; node2 is None at the virtual boundary; attributes are
            `fault_ids`, a set, `weight`, and `error_probability`, -1 where it is unknown.
        """
        return [
            (row.node1, None if row.node2 == BOUNDARY else row.node2, row.attributes()) for row in self._table
        ]

    def has_edge(self, node1: int, node2: int) -> bool:
        """Whether there is an edge between two nodes, in either order."""
        return self._table.find(arguments.node(node1), arguments.node(node2)) is not None

    def has_boundary_edge(self, node: int) -> bool:
        """Whether there is an edge from a node to the virtual boundary."""
        return self._table.find(arguments.node(node), BOUNDARY) is not None

    def get_edge_data(self, node1: int, node2: int) -> dict[str, Any]:
        """Give the attributes of the edge between two nodes, as `edges` does.

        Raises:
            ValueError: there is no such edge.
        """
        return self._attributes(arguments.node(node1), arguments.node(node2))

    def get_boundary_edge_data(self, node: int) -> dict[str, Any]:
        """Give the attributes of the edge from a node to the virtual boundary; see `get_edge_data`."""
        return self._attributes(arguments.node(node), BOUNDARY)

    def _attributes(self, node1: int, node2: int) -> dict[str, Any]:
        edge = self._table.find(node1, node2)
        if edge is None:
            end = "the virtual boundary" if node2 == BOUNDARY else f"node {node2}"
            raise ValueError(f"there is no edge between node {node1} and {end}")
        return edge.attributes()

    def to_networkx(self) -> nx.Graph:
        """Make a NetworkX graph, with the attributes of `edges` and `is_boundary` of nodes.

        The virtual boundary, if there are edges to it, is node `num_nodes`. Nodes without edges are left out.
        """
        return graphs.make_networkx(self._table, num_nodes=self._num_nodes, boundary=self._boundary)

    def to_rustworkx(self) -> rx.PyGraph[Any, Any]:
        """Make a rustworkx graph as `to_networkx` does, with all nodes; needs the package rustworkx."""
        return graphs.make_rustworkx(self._table, num_nodes=self._num_nodes, boundary=self._boundary)

    def to_retworkx(self) -> rx.PyGraph[Any, Any]:
        """Make a rustworkx graph; former name of `to_rustworkx`."""
        _warn_of_former_name("to_retworkx", "to_rustworkx")
        return self.to_rustworkx()

    def draw(self) -> None:
        """Draw the graph into matplotlib's current axes: detectors grey, boundary nodes white."""
        graphs.draw_graph(self.to_networkx())

    def add_noise(self) -> tuple[Bits, Bits] | None:
        """Flip every edge with its probability.

        `set_seed` of this package seeds the random numbers, which are not those of PyMatching.

        Returns:
            uint8 (num_fault_ids,), the fault ids flipped, and uint8 (num_nodes,), the syndrome, 0 at boundary
            nodes; None if the probability of an edge is unknown.
        """
        if (self._table.columns.probability < 0).any():
            return None
        faults, syndrome = sample_errors(
            self._table.columns,
            num_nodes=self._num_nodes,
            num_fault_ids=self._num_fault_ids,
            boundary=self._boundary,
        )
        syndrome[self._certain[0]] ^= 1
        faults[self._certain[1]] ^= 1
        return faults, syndrome


def _warn_of_former_name(former: str, name: str) -> None:
    warnings.warn(f"{former} is the former name of {name}", DeprecationWarning, stacklevel=3)
