"""Compiled loops over shots of the samplers, on arrays."""
