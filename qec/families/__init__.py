"""Circuits of many code families, with noise, for comparing decoders."""

from qec.families.decomposition import graphlike_dem
from qec.families.lattice_surgery import lattice_surgery_circuit
from qec.families.patch_growth import patch_growth_circuit
from qec.families.registry import Family, circuit, error_model, family, names
from qec.families.stability import stability_circuit
from qec.families.surgery_cnot import surgery_cnot_circuit
from qec.families.transversal_cnot import transversal_cnot_circuit

__all__ = [
    "Family",
    "circuit",
    "error_model",
    "family",
    "graphlike_dem",
    "lattice_surgery_circuit",
    "names",
    "patch_growth_circuit",
    "stability_circuit",
    "surgery_cnot_circuit",
    "transversal_cnot_circuit",
]
