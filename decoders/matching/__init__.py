"""Exact minimum-weight perfect matching."""
