"""Circuits of the user, in files."""

from pathlib import Path

import stim

from decoders.model.text_files import read_circuit_file


def read_decodable_circuit(path: str | Path) -> stim.Circuit:
    """Read a circuit that has something to decode.

    Raises:
        ValueError: not a circuit, or one without detectors or observables; the message names the file.
    """
    try:
        found = read_circuit_file(path)
    except (ValueError, IndexError) as error:
        message = " ".join(str(error).splitlines())
        raise ValueError(f"{path}: not a circuit in stim's format: {message}") from None
    if not found.num_detectors or not found.num_observables:
        raise ValueError(f"{path}: needs detectors and observables, such as stim gen makes")
    return found
