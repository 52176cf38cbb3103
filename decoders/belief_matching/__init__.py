"""Belief matching: belief propagation followed by matching."""
