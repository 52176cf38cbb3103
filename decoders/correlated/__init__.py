"""Two-pass correlated matching."""
