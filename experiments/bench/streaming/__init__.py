"""`qec bench streaming`: long shots decoded as a stream."""
