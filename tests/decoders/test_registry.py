"""Decoder names, options and lazy imports."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numba
import pytest
import stim

import decoders
from decoders import registry
from decoders.base import Decoder

DEM = stim.DetectorErrorModel("error(0.1) D0 L0")


class _WithOptions(Decoder):
    """Remembers its options."""

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel, *, depth: int = 3, fast: bool = False) -> "_WithOptions":
        made = cls(name="with-options", num_detectors=dem.num_detectors, num_observables=dem.num_observables)
        made.options = (depth, fast)
        return made

    def _decode_packed(self, packed: Any, *, weights: bool, threads: int) -> Any:
        raise NotImplementedError


@pytest.fixture
def with_options(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(registry._known(), "with-options", f"{__name__}:_WithOptions")
    return "with-options"


def test_names_make_decoders_of_that_name() -> None:
    assert "pymatching" in decoders.names()
    assert "pymatching-correlated" in decoders.names()
    for name in decoders.names():
        made = decoders.from_dem(name, stim.DetectorErrorModel(f"{DEM}\ndetector(0, 0, 0) D0"))
        assert isinstance(made, decoders.Decoder)
        assert made.name == name
        assert (made.num_detectors, made.num_observables) == (1, 1)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no decoder is named 'pymatcing'") as caught:
        decoders.from_dem("pymatcing", DEM)
    for name in decoders.names():
        assert name in str(caught.value)


def test_a_former_name_says_the_present_one() -> None:
    with pytest.raises(ValueError, match="'ensemble' is now called 'trellis'"):
        decoders.from_dem("ensemble", DEM)


def test_a_class_by_its_place() -> None:
    place = f"{__name__}:_WithOptions"
    made = decoders.from_dem(place, DEM, depth=4)
    assert made.options == (4, False)  # type: ignore[attr-defined]
    assert decoders.sinter_adapter.sinter_decoder(place).name == place


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("no_such_module:Decoder", "cannot be imported from 'no_such_module:Decoder': No module named"),
        (f"{__name__}:Missing", "has no attribute 'Missing'"),
        ("stim:Circuit", "must be a subclass of decoders.Decoder"),
        ("stim:", "cannot be imported|must be a subclass"),
    ],
)
def test_a_class_that_is_no_decoder(place: str, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        decoders.from_dem(place, DEM)


def test_a_plug_in_is_found(tmp_path: Path) -> None:
    """A distribution with an entry point: found by the registry, the command line and sinter."""
    (tmp_path / "own_decoder.py").write_text(_OWN_DECODER)
    information = tmp_path / "own_decoder-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: own-decoder\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[qec.decoders]\nzero = own_decoder:Zero\n")
    program = """
import decoders, stim
print(decoders.names()[-1], "zero" in decoders.sinter_decoders())
print(decoders.from_dem("zero", stim.DetectorErrorModel("error(0.1) D0 L0")).decode([True]))
"""
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    environment = os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["zero True", "[False]"]


_OWN_DECODER = """
import numpy as np
from decoders import Decoder

class Zero(Decoder):
    gives_weights = False

    @classmethod
    def from_dem(cls, dem):
        return cls(name="zero", num_detectors=dem.num_detectors, num_observables=dem.num_observables)

    def _decode_packed(self, packed, *, weights, threads):
        return np.zeros((len(packed), (self.num_observables + 7) // 8), dtype=np.uint8), None
"""


def test_options_reach_the_decoder(with_options: str) -> None:
    made = decoders.from_dem(with_options, DEM, depth=5)
    assert made.options == (5, False)  # type: ignore[attr-defined]
    assert registry.known_options(with_options) == ["depth", "fast"]


def test_an_unknown_option_lists_the_known_ones(with_options: str) -> None:
    with pytest.raises(ValueError, match="'with-options' has no option 'deep': its options are depth, fast"):
        decoders.from_dem(with_options, DEM, deep=5)
    with pytest.raises(ValueError, match="'pymatching' has no option 'deep': it has none"):
        decoders.from_dem("pymatching", DEM, deep=5)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (stim.Circuit("M 0"), "detector_error_model"),
        ("error(0.1) D0", "got str"),
        (None, "got NoneType"),
    ],
)
def test_something_else_than_a_dem(wrong: Any, hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        decoders.from_dem("pymatching", wrong)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_importing_decoders_compiles_nothing_and_imports_no_decoder() -> None:
    script = """
import stim, sys
import decoders
others = {"correlated", "gaps", "belief_matching", "trellis", "streaming", "reweighted", "pymatching"}
decoders.names(), decoders.sinter_decoders()
assert "pymatching" not in sys.modules
from numba.core.registry import CPUDispatcher
kernels = [
    (name, attribute)
    for name, module in list(sys.modules.items()) if name.startswith("decoders") and ".kernels" in name
    for attribute, value in vars(module).items() if isinstance(value, CPUDispatcher) and value.signatures
]
assert not kernels, kernels
edges = sys.modules["decoders.model.kernels.edges"]
assert any(isinstance(value, CPUDispatcher) for value in vars(edges).values())
def loaded():
    return {name.split(".")[1] for name in sys.modules if name.startswith("decoders.")}
assert not loaded() & {"matching", *others}, loaded()
decoders.from_dem("mwpm", stim.DetectorErrorModel("error(0.1) D0 L0")).decode([True])
assert "matching" in loaded() and not loaded() & others, loaded()
for name in decoders.__all__:
    assert name in dir(decoders) and getattr(decoders, name).__name__ == name
assert not hasattr(decoders, "streams")
"""
    subprocess.run([sys.executable, "-c", script], check=True)
