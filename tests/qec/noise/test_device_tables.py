"""Weights, coherence and leakage in device files: read as written, and refused in one line."""

import copy
import math
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit, memory_metadata, noise
from qec.noise.channel import KINDS
from qec.noise.paulis import PAULIS, biased_weights
from qec.resources import data_path

DURATIONS = {"one_qubit_ns": 25, "two_qubit_ns": 42, "measurement_ns": 500, "reset_ns": 160}
DESCRIPTION: dict[str, Any] = {
    "name": "full",
    "rates": {"one_qubit": 6e-4, "two_qubit": 3e-3, "readout": 8e-3, "idle_measure_reset": 1e-3},
    "bias": {"two_qubit": 10},
    "weights": {"one_qubit": {"X": 1, "Z": 2.5}, "idle_measure_reset": {"Z": 1}},
    "coherence": {"t1_us": 68, "t2_us": 89.5},
    "durations": DURATIONS,
    "leakage": {"cz": 2e-4, "decay": 0.03, "kick": "depolarize"},
    "qubits": [{"at": [3, 3], "t1_us": 20, "t2_us": 30, "readout": 0.1}, {"at": [1, 1], "t2_us": 40}],
}


def written(value: object) -> str:
    """A value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def toml(description: dict[str, Any]) -> str:
    """A description as a file has it: plain keys first, then tables, then arrays of tables."""
    lines = [f"{key} = {written(v)}" for key, v in description.items() if not isinstance(v, dict | list)]
    for key, table in description.items():
        for one in table if isinstance(table, list) else [table] if isinstance(table, dict) else []:
            lines.append(f"[[{key}]]" if isinstance(table, list) else f"[{key}]")
            lines += [f"{name} = {written(inside)}" for name, inside in one.items()]
    return "\n".join(lines) + "\n"


probabilities = st.floats(0, 0.5)
weights = {
    number: st.dictionaries(st.sampled_from(PAULIS[number]), st.floats(1e-3, 1e3), min_size=1)
    for number in PAULIS
}


@st.composite
def descriptions(draw: st.DrawFn) -> dict[str, Any]:
    """Legal descriptions."""
    coherent = draw(st.booleans())
    kinds = [kind for kind in KINDS if not (coherent and kind == "idle")]
    rates = draw(st.dictionaries(st.sampled_from(kinds), probabilities, min_size=not coherent))
    description: dict[str, Any] = {"name": draw(st.from_regex(r"[a-z][a-z0-9_ -]*", fullmatch=True))}
    if rates or draw(st.booleans()):
        description["rates"] = rates
    able = [kind for kind in rates if KINDS[kind].has_paulis and kind != "crosstalk"]
    chosen = draw(st.lists(st.sampled_from(able), unique=True)) if able else []
    for kind in chosen:
        if draw(st.booleans()):
            description.setdefault("bias", {})[kind] = draw(st.floats(0, 1e4) | st.just(math.inf))
        else:
            pick = weights[KINDS[kind].num_qubits]
            description.setdefault("weights", {})[kind] = draw(pick)
    if coherent:
        t1, part = draw(st.floats(1, 1e3)), draw(st.floats(0.01, 1))
        description["coherence"] = {"t1_us": t1, "t2_us": 2 * t1 * part}
        description["durations"] = {name: draw(st.floats(0, 1e4)) for name in DURATIONS}
        description["qubits"] = [{"at": [0, 2], "t1_us": draw(st.floats(t1, 1e4))}]
    if draw(st.booleans()):
        description["leakage"] = {"cz": draw(st.floats(1e-6, 1)), "decay": draw(st.floats(0, 1))}
    return description


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(description=descriptions())
def test_files_say_what_mappings_say(description: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "one.toml"
    path.write_text(toml(description))
    assert tomllib.loads(path.read_text()) == description
    model = noise.device(path)
    assert model == noise.device(description)
    assert model.name == "device:" + description["name"]
    assert model.rates == description.get("rates", {})
    channels = {channel.kind: channel for channel in model.channels}
    for kind, given_weights in description.get("weights", {}).items():
        alike = (
            len(given_weights) == len(PAULIS[KINDS[kind].num_qubits]) and len({*given_weights.values()}) == 1
        )
        assert dict(channels[kind].weights) == ({} if alike else given_weights)
    assert (model.decoherence is None) == ("coherence" not in description)
    assert (model.leakage is None) == ("leakage" not in description)
    # Applied: every probability is legal, and stim takes the circuit.
    code = RepetitionCode(3, gates="cx")
    assert memory_circuit(code, rounds=3, noise=model).num_measurements == 9


TABLES = ["bias", "weights", "coherence", "durations", "leakage", "rates"]
names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)


@settings(deadline=None, max_examples=60)
@given(table=st.sampled_from(["", *TABLES]), key=names)
def test_unknown_keys_are_refused_in_one_line(table: str, key: str) -> None:
    description = copy.deepcopy(DESCRIPTION)
    inside = description[table] if table else description
    known = {*KINDS, "t1_us", "t2_us", "cz", "measurement", "cycle", "transport", "decay", "reset", "removal"}
    known |= {"reads_one", "kick", "name", "description", "source", "excess", "spread", "pairs"}
    if key in inside or key in known:
        return
    inside[key] = 0.1
    with pytest.raises(ValueError, match=re.escape(f"unknown key {key!r}; known: ")) as error:
        noise.device(description)
    assert "\n" not in str(error.value)
    assert not table or f"[{table}]" in str(error.value)


def test_the_full_description() -> None:
    model = noise.device(DESCRIPTION)
    channels = {channel.kind: channel for channel in model.channels}
    assert dict(channels["two_qubit"].weights) == biased_weights(2, 10)
    assert channels["one_qubit"].weights == (("X", 1.0), ("Z", 2.5))
    assert channels["readout"].weights == ()
    assert model.decoherence is not None
    assert model.decoherence.lifetimes_at((3.0, 3.0)) == (20, 30)
    assert model.decoherence.lifetimes_at((1.0, 1.0)) == (68, 40)
    assert model.decoherence.lifetimes_at((9.0, 9.0)) == (68, 89.5)
    assert model.leakage == noise.LeakageModel(cz=2e-4, decay=0.03, kick="depolarize")
    assert model.leakage.text == "cz=0.0002 decay=0.03 kick=depolarize"
    code = RotatedSurfaceCode(3, variant="zxxz")
    assert memory_metadata(code, rounds=3, noise=model)["leakage"] == model.leakage.text
    noisy = str(memory_circuit(code, rounds=3, noise=model))
    assert "PAULI_CHANNEL_1" in noisy
    assert "PAULI_CHANNEL_2" in noisy
    assert "Z_ERROR(0.001)" in noisy


def test_excess_shortens_the_times() -> None:
    more = noise.device({**DESCRIPTION, "excess": 2})
    assert more.decoherence is not None
    assert more.decoherence.lifetimes_at((9.0, 9.0)) == (34, 44.75)
    assert more.decoherence.lifetimes_at((1.0, 1.0)) == (34, 20)
    assert more.leakage == noise.device(DESCRIPTION).leakage


def test_every_table_of_the_example_works_when_uncommented() -> None:
    lines = []
    for line in data_path("devices/example.toml").read_text().splitlines():
        commented = re.fullmatch(r"# (\[\w+\]|[a-z]\w* = \S.*)", line)
        lines.append(commented[1] if commented else line)
    content = tomllib.loads("\n".join(lines))
    assert set(TABLES) <= set(content)
    # What the file says cannot go together: a bias and weights of idle, and a rate of idle and T1.
    with pytest.raises(ValueError, match="idle has"):
        noise.device(content)
    del content["bias"], content["weights"]["idle"]
    with pytest.raises(ValueError, match="say the same twice"):
        noise.device(content)
    del content["rates"]["idle"]
    model = noise.device(content)
    assert model.leakage == noise.LeakageModel(
        cz=2e-4, measurement=2.5e-4, cycle=2.5e-4, transport=0.01, decay=0.032
    )
    assert model.decoherence is not None


def changed(**changes: object) -> dict[str, Any]:
    return {
        key: value for key, value in {**copy.deepcopy(DESCRIPTION), **changes}.items() if value is not None
    }


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (changed(bias=10), "write bias as a table: [bias]"),
        (changed(bias={"readout": 10}), "[bias]: unknown key 'readout'; known: one_qubit, two_qubit"),
        (changed(bias={"two_qubit": -1}), "[bias] two_qubit: bias must be a number, 0 or more (inf"),
        (
            changed(bias={"two_qubit": "much"}),
            "bias must be a number, 0 or more (inf: Z errors only), not 'much'",
        ),
        (changed(bias={"one_qubit": 3}), "one_qubit has [weights] and [bias]: leave one of them out"),
        (
            changed(weights={"one_qubit": 3}),
            "[weights] one_qubit must be written as { X = 1, Y = 1, Z = 10 }",
        ),
        (changed(weights={"two_qubit": {}}), "must be written as { IZ = 1, ZI = 1, ZZ = 1 }"),
        (changed(weights={"one_qubit": {"W": 1}}), "weights of one_qubit: unknown Pauli 'W'; known: X, Y, Z"),
        (changed(weights={"one_qubit": {"X": 0}}), "weights of one_qubit: at least one must be above 0"),
        (changed(coherence=68), "write coherence as a table: [coherence]"),
        (changed(coherence={}), "[coherence] must give t1_us, t2_us or both"),
        (
            changed(coherence={"t1_us": 40, "t2_us": 89}, qubits=[]),
            "t2_us is 89: T2 is at most 2 T1, here 80 us",
        ),
        (changed(coherence={"t1_us": "68"}, qubits=[]), "t1_us must be a time in us above 0, not '68'"),
        (
            changed(qubits=[{"at": [3, 3], "t1_us": 20}]),
            "t2_us at (3, 3) is 89.5: T2 is at most 2 T1, here 40 us",
        ),
        (changed(coherence=None), "t1_us and t2_us need times for all other qubits in [coherence]"),
        (changed(coherence=None, qubits=[]), "[durations] is for waiting qubits: give their T1 or T2"),
        (
            changed(durations=None),
            "[coherence] needs one_qubit_ns, two_qubit_ns, measurement_ns, reset_ns in",
        ),
        (
            changed(durations={**DURATIONS, "reset_ns": -1}),
            "reset_ns must be a number of ns, 0 or more, not -1",
        ),
        (
            changed(durations={**DURATIONS, "reset_us": 1}),
            "[durations]: unknown key 'reset_us'; known: one_qubit",
        ),
        (changed(rates={"idle": 1e-3}, bias={}, weights={}, qubits=[]), "a rate of idle and decoherence"),
        (changed(leakage=0.1), "write leakage as a table: [leakage]"),
        (changed(leakage={"cz": 1.5}), "[leakage] cz=1.5: a probability, from 0 to 1"),
        (changed(leakage={"cz": "low"}), "[leakage] cz='low': a probability"),
        (changed(leakage={"cz": 0.1, "kick": "hard"}), "[leakage] kick='hard': 'phase' or 'depolarize'"),
        (changed(leakage={"decay": 0.1}), "[leakage] never lets a qubit leak: give cz, measurement or cycle"),
    ],
)
def test_wrong_tables(description: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        noise.device(description)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("device: ")
