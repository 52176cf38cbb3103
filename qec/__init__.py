"""Codes, noise, memory experiments, statistics and experiment folders. Knows stim, knows no decoder."""
