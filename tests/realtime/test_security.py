"""Addresses, key files, folders and locks, without a daemon."""

import socket
from pathlib import Path

import pytest

from realtime.security import (
    EndpointLock,
    ServerKeys,
    check_endpoint,
    check_private,
    private_endpoint,
    read_client_keys,
    read_key,
    write_keys,
)
from realtime.transport import Hub, new_keys
from realtime.transport.hub import read_pair


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
    others, _ = new_keys()
    secret.write_text(whole.replace(read_key(public, "public-key").decode(), others.decode()))
    with pytest.raises(ValueError, match="its public-key does not belong to its secret-key"):
        Hub(server=ServerKeys(secret=secret, clients=tmp_path))
    secret.write_text("".join(line for line in whole.splitlines(keepends=True) if "public" not in line))
    assert read_pair(secret)[0] == read_key(
        public, "public-key"
    )  # the public key follows from the secret one
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


def test_a_file_at_the_address_is_never_replaced(short_folder: Path) -> None:
    results = short_folder / "results.csv"
    results.write_text("shots,errors\n")
    with pytest.raises(ValueError, match="is a file, which is not replaced"):
        EndpointLock(f"ipc://{results}")
    assert results.read_text() == "shots,errors\n"
    link = short_folder / "link"
    link.symlink_to(results)
    with pytest.raises(ValueError, match="is a symbolic link, which is not replaced"):
        EndpointLock(f"ipc://{link}")
    (short_folder / "folder").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        EndpointLock(f"ipc://{short_folder}/folder")
    (short_folder / "control.lock").symlink_to(results)
    with pytest.raises(ValueError, match=r"control\.lock is a symbolic link"):
        EndpointLock(f"ipc://{short_folder}/control")
    (short_folder / "notes.lock").write_text("my own notes\n")
    with pytest.raises(ValueError, match="is no lock file of a daemon"):
        EndpointLock(f"ipc://{short_folder}/notes")
    assert (short_folder / "notes.lock").read_text() == "my own notes\n"
    assert results.read_text() == "shots,errors\n"


def test_only_sockets_of_dead_daemons_are_replaced(short_folder: Path) -> None:
    address, old = short_folder / "control", short_folder / "control-0-0123456789abcdef.d"
    keep = short_folder / "control-0-0123456789abcdef.csv"
    keep.write_text("mine")
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as session:
        listening.bind(str(address))
        session.bind(str(old))
        listening.listen()
        with pytest.raises(ValueError, match="another program listens"):
            EndpointLock(f"ipc://{address}")
    assert address.exists()
    lock = EndpointLock(f"ipc://{address}")  # nobody listens any more
    assert not address.exists()
    assert not old.exists()
    lock.release()
    assert [path.name for path in short_folder.iterdir()] == [keep.name]


def test_private_folders_of_killed_daemons_are_removed(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(short_folder))
    folders = [Path(private_endpoint().removeprefix("ipc://")).parent for _ in range(3)]
    dead, alive, starting = folders
    (dead / "control.lock").write_text("123\n")  # as a killed daemon leaves it
    lock = EndpointLock(f"ipc://{alive}/control")
    new = Path(private_endpoint().removeprefix("ipc://")).parent
    assert sorted(short_folder.iterdir()) == sorted([alive, starting, new])
    lock.release()


def test_client_keys_that_are_none_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "clients"
    with pytest.raises(FileNotFoundError, match="no folder"):
        read_client_keys(folder)
    folder.mkdir()
    (folder / "garbage.key").write_text("garbage")
    with pytest.raises(ValueError, match=r"nobody could connect.*garbage\.key holds no public-key"):
        read_client_keys(folder)
    public, _ = write_keys(folder, "alice", make=new_keys)
    names, notes = read_client_keys(folder)
    assert names == {read_key(public, "public-key").decode(): "alice"}
    assert len(notes) == 1


def test_a_key_is_revoked_by_removing_its_file(tmp_path: Path) -> None:
    _, secret = write_keys(tmp_path / "daemon", "daemon", make=new_keys)
    alice, bob = (write_keys(tmp_path / "clients", name, make=new_keys)[0] for name in ("alice", "bob"))
    keys = ServerKeys(secret=secret, clients=tmp_path / "clients")
    admitted = {}
    for turn in ("before", "after"):
        with Hub(server=keys) as hub:
            admitted[turn] = sorted((hub.clients or {}).values())
        alice.unlink(missing_ok=True)
    assert bob.exists()
    assert admitted == {"before": ["alice", "bob"], "after": ["bob"]}
