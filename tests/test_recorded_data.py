"""The folder of recorded experiments, and the tree without absolute paths of one machine."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.recorded_data import EXPERIMENTS, ROOT, VARIABLE, find_recorded_data, link_experiments

# Beginnings of absolute paths that exist on some machines only.
_ONE_MACHINE = re.compile(
    r"(?<![\w.~*/:-])(?:/(?:home|Users|root|mnt|opt|srv|media|data|scratch|tmp/\w)\b/?|[A-Z]:\\)"
)
_SUFFIXES = {".py", ".md", ".toml", ".yml", ".yaml", ".cff", ".json", ".cfg", ".txt", ""}


def experiments_in(folder: Path, *, names: tuple[str, ...] = EXPERIMENTS) -> Path:
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "detection_events.b8").write_bytes(b"")
    return folder


def test_the_variable_comes_first(tmp_path: Path) -> None:
    named, default = (experiments_in(tmp_path / name) for name in ("named", "default"))
    assert find_recorded_data({VARIABLE: str(named)}, default=default) == named
    assert find_recorded_data({VARIABLE: ""}, default=default) == default
    assert find_recorded_data({}, default=default) == default


def test_no_data_is_no_error_unless_asked_for(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    assert find_recorded_data({}, default=absent) is None
    with pytest.raises(FileNotFoundError, match=rf"{VARIABLE}=.*absent lacks 12 of 12 .* Zenodo 6804040"):
        find_recorded_data({VARIABLE: str(absent)}, default=tmp_path)


def test_an_incomplete_folder_is_an_error(tmp_path: Path) -> None:
    folder = experiments_in(tmp_path / "some", names=EXPERIMENTS[1:])
    with pytest.raises(FileNotFoundError, match=f"lacks 1 of 12 experiment folders, {EXPERIMENTS[0]} "):
        find_recorded_data({VARIABLE: str(folder)})


def test_only_the_experiments_of_the_tests_are_linked(tmp_path: Path) -> None:
    source = experiments_in(tmp_path / "source")
    experiments_in(source, names=("surface_code_bZ_d3_r01_center_3_5",))
    (tmp_path / "target").mkdir()
    linked = link_experiments(source, tmp_path / "target")
    assert sorted(path.name for path in linked.iterdir()) == sorted(EXPERIMENTS)
    assert all((linked / name / "detection_events.b8").is_file() for name in EXPERIMENTS)


def paths_of_one_machine(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if _ONE_MACHINE.search(line)]


def test_no_path_of_one_machine_in_the_tree() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.splitlines() if done.returncode == 0 else []
    files = [ROOT / name for name in names] or [
        path
        for path in ROOT.rglob("*")
        if not any(part.startswith((".", "build", "out")) for part in path.relative_to(ROOT).parts)
    ]
    assert Path(__file__).resolve() in files
    found = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if "deploy" not in path.parts  # paths inside a container, and of a service
        if path.suffix in _SUFFIXES and path.is_file() and path != Path(__file__).resolve()
        if (lines := paths_of_one_machine(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ('data = Path("/home/ada/data")', True),
        ("cd /data/project", True),
        ("C:\\Users\\ada", True),
        ("`/mnt/disk1/x`", True),
        ("see https://example.org/data/1", False),
        ("build/data/x and ../data", False),
        ("qec stream --to ipc:///tmp/below-threshold-abc/control", False),
        ("#!/usr/bin/env bash, /usr/bin:/bin, /dev/null", False),
    ],
)
def test_paths_of_one_machine_are_found(text: str, is_found: bool) -> None:
    assert bool(paths_of_one_machine(text)) == is_found
