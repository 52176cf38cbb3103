"""Jobs, their records on disk, and the report of `qec reproduce`."""
