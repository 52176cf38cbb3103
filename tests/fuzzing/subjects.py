"""Table of what is fuzzed: the check of a case, valid cases to start from, and words of the format."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

#: Minimised cases that failed once, in a folder for each subject.
CORPUS: Final = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Subject:
    """One format, or one part that takes input in any order.

    Nothing is imported before `load`: a coverage-guided run has to see the imports.

    Attributes:
        name: for commands and the folder of its corpus.
        module: of the check, in this package; the check has the name `function`.
        function: takes the bytes of a case; an exception is a finding.
        seeds: strategy of valid cases, in `tests.fuzzing.formats`.
        words: of the format, for mutations.
    """

    name: str
    module: str
    function: str
    seeds: str
    words: tuple[str, ...] = ()

    def load(self) -> Callable[[bytes], None]:
        """Import the check; a case that is refused as promised is no finding."""
        from tests.fuzzing.refusals import Refused

        check = getattr(import_module(f"tests.fuzzing.{self.module}"), self.function)

        def checked(data: bytes) -> None:
            with contextlib.suppress(Refused):
                check(data)

        return checked

    def cases(self) -> st.SearchStrategy[bytes]:
        """Return the strategy of valid cases."""
        found: st.SearchStrategy[bytes] = getattr(import_module("tests.fuzzing.formats"), self.seeds)()
        return found

    def corpus(self) -> list[Path]:
        """List the files of the cases that failed once."""
        return sorted((CORPUS / self.name).glob("*"))


_JSON: Final = ('"', "{", "}", "[", "]", "null", "NaN", "-Infinity", "1e999", "\\u0000", ",", ":")
_MODEL: Final = (
    "error(",
    "detector",
    "shift_detectors",
    "repeat 2 {\n",
    "}\n",
    "logical_observable",
    "^",
    " D0",
)
_CIRCUIT: Final = (
    "REPEAT 2 {\n",
    "}\n",
    "DETECTOR(",
    "OBSERVABLE_INCLUDE(0)",
    "rec[-1]",
    "M 0\n",
    "sweep[0]",
)

SUBJECTS: Final = (
    Subject("shots", "readers", "shots", "shots", ("shot ", "D0", "L0", ",", "\n", "\xff")),
    Subject("experiment-shots", "readers", "experiment_shots", "experiment_shots", ("\r\n", "0", "1")),
    Subject("model", "readers", "model", "models", (*_MODEL, "[", "]", "\\", "#", "(0.5)", "(1)", " L0")),
    Subject(
        "circuit", "readers", "circuit", "circuits", (*_CIRCUIT, "[", "]", "MPP X0*X1", "E(0.1) X0", "#")
    ),
    Subject("counts", "readers", "count_files", "counts", (*_JSON, '""', "shots", "1.0", "e300", "\r\n")),
    Subject(
        "results", "readers", "result_rows", "records", (*_JSON, '"cell"', '"key"', '"seconds"', '"first"')
    ),
    Subject(
        "device",
        "readers",
        "device_file",
        "device_files",
        ("[rates]", "[[qubits]]", "inf", "nan", "= ", '"""'),
    ),
    Subject(
        "recording", "readers", "recorded_stream", "recordings", (*_JSON, "QECF", '"cycle_ns"', '"version"')
    ),
    Subject("experiment", "readers", "experiment", "metadata", (*_JSON, "rounds: ", "basis: ", '"basis"')),
    Subject("keys", "readers", "key_file", "keys", ("public-key", "secret-key", ' = "', "\n")),
    Subject("program", "readers", "program", "programs", (*_JSON, '"do"', '"repeat"', '"end"', '"if"', "\n")),
    Subject("frame", "messages", "frame", "frames", ("QECF", "\x01\x00", "\x40", "\x70")),
    Subject("control-text", "messages", "control_message", "control", (*_JSON, '"type"')),
    Subject(
        "control", "messages", "control", "control", (*_JSON, '"type"', '"hello"', '"version":2', '"session"')
    ),
    Subject(
        "settings", "messages", "stored_settings", "settings", (*_JSON, '"buckets"', '"cores"', '"fifo"')
    ),
    Subject("session", "messages", "session", "choices"),
    Subject("matching", "matchings", "matching", "choices"),
)
