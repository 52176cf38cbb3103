"""Programs of logical operations that wait for decoded outcomes, run in real time."""
