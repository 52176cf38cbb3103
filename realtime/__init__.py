"""The real-time loop: syndrome frames in, corrections out, every microsecond accounted for."""
