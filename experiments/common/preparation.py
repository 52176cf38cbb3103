"""Prepare decoders before any clock runs, and report how long that took."""

import sys
import time
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

import stim

import decoders
from decoders.model.hyperedges import Hyperedges
from experiments.common.terminal import Progress

# Preparations that take less time are not worth a line, in seconds.
_MOMENT = 3.0


@contextmanager
def preparation(command: str, what: str, *, progress: Progress) -> Iterator[None]:
    """Show what the block prepares; report on stderr how long it took, from three seconds on.

    Args:
        command: name of the command, for the message, such as "qec decode".
        what: what is prepared, such as the name of a decoder.
        progress: shows a line in the meantime.
    """
    start = time.monotonic()
    with progress.remind(f"preparing {what}; the first use compiles its kernels", after=_MOMENT):
        yield
    seconds = time.monotonic() - start
    if seconds >= _MOMENT:
        progress.clear()
        print(f"{command}: preparing {what} took {seconds:.1f} s (outside decoding times)", file=sys.stderr)


def small_model() -> stim.DetectorErrorModel:
    """Make the DEM of a small memory, for decoders that are made to be compiled."""
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z", distance=3, rounds=3, after_clifford_depolarization=0.01
    )
    return circuit.detector_error_model(decompose_errors=True)


def make_decoder(
    command: str, name: str, dem: stim.DetectorErrorModel, *, hyperedges: Hyperedges = "refuse"
) -> decoders.Decoder:
    """Construct a decoder; report on stderr what became of errors with more than two detectors.

    Args:
        command: see `preparation`.
        name, dem, hyperedges: see `decoders.from_dem`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", decoders.DroppedErrorsWarning)  # the line below is the report
        decoder = decoders.from_dem(name, dem, hyperedges=hyperedges)
    if decoder.hyperedges.decomposed or decoder.hyperedges.dropped:
        print(f"{command}: {name}: {decoder.hyperedges}", file=sys.stderr)
    return decoder


def compile_kernels(
    command: str, names: Iterable[str], *, with_gaps: Collection[str] = (), progress: Progress
) -> None:
    """Compile the kernels of decoders, or load them from the cache, with a small model.

    Worker processes that start afterwards find them in the cache, instead of each compiling them.

    Args:
        command: see `preparation`.
        names: decoders of the registry.
        with_gaps: those of which gaps will be asked for.
        progress: see `preparation`.
    """
    dem = small_model()
    for name in dict.fromkeys(names):
        with preparation(command, name, progress=progress):
            decoders.from_dem(name, dem).warm_up(gaps=name in with_gaps)
