"""Access to a daemon: addresses, key files, private folders, one daemon per address."""

import glob
import os
import re
import shutil
import socket
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

fcntl: Any
try:
    import fcntl
except ImportError:  # no ipc there either
    fcntl = None

_LONGEST_PATH = 100  # of a socket, with the ending for a stream; the system's limit is 107
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_KEY_LENGTH = 40
# Names in the private folders of daemons.
_PRIVATE, _CONTROL = "below-threshold-", "control"


@dataclass(frozen=True, kw_only=True)
class ServerKeys:
    """Secret key file of a daemon, and the folder with the public key files of admitted clients."""

    secret: Path
    clients: Path


@dataclass(frozen=True, kw_only=True)
class ClientKeys:
    """Secret key file of a source, and the daemon's public key file."""

    secret: Path
    server: Path


def write_keys(folder: Path, name: str, *, make: Callable[[], tuple[bytes, bytes]]) -> tuple[Path, Path]:
    """Write a new pair of CURVE keys; only its owner can read the secret file, from its creation on.

    Args:
        folder: created, private, if it does not exist.
        name: of the files.
        make: function that returns the public and the secret key: realtime.transport.new_keys.

    Returns:
        Paths of the public file NAME.key and of the secret file NAME.key_secret.

    Raises:
        ValueError: the name contains a path, or the files exist.
    """
    from qec.files import write_file  # imports the codes and noise models too, and a daemon writes no keys

    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
        raise ValueError(f"'{name}' is not a name for keys: use letters, digits, '_', '-' and '.'")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    public_key, secret_key = make()
    public, secret = folder / f"{name}.key", folder / f"{name}.key_secret"
    text = f'metadata\ncurve\n    public-key = "{public_key.decode()}"\n'
    for path, mode, content in (
        (secret, 0o600, text + f'    secret-key = "{secret_key.decode()}"\n'),
        (public, 0o644, text),
    ):
        try:
            write_file(path, content, overwrite=False, mode=mode)
        except FileExistsError:
            raise ValueError(f"{path} exists, and keys are never overwritten: use another name") from None
    return public, secret


def read_key(path: Path, which: str) -> bytes:
    """Read a key of a file; `which` is "public-key" or "secret-key".

    Raises:
        FileNotFoundError: no such file.
        ValueError: no such key in it, or a secret key that others can read.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no key file {path}: create one with 'qec keygen'")
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        name, _, value = line.strip().partition("=")
        value = value.strip().strip('"')
        if _is_key(value):
            found[name.strip()] = value.encode()
        elif name.strip() == which:
            raise ValueError(f"{path}: its {which} is damaged: create new keys with 'qec keygen'")
    if which not in found:
        hint = ", only a public one: give the file NAME.key_secret of 'qec keygen'" if found else ""
        raise ValueError(f"{path} holds no {which}{hint}")
    if which == "secret-key" and os.name == "posix" and path.stat().st_mode & 0o077:
        raise ValueError(f"{path} can be read by others: chmod 600 it")
    return found[which]


def _is_key(text: str) -> bool:
    """Return whether a text is 32 bytes in Z85 (rfc.zeromq.org/spec/32)."""
    if len(text) != _KEY_LENGTH or not set(text) <= set(_Z85):
        return False
    groups = (text[at : at + 5] for at in range(0, _KEY_LENGTH, 5))
    return all(sum(_Z85.index(c) * 85 ** (4 - at) for at, c in enumerate(one)) < 2**32 for one in groups)


def read_client_keys(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Read the public keys of admitted clients.

    Args:
        folder: with a file NAME.key for each.

    Returns:
        The names by public key, and a note about each file that holds no key.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: no key in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder} with public keys of admitted clients")
    names: dict[str, str] = {}
    notes = []
    for path in sorted(folder.glob("*.key")):
        try:
            names[read_key(path, "public-key").decode()] = path.stem
        except (ValueError, OSError) as error:
            notes.append(f"client key skipped: {error}")
    if not names:
        raise ValueError(
            f"{folder} holds no public key of a client, so that nobody could connect: put NAME.key files of "
            "'qec keygen' there" + "".join(f"; {note}" for note in notes)
        )
    return names, notes


def socket_address(address: str) -> str:
    """Return the address of the control socket: shm:///path is ipc:///path, with data in shared memory."""
    return f"ipc://{address.removeprefix('shm://')}" if address.startswith("shm://") else address


def check_endpoint(endpoint: str, *, has_keys: bool, insecure: bool) -> None:
    """Check that an address may be bound.

    Raises:
        ValueError: not ipc:// or tcp://, an address that other machines can reach without keys, a folder for
            sockets that other users can enter, or a path that is too long.
    """
    scheme, _, rest = endpoint.partition("://")
    if scheme == "ipc" and rest.startswith("/"):
        if len(rest) > _LONGEST_PATH - 25:
            raise ValueError(f"{endpoint}: the path must have at most {_LONGEST_PATH - 25} characters")
        parent = Path(rest).parent
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not insecure:
            check_private(parent)
        return
    port = re.search(r":(\d+|\*)$", rest)
    if scheme != "tcp" or not port or (port[1] != "*" and int(port[1]) > 65535):
        raise ValueError(f"{endpoint}: expected ipc:///path, shm:///path or tcp://host:port")
    if is_loopback(endpoint) or has_keys or insecure:
        return
    raise ValueError(f"{endpoint} can be reached from other machines: give keys ('qec keygen') or --insecure")


def is_loopback(endpoint: str) -> bool:
    """Return whether a tcp:// address is a loopback address."""
    if not endpoint.startswith("tcp://"):
        return False
    host = urlsplit(endpoint.replace(":*", ":0")).hostname or ""
    return host in ("localhost", "::1") or bool(re.fullmatch(r"127\.\d+\.\d+\.\d+", host))


def check_private(folder: Path) -> None:
    """Check that only this user can enter a folder.

    Raises:
        ValueError: others can, or it belongs to another user.
    """
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ValueError(f"{folder} is not private to this user: sockets need a folder of mode 700")


def private_endpoint() -> str:
    """Create a folder that only this user can enter, and return an ipc:// address in it.

    Removes such folders of daemons that were killed.
    """
    for folder in Path(tempfile.gettempdir()).glob(f"{_PRIVATE}*"):
        with suppress(OSError, ValueError):
            check_private(folder)
            if not (folder / f"{_CONTROL}.lock").read_bytes():
                continue  # its daemon is starting
            lock = EndpointLock(f"ipc://{folder}/{_CONTROL}", make=False)
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
    return f"ipc://{tempfile.mkdtemp(prefix=_PRIVATE)}/{_CONTROL}"


class EndpointLock:
    """Lock on the address of a daemon: a second bind to an ipc path would silently take it over."""

    def __init__(self, endpoint: str, *, make: bool = True) -> None:
        """Lock an ipc:// address, and remove the socket that a dead daemon left there.

        Other addresses need no lock.

        Args:
            endpoint: address.
            make: create the lock file; otherwise it must exist and name the daemon that made it.

        Raises:
            ValueError: another daemon holds the lock, or the path is a file that no daemon made.
            FileNotFoundError: no lock file, with make=False.
        """
        self._file: int | None = None
        if not endpoint.startswith("ipc://") or fcntl is None:
            return
        self._socket = Path(endpoint.removeprefix("ipc://"))
        self._path = Path(f"{self._socket}.lock")
        if self._path.is_symlink():
            raise ValueError(f"{self._path} is a symbolic link: remove it, or bind elsewhere")
        self._file = self._locked(endpoint, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, make=make)
        try:
            if not re.fullmatch(rb"\d+\n", _beginning(self._file) or (b"0\n" if make else b"")):
                raise ValueError(f"{self._path} is no lock file of a daemon: remove it, or bind elsewhere")
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)
            os.ftruncate(self._file, len(b"%d\n" % os.getpid()))
            _remove_dead_socket(self._socket)
        except (ValueError, OSError):
            os.close(self._file)
            self._file = None
            raise

    def _locked(self, endpoint: str, flags: int, *, make: bool) -> int:
        """Open and lock the file; again, if the one before removed it in between."""
        while True:
            file = os.open(self._path, flags | (os.O_CREAT if make else 0), 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(file), os.lstat(self._path)):
                    return file
            except FileNotFoundError:
                pass
            except OSError:
                os.close(file)
                raise ValueError(
                    f"{endpoint} is served by another daemon: stop it, or bind elsewhere"
                ) from None
            os.close(file)

    def release(self) -> None:
        """Unlock the address, and remove the lock file."""
        if self._file is not None:
            with suppress(OSError):
                self._path.unlink()
            os.close(self._file)
            self._file = None


def _beginning(file: int) -> bytes:
    return os.pread(file, 32, 0)


def _remove_dead_socket(path: Path) -> None:
    """Remove a socket that nobody listens to, and those of its sessions; the lock is held.

    Raises:
        ValueError: something else is there.
    """
    for session in path.parent.glob(f"{glob.escape(path.name)}-*"):
        ending = session.name.removeprefix(path.name)
        if re.fullmatch(r"-\d+-[0-9a-f]{16}\.[dr]", ending) and stat.S_ISSOCK(session.lstat().st_mode):
            session.unlink(missing_ok=True)
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "a folder" if stat.S_ISDIR(mode) else "a file"
        raise ValueError(f"{path} is {kind}, which is not replaced by a socket: remove it, or bind elsewhere")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise ValueError(f"another program listens at {path}: stop it, or bind elsewhere")
