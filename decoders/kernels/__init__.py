"""Compiled code only: loops over arrays, no stim, no exceptions, no allocation in the hot path."""
