"""Cache of compiled code: kept between processes, never stale."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numba
import pytest
import stim
from numba.core import config

from decoders import MatchingGraph
from decoders.kernels import cache_folder, jit
from decoders.model.kernels import dem_text, edges, unroll

CALLEE = """
from decoders.kernels.jit import kernel

@kernel
def amount(x):
    return x + 1
"""
CALLER = """
import json, os, sys
from decoders.kernels import cache_folder, jit
from decoders.kernels.callee import amount

@jit.entry_point
def doubled(x):
    return 2 * amount(x)

def report():
    answer = doubled(3)
    hits = sum(doubled.stats.cache_hits.values()) if hasattr(doubled, "stats") else -1
    print(json.dumps({"answer": answer, "hits": hits, "folder": str(jit.cache_folder)}))
"""


class Report(NamedTuple):
    answer: int
    hits: int
    folder: Path


class House:
    """A copy of jit.py with two kernels of its own: one in a file, its callee in another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.kernels = root / "code" / "decoders" / "kernels"
        self.kernels.mkdir(parents=True)
        (self.kernels / "__init__.py").touch()
        (self.kernels.parent / "__init__.py").touch()
        for module in (jit, cache_folder):
            shutil.copy(module.__file__, self.kernels)
        (self.kernels / "callee.py").write_text(CALLEE)
        (self.kernels / "caller.py").write_text(CALLER)

    def run(self, **variables: str) -> Report:
        """What a fresh process computes, and from where."""
        environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("NUMBA_") and key != "XDG_CACHE_HOME"
        }
        environment |= {"PYTHONPATH": str(self.root / "code"), "NUMBA_CACHE_DIR": str(self.root / "cache")}
        done = subprocess.run(
            [sys.executable, "-c", "from decoders.kernels.caller import report; report()"],
            env=environment | variables,
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        values = json.loads(done.stdout)
        return Report(values["answer"], values["hits"], Path(values["folder"]))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_second_process_compiles_nothing(house: House) -> None:
    first = house.run()
    assert first.answer == 8
    assert first.hits == 0
    assert first.folder.is_relative_to(house.root / "cache")
    assert list(first.folder.rglob("*.nbi"))
    again = house.run()
    assert again == first._replace(hits=1)


def test_an_edited_callee_in_another_file_takes_effect(house: House) -> None:
    before = house.run()
    file = house.kernels / "callee.py"
    times = file.stat()
    # Same length and same modification time: only the bytes differ.
    file.write_text(CALLEE.replace("x + 1", "x + 5"))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = house.run()
    assert after.answer == 16
    assert after.folder != before.folder
    # And back: the old machine code is right again and still there.
    file.write_text(CALLEE)
    assert house.run().folder == before.folder


def test_an_edited_kernel_of_another_package_takes_effect(house: House) -> None:
    nested = house.kernels.parent / "model" / "kernels"
    nested.mkdir(parents=True)
    (nested / "__init__.py").touch()
    (nested.parent / "__init__.py").touch()
    (nested / "callee.py").write_text(CALLEE)
    caller = CALLER.replace("decoders.kernels.callee", "decoders.model.kernels.callee")
    (house.kernels / "caller.py").write_text(caller)
    before = house.run()
    assert before.answer == 8
    assert house.run().hits == 1
    (nested / "callee.py").write_text(CALLEE.replace("x + 1", "x + 5"))
    assert house.run().answer == 16


def test_a_new_kernel_file_changes_the_folder(house: House) -> None:
    before = house.run()
    (house.kernels / "more.py").write_text("# nothing yet\n")
    assert house.run().folder != before.folder


def test_flags_change_the_folder(house: House) -> None:
    plain = house.run()
    checked = house.run(NUMBA_BOUNDSCHECK="1")
    assert checked.folder != plain.folder
    assert checked.hits == 0
    assert house.run(NUMBA_BOUNDSCHECK="1").hits == 1


def test_without_compilation_there_is_nothing_to_keep(house: House) -> None:
    interpreted = house.run(NUMBA_DISABLE_JIT="1")
    assert interpreted.answer == 8
    assert not list((house.root / "cache").rglob("*.nbi"))


def test_a_cache_that_cannot_be_made_is_replaced(house: House) -> None:
    blocked = house.root / "file"
    blocked.write_text("no folder")
    temporary = house.root / "tmp"
    temporary.mkdir()
    first = house.run(NUMBA_CACHE_DIR=str(blocked / "cache"), TMPDIR=str(temporary))
    assert first.answer == 8
    assert first.folder.is_relative_to(temporary)
    assert list(temporary.iterdir()) == []  # removed with the process


def test_a_cache_that_cannot_be_written_is_copied_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a folder on a medium that is mounted read-only; numba refuses it."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Set first, so that what the function sets is taken back too.
    monkeypatch.setenv(cache_folder._PRIVATE, "")
    monkeypatch.delenv(cache_folder._PRIVATE)
    kept = cache_folder.kernel_folder("a")
    assert kept == tmp_path / "cache" / "below-threshold" / "a"
    (kept / "code.nbi").touch()
    ready = cache_folder._is_ready
    monkeypatch.setattr(
        cache_folder, "_is_ready", lambda f: (tmp_path / "cache") not in f.parents and ready(f)
    )
    monkeypatch.setattr(cache_folder.atexit, "register", lambda *_: None)
    with pytest.warns(RuntimeWarning, match="set NUMBA_CACHE_DIR to a folder that can be written"):
        private = cache_folder.kernel_folder("a")
    assert (private / "code.nbi").exists()
    # Another package, another process, without a second warning.
    assert cache_folder.kernel_folder("qec-b").parent == private.parent
    assert private.parent.stat().st_mode & 0o077 == 0


def test_packages_choose_their_folders_alike() -> None:
    root = Path(__file__).parents[2]
    folders = ("decoders/kernels", "qec/sampling/kernels")
    mine, other = ((root / folder / "cache_folder.py").read_bytes() for folder in folders)
    assert mine == other


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_kernels_of_the_graph_are_compiled_once() -> None:
    for text in ["", "error(0.1) D0", "error(0.1) D0 D1 L0 ^ D2 L70\ndetector(1, 2, 3) D0", "repeat 2 {\n}"]:
        MatchingGraph.from_dem(stim.DetectorErrorModel(text))
    for function in [
        dem_text.measure_text,
        dem_text.parse_dem,
        unroll.count_unrolled,
        unroll.unroll,
        edges.add_components,
        edges.fill_table,
        edges.sort_edges,
        edges.build_adjacency,
        edges.label_components,
    ]:
        assert len(function.signatures) == 1  # type: ignore[attr-defined]
