"""Benchmark of programs with feed-forward: reaction time, backlog, chains of decisions."""
