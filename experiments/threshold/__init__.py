"""`qec threshold`: thresholds by finite-size scaling."""
