"""Belief propagation, then matching with the weights that it finds."""
