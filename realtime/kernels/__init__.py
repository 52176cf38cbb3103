"""Compiled code of the real-time loop: no allocation, no GIL, no Python."""
