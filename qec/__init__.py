"""Codes, noise, memory experiments, statistics and experiment folders, independent of decoders."""

from qec import datasets, families, noise, priors, statistics
from qec.codes import RepetitionCode, RotatedSurfaceCode, code_by_name, code_names
from qec.memory import memory_circuit, memory_metadata, patch_detectors
from qec.version import __version__

__all__ = [
    "RepetitionCode",
    "RotatedSurfaceCode",
    "__version__",
    "code_by_name",
    "code_names",
    "datasets",
    "families",
    "memory_circuit",
    "memory_metadata",
    "noise",
    "patch_detectors",
    "priors",
    "statistics",
]
