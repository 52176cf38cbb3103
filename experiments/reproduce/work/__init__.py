"""Simulations and evaluations that the figures share."""
