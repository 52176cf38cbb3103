"""Compiled loops of programs: the source that obeys outcomes, and the decoder of all patches."""
