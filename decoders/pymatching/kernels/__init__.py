"""Kernels of the drop-in `Matching`."""
