"""Decoding load of a large machine: measured service times, queueing, cores, traffic and power."""
