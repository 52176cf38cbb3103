"""Codes: coordinates, stabilizers, interaction schedules, logical operators and smaller codes inside them."""

from qec.codes.code import Basis, Code, Coordinate, Gates, Stabilizer
from qec.codes.registry import code_by_name, code_names
from qec.codes.repetition import RepetitionCode
from qec.codes.surface import RotatedSurfaceCode

__all__ = [
    "Basis",
    "Code",
    "Coordinate",
    "Gates",
    "RepetitionCode",
    "RotatedSurfaceCode",
    "Stabilizer",
    "code_by_name",
    "code_names",
]
