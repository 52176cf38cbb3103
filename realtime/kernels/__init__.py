"""Compiled code of the real-time loop, without allocation and without the GIL."""
