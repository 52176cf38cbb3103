"""Live view of a decoder daemon: terminal, page, metrics."""
