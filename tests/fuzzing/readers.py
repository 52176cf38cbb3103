"""Checks of the readers of files: what they accept can be written and read again, all else is refused."""

import io
import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import stim

import decoders
from decoders.model.dem import check_flattened
from decoders.model.text_files import parse_circuit, parse_dem
from experiments.bench.accuracy.runs import RunFile
from experiments.bench.speed.check import read_record
from experiments.common.shot_files import FORMATS, ShotReader, encode_shots
from experiments.rare.command import _known as read_rare
from experiments.reproduce.engine.records import RecordsFile
from experiments.sweep import counts
from experiments.sweep.circuits import read_circuits
from qec.datasets import read_experiment
from qec.datasets.metadata import Metadata, read_metadata, read_properties
from qec.datasets.models import read_circuit, read_error_model
from qec.datasets.shots import read_shots, unpack
from qec.noise.device import device
from qec.resources import data_path
from qec.statistics import read_counts
from realtime.programs.program import Program
from realtime.protocol import recording, wire
from realtime.security import read_client_keys, read_key
from realtime.source.recording import read_recording, write_answered, write_recording
from realtime.transport.hub import read_pair
from tests.fuzzing.refusals import or_refused, refusing, written
from tests.fuzzing.scratch import scratch

# Models of at most this size are built and decoded; larger ones may take seconds and be right.
_MAX_DETECTORS = 3000
_MAX_INSTRUCTIONS = 3000


def shots(data: bytes) -> None:
    """Shots of a command: what is read is written and read again."""
    if len(data) < 3:
        return
    form, detectors, observables = FORMATS[data[0] % len(FORMATS)], data[1], data[2] % 16

    def read(content: bytes, num_detectors: int, num_observables: int) -> np.ndarray:
        reader = ShotReader(
            file=io.BytesIO(content),
            name="some.file",
            format=form,
            num_detectors=num_detectors,
            num_observables=num_observables,
            shots_per_piece=64,
        )
        rows = [np.zeros((0, num_detectors + num_observables), dtype=np.uint8)]
        for events, flips in reader:
            parts = [(events, num_detectors), (flips, num_observables)]
            rows.append(np.hstack([np.unpackbits(p, axis=1, count=n, bitorder="little") for p, n in parts]))
        return np.concatenate(rows)

    with or_refused("some.file"):
        found = read(data[3:], detectors, observables)
    packed = np.packbits(found, axis=1, bitorder="little")
    again = read(encode_shots(packed, format=form, num_observables=found.shape[1]), 0, found.shape[1])
    assert np.array_equal(found, again)


def experiment_shots(data: bytes) -> None:
    """Shots of an experiment folder."""
    if len(data) < 3:
        return
    ending, bits, count = [".b8", ".01"][data[0] % 2], data[1] % 64, data[2] % 64
    path = written(scratch(), f"shots{ending}", data[3:])
    with or_refused(path.name):
        found = read_shots(path, num_bits=bits, shots=count)
    assert found.shape == (count, (bits + 7) // 8)
    rows = unpack(np.asarray(found), num_bits=bits)
    if ending == ".01":
        text = "".join("".join("01"[bit] for bit in row) + "\n" for row in rows.tolist())
        assert text.encode() == data[3:].replace(b"\r\n", b"\n")


def model(data: bytes) -> None:
    """A file with a DEM: all readers, the graphs of it, and the shots that it makes."""
    path = written(scratch(), "model.dem", data)
    with or_refused(path.name):
        dem = read_error_model(path)
    assert parse_dem(path.read_text(encoding="utf-8-sig", errors="replace")) == dem
    assert parse_dem(str(dem)) == dem
    with or_refused():
        check_flattened(dem)
    if dem.num_detectors > _MAX_DETECTORS or len(str(dem.flattened())) > 30 * _MAX_INSTRUCTIONS:
        return
    events = dem.compile_sampler(seed=1).sample(3, bit_packed=True)[0]
    for name in ("mwpm", "mwpm-correlated"):
        with refusing():
            decoder = decoders.from_dem(name, dem)
            predictions, weights = decoder.decode_batch(events, bit_packed=True, return_weights=True)
            assert predictions.shape == (3, (dem.num_observables + 7) // 8)
            assert np.isfinite(weights).all()


def circuit(data: bytes) -> None:
    """A file with a circuit: all readers, and the error model that follows."""
    path = written(scratch(), "circuit.stim", data)
    with or_refused(path.name):
        found = read_circuit(path)
    assert parse_circuit(path.read_text(encoding="utf-8-sig", errors="replace")) == found
    # stim writes six digits of a probability.
    assert str(parse_circuit(str(found))) == str(found)
    with refusing(path.name):
        read_circuits([str(path)], [])[0].circuit()
    if found.num_qubits <= 100 and _size(found) <= _MAX_INSTRUCTIONS:
        with refusing(path.name):
            dem = read_error_model(path)
            assert (dem.num_detectors, dem.num_observables) == (found.num_detectors, found.num_observables)


def _size(part: stim.Circuit) -> int:
    return sum(
        one.repeat_count * _size(one.body_copy()) if isinstance(one, stim.CircuitRepeatBlock) else 1
        for one in part
    )


def count_files(data: bytes) -> None:
    """CSV files of sinter: totals are written and read again; the pandas reader agrees."""
    path = written(scratch(), "counts.csv", data)
    with or_refused(path.name):
        rows, notes = counts.read([path])
    assert all(len(note.splitlines()) == 1 for note in notes)
    copy = path.with_name("copy.csv")
    copy.unlink(missing_ok=True)
    counts.write(copy, rows)
    again, _ = counts.read([copy])
    assert [(row.shots, row.errors, row.discards, row.custom_counts) for row in again] == [
        (row.shots, row.errors, row.discards, row.custom_counts) for row in rows
    ]
    if not any("half-written" in note for note in notes):
        with refusing(path.name):
            table = read_counts(path)
            assert sum(row.shots for row in rows) == (int(sum(table["shots"])) if len(table) else 0)


def result_rows(data: bytes) -> None:
    """Files of results with one JSON value a line, and tables of results."""
    folder = scratch()
    if not data:
        return
    match data[0] % 4:
        case 0:
            path = written(folder, "records.jsonl", data[1:])
            with or_refused(path.name), RecordsFile(folder):
                pass
            with RecordsFile(folder) as again:
                assert not again.notes
        case 1:
            path = written(folder, "runs.jsonl", data[1:])
            with or_refused(path.name), RunFile(path):
                pass
            with RunFile(path):
                pass
        case 2:
            path = written(folder, "rare.csv", data[1:])
            with refusing(path.name):
                read_rare(path)
            with refusing(path.name):
                read_record(path)
        case 3:
            name = str(written(folder, "d=3.stim", b"M 0\n"))
            written(folder, "d=3.json", data[1:])
            with refusing("d=3.json"):
                (one,) = read_circuits([name], [])
                assert json.dumps(one.metadata(), sort_keys=True)


def device_file(data: bytes) -> None:
    """Device files: what is accepted is a model with a name and rates."""
    path = written(scratch(), "chip.toml", data)
    with or_refused(path.name):
        found = device(str(path))
    assert found.name.startswith("device:")
    for channel in found.channels:
        assert 0 <= channel.rate <= 1


def recorded_stream(data: bytes) -> None:
    """Recordings, as they are and with checksums made to fit; what is read is written and read again."""
    folder = scratch()
    for content in dict.fromkeys([data, _resealed(data)]):
        path = written(folder, "stream.qecs", content)
        with refusing(path.name):
            found = read_recording(path)
            copy = folder / "copy.qecs"
            for group in found.groups:
                playlist = group.playlist
                if found.has_answers:
                    played = list(enumerate(group.answers))
                    write_answered(copy, playlist, frame_cycles=7, cycle_ns=found.cycle_ns, played=played)
                else:
                    write_recording(copy, playlist, frame_cycles=7, cycle_ns=max(1, found.cycle_ns))
                (again,) = read_recording(copy).groups
                assert np.array_equal(again.playlist.rows, playlist.rows)
                assert np.array_equal(again.playlist.last, playlist.last)
                assert (again.playlist.kind, again.playlist.bits) == (playlist.kind, playlist.bits)
                if found.has_answers:
                    assert again.answers == group.answers


def _resealed(data: bytes) -> bytes:
    """Make the checksums of all messages and the digest at the end fit, so that damage gets past them."""
    start = data.find(b"\n") + 1
    at, body = start, bytearray(data)
    while (at := data.find(wire.MAGIC, at)) >= 0:
        for dtype in (wire.HEADER, wire.RESULT):
            if at + dtype.itemsize <= len(data) and data[at + 7] == dtype.itemsize:
                end = _end_of(data, at)
                body[at:end] = wire.sealed(bytes(body[at:end]), dtype)
        at += 1
    ending = recording.ENTRY_BYTES + 32
    if len(body) >= start + ending and int(body[-ending + 12]) == recording.Content.END:
        import hashlib

        body[-32:] = hashlib.sha256(body[: len(body) - ending]).digest()
    return bytes(body)


def _end_of(data: bytes, at: int) -> int:
    """Return the end of the message at a place, from its header."""
    if data[at + 7] == wire.RESULT.itemsize:
        header = np.frombuffer(data, dtype=wire.RESULT, count=1, offset=at)[0]
        return at + wire.RESULT.itemsize + wire.row_bytes(int(header["num_observables"]))
    header = np.frombuffer(data, dtype=wire.HEADER, count=1, offset=at)[0]
    sizes = {name: int(header[name]) for name in ("cycles", "bits_per_cycle", "final_bits")}
    return at + wire.HEADER.itemsize + wire.payload_bytes(**sizes)


@cache
def _sample() -> Path:
    """Copy the smallest experiment that ships with the project."""
    folder = scratch() / "experiment"
    shutil.copytree(data_path("samples/si1000_surface_code/d3_at_q3_3/Z/r05"), folder)
    return folder


def experiment(data: bytes) -> None:
    """Metadata of an experiment folder, alone and with the other files of one."""
    if not data:
        return
    name, read = [("properties.yml", read_properties), ("metadata.json", read_metadata)][data[0] % 2]
    path = written(scratch(), name, data[1:])
    with or_refused(path.name):
        fields = read(path)
        found = Metadata.from_fields(fields, source=str(path))
    assert Metadata.from_fields(found.fields, source="again") == found
    if name == "metadata.json":
        written(_sample(), name, data[1:])
        with refusing(_sample().name):
            read_experiment(_sample())


def key_file(data: bytes) -> None:
    """Key files, of servers and of clients."""
    folder = scratch() / "keys"
    folder.mkdir(exist_ok=True)
    path = written(folder, "one.key", data)
    path.chmod(0o600)
    for which in ("public-key", "secret-key"):
        with refusing(path.name):
            assert len(read_key(path, which)) == 40
    with refusing(path.name):
        read_pair(path)
    with refusing(folder.name):
        names, notes = read_client_keys(folder)
        assert list(names.values()) == ["one"]
        assert not notes


def program(data: bytes) -> None:
    """Program files: what is accepted is a table whose numbers are in range."""
    path = written(scratch(), "program.jsonl", data)
    with or_refused(path.name):
        found = Program.read(path)
    table = found.table()
    assert len(table) == len(found.operations)
    assert ((table["patch"] >= 0) & (table["patch"] < len(found.patches))).all()
    assert ((table["outcome"] >= -1) & (table["outcome"] < len(found.outcomes))).all()
    assert ((table["condition"] >= -1) & (table["condition"] < len(found.outcomes))).all()
    assert found.num_lives >= 1
