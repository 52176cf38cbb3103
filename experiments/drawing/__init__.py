"""Pictures of decoding: matchings with their regions and blossoms, error models, detection fractions."""

from experiments.drawing.pictures import draw_matching

__all__ = ["draw_matching"]
