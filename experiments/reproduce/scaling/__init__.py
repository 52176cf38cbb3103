"""Parts of the scaling section of `qec reproduce`."""
