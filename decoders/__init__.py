"""Decoders for detector error models. Knows stim, knows no code and no noise model.

`from_dem(name, dem)` makes a decoder, `names()` lists them, `sinter_decoders()` returns them for sinter.
Importing this package compiles nothing and imports no decoder; see `decoders.late_names`.
"""

from typing import TYPE_CHECKING

from decoders.base import Decoder
from decoders.late_names import __dir__ as __dir__
from decoders.late_names import __getattr__ as __getattr__
from decoders.model.hyperedges import DroppedErrorsWarning, HyperedgeCounts, resolve_hyperedges
from decoders.model.matching_graph import MatchingGraph
from decoders.model.rounds import Rounds
from decoders.registry import from_dem, names, with_gaps
from decoders.sinter_adapter import sinter_decoders

if TYPE_CHECKING:
    from decoders.reweighted.decoder import ReweightedDecoder
    from decoders.reweighted.readout import classify_gaussian, classify_ratio
    from decoders.reweighted.side_information import SideInformation
    from decoders.streaming.decoder import StreamingDecoder
    from decoders.streaming.parallel import ParallelStreamingDecoder

__all__ = [
    "Decoder",
    "DroppedErrorsWarning",
    "HyperedgeCounts",
    "MatchingGraph",
    "ParallelStreamingDecoder",
    "ReweightedDecoder",
    "Rounds",
    "SideInformation",
    "StreamingDecoder",
    "classify_gaussian",
    "classify_ratio",
    "from_dem",
    "names",
    "resolve_hyperedges",
    "sinter_decoders",
    "with_gaps",
]
