"""The figures of `qec reproduce`, in the order of the report."""

from importlib import import_module
from typing import cast

from experiments.reproduce.figure import Figure

# name -> module; a module is imported when its figure is asked for.
FIGURES = {
    "memory": "experiments.reproduce.memory",
    "budget": "experiments.reproduce.budget",
    "injection": "experiments.reproduce.injection",
    "repetition": "experiments.reproduce.repetition",
    "bursts": "experiments.reproduce.bursts",
    "leakage": "experiments.reproduce.leakage",
    "stability": "experiments.reproduce.stability",
    "realtime": "experiments.reproduce.live",
}


def figure_by_name(name: str) -> Figure:
    """The module behind a name.

    Raises:
        ValueError: an unknown name.
    """
    if name not in FIGURES:
        raise ValueError(f"no figure is named {name!r}: choose from all, {', '.join(FIGURES)}")
    return cast(Figure, import_module(FIGURES[name]))
