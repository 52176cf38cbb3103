"""Files of results after a stop at any byte, a second writer, a full disk."""

import json
from pathlib import Path

import pytest

from experiments.common.growing_file import GrowingFile
from tests.support.full_disk import full_disk

_LINES = [json.dumps({"number": number}) for number in range(3)]


def numbers(path: Path) -> tuple[list[int], bool]:
    found: list[int] = []
    with GrowingFile(path) as file:
        return found, file.load(lambda record: found.append(record["number"]))


def test_every_beginning_of_a_file_can_be_continued(tmp_path: Path) -> None:
    whole = "".join(line + "\n" for line in _LINES)
    path = tmp_path / "r.jsonl"
    for length in range(len(whole) + 1):
        path.write_text(whole[:length])
        complete = whole[:length].count("\n")
        assert numbers(path) == (list(range(complete)), length > 0 and whole[length - 1] != "\n")
        with GrowingFile(path) as file:
            file.append(_LINES[0])
        assert path.read_text().splitlines() == [*_LINES[:complete], _LINES[0]]


@pytest.mark.parametrize("line", ["{", "[]", "3", "", '{"n": 1}', "[" * 100_000])
def test_a_line_that_is_no_record_is_named_and_kept(line: str, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(text := f"{_LINES[0]}\n{line}\n{_LINES[1][:4]}")
    with pytest.raises(ValueError, match=r"r.jsonl, line 2: not a record; delete the line, or give another"):
        numbers(path)
    assert path.read_text() == text


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with (
        GrowingFile(path),
        pytest.raises(ValueError, match="another run is writing to it; give another --data"),
        GrowingFile(path, advice="give another --data"),
    ):
        pass
    with GrowingFile(path):  # the lock ends with the first writer
        pass


def test_a_full_disk_is_an_error_and_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    with GrowingFile(path) as file:
        file.append(_LINES[0])
        with full_disk(len(_LINES[0]) + 5), pytest.raises(OSError, match=r"r\.jsonl"):
            file.append(_LINES[1])
        with full_disk(3), pytest.raises(OSError, match=r"r\.jsonl"):
            file.replace(_LINES)
    with GrowingFile(path) as file:
        file.append(_LINES[2])
    assert numbers(path) == ([0, 2], False)


def test_all_lines_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("\n".join(_LINES) + "\n")
    with GrowingFile(path) as file:
        file.replace([json.dumps({"number": 7})])
        file.append(_LINES[0])
    assert numbers(path) == ([7, 0], False)
