"""`qec info`, `qec warm`, `python -m qec`, and the version as an attribute."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import decoders
import qec
from experiments import cli, info, warm


def test_info_names_versions_cache_and_cores(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    out = capsys.readouterr().out
    assert re.search(rf"^  stim +{re.escape(version('stim'))}$", out, re.MULTILINE)
    assert re.search(r"^  usable cores +\d+$", out, re.MULTILINE)
    for name in decoders.names():
        assert name in out
    for title in ("versions", "machine", "compiled kernels", "real-time loop", "decoders"):
        assert title in out.splitlines()


def test_info_says_that_nothing_is_compiled_or_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "digest"
    empty.mkdir()
    monkeypatch.setattr(info, "cache_folder", empty)
    monkeypatch.setattr(info, "interpreted", False)
    cli.main(["info"])
    assert "nothing compiled yet" in capsys.readouterr().out
    monkeypatch.setattr(info.os, "access", lambda *_: False)
    cli.main(["info"])
    assert "not writable, so every process compiles: set NUMBA_CACHE_DIR" in capsys.readouterr().out
    monkeypatch.setattr(info, "interpreted", True)
    cli.main(["info"])
    assert "NUMBA_DISABLE_JIT" in capsys.readouterr().out


def test_warm_prints_a_line_for_each_decoder(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["warm", "--decoders", "mwpm", "pymatching", "mwpm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r" +[\d.]+ s$", "", line) for line in lines] == ["mwpm", "pymatching"]


def test_warm_says_which_decoders_have_no_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["warm", "--gaps", "--decoders", "pymatching", "pymatching-correlated"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(" s")
    assert second.endswith("without gaps: it gives none")


def test_warm_refuses_unknown_names_before_it_compiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["warm", "--decoders", "mwpm", "mwmp"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no decoder is named 'mwmp'" in captured.err


def test_old_caches_are_listed_and_removed_unless_used_within_a_week(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = [f"{kind}-{16 * '2'}" for kind in ("realtime", "qec", "programs", "engine")]
    names = [16 * "0", 16 * "1", *old, "of_the_user"]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "code.nbi").write_bytes(bytes(1 << 19))
        if name not in (16 * "0", 16 * "1"):
            os.utime(tmp_path / name, (0, 0))
    for module in (info, warm):
        monkeypatch.setattr(module, "cache_folder", tmp_path / names[0])
    monkeypatch.setattr(info, "interpreted", False)
    cli.main(["info"])
    assert "2.5 MiB in 5 folders; to remove: qec warm --clean" in capsys.readouterr().out
    cli.main(["warm", "--clean"])
    assert "4 folders of other versions removed; 1 used within 7 days remain" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == [names[0], names[1], "of_the_user"]


def test_the_module_runs_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qec", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"qec {qec.__version__}\n"
