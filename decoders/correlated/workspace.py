"""Workspace of decoders that match shots twice."""

from typing import Any

import numpy as np

from decoders.correlated.kernels.layout import CHANGE, COVER, RAISED, SECOND
from decoders.kernels import layout
from decoders.matching.workspace import Pools, Workspace


class SecondWorkspace(Workspace):
    """Everything that one thread writes to while it matches shots twice.

    `second` owns the state of the second matching, which is empty if no graph implies anything.
    """

    def __init__(self, *graphs: Pools) -> None:
        records = [graph.record[0] for graph in graphs if graph.record["num_implied"]]
        self._num_edges = max((int(graph.num_edges) for graph in records), default=0)
        self.second = Pools(SECOND)
        super().__init__(*graphs)
        num_events = int(self.record["num_detectors"][0]) if records else 0
        self._own_second(num_events, records)
        self.own(
            detour_searches=np.zeros(num_events, dtype=layout.DETOUR_SEARCH),
            portal_at=np.full(num_events, layout.NONE, dtype=np.int64),
            lowered=np.full(self._num_edges, layout.NOT_LOWERED, dtype=np.int32),
            lowered_as=np.zeros(self._num_edges, dtype=np.int32),
            active=np.zeros(self._num_edges, dtype=np.int64),
        )
        self.set(num_graph_edges=self._num_edges, second=self.second.record.ctypes.data)

    def _own_second(self, num_events: int, graphs: list[Any]) -> None:
        num_edges = self._num_edges
        # An error removes at most two edges for each of its own, or adds that one.
        max_changed = 3 * max((int(graph.largest_error) for graph in graphs), default=0)
        covers = np.zeros(num_events + 1, dtype=COVER)
        covers["centre"] = layout.NONE
        self.second.own(
            changes=np.zeros(num_events, dtype=CHANGE),
            present=np.zeros(num_events, dtype=np.int64),
            chosen=np.zeros(num_events, dtype=np.int64),
            covers=covers,
            covered=np.zeros(num_events, dtype=np.int64),
            prices=np.full(num_edges, layout.NOT_SEEN, dtype=np.int32),
            seen=np.zeros(num_edges, dtype=np.int64),
            used_by=np.zeros(num_edges, dtype=np.int32),
            first_edges=np.zeros(num_edges, dtype=np.int64),
            second_edges=np.zeros(num_edges, dtype=np.int64),
            near=np.zeros(num_edges, dtype=np.int64),
            incident_head=np.full(num_events, layout.NONE, dtype=np.int64),
            incident_next=np.zeros(2 * num_edges, dtype=np.int64),
            changed=np.zeros(max_changed, dtype=np.int64),
        )
        self.second.set(
            num_detectors=num_events,
            num_graph_edges=num_edges,
            max_events=num_events,
            max_changed=max_changed,
        )

    @property
    def num_bytes(self) -> int:
        """Memory of all arrays, in bytes."""
        return super().num_bytes + self.second.num_bytes

    def _resize(self, size: int) -> None:
        super()._resize(size)
        size = size if self._num_edges else 0
        self.own(
            portals=np.zeros(size, dtype=layout.PORTAL),
            near_events=np.zeros(size * layout.MAX_NEAR_EVENTS, dtype=layout.NEAR_EVENT),
            links=np.zeros(4 * size, dtype=layout.LINK),
            detours=np.zeros(4 * size, dtype=layout.DETOUR),
        )
        self.set(max_portals=size, max_links=4 * size, max_detours=4 * size)
        self.second.own(raised=np.zeros(size, dtype=RAISED))
        self.second.set(max_raised=size)
