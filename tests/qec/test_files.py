"""Result files: complete or absent, whatever the disk does."""

import os
import threading
from pathlib import Path

import pytest

from qec.files import new_file, write_file
from tests.support.full_disk import full_disk


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "results"
    write_file(path, "old")
    for size in (2000, 2_000_000):  # within a buffer, and beyond
        with full_disk(1000), pytest.raises(OSError, match="results") as caught:
            write_file(path, b"x" * size)
        assert caught.value.filename == str(path)
        assert [path.read_text(), *tmp_path.iterdir()] == ["old", path]


def test_what_arrived_is_measured(tmp_path: Path) -> None:
    """As if a file system lost bytes in silence."""
    path = tmp_path / "results"
    with pytest.raises(OSError, match=r"2 of 5 bytes arrived.*results"), new_file(path) as file:  # noqa: PT012
        file.write(b"12345")
        file._file.flush()
        os.truncate(tmp_path / "results.partial", 2)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), new_file(tmp_path / "results") as file:  # noqa: PT012
        file.write(b"x")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_the_rest_of_a_killed_run_does_not_block_the_next(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    (tmp_path / "secret.partial").write_text("half of another, and longer than the new one")
    write_file(path, "new", overwrite=False, mode=0o600)
    assert [path.read_text(), path.stat().st_mode & 0o777, *tmp_path.iterdir()] == ["new", 0o600, path]
    with pytest.raises(FileExistsError, match="exists and is not overwritten"):
        write_file(path, "other", overwrite=False)
    assert path.read_text() == "new"


def test_links_and_pipes_stay_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "results")
    write_file(tmp_path / "link", "1")
    assert (tmp_path / "results").read_text() == "1"
    assert (tmp_path / "link").is_symlink()
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_file(tmp_path / "pipe", "2")
    reader.join()
    assert found == [b"2"]
    assert (tmp_path / "pipe").is_fifo()
