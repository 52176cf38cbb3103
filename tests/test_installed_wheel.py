"""A wheel, installed, must work away from the checkout: commands, data files, types."""

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import decoders

_ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("qec", "decoders", "realtime", "experiments")

Run = Callable[..., subprocess.CompletedProcess[str]]

# What every decoder makes of four shots.
_DECODE = """
import decoders, stim
print(decoders.__file__)
dem = stim.DetectorErrorModel('''
    error(0.1) D0 L0
    error(0.1) D0 D1
    error(0.1) D1
    detector(0, 0, 0) D0
    detector(1, 0, 0) D1
''')
for name in decoders.names():
    decoder = decoders.from_dem(name, dem)
    print(name, *decoder.decode_batch([[0, 0], [1, 0], [0, 1], [1, 1]])[:, 0].tolist())
"""


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        capture_output=True,
        text=True,
        cwd=_ROOT.parent,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from the checkout, with the build backend that the `test` extra installs."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(folder), str(_ROOT))
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents installed; the dependencies are this environment's."""
    folder = tmp_path_factory.mktemp("site")
    _pip("install", "--no-deps", "--no-index", "--quiet", "--target", str(folder), str(wheel))
    return folder


@pytest.fixture
def run(site: Path, tmp_path: Path) -> Run:
    """Run Python in an empty folder, with the installed wheel first on the path and without the checkout."""

    def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        own = {"PYTHONPATH": str(site), "PYTHONSAFEPATH": "1", "NUMBA_CACHE_DIR": f"{site}_kernels"}
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ | own | variables,
            timeout=300,
        )

    return start


def test_wheel_holds_packages_types_and_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for package in _PACKAGES:
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == set(_PACKAGES)
    shipped = {name.removeprefix("qec/_data/") for name in names if name.startswith("qec/_data/")}
    data = _ROOT / "data"
    assert shipped == {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".nbi", ".nbc"))]


def test_wheel_names_and_holds_the_licence(wheel: Path) -> None:
    """PEP 639: an SPDX expression and the file itself."""
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{folder}/METADATA").decode().partition("\n\n")[0].splitlines()
        assert "License-Expression: Apache-2.0" in metadata
        assert "License-File: LICENSE" in metadata
        assert archive.read(f"{folder}/licenses/LICENSE") == (_ROOT / "LICENSE").read_bytes()


def test_modules_and_data_come_from_the_wheel(run: Run, site: Path) -> None:
    code = (
        f"import importlib\nfor name in {_PACKAGES!r}: print(importlib.import_module(name).__file__)\n"
        "from qec import resources\nprint(resources.data_path('samples'))"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(_PACKAGES) + 1
    assert all(Path(line).is_relative_to(site) for line in lines)


def test_every_module_can_be_imported(run: Run) -> None:
    code = (
        "import importlib, pkgutil\n"
        f"for name in {_PACKAGES!r}:\n"
        "    package = importlib.import_module(name)\n"
        "    for found in pkgutil.walk_packages(package.__path__, name + '.'):\n"
        "        importlib.import_module(found.name)\n"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr


def test_console_script_is_declared(run: Run) -> None:
    code = (
        "from importlib.metadata import entry_points\n"
        "(script,) = entry_points(group='console_scripts', name='qec')\n"
        "raise SystemExit(script.load()(['--version']))"
    )
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("qec ")


def test_demo_runs_compiles_and_draws(run: Run, site: Path, tmp_path: Path) -> None:
    """With PyMatching: it compiles the few kernels that make its graph; all of them take most of a minute."""
    command = ["-m", "experiments.cli", "demo", "--decoder", "pymatching", "--out", "tiny.png"]
    done = run(*command, "--shots", "300", "--distances", "3", "5")
    assert done.returncode == 0, done.stderr
    assert "Lambda" in done.stdout
    assert (tmp_path / "tiny.png").read_bytes().startswith(b"\x89PNG")
    assert list(Path(f"{site}_kernels").rglob("*.nbc"))


def test_every_decoder_decodes(run: Run, site: Path) -> None:
    """Interpreted: what is compiled are the files that the checkout's tests compile."""
    done = run("-c", _DECODE, NUMBA_DISABLE_JIT="1")
    assert done.returncode == 0, done.stderr
    place, *lines = done.stdout.splitlines()
    assert Path(place).is_relative_to(site)
    assert lines == [f"{name} False True False False" for name in decoders.names()]
    for file in (_ROOT / "decoders" / "kernels").glob("*.py"):
        assert (site / "decoders" / "kernels" / file.name).read_bytes() == file.read_bytes()


def test_hardware_sample_is_decoded(run: Run) -> None:
    found = run("-c", "from qec import resources; print(resources.data_path('samples'))")
    done = run("-m", "experiments.cli", "hardware", found.stdout.strip(), "--decoder", "pymatching")
    assert done.returncode == 0, done.stderr
    assert "errors" in done.stdout
