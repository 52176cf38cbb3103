"""Coverage of every published interval, by simulation."""
