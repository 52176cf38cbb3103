"""Experiment folders: read and check both published layouts, write that of 2024."""

from qec.datasets.experiment import Experiment
from qec.datasets.metadata import Metadata
from qec.datasets.reading import find_experiments, read_experiment
from qec.datasets.shots import pack, read_shots, unpack
from qec.datasets.writing import experiment_folder, write_experiment

__all__ = [
    "Experiment",
    "Metadata",
    "experiment_folder",
    "find_experiments",
    "pack",
    "read_experiment",
    "read_shots",
    "unpack",
    "write_experiment",
]
