"""Matching with per-shot edge weights."""
