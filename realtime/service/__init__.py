"""Decoding service: daemon, sessions, admission control, client."""
