"""Circuits of the user as points of a sweep."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stim

from experiments.common.circuit_file import read_decodable_circuit
from qec.noise import LeakageModel


@dataclass(frozen=True)
class CircuitFile:
    """A noisy circuit in a file; the same methods as `experiments.common.points.Point`.

    Attributes:
        path: file in stim's format.
        known: its metadata, see `read_circuits`.
    """

    path: Path
    known: dict[str, Any]
    leakage: LeakageModel | None = None

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of this point for a CSV file."""
        return self.known

    def circuit(self) -> stim.Circuit:
        """Read the circuit.

        Raises:
            ValueError: not a circuit, or one without detectors or observables.
        """
        return read_decodable_circuit(self.path)


def read_circuits(names: Sequence[str], given: Sequence[str]) -> list[CircuitFile]:
    """Find the metadata of circuits.

    Metadata are, later ones first: `given`; a JSON object in the file next to the circuit that ends in .json;
    the name of the file, if it is written `d=5,r=10,p=0.002.stim`. Without any, the path.

    Args:
        names: files.
        given: `KEY=VALUE`, for all circuits.

    Raises:
        FileNotFoundError: no such file.
        ValueError: metadata that cannot be read, or two circuits with the same.
    """
    common = dict(_pair(part) for text in given for part in text.split(","))
    found: dict[str, CircuitFile] = {}
    for name in dict.fromkeys(names):
        path = Path(name)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such circuit")
        known: dict[str, Any] = dict(_pair(part) for part in path.stem.split(",") if "=" in part)
        beside = path.with_suffix(".json")
        if beside.is_file():
            known |= _object(beside)
        known |= common
        one = CircuitFile(path, known or {"path": name})
        key = json.dumps(one.known, sort_keys=True)
        if key in found:
            raise ValueError(
                f"{found[key].path} and {path} have the same metadata {key}: name the files by what they "
                "differ in, such as d=5,r=10,p=0.002.stim, or put it into a file that ends in .json"
            )
        found[key] = one
    return list(found.values())


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"--metadata {text!r}: give KEY=VALUE, such as d=5")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            pass
    return key, value


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}: must be an object of metadata, such as {{'d': 5, 'r': 10}}")
    return found
