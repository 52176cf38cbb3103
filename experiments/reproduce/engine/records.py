"""Records of finished jobs on disk: one file, one line for each, written whole or not at all."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from experiments.reproduce.engine.figure import Job, Record

if sys.platform != "win32":
    import fcntl

_FILE = "records.jsonl"
_STATE = "state"


class RecordsFile:
    """The records in a folder; locked while open, and mended where the last line was cut short.

    Args:
        folder: made if it does not exist.

    Attributes:
        notes: what was mended, for the user.

    Raises:
        ValueError: on entering: another run writes to the folder, or a line is no record.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes: list[str] = []
        self._found: dict[str, Record] = {}
        self._seconds: dict[str, float] = {}
        self._file = -1

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            if sys.platform != "win32":
                try:
                    fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ValueError(
                        f"{self.folder}: another run is writing there; give another --out"
                    ) from None
            self._read()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def _read(self) -> None:
        path = self.folder / _FILE
        *lines, rest = path.read_bytes().split(b"\n")
        if rest:
            os.ftruncate(self._file, path.stat().st_size - len(rest))
            self.notes.append(f"{path}: cut off a half-written last line, its job will be done again")
        for number, line in enumerate(lines, start=1):
            try:
                entry: dict[str, Any] = json.loads(line)
                self._found[entry["key"]] = entry["record"]
                self._seconds[entry["key"]] = float(entry["seconds"])
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{path}, line {number}: not a record; delete the line") from None

    def __contains__(self, job: Job) -> bool:
        return job.key in self._found

    def __getitem__(self, job: Job) -> Record:
        return self._found[job.key]

    def seconds(self, job: Job) -> float:
        """How long a finished job took."""
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
            line = json.dumps(entry, allow_nan=True) + "\n"
        except TypeError as error:
            raise ValueError(f"the record of {entry['work']} is not plain JSON: {error}") from None
        data = line.encode()
        if os.write(self._file, data) != len(data):
            raise OSError(f"{self.folder / _FILE}: the disk took only a part of a line; is it full?")
        self._found[job.key] = json.loads(line)["record"]
        self._seconds[job.key] = seconds
        if job.alone:
            shutil.rmtree(self.folder / _STATE / job.key, ignore_errors=True)

    def state_folder(self, job: Job) -> Path:
        """The folder for a job that runs alone; kept until its record is added."""
        folder = self.folder / _STATE / job.key
        folder.mkdir(parents=True, exist_ok=True)
        return folder
