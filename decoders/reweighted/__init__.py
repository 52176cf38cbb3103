"""Matching with edge weights of each shot's own."""
