"""Detector error models as arrays: errors, their components, the matching graph."""
