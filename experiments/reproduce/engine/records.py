"""Records of finished jobs on disk: one file, one line for each."""

import json
import math
import shutil
from pathlib import Path
from typing import Any, Self

from experiments.common.growing_file import GrowingFile
from experiments.reproduce.engine.figure import Job, Record

_STATE = "state"


class _Fields(Record):
    """A record; a missing field is an error that says where it is missing."""

    def __init__(self, values: Record, where: str) -> None:
        super().__init__(values)
        self._where = where

    def __missing__(self, name: str) -> Any:
        raise ValueError(f"{self._where} has no field {name!r}: delete its line")


class RecordsFile:
    """The records in a folder.

    Args:
        folder: made if it does not exist.

    Attributes:
        notes: what was cut off, for the user.

    Raises:
        ValueError: on entering: another run writes to the folder, or a line is no record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._found: dict[str, Record] = {}
        self._seconds: dict[str, float] = {}
        self._file = GrowingFile(folder / "records.jsonl")

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file.__enter__()
        try:
            if self._file.load(self._take):
                self.notes.append(
                    f"{self._file.path}: cut off a half-written last line, its job will be done again"
                )
        except BaseException:
            self._file.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.__exit__()

    def _take(self, entry: dict[str, Any]) -> None:
        key, seconds = entry["key"], float(entry["seconds"])
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds is {seconds}")
        self._found[key] = _Fields(entry["record"], f"{self._file.path}: the record of the key {key}")
        self._seconds[key] = seconds

    def __contains__(self, job: Job) -> bool:
        return job.key in self._found

    def __getitem__(self, job: Job) -> Record:
        return self._found[job.key]

    def seconds(self, job: Job) -> float:
        """Duration of a finished job in seconds."""
        return self._seconds[job.key]

    def add(self, job: Job, record: Record, *, seconds: float) -> None:
        """Keep a record, and drop what its job left in its folder.

        Raises:
            ValueError: the record is not plain JSON.
        """
        entry = {
            "key": job.key,
            "work": f"{job.work.__module__}.{job.work.__qualname__}",
            "arguments": dict(job.arguments),
            "seconds": round(seconds, 3),
            "record": record,
        }
        try:
            line = json.dumps(entry, allow_nan=True)
        except TypeError as error:
            raise ValueError(f"the record of {entry['work']} is not plain JSON: {error}") from None
        self._file.append(line)
        self._take(json.loads(line))
        if job.alone:
            shutil.rmtree(self.folder / _STATE / job.key, ignore_errors=True)

    def state_folder(self, job: Job) -> Path:
        """Make the folder for a job that runs alone; kept until its record is added."""
        folder = self.folder / _STATE / job.key
        folder.mkdir(parents=True, exist_ok=True)
        return folder
