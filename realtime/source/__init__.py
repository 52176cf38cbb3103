"""Syndrome source: playlists, frame scheduling, recordings."""
