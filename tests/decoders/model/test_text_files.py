"""Files of models that were cut off at any byte: read or refused, never endless."""

import ast
import faulthandler
from collections.abc import Callable
from pathlib import Path

import pytest
import stim

from decoders.model.text_files import read_circuit_file, read_dem_file
from decoders.pymatching import Matching
from qec.datasets.models import read_circuit, read_error_model
from tests.test_architecture import ROOT, parsed, source_files

_DEM = (
    "error[abc](0.1) D0 D1\nrepeat[t] 3 {\n    error[x\\Cy](0.2) D0 ^ L0\n    shift_detectors[a](1, 2) 1\n}\n"
    "detector[q](1) D3\nlogical_observable[z] L0 # done"
)
_CIRCUIT = (
    "R[a] 0 1\nX_ERROR[b](0.1) 0\nREPEAT[c] 2 {\n    M[d] 0\n    TICK[e]\n}\nDETECTOR[f](1, 2) rec[-1]\n"
    "OBSERVABLE_INCLUDE[g](0) rec[-1]"
)


@pytest.mark.parametrize(
    ("read", "text", "ending"),
    [
        (read_dem_file, _DEM, ".dem"),
        (read_error_model, _DEM, ".dem"),
        (Matching.from_detector_error_model_file, _DEM, ".dem"),
        (read_circuit_file, _CIRCUIT, ".stim"),
        (read_circuit, _CIRCUIT, ".stim"),
        (read_error_model, _CIRCUIT, ".stim"),
        (Matching.from_stim_circuit_file, _CIRCUIT, ".stim"),
    ],
)
def test_a_model_cut_anywhere(read: Callable[[Path], object], text: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{ending}"
    refused = []
    faulthandler.dump_traceback_later(60, exit=True)  # stim does not hear signals while it parses
    for length in range(len(text) + 1):
        path.write_text(text[:length])
        try:
            read(path)
        except (ValueError, IndexError):
            refused.append(length)
    faulthandler.cancel_dump_traceback_later()
    assert {text.index("[") + 1, text.rindex("[") + 1} <= set(refused)
    assert not {0, len(text)} & set(refused)


def test_a_byte_order_mark_is_no_instruction(tmp_path: Path) -> None:
    (tmp_path / "m.dem").write_bytes(b"\xef\xbb\xbferror(0.1) D0 L0\n")
    expected = stim.DetectorErrorModel("error(0.1) D0 L0")
    assert read_dem_file(tmp_path / "m.dem") == expected == read_error_model(tmp_path / "m.dem")


def test_nothing_else_reads_models_with_stim() -> None:
    wrong = [
        module
        for module, path in source_files(ROOT).items()
        if "from_file" in (text := path.read_text())
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Attribute) and node.attr == "from_file"
    ]
    assert wrong == []
