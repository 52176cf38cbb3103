"""Programs that merge patches by lattice surgery, on a simulated clock."""
