"""Recorded experiments: `qec hardware` and `qec learn`."""
