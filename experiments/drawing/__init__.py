"""Pictures of decoding: matchings with their regions and blossoms, error models, detection fractions."""

from experiments.drawing.pictures import draw_detection_fractions, draw_matching, draw_model

__all__ = ["draw_detection_fractions", "draw_matching", "draw_model"]
