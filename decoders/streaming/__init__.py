"""Decoding of streams in windows of layers."""
