"""Conversion to and from graphs of NetworkX and rustworkx."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import networkx as nx
import numpy as np

from decoders.pymatching.edges import BOUNDARY, EdgeTable

if TYPE_CHECKING:
    import rustworkx as rx

#: An edge: its ends and its attributes.
GraphEdge = tuple[int, int, Mapping[str, Any]]


class GraphEdges(NamedTuple):
    """A graph of one of the libraries, as edges to be added."""

    edges: list[GraphEdge]
    num_nodes: int
    boundary: set[int]


def read_networkx(graph: nx.Graph) -> GraphEdges:
    """Read a NetworkX graph; nodes are integers, boundary nodes have a true `is_boundary`."""
    if not isinstance(graph, nx.Graph):
        raise TypeError(f"expected a NetworkX graph, got {type(graph).__name__}")
    boundary = {int(node) for node, attributes in graph.nodes(data=True) if attributes.get("is_boundary")}
    edges = [(int(u), int(v), attributes) for u, v, attributes in graph.edges(data=True)]
    return GraphEdges(edges, graph.number_of_nodes(), boundary)


def import_rustworkx() -> Any:
    """Import rustworkx.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import rustworkx
    except ImportError:
        raise ImportError("graphs of rustworkx need the package: pip install rustworkx") from None
    return rustworkx


def is_rustworkx(graph: Any) -> bool:
    """Whether something is a graph of rustworkx, without importing it."""
    return any(kind.__module__.split(".")[0] in ("rustworkx", "retworkx") for kind in type(graph).__mro__)


def read_rustworkx(graph: "rx.PyGraph[Any, Any]") -> GraphEdges:
    """Read a rustworkx graph; payloads of nodes and edges are dictionaries, or None for no attributes."""
    rustworkx = import_rustworkx()
    if not isinstance(graph, rustworkx.PyGraph):
        raise TypeError(f"expected a graph of rustworkx (PyGraph), got {type(graph).__name__}")
    boundary = {node for node in graph.node_indices() if (graph[node] or {}).get("is_boundary")}
    edges: list[GraphEdge] = [(u, v, payload or {}) for u, v, payload in graph.weighted_edge_list()]
    return GraphEdges(edges, graph.num_nodes(), boundary)


def make_networkx(table: EdgeTable, *, num_nodes: int, boundary: set[int]) -> nx.Graph:
    """Make a NetworkX graph; the virtual boundary, if there are edges to it, is node `num_nodes`."""
    graph = nx.Graph()
    for u, v, attributes, _ in _edges_of(table, num_nodes):
        graph.add_edge(u, v, **attributes)
    for node, attributes in graph.nodes(data=True):
        attributes["is_boundary"] = node in boundary or node == num_nodes
    return graph


def make_rustworkx(table: EdgeTable, *, num_nodes: int, boundary: set[int]) -> "rx.PyGraph[Any, Any]":
    """Make a rustworkx graph, numbered as by `make_networkx`, with all nodes."""
    rustworkx = import_rustworkx()
    edges = list(_edges_of(table, num_nodes))
    size = num_nodes + any(is_virtual for _, _, _, is_virtual in edges)
    graph: rx.PyGraph[Any, Any] = rustworkx.PyGraph(multigraph=False)
    graph.add_nodes_from([{"is_boundary": node in boundary or node == num_nodes} for node in range(size)])
    graph.extend_from_weighted_edge_list([(u, v, attributes) for u, v, attributes, _ in edges])
    return graph


def _edges_of(table: EdgeTable, num_nodes: int) -> Iterable[tuple[int, int, dict[str, Any], bool]]:
    for row in table:
        is_virtual = row.node2 == BOUNDARY
        yield row.node1, num_nodes if is_virtual else row.node2, row.attributes(), is_virtual


def draw_graph(graph: nx.Graph) -> None:
    """Draw a graph made by `make_networkx` into matplotlib's current axes.

    Detectors are grey, boundary nodes white; heavier edges are thicker, and labelled with their fault ids.
    """
    places = nx.spectral_layout(graph, weight=None)
    weights = np.array([attributes["weight"] for _, _, attributes in graph.edges(data=True)])
    span = float(np.ptp(weights)) if weights.size else 0.0
    widths = 0.2 + 1.8 * (weights - weights.min()) / span if span else np.full(weights.size, 1.0)
    white = dict(graph.nodes(data="is_boundary"))
    nx.draw_networkx_nodes(
        graph,
        pos=places,
        node_color=["white" if white[node] else "lightgrey" for node in graph],
        edgecolors="black",
    )
    nx.draw_networkx_edges(graph, pos=places, width=widths.tolist())
    nx.draw_networkx_labels(graph, pos=places)
    faults = {
        (u, v): str(attributes["fault_ids"])
        for u, v, attributes in graph.edges(data=True)
        if attributes["fault_ids"]
    }
    nx.draw_networkx_edge_labels(graph, pos=places, edge_labels=faults)
