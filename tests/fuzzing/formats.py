"""Hypothesis strategies for all formats that the project reads or writes, as bytes, and damage to them."""

import hashlib
import json
from collections import Counter
from typing import Any

import numpy as np
import sinter
from hypothesis import strategies as st
from numpy.typing import NDArray

from experiments.common.shot_files import FORMATS, encode_shots
from qec.resources import data_path
from realtime.programs import library
from realtime.protocol import recording, wire
from realtime.service.control import FIELDS
from tests.support.strategies import data_frames, dems, probabilities

Bytes = st.SearchStrategy[bytes]

# Values that readers are most likely to get wrong.
_NUMBERS = st.sampled_from([0, 1, -1, 2, 3, 2**31, 2**53 + 1, 2**63, 2**64, 10**30]) | st.integers()
_REALS = st.sampled_from([0.0, -0.0, 0.5, 1.0, 1e308, 5e-324, float("inf"), float("nan")]) | st.floats()
_DEEP = b"[" * 100_000
_LONG = [b"9" * 400, b"9" * 5000]
_WORDS = st.sampled_from(["", "a", "mwpm", "X", "z", "ü", "\x00", "\u2028", "{", ",", '"', "a" * 300])
_SCALARS = st.none() | st.booleans() | _NUMBERS | _REALS | _WORDS
#: Anything that JSON can hold, with the NaN and infinity that Python's module writes.
JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3)
)


_INSERTED = st.binary(max_size=4) | _NUMBERS.map(str).map(str.encode) | st.sampled_from([*_LONG, _DEEP])


def _text(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def spoilt(draw: st.DrawFn, whole: Bytes) -> bytes:
    """Damage: bytes changed, removed, repeated, exchanged with another document's; the end cut off."""
    data = draw(whole)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        stop = min(len(data), at + draw(st.integers(0, 12)))
        match draw(st.sampled_from(["cut", "remove", "repeat", "insert", "flip", "splice"])):
            case "cut":
                data = data[:at]
            case "remove":
                data = data[:at] + data[stop:]
            case "repeat":
                data = data[:stop] + data[at:]
            case "insert":
                data = data[:at] + draw(_INSERTED) + data[at:]
            case "flip":
                data = (
                    data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
                    if at < len(data)
                    else data
                )
            case "splice":
                data = data[:at] + draw(whole)[stop:]
    return data


@st.composite
def shots(draw: st.DrawFn) -> bytes:
    """Shots in one of stim's formats, after three bytes: format, detectors, observables."""
    form = draw(st.integers(0, len(FORMATS) - 1))
    detectors, observables = draw(st.integers(0, 20) | st.just(255)), draw(st.integers(0, 9))
    count = 64 if FORMATS[form] == "ptb64" else draw(st.integers(0, 5))
    bits = np.frombuffer(draw(st.binary(min_size=8, max_size=8)), dtype=np.uint8)
    random = np.random.default_rng(bits)
    rows = random.random((count, detectors + observables)) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    packed = np.packbits(rows, axis=1, bitorder="little")
    head = bytes([form, detectors, observables])
    if FORMATS[form] != "dets":
        return head + encode_shots(packed, format=FORMATS[form], num_observables=rows.shape[1])
    names = [*(f"D{n}" for n in range(detectors)), *(f"L{n}" for n in range(observables))]
    lines = [" ".join(["shot", *(names[n] for n in np.flatnonzero(row))]) for row in rows]
    return head + "".join(f"{line}\n" for line in lines).encode()


@st.composite
def experiment_shots(draw: st.DrawFn) -> bytes:
    """Shots of an experiment folder, after three bytes: ending, bits, shots."""
    ending, bits, count = draw(st.integers(0, 1)), draw(st.integers(0, 20)), draw(st.integers(0, 5))
    width = -(-bits // 8)
    packed = np.frombuffer(draw(st.binary(min_size=count * width, max_size=count * width)), dtype=np.uint8)
    rows = np.unpackbits(packed.reshape(count, width), axis=1, count=bits, bitorder="little")
    head = bytes([ending, bits, count])
    if ending:
        end = draw(st.sampled_from(["\n", "\r\n"]))
        return head + "".join("".join(map(str, row)) + end for row in rows.tolist()).encode()
    return head + np.packbits(rows, axis=1, bitorder="little").tobytes()


def models() -> Bytes:
    """DEMs with repeat blocks, shifts, tags, hyperedges, parallel edges and all probabilities."""
    return (dems() | dems(most=4)).map(lambda dem: str(dem).encode())


_GATES = {1: ["H", "S", "X", "R", "RX", "MR", "M", "MX"], 2: ["CX", "CZ", "SWAP", "ISWAP"]}
_NOISE = {1: ["DEPOLARIZE1", "X_ERROR", "Z_ERROR"], 2: ["DEPOLARIZE2"]}


@st.composite
def circuits(draw: st.DrawFn) -> bytes:
    """Circuits of few qubits: gates, noise, repetitions, detectors of any earlier measurements."""
    lines: list[str] = []

    def block(depth: int, known: int) -> int:
        """Append some lines; return the measurements that are known after them."""
        for _ in range(draw(st.integers(1, 5))):
            kind = draw(
                st.sampled_from(["gate", "noise", "detector", "observable", "tick", "shift", "repeat"])
            )
            size = draw(st.integers(1, 2))
            qubits = " ".join(map(str, draw(st.permutations(range(4)))[:size]))
            back = draw(st.integers(1, max(1, known)))
            if kind == "gate":
                name = draw(st.sampled_from(_GATES[size]))
                known += name.startswith("M")
                lines.append(f"{name} {qubits}")
            elif kind == "noise":
                lines.append(f"{draw(st.sampled_from(_NOISE[size]))}({draw(probabilities()):.17g}) {qubits}")
            elif kind == "detector" and known:
                lines.append(f"DETECTOR({draw(st.integers(0, 3))}, 0.5, {depth}) rec[-{back}]")
            elif kind == "observable" and known:
                lines.append(f"OBSERVABLE_INCLUDE({draw(st.integers(0, 2))}) rec[-{back}]")
            elif kind == "shift":
                lines.append("SHIFT_COORDS(0, 0, 1)")
            elif kind == "repeat" and depth < 2:
                lines.append(f"REPEAT {draw(st.integers(1, 4))} {{")
                known = block(depth + 1, known)
                lines.append("}")
            else:
                lines.append("TICK")
        return known

    block(0, 0)
    return "\n".join(lines).encode()


@st.composite
def counts(draw: st.DrawFn) -> bytes:
    """CSV files of sinter, also with counts that cannot be."""
    rows = [sinter.CSV_HEADER]
    for _ in range(draw(st.integers(0, 3))):
        number = st.integers(0, 2**53) | st.integers(0, 100)
        errors, discards, kept = draw(number), draw(st.integers(0, 9)), draw(number)
        stats = sinter.TaskStats(
            strong_id=draw(st.sampled_from(["ab12", "", "a,b", 'c"d'])),
            decoder=draw(st.sampled_from(["mwpm", "pymatching", ""])),
            json_metadata=draw(st.sampled_from([{"d": 3, "r": 9, "p": 0.001}, None, [1], "x"]) | JSON),
            shots=errors + discards + kept,
            errors=errors,
            discards=discards,
            seconds=draw(st.sampled_from([0.0, 1.5, 1e300])),
            custom_counts=Counter(draw(st.dictionaries(_WORDS, st.integers(0, 9), max_size=2))),
        )
        rows.append(stats.to_csv_line())
    return ("\n".join(rows) + draw(st.sampled_from(["\n", ""]))).encode()


def _job(record: Any) -> dict[str, Any]:
    return {"key": "ab12", "work": "module.name", "arguments": {}, "seconds": 1.5, "record": record}


@st.composite
def _runs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records of consecutive shots, as `qec bench accuracy` keeps them."""
    shots, rows = 0, [{"cell": "c", "fingerprint": "00ff"}]
    for size in draw(st.lists(st.integers(0, 9), max_size=3)):
        failed = sorted(draw(st.sets(st.integers(shots, shots + size - 1)))) if size else []
        rows.append(
            {"cell": "c", "decoder": "d", "first": shots, "last": shots + size, "failed": failed, "ns": 5}
        )
        shots += size
    return rows


def records() -> Bytes:
    """Files of results with one JSON value a line, after a byte that chooses the reader."""
    jobs = JSON.map(lambda value: [_job(value)])
    lines = (jobs | _runs() | st.lists(JSON, max_size=3)).map(
        lambda rows: b"\n".join(map(_text, rows)) + b"\n"
    )
    return st.builds(lambda kind, text: bytes([kind]) + text, st.integers(0, 3), lines)


@st.composite
def devices(draw: st.DrawFn) -> bytes:
    """Device files: tables in any combination, numbers that are rates and numbers that are not."""
    rate = st.sampled_from(["0", "0.0", "1e-3", "0.5", "1", "inf", "nan", "-1", "1e400", '"x"'])
    names = ["one_qubit", "two_qubit", "idle", "readout", "reset", "crosstalk", "idle_measure_reset"]
    tables = {
        "rates": names,
        "spread": [*names, "seed"],
        "bias": names,
        "coherence": ["t1_us", "t2_us"],
        "durations": ["one_qubit_ns", "two_qubit_ns", "measurement_ns", "reset_ns"],
        "leakage": ["cz", "measurement", "cycle", "transport", "decay", "removal", "reset", "reads_one"],
        "[qubits]": ["at", *names, "t1_us"],
        "[pairs]": ["at", "two_qubit"],
    }
    lines = ['name = "a"', f"excess = {draw(rate)}"][: draw(st.integers(1, 2))]
    for table in ["rates", *draw(st.lists(st.sampled_from(sorted(tables)), max_size=4))]:
        lines.append(f"[{table}]")
        for name in draw(st.lists(st.sampled_from(tables[table]), max_size=3, unique=True)):
            places = st.sampled_from(["[1, 2]", "[[1, 2], [1, 4]]", "[nan, 1]", "[]", "1"])
            lines.append(f"{name} = {draw(places if name == 'at' else rate)}")
    return "\n".join(lines).encode()


def device_files() -> Bytes:
    """Device files, those that ship with the project among them."""
    shipped = [path.read_bytes() for path in sorted(data_path("devices").glob("*.toml"))]
    return devices() | st.sampled_from(shipped)


def _rows(random: np.random.Generator, count: int, width: int) -> NDArray[np.uint8]:
    return np.packbits(random.random((count, width)) < 0.3, axis=1, bitorder="little")


@st.composite
def recordings(draw: st.DrawFn) -> bytes:
    """Recordings of both versions: shots of few cycles, complete or not, answers, gaps, models, notes."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits, final_bits, cycles = draw(st.integers(1, 12)), draw(st.integers(1, 12)), draw(st.integers(1, 5))
    kind = wire.Payload.MEASUREMENTS if final_bits != bits else wire.Payload.EVENTS
    messages, answers = [], []
    for shot in range(draw(st.integers(0, 3))):
        for first in range(0, cycles, 3):
            count = min(3, cycles - first)
            last = first + count == cycles
            messages.append(
                wire.encode_frame(
                    session=5,
                    stream=0,
                    shot=shot,
                    sequence=len(messages),
                    first_cycle=first,
                    due_ns=0,
                    kind=kind,
                    rows=_rows(random, count, bits),
                    bits_per_cycle=bits,
                    final=_rows(random, 1, final_bits)[0] if last else None,
                    final_bits=final_bits if last else 0,
                    flags=wire.Flags.FIRST if first == 0 else 0,
                )
            )
        answers.append((len(messages), encode_result(shot=shot, cycles=cycles, flips=b"\x01")))
    head: dict[str, Any] = {"cycle_ns": draw(st.integers(1, 10**12)), "from": "a test"}
    if draw(st.booleans()):
        head["observable_flips"] = ["01"] * draw(st.integers(0, 3))
    if draw(st.booleans()):
        return recording.encode_head(head, version=recording.FRAMES_ONLY) + b"".join(messages)
    entries = [recording.encode_entry(recording.Content.RECEIVED, message) for message in messages]
    for place, answer in reversed(answers):
        if draw(st.integers(0, 3)):
            entries.insert(place, recording.encode_entry(recording.Content.SENT, answer, time_ns=7))
    if draw(st.booleans()):
        entries.insert(0, recording.encode_entry(recording.Content.MODEL, b"error(0.1) D0 L0\n"))
    if draw(st.booleans()):
        entries.append(
            recording.encode_entry(recording.Content.GAP, draw(st.integers(0, 9)).to_bytes(8, "little"))
        )
    data = recording.encode_head(head, version=recording.VERSION) + b"".join(entries)
    return data + recording.encode_entry(recording.Content.END, hashlib.sha256(data).digest())


def encode_result(
    *, shot: int, cycles: int, flips: bytes, kind: int = wire.Type.RESULT, status: int = 0
) -> bytes:
    """Encode a result frame, as a session does."""
    header = np.zeros((), dtype=wire.RESULT)
    fields = {"magic": wire.MAGIC, "version": wire.VERSION, "type": kind, "header_length": header.itemsize}
    fields |= {"session": 5, "shot": shot, "cycles": cycles, "num_observables": 8 * len(flips)}
    for name, value in (fields | {"status": status}).items():
        header[name] = value
    return wire.sealed(header.tobytes() + flips, wire.RESULT)


@st.composite
def metadata(draw: st.DrawFn) -> bytes:
    """Metadata of experiments, after a byte that chooses the layout: lines of YAML, or JSON."""
    fields: dict[str, Any] = {"distance": 3, "rounds": 5, "basis": "Z", "shots": 0}
    extra = {
        "center_data_qubit_row": _NUMBERS,
        "data_qubit_coords": st.sampled_from([[[1, 2], [3, 4]], [], [[1]], [["x", 1]], [[1e308, 1]] * 2])
        | JSON,
        "circuit_detectors": _NUMBERS,
        "cycles": _NUMBERS,
        "name": _WORDS,
    }
    for name in draw(st.lists(st.sampled_from([*fields, *extra]), max_size=3)):
        fields[name] = draw(extra.get(name, _NUMBERS | JSON))
    if draw(st.booleans()):
        return b"\x01" + _text(fields)
    return b"\x00" + "".join(f"{name}: {value}\n" for name, value in fields.items()).encode(
        "utf-8", "replace"
    )


def keys() -> Bytes:
    """Key files."""
    key = st.sampled_from(
        ["Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID", "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"]
    )
    key |= st.just("#" * 40) | st.just("a" * 39) | st.just("ü" * 40)
    public, secret = '    public-key = "{}"\n', '    secret-key = "{}"\n'
    body = st.builds(public.format, key) | st.builds((public + secret).format, key, key)
    return body.map(lambda text: f"metadata\ncurve\n{text}".encode())


@st.composite
def programs(draw: st.DrawFn) -> bytes:
    """Program files: those of the library, and operations in any order."""
    if draw(st.integers(0, 3)) == 0:
        return library.decision_chain(decisions=draw(st.integers(1, 3)), cycles=2).encode()
    patch, outcome = st.sampled_from(["a", "b", "c"]), st.sampled_from(["m", "n"])
    basis = st.sampled_from(["z", "x", "y"])
    chosen = st.fixed_dictionaries({"if": outcome, "zero": basis, "one": basis})
    whole = st.integers(1, 3) | _NUMBERS
    forms: list[dict[str, st.SearchStrategy[Any]]] = [
        {"do": st.just("prepare"), "patch": patch},
        {"do": st.just("idle"), "cycles": whole},
        {"do": st.just("measure"), "patch": patch, "basis": basis | chosen, "outcome": outcome},
        {"do": st.just("wait"), "outcome": outcome},
        {
            "do": st.just("merge"),
            "patches": st.lists(patch, max_size=3) | _NUMBERS,
            "basis": basis,
            "cycles": whole,
            "outcome": outcome,
        },
        {
            "do": st.just("wait"),
            "outcome": outcome,
            "gap": _REALS,
            "below": st.sampled_from(["discard", "idle"]) | st.fixed_dictionaries({"repeat": whole}),
        },
        {"do": st.just("correct"), "patch": patch, "pauli": st.sampled_from(["x", "y", "z"]), "if": outcome},
        {"do": st.just("repeat"), "times": whole},
        {"do": st.just("end")},
    ]
    usual = ["prepare a", "prepare b", "idle 2", "measure a m", "wait m"][: draw(st.integers(0, 5))]
    known = {
        "prepare a": {"do": "prepare", "patch": "a"},
        "prepare b": {"do": "prepare", "patch": "b"},
        "idle 2": {"do": "idle", "cycles": 2},
        "measure a m": {"do": "measure", "patch": "a", "basis": "z", "outcome": "m"},
        "wait m": {"do": "wait", "outcome": "m"},
    }
    rest = draw(st.lists(st.one_of([st.fixed_dictionaries(form) for form in forms]) | JSON, max_size=6))
    ended = [{"do": "idle", "cycles": 1}]
    ended += [{"do": "measure", "patch": name, "basis": "x", "outcome": name} for name in ("a", "b")]
    tiles = st.fixed_dictionaries({"a": st.just([0, 0]), "b": st.lists(st.integers(-1, 2), max_size=3)})
    head = {"program": "p", "version": 1, "patches": draw(st.just(["a", "b"]) | tiles)}
    lines = [head, *(known[one] for one in usual), *rest, *ended[: draw(st.integers(0, 3))]]
    return b"".join(_text(line) + b"\n" for line in lines)


def frames() -> Bytes:
    """Data frames and results, after a byte that says whether to make the checksum fit."""
    data = data_frames().map(lambda arguments: wire.encode_frame(**arguments))
    result = st.builds(
        encode_result,
        shot=st.integers(0, 2**62 - 1),
        cycles=st.integers(0, 99),
        flips=st.binary(max_size=9),
        kind=st.sampled_from([2, 3, 4]),
        status=st.integers(0, 8),
    )
    return st.builds(lambda seals, frame: bytes([seals]) + frame, st.integers(0, 1), data | result)


@st.composite
def control(draw: st.DrawFn) -> bytes:
    """Lines of control messages: known and unknown ones, with fields of any type."""
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([*FIELDS, "hello", "open", "quit"]))
        usual = {"stream": st.just(0), "version": st.sampled_from([1, 2]), "kind": st.just("events")}
        names = draw(st.lists(st.sampled_from([*FIELDS.get(kind, ()), "id", "x"]), max_size=4))
        if kind in ("hello", "open"):
            names.append("version")
        message = {name: draw(usual.get(name, JSON) | JSON) for name in names}
        lines.append(_text({"type": kind, **message}))
    return b"\n".join(lines)


def settings() -> Bytes:
    """Configurations of a daemon and histograms as JSON, after a byte that chooses the reader."""
    config = st.dictionaries(
        st.sampled_from(
            ["model", "bind", "streams", "cores", "readouts", "fifo", "policy", "record", "about"]
        ),
        JSON | st.just(1),
        max_size=4,
    ).map(lambda value: {"model": "m.stim", **value})
    histogram = st.fixed_dictionaries(
        {
            "buckets": st.lists(st.integers(0, 99) | _NUMBERS, max_size=3),
            "counts": st.lists(st.integers(0, 99) | _NUMBERS, max_size=3),
            "totals": st.lists(_NUMBERS, max_size=4),
            "missing": _NUMBERS,
        }
    )
    return st.builds(lambda kind, value: bytes([kind]) + _text(value), st.integers(0, 1), config | histogram)


def choices() -> Bytes:
    """Bytes that a subject reads as a sequence of decisions, see `Choices`."""
    return st.binary(max_size=200)
