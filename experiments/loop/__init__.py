"""The commands of the real-time loop: `qec realtime`, `serve`, `stream`, `soak`, `keygen`."""
