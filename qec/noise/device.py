"""Noise models from device descriptions; `data/devices/example.toml` explains the format."""

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from qec.noise.channel import KINDS, Channel, Place
from qec.noise.decoherence import Decoherence, Durations
from qec.noise.leakage import LeakageModel
from qec.noise.model import NoiseModel
from qec.noise.paulis import biased_weights
from qec.resources import data_path

_FOLDER = "devices"
_TOP_KEYS = (
    *("name", "description", "source", "rates", "excess", "spread", "qubits", "pairs"),
    *("bias", "weights", "coherence", "durations", "leakage"),
)
_FARTHEST = 1e6  # coordinate of a qubit; NaN and infinity are no places
_LIFETIMES = ("t1_us", "t2_us")
_MAX_DOTS = 5000


def device(description: str | os.PathLike[str] | Mapping[str, Any]) -> NoiseModel:
    """Read the noise model of a device.

    Args:
        description: path of a TOML file (ending in .toml), the name of a device that ships with the project,
            or the contents of a TOML file as a mapping.

    Returns:
        Model named "device:" and the device's name; its parameters contain "excess" if it is given. Where the
        device has [coherence], idling follows from T1, T2 and durations; where it has [leakage], the model's
        `leakage` is not None.

    Raises:
        FileNotFoundError: no such file or shipped device (the message lists the shipped ones).
        ValueError: not TOML; an unknown, missing or duplicate key; a rate out of range. The message names the
            file and the key.
    """
    if isinstance(description, Mapping):
        return _parse(description, "device")
    path = _find(os.fspath(description))
    try:
        text = path.read_bytes().decode()
        # tomllib needs a time quadratic in the number of parts of a key: half a second at this bound.
        dots = max((line.count(".") for line in text.splitlines()), default=0)
        if dots > _MAX_DOTS:
            raise ValueError(f"a line has {dots} dots: must have at most {_MAX_DOTS}")
        content = tomllib.loads(text)
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply; data/devices/example.toml shows the format") from None
    except ValueError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    return _parse(content, str(path))


def device_names() -> list[str]:
    """Return the names of the devices that ship with the project, sorted."""
    return sorted(path.stem for path in data_path(_FOLDER).glob("*.toml"))


def _find(text: str) -> Path:
    if text.endswith(".toml"):
        if not Path(text).is_file():
            raise FileNotFoundError(f"no device file {text}")
        return Path(text)
    if text not in device_names():
        raise FileNotFoundError(
            f"no device {text!r}; known: {', '.join(device_names())}, or the path of a .toml file"
        )
    return data_path(f"{_FOLDER}/{text}.toml")


def _parse(content: Mapping[str, Any], where: str) -> NoiseModel:
    _check_integers(content, where)
    _check_keys(content, _TOP_KEYS, where)
    name = content.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}: name must be a non-empty text")
    for key in ("description", "source"):
        if not isinstance(content.get(key, ""), str):
            raise ValueError(f"{where}: {key} must be a text")
    rates = content.get("rates", {})
    if not isinstance(rates, Mapping) or not (rates or "coherence" in content):
        raise ValueError(
            f"{where}: [rates] must give at least one of {', '.join(KINDS)}, unless there is [coherence]"
        )
    _check_keys(rates, tuple(KINDS), f"{where}: [rates]")

    excess = content.get("excess", 1.0)
    if type(excess) not in (int, float) or not 0 < excess < math.inf:
        raise ValueError(f"{where}: excess must be a number above 0, not {excess!r}")
    spread = _table(content, "spread", (*rates, "seed"), where)
    weights = _weights(content, rates, where)
    overrides: dict[str, list[tuple[tuple[Place, ...], float]]] = {kind: [] for kind in rates}
    lifetimes: list[tuple[Place, tuple[float | None, float | None]]] = []
    for table, num_qubits in (("qubits", 1), ("pairs", 2)):
        for entry in _entries(content, table, where):
            at_entry = f"{where}: [[{table}]]"
            kinds = tuple(kind for kind in KINDS if KINDS[kind].num_qubits == num_qubits)
            times = _LIFETIMES if num_qubits == 1 else ()
            _check_keys(entry, ("at", *kinds, *times), at_entry)
            places = _places(entry.get("at"), num_qubits, at_entry)
            for kind in entry.keys() - {"at", *_LIFETIMES}:
                if kind not in overrides:
                    raise ValueError(f"{at_entry}: {kind} needs a rate for all other qubits in [rates]")
                overrides[kind].append((places, entry[kind]))
            if not entry.keys().isdisjoint(_LIFETIMES):
                lifetimes.append((places[0], (entry.get("t1_us"), entry.get("t2_us"))))
    try:
        channels = tuple(
            Channel(
                kind,
                rates[kind],
                tuple(overrides[kind]),
                spread=spread.get(kind, 0.0),
                seed=spread.get("seed", 0),
                weights=tuple(weights.get(kind, {}).items()),
            ).scaled(excess)
            for kind in KINDS
            if kind in rates
        )
        return NoiseModel(
            f"device:{name}",
            channels,
            (("excess", float(excess)),) if "excess" in content else (),
            decoherence=_decoherence(content, lifetimes, excess),
            leakage=_leakage(content),
        )
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _weights(
    content: Mapping[str, Any], rates: Mapping[str, Any], where: str
) -> dict[str, Mapping[str, float]]:
    """Read Pauli weights by kind, from [weights] and [bias]."""
    found: dict[str, Mapping[str, float]] = {}
    tables = {key: content.get(key, {}) for key in ("weights", "bias")}
    for key, table in tables.items():
        if not isinstance(table, Mapping):
            raise ValueError(f"{where}: write {key} as a table: [{key}]")
        able = tuple(kind for kind in rates if KINDS[kind].has_paulis)
        _check_keys(table, able, f"{where}: [{key}]")
    for kind, weights in tables["weights"].items():
        if not isinstance(weights, Mapping) or not weights:
            example = (
                "{ X = 1, Y = 1, Z = 10 }" if KINDS[kind].num_qubits == 1 else "{ IZ = 1, ZI = 1, ZZ = 1 }"
            )
            raise ValueError(f"{where}: [weights] {kind} must be written as {example}, not {weights!r}")
        found[kind] = weights
    for kind, eta in tables["bias"].items():
        if kind in found:
            raise ValueError(f"{where}: {kind} has [weights] and [bias]: remove one of them")
        try:
            found[kind] = biased_weights(KINDS[kind].num_qubits, eta)
        except ValueError as error:
            raise ValueError(f"{where}: [bias] {kind}: {error}") from None
    return found


def _decoherence(
    content: Mapping[str, Any],
    lifetimes: list[tuple[Place, tuple[float | None, float | None]]],
    excess: float,
) -> Decoherence | None:
    """Read [coherence], [durations] and the times of single qubits; `excess` divides the times."""
    if "coherence" not in content:
        if lifetimes:
            raise ValueError("[[qubits]]: t1_us and t2_us need times for all other qubits in [coherence]")
        if "durations" in content:
            raise ValueError("[durations] is for idle qubits: add T1 or T2 in [coherence]")
        return None
    coherence, durations = content["coherence"], content.get("durations", {})
    names = tuple(field.name for field in fields(Durations))
    for key, table, known in (("coherence", coherence, _LIFETIMES), ("durations", durations, names)):
        if not isinstance(table, Mapping):
            raise ValueError(f"write {key} as a table: [{key}]")
        _check_keys(table, known, f"[{key}]")
    if not coherence:
        raise ValueError("[coherence] must give t1_us, t2_us or both")
    if missing := [name for name in names if name not in durations]:
        raise ValueError(f"[coherence] needs {', '.join(missing)} in [durations]")
    model = Decoherence(
        t1_us=coherence.get("t1_us"),
        t2_us=coherence.get("t2_us"),
        durations=Durations(**durations),
        overrides=tuple(lifetimes),
    )
    return model.scaled(excess)


def _leakage(content: Mapping[str, Any]) -> LeakageModel | None:
    """Read [leakage]."""
    if "leakage" not in content:
        return None
    table = content["leakage"]
    if not isinstance(table, Mapping):
        raise ValueError("write leakage as a table: [leakage]")
    _check_keys(table, tuple(field.name for field in fields(LeakageModel)), "[leakage]")
    try:
        model = LeakageModel(**table)
    except ValueError as error:
        raise ValueError(f"[leakage] {error}") from None
    if not model.leaks:
        raise ValueError("[leakage] has no leakage: set cz, measurement or cycle above 0")
    return model


def _table(content: Mapping[str, Any], key: str, known: Iterable[str], where: str) -> Mapping[str, Any]:
    """Read an optional table of numbers."""
    table = content.get(key, {})
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: write {key} as a table: [{key}]")
    _check_keys(table, tuple(known), f"{where}: [{key}]")
    for name, value in table.items():
        legal = type(value) is int if name == "seed" else type(value) in (int, float)
        if not legal or not 0 <= value < math.inf:
            kind = "a whole number" if name == "seed" else "a number"
            raise ValueError(f"{where}: [{key}] {name} must be {kind}, 0 or more, not {value!r}")
    return table


def _entries(content: Mapping[str, Any], table: str, where: str) -> list[Mapping[str, Any]]:
    entries = content.get(table, [])
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise ValueError(f"{where}: write {table} as tables: [[{table}]]")
    return entries


def _places(at: object, num_qubits: int, where: str) -> tuple[Place, ...]:
    listed = at if num_qubits > 1 else [at]
    form = "at = [x, y]" if num_qubits == 1 else "at = [[x, y], [x, y]]"
    if (
        not isinstance(listed, list)
        or len(listed) != num_qubits
        or not all(isinstance(place, list) and len(place) == 2 for place in listed)
        or not all(type(c) in (int, float) and abs(c) <= _FARTHEST for place in listed for c in place)
    ):
        raise ValueError(f"{where}: place must be written as {form}, not {at!r}; x and y from -1e6 to 1e6")
    places = tuple((float(x), float(y)) for x, y in listed)
    if len(set(places)) < len(places):
        raise ValueError(f"{where}: at = {at!r} is one qubit twice; a pair is two qubits")
    return places


def _check_integers(value: object, where: str) -> None:
    """Refuse integers of more than 64 bits: TOML has none, and no floating-point number may be near."""
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise ValueError(f"{where}: an integer of {value.bit_length()} bits: must have at most 63")
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            _check_integers(part, where)


def _check_keys(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}; known: {', '.join(known)}")
