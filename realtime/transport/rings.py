"""Rings in memory that a daemon and its source share, in place of the sockets of a session.

The memory has no name: the daemon makes it, and the source opens it through the daemon's entry in /proc,
which only processes of the same user can. The system frees it when both have ended, also by force.
"""

import mmap
import os
import secrets
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from realtime.kernels.ring import Ring, ring_words

#: Messages that fit into the rings of data and of results.
DATA_SLOTS, RESULT_SLOTS = 4096, 1024
# Words before the rings: a cache line with the number that shows that this is the right memory.
_HEAD_WORDS = 8
_MAX_BYTES = 1 << 31


class SharedRings:
    """Two rings in shared memory: data to the daemon, results from it.

    Args:
        memory: int64, all of it.
        sizes: bytes of the longest data and result message.
        entry: by which the source finds the memory, for the answer to hello.
        file: descriptor of the memory on the daemon's side, -1 on the source's.
    """

    def __init__(
        self, memory: NDArray[np.int64], sizes: tuple[int, int], entry: dict[str, Any], file: int = -1
    ) -> None:
        split = _HEAD_WORDS + ring_words(DATA_SLOTS, sizes[0])
        data = Ring(slots=DATA_SLOTS, max_message=sizes[0], memory=memory[_HEAD_WORDS:split])
        results = Ring(slots=RESULT_SLOTS, max_message=sizes[1], memory=memory[split:])
        #: As seen from this side.
        self.incoming, self.outgoing = (data, results) if file >= 0 else (results, data)
        self.entry, self._file = entry, file

    @classmethod
    def make(cls, *, longest_data: int, longest_result: int) -> Self:
        """Make the memory, on the daemon's side.

        Args:
            longest_data, longest_result: bytes of the longest message of each kind.

        Raises:
            ValueError: the system has no such memory, or too little.
        """
        if not hasattr(os, "memfd_create"):
            raise ValueError("shared memory needs Linux: connect to the ipc:// address")
        sizes = longest_data, longest_result
        num_bytes = _num_bytes(sizes)
        file = os.memfd_create("qec-rings")
        try:
            os.posix_fallocate(file, 0, num_bytes)  # a page that is missing later would end the process
            memory = _words(file, num_bytes)
        except OSError as error:
            os.close(file)
            raise ValueError(f"no {num_bytes:,} bytes of shared memory: {error.strerror}") from None
        number = secrets.randbits(62)
        memory[:] = 0  # now, so that the hot loop has no page faults
        memory[0] = number
        entry = {"pid": os.getpid(), "file": file, "number": number, "sizes": list(sizes)}
        return cls(memory, sizes, entry, file)

    @classmethod
    def open(cls, entry: Mapping[str, Any]) -> Self:
        """Open the memory of a daemon's session, on the source's side.

        Args:
            entry: from the answer to hello.

        Raises:
            ValueError: it cannot be opened, or is not that of the session.
        """
        pid, number, file_number = (int(entry[name]) for name in ("pid", "number", "file"))
        longest_data, longest_result = (int(size) for size in entry["sizes"])
        sizes = longest_data, longest_result
        hint = "the daemon must run on this machine, as the same user and in the same container: use ipc://"
        num_bytes = _num_bytes(sizes)
        try:
            file = os.open(f"/proc/{pid}/fd/{file_number}", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise ValueError(
                f"the daemon's shared memory cannot be opened ({error.strerror}): {hint}"
            ) from None
        try:
            if os.fstat(file).st_size != num_bytes:
                raise ValueError(f"the daemon's shared memory is not that of the session: {hint}")
            memory = _words(file, num_bytes)
        finally:
            os.close(file)
        if memory[0] != number:
            raise ValueError(f"the daemon's shared memory is not that of the session: {hint}")
        return cls(memory, sizes, dict(entry))

    def close(self) -> None:
        """Give the memory up on the daemon's side; it is freed when the last ring is forgotten."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _num_bytes(sizes: tuple[int, int]) -> int:
    num_words = _HEAD_WORDS + ring_words(DATA_SLOTS, sizes[0]) + ring_words(RESULT_SLOTS, sizes[1])
    if min(sizes) < 1 or 8 * num_words > _MAX_BYTES:
        raise ValueError(
            f"rings for messages of {sizes[0]} and {sizes[1]} bytes: too large for shared memory"
        )
    return 8 * num_words


def _words(file: int, num_bytes: int) -> NDArray[np.int64]:
    return np.frombuffer(mmap.mmap(file, num_bytes), dtype=np.int64)
