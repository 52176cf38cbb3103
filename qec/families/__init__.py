"""Circuits of many code families, with noise, for comparing decoders."""

from qec.families.decomposition import graphlike_dem
from qec.families.registry import Family, circuit, error_model, family, names

__all__ = ["Family", "circuit", "error_model", "family", "graphlike_dem", "names"]
