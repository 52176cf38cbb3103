"""Decisions read from bytes, so that mutations of the bytes are mutations of the decisions."""

from collections.abc import Sequence
from typing import TypeVar

_One = TypeVar("_One")


class Choices:
    """Decisions from the bytes of a case; where these have ended, each is the first possible one."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def number(self, least: int, most: int) -> int:
        """Choose a whole number."""
        size = -(-(most - least).bit_length() // 8)
        value = int.from_bytes(self.bytes(size), "little")
        return least + value % (most - least + 1)

    def of(self, options: Sequence[_One]) -> _One:
        """Choose one of several."""
        return options[self.number(0, len(options) - 1)]

    def flag(self) -> bool:
        """Choose true or false."""
        return bool(self.number(0, 1))

    def bytes(self, size: int) -> bytes:
        """Take bytes; fewer where they have ended."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken
