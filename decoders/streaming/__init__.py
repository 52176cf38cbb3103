"""Streaming decoders: overlapping windows, sequential or in parallel."""
