"""`qec distance`: distances of a circuit and its lightest failures."""
