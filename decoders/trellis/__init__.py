"""Trellis decoder: most likely logical class by a beam over error mechanisms."""
