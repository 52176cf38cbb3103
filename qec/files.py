"""Write result files that are complete or absent.

Every file of results goes through `new_file` or `write_file`, never through a writer of stim, which reports
no error on a full disk. Standard library only.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path


class FileWriter:
    """Binary writer of one file; an error names that file.

    Args:
        path: the file to open.
        name: of the file, for messages.
        flags: of the system's `open`, in addition to writing only.
        mode: permissions of a new file, before the umask.
    """

    def __init__(self, path: Path, *, name: Path, flags: int, mode: int) -> None:
        self._name = name
        self._num_bytes = 0
        with self.naming():
            file = os.open(path, os.O_WRONLY | getattr(os, "O_BINARY", 0) | flags, mode)
            self._file = os.fdopen(file, "wb")
            self._regular = stat.S_ISREG(os.fstat(file).st_mode)

    @contextlib.contextmanager
    def naming(self) -> Iterator[None]:
        """Name the file in an OSError of the block."""
        try:
            yield
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self._name)) from None

    def write(self, data: bytes | memoryview) -> int:
        """Append bytes; return their number."""
        with self.naming():
            self._file.write(data)
        self._num_bytes += len(data)
        return len(data)

    def finish(self) -> None:
        """Close the file once the disk has all bytes.

        Raises:
            OSError: it has not; the message names the file.
        """
        with self.naming():
            self._file.flush()
            if self._regular:
                os.fsync(self._file.fileno())
                size = os.fstat(self._file.fileno()).st_size
                if size != self._num_bytes:
                    raise OSError(0, f"{size} of {self._num_bytes} bytes arrived; is the disk full?")
            self._file.close()

    def abandon(self) -> None:
        """Close the file, complete or not."""
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def new_file(path: str | Path, *, overwrite: bool = True, mode: int = 0o666) -> Iterator[FileWriter]:
    """Write a file that gets its name when it is complete; readers see the old file or the new one.

    The bytes go to `<path>.partial`, which is removed if the block or the disk fails. A path that is no
    regular file (a pipe, `/dev/null`) is written directly.

    Args:
        path: the file; where it is a symbolic link, the file that the link names.
        overwrite: whether an existing file is replaced.
        mode: permissions of the new file, before the umask.

    Raises:
        FileExistsError: it exists and may not be replaced.
        OSError: the file cannot be written completely, for example because the disk is full; it names the
            file, and an older file keeps its contents.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    if not overwrite and target.exists():
        raise FileExistsError(f"{path} exists and is not overwritten: give another name")
    direct = path.exists() and not path.is_file() and not path.is_dir()
    partial = path if direct else target.with_name(target.name + ".partial")
    if not direct:
        partial.unlink(missing_ok=True)  # of an attempt that was killed, perhaps with other permissions
    flags = 0 if direct else os.O_CREAT | os.O_EXCL
    writer = FileWriter(partial, name=path, flags=flags, mode=mode)
    try:
        yield writer
        writer.finish()
        if not direct:
            with writer.naming():
                _name(partial, target, overwrite=overwrite)
    finally:
        writer.abandon()
        if not direct:
            partial.unlink(missing_ok=True)


def write_file(path: str | Path, data: bytes | str, *, overwrite: bool = True, mode: int = 0o666) -> None:
    """Write a file at once, text as UTF-8; see `new_file`."""
    with new_file(path, overwrite=overwrite, mode=mode) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def _name(partial: Path, target: Path, *, overwrite: bool) -> None:
    if not overwrite:
        try:
            os.link(partial, target)  # unlike a renaming, never replaces a file that has come in between
            return
        except FileExistsError:
            raise
        except OSError:  # a file system without hard links
            pass
    partial.replace(target)
