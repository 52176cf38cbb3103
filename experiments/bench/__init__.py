"""`qec bench`: measurements of speed and accuracy."""
