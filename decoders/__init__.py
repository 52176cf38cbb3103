"""Decoders for detector error models. Knows stim, knows no code and no noise model."""

from decoders.graph import MatchingGraph

__all__ = ["MatchingGraph"]
