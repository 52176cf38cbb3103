"""Compile the loops of the engine before worker processes would do it at the same time."""

from collections.abc import Iterable

import decoders
from experiments.common.preparation import preparation, small_model
from experiments.common.terminal import Progress
from experiments.engine.engine import Engine


def compile_engines(command: str, names: Iterable[str], *, progress: Progress) -> None:
    """Compile the engine for decoders, or load it from the cache, with a small model.

    Args:
        command: name of the command, for messages, such as "qec sweep".
        names: decoders of the registry.
        progress: shows a line in the meantime.
    """
    dem = small_model()
    for name in dict.fromkeys(names):
        with preparation(command, name, progress=progress):
            Engine(dem=dem, decoder=decoders.from_dem(name, dem)).warm_up()
