"""Access to a daemon: addresses, key files, private folders, one daemon per address."""

import os
import re
import stat
import tempfile
from collections.abc import Callable
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
        raise ValueError(f"{endpoint}: expected ipc:///path or tcp://host:port")
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
    """Create a folder that only this user can enter, and return an ipc:// address in it."""
    return f"ipc://{tempfile.mkdtemp(prefix='below-threshold-')}/control"


class EndpointLock:
    """Lock on the address of a daemon: a second bind to an ipc path would silently take it over."""

    def __init__(self, endpoint: str) -> None:
        """Lock an ipc:// address; other addresses need no lock.

        Raises:
            ValueError: another daemon holds the lock.
        """
        self._file: int | None = None
        if not endpoint.startswith("ipc://") or fcntl is None:
            return
        path = endpoint.removeprefix("ipc://") + ".lock"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            self._file = None
            raise ValueError(f"{endpoint} is served by another daemon: stop it, or bind elsewhere") from None

    def release(self) -> None:
        """Unlock the address."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
