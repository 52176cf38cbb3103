"""Compiled loops of the engine."""
