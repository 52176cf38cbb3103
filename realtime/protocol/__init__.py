"""Frames on the wire, control messages and the record of a session."""
