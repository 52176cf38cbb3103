"""Addresses, key files, folders and locks, without a daemon."""

from pathlib import Path

import pytest

from realtime.security import (
    EndpointLock,
    ServerKeys,
    check_endpoint,
    check_private,
    private_endpoint,
    read_key,
    write_keys,
)
from realtime.transport import Hub, new_keys


def test_secret_keys_are_for_their_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    public, secret = write_keys(tmp_path / "keys", "daemon", make=new_keys)
    assert secret.stat().st_mode & 0o777 == 0o600
    assert "secret" not in public.read_text()
    assert read_key(public, "public-key") == read_key(secret, "public-key")
    with pytest.raises(ValueError, match="never overwritten"):
        write_keys(tmp_path / "keys", "daemon", make=new_keys)
    with pytest.raises(ValueError, match="is not a name for keys"):
        write_keys(tmp_path, "../daemon", make=new_keys)


def test_bad_key_files_are_named(tmp_path: Path) -> None:
    public, secret = write_keys(tmp_path / "keys", "daemon", make=new_keys)
    with pytest.raises(ValueError, match="holds no secret-key, only a public one: give"):
        read_key(public, "secret-key")
    whole = secret.read_text()
    key = read_key(secret, "secret-key").decode()
    for damaged in (key[:-1], "~" * 40, "#" * 40, key[:-1] + "\u00e9"):
        secret.write_text(whole.replace(key, damaged))
        with pytest.raises(ValueError, match="its secret-key is damaged: create new keys"):
            read_key(secret, "secret-key")
    secret.write_text(whole)
    secret.chmod(0o644)
    with pytest.raises(ValueError, match="can be read by others"):
        Hub(server=ServerKeys(secret=secret, clients=tmp_path))
    secret.chmod(0o600)
    with pytest.raises(FileNotFoundError, match="no folder"):
        Hub(server=ServerKeys(secret=secret, clients=tmp_path / "nobody"))
    with pytest.raises(FileNotFoundError, match="qec keygen"):
        read_key(tmp_path / "none", "public-key")


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:5555", "tcp://localhost:*", "tcp://[::1]:80"])
def test_loopback_needs_no_keys(endpoint: str) -> None:
    check_endpoint(endpoint, has_keys=False, insecure=False)


@pytest.mark.parametrize("endpoint", ["tcp://*:5555", "tcp://0.0.0.0:1", "tcp://10.0.0.1:1", "tcp://127.x:1"])
def test_other_addresses_need_keys_or_a_word(endpoint: str) -> None:
    with pytest.raises(ValueError, match="can be reached from other machines"):
        check_endpoint(endpoint, has_keys=False, insecure=False)
    check_endpoint(endpoint, has_keys=True, insecure=False)
    check_endpoint(endpoint, has_keys=False, insecure=True)


@pytest.mark.parametrize("endpoint", ["", "ipc://relative", "tcp://host", "tcp://host:99999", "inproc://x"])
def test_no_address(endpoint: str) -> None:
    with pytest.raises(ValueError, match="expected ipc:///path"):
        check_endpoint(endpoint, has_keys=True, insecure=True)


def test_ipc_needs_a_private_folder(short_folder: Path) -> None:
    shared = short_folder / "shared"
    shared.mkdir(mode=0o755)
    with pytest.raises(ValueError, match="is not private"):
        check_endpoint(f"ipc://{shared}/x", has_keys=False, insecure=False)
    check_endpoint(f"ipc://{shared}/x", has_keys=False, insecure=True)
    check_endpoint(f"ipc://{short_folder}/made/x", has_keys=False, insecure=False)
    assert (short_folder / "made").stat().st_mode & 0o777 == 0o700
    (short_folder / "link").symlink_to(short_folder / "made")
    with pytest.raises(ValueError, match="is not private"):
        check_private(short_folder / "link")
    with pytest.raises(ValueError, match="must have at most"):
        check_endpoint("ipc:///" + "x" * 120, has_keys=False, insecure=False)
    folder = Path(private_endpoint().removeprefix("ipc://")).parent
    check_private(folder)
    folder.rmdir()


def test_one_daemon_per_address(short_folder: Path) -> None:
    endpoint = f"ipc://{short_folder}/control"
    lock = EndpointLock(endpoint)
    with pytest.raises(ValueError, match="served by another daemon"):
        EndpointLock(endpoint)
    lock.release()
    EndpointLock(endpoint).release()
    EndpointLock("tcp://127.0.0.1:1").release()
