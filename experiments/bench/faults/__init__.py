"""`qec bench faults`: faults on purpose in a running real-time loop."""
