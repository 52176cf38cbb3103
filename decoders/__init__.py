"""Decoders for detector error models. Knows stim, knows no code and no noise model."""
