"""Circuits and detector error models in files, read on first use; errors name the file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import stim

_Read = TypeVar("_Read")
_DEEPEST = 100  # blocks inside each other


def read_circuit(path: Path) -> stim.Circuit:
    """Read a `.stim` file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: stim cannot parse it; the message carries stim's first line.
    """
    return _read(path, lambda name: stim.Circuit(_text(name)))


def read_error_model(path: Path) -> stim.DetectorErrorModel:
    """Read a `.dem` file, or derive the model of a noisy `.stim` circuit (errors decomposed where stim can).

    Raises:
        FileNotFoundError: no such file.
        ValueError: stim cannot parse it or derive a model from it; the message carries stim's first line.
    """
    if path.suffix == ".stim":
        return _read(path, _derive)
    return _read(path, lambda name: stim.DetectorErrorModel(_text(name)))


class ErrorModels(Mapping[str, stim.DetectorErrorModel]):
    """Mapping from name to detector error model; each is read at its first use and kept.

    Looking up a model raises ValueError if it has other numbers of detectors or observables than the
    experiment.
    """

    def __init__(self, paths: Mapping[str, Path], *, num_detectors: int, num_observables: int) -> None:
        self.paths = dict(paths)
        self._expected = (num_detectors, num_observables)
        self._models: dict[str, stim.DetectorErrorModel] = {}

    def __getitem__(self, name: str) -> stim.DetectorErrorModel:
        if name not in self._models:
            path = self.paths[name]
            model = read_error_model(path)
            found = (model.num_detectors, model.num_observables)
            if found != self._expected:
                raise ValueError(
                    f"{path}: {found[0]} detectors and {found[1]} observables, "
                    f"but the experiment has {self._expected[0]} and {self._expected[1]}"
                )
            self._models[name] = model
        return self._models[name]

    def __contains__(self, name: object) -> bool:
        return name in self.paths

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)


def _text(name: str) -> str:
    return _checked(Path(name).read_text(encoding="utf-8-sig", errors="replace"))


def _checked(text: str) -> str:
    """Return the text with a line end, after the checks of decoders.model.text_files.

    Raises:
        ValueError: they are nested so deeply that stim's parser would overflow the stack, or the text has a
            NUL character, after which in a tag stim reads memory that is not its own.
    """
    if "\0" in text:
        raise ValueError(f"character {text.index(chr(0))} is NUL: not a text in stim's format")
    if text.count("{") > _DEEPEST:
        braces = re.findall("[{}]", re.sub(r"#.*|\[[^\]\n]*\]", "", text))
        depth = max(itertools.accumulate(1 if brace == "{" else -1 for brace in braces), default=0)
        if depth > _DEEPEST:
            raise ValueError(f"blocks nested {depth} deep: at most {_DEEPEST} levels are supported")
    # Where a text ends inside a tag, stim's parser does not return; at a line end it reports the open tag.
    return text + "\n"


def _derive(name: str) -> stim.DetectorErrorModel:
    circuit = stim.Circuit(_text(name))
    # The errors of general Pauli channels count as independent.
    try:
        return circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    except ValueError:  # errors that are not edges, for decoders that accept hyperedges
        return circuit.detector_error_model(approximate_disjoint_errors=True)


def _read(path: Path, reader: Callable[[str], _Read]) -> _Read:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return reader(str(path))
    except (ValueError, IndexError) as error:  # stim raises either
        message = str(error).strip().splitlines()
        raise ValueError(f"{path}: {message[0] if message else 'stim cannot read it'}") from None
