"""Recorder of a daemon: writes the messages of its streams, and their answers, into files.

The hot loops copy their messages to taps and never wait. One thread takes them out and writes them: a file
for each session, or several for a long one, cut between two shots. A file gets its name when it is complete.
Messages that cannot be written, because the disk is full or too slow, are counted: in the next entry, in the
log, in `stats`.
"""

import contextlib
import hashlib
import os
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qec.files import FileWriter, new_file
from realtime.kernels.clock import now_ns, utc_time
from realtime.kernels.tap import Mark, Tap
from realtime.placement import pin_thread
from realtime.protocol.recording import VERSION, Content, encode_entry, encode_head
from realtime.service.event_log import EventLog

#: Bytes that a tap holds: some seconds of a stream.
TAP_BYTES = 1 << 25
#: Bytes from which on a file ends with the next shot.
FILE_BYTES = 1 << 28
_INTERVAL_S = 0.02
# Time until the next attempt after an error.
_RETRY_NS = 1_000_000_000
_MAX_REASONS = 10


@dataclass(kw_only=True)
class RecordingCounts:
    """Counts of a recorder, for one stream.

    Attributes:
        files: complete ones.
        num_bytes: of all files.
        messages: received and sent, in these files and in the open one.
        missing: received and sent, but in no file.
    """

    files: int = 0
    num_bytes: int = 0
    messages: int = 0
    missing: int = 0


class Recorder:
    """Recorder of all streams of a daemon.

    Args:
        folder: of the files; made if there is none.
        streams: number of streams.
        limit_bytes: size of all files together; when it is reached, recording ends. 0: no limit.
        core: of the writing thread; None: any.

    Raises:
        ValueError: no folder to write to.
    """

    def __init__(self, folder: Path, *, streams: int, limit_bytes: int = 0, core: int | None = None) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"recordings go into a folder, {folder} cannot be one: {error.strerror}"
            ) from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ValueError(f"recordings cannot be written to {folder}: give a folder of yours")
        self._folder, self._limit_bytes, self._core = folder, limit_bytes, core
        #: One for each stream, for its worker.
        self.taps = [Tap(num_bytes=TAP_BYTES) for _ in range(streams)]
        self._files: list[_StreamFiles] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._reported = [0] * streams

    def start(self, *, about: Mapping[str, Any], model: str) -> None:
        """Start the writing thread.

        Args:
            about: entries of every file's first line: the model's digests, the decoder.
            model: text of the circuit or of the error model.
        """
        for stream, tap in enumerate(self.taps):
            self._files.append(
                _StreamFiles(
                    tap, self._folder, about={**about, "stream": stream}, model=model, is_full=self._is_full
                )
            )
        self._thread.start()

    def counts(self, stream: int) -> dict[str, int]:
        """Return the counts of a stream; see RecordingCounts."""
        return asdict(self._files[stream].counts)

    def report(self, log: EventLog) -> None:
        """Log what is new: errors, the limit, messages that are missing."""
        for stream, files in enumerate(self._files):
            while files.reasons:
                reason = files.reasons.popleft()
                log.event("recording stopped", level="warning", stream=stream, reason=reason)
            missing = files.counts.missing
            log.count("not recorded", {"messages": missing - self._reported[stream]}, stream=stream)
            self._reported[stream] = missing

    def close(self) -> None:
        """Write everything, complete the files and end the thread; the workers must have ended."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _is_full(self) -> bool:
        return 0 < self._limit_bytes <= sum(files.used_bytes for files in self._files)

    def _run(self) -> None:
        pin_thread(self._core)
        while not self._stop.wait(_INTERVAL_S):
            for files in self._files:
                files.drain()
        for files in self._files:
            files.drain()
            files.end()


class _StreamFiles:
    """Files of one stream, for the recorder's thread.

    Args:
        tap: where the messages come from.
        folder: of the files.
        about: entries of the first line.
        model: text.
        is_full: whether the files of all streams have reached their limit.
    """

    def __init__(
        self, tap: Tap, folder: Path, *, about: dict[str, Any], model: str, is_full: Callable[[], bool]
    ) -> None:
        self._tap, self._folder, self._about, self._is_full = tap, folder, about, is_full
        self._model = encode_entry(Content.MODEL, model.encode())
        self.counts = RecordingCounts()
        #: Why files were given up or ended, for the log.
        self.reasons: deque[str] = deque(maxlen=_MAX_REASONS)
        self._has_ended = False
        self._session: dict[str, Any] | None = None
        self._part = 0
        self._missing = 0  # since the last entry in a file
        self._retry_ns = 0
        self._closing = contextlib.ExitStack()
        self._file: FileWriter | None = None
        self._digest = hashlib.sha256()
        self._size = self._messages = self._missing_in_file = 0

    @property
    def used_bytes(self) -> int:
        """Bytes of all files, the open one included."""
        return self.counts.num_bytes + self._size

    def drain(self) -> None:
        """Write what the tap holds."""
        filled = self._tap.filled  # before the marks: those that come later lie behind it
        while self._tap.marks and self._tap.marks[0].place <= filled:
            mark = self._tap.marks.popleft()
            self._take(mark.place)
            self._turn(mark)
        self._take(filled)

    def end(self) -> None:
        """Complete the open file, if any."""
        if self._file is None:
            return
        try:
            self._write_missing()
            self._append(encode_entry(Content.END, self._digest.digest()))
            self._closing.close()
            self.counts.files += 1
            self.counts.num_bytes += self._size
            self._forget()
        except OSError as error:
            self._fail(error)

    def _turn(self, mark: Mark) -> None:
        """Begin or end a session."""
        self._miss(mark.num_lost)
        self.end()
        self._session = None
        if mark.session is not None:
            self._session, self._part, self._missing = {**mark.session, "began": utc_time()}, 0, 0

    def _take(self, until: int) -> None:
        """Write the bytes up to this place, and make room."""
        while (first := self._tap.taken) < until:
            stop = until
            messages, missing, after_result = self._tap.scan(stop)
            if self._size > FILE_BYTES and first < after_result < until:
                stop = after_result
                messages, missing, _ = self._tap.scan(stop)
            try:
                if self._is_writing():
                    for part in self._tap.view(stop):
                        self._append(part)
                    self._messages += messages
                    self._missing_in_file += missing
                    self.counts.messages += messages
                    self.counts.missing += missing
                else:
                    self._miss(messages + missing)
            except OSError as error:
                self._fail(error)
                self._miss(messages + missing)
            self._tap.release(stop)
            if self._size > FILE_BYTES and stop == after_result:
                self.end()

    def _is_writing(self) -> bool:
        """Begin a file if none is open; false if nothing can be written."""
        if self._has_ended or self._is_full():
            if not self._has_ended:
                self.reasons.append("the files have reached the limit of their size")
            self._has_ended = True
            self.end()
            return False
        if self._file is None:
            if self._session is None or now_ns() < self._retry_ns:
                return False
            self._begin(self._session)
        return True

    def _begin(self, session: dict[str, Any]) -> None:
        """Begin a file."""
        self._part += 1
        name = (
            f"{session['began'].translate(_PLAIN)}-stream{self._about['stream']}-{os.getpid()}-{self._part}"
        )
        closing = contextlib.ExitStack()
        # For its owner only: frames show the number of a session, by which another client could end it.
        file = new_file(self._folder / f"{name}.qecs", overwrite=False, mode=0o600)
        self._file, self._closing = closing.enter_context(file), closing
        self._append(encode_head({**self._about, **session, "part": self._part}, version=VERSION))
        self._append(self._model)
        self._write_missing()

    def _write_missing(self) -> None:
        """Write the number of messages that are missing here, if any."""
        if self._missing:
            missing, self._missing = self._missing, 0
            self._missing_in_file += missing
            self._append(encode_entry(Content.GAP, missing.to_bytes(8, "little")))

    def _append(self, data: bytes | memoryview) -> None:
        assert self._file is not None
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def _miss(self, messages: int) -> None:
        self._missing += messages
        self.counts.missing += messages

    def _fail(self, error: OSError) -> None:
        """Give the open file up, with all its messages; they are missing now."""
        self.reasons.append(f"{error.filename or self._folder}: {error.strerror or error}")
        self._retry_ns = int(now_ns()) + _RETRY_NS
        self._closing.__exit__(type(error), error, None)
        self._missing += self._missing_in_file
        self.counts.messages -= self._messages
        self._miss(self._messages)
        self._forget()

    def _forget(self) -> None:
        self._file = None
        self._digest = hashlib.sha256()
        self._size = self._messages = self._missing_in_file = 0


#: Takes the signs out of a time that are awkward in the names of files.
_PLAIN = str.maketrans("", "", "-:.")
