"""Compiled loops over shots: samplers. No stim here, only arrays."""
