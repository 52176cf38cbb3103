"""Circuits of logical operations on several patches of the rotated surface code."""

from qec.circuits.cz_gates import with_cz_gates
from qec.circuits.logical_circuit import LogicalCircuit, Outcome

__all__ = ["LogicalCircuit", "Outcome", "with_cz_gates"]
