"""Draw, decode and count shots of a detector error model in one compiled loop."""

from experiments.engine.engine import Counts, Engine

__all__ = ["Counts", "Engine"]
