"""`qec reproduce`: results of the published experiment, figure by figure, in simulation."""
