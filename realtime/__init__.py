"""Real-time decoding loop: syndrome source, decoding service, latency measurement."""
