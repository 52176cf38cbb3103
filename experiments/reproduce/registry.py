"""The figures of `qec reproduce`, in the order of the report."""

from importlib import import_module
from typing import cast

from experiments.reproduce.engine.figure import Figure

# name -> module; a module is imported when its figure is asked for.
FIGURES = {
    "memory": "experiments.reproduce.figures.memory",
    "budget": "experiments.reproduce.figures.budget",
    "injection": "experiments.reproduce.figures.injection",
    "repetition": "experiments.reproduce.figures.repetition",
    "bursts": "experiments.reproduce.figures.bursts",
    "leakage": "experiments.reproduce.figures.leakage",
    "stability": "experiments.reproduce.figures.stability",
    "realtime": "experiments.reproduce.figures.realtime",
    "scaling": "experiments.reproduce.figures.scaling",
}


def figure_by_name(name: str) -> Figure:
    """Import the module of a figure.

    Raises:
        ValueError: an unknown name.
    """
    if name not in FIGURES:
        raise ValueError(f"no figure is named {name!r}: choose from all, {', '.join(FIGURES)}")
    return cast(Figure, import_module(FIGURES[name]))
