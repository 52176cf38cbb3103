"""Devices: what the description says, and clear words where it is wrong."""

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from qec import RotatedSurfaceCode, memory_circuit, noise

DESCRIPTION: dict[str, Any] = {
    "name": "small",
    "rates": {"one_qubit": 0.001, "two_qubit": 0.01, "readout": 0.02},
    "qubits": [{"at": [3, 3], "readout": 0.3, "one_qubit": 0.0}],
    "pairs": [{"at": [[3, 3], [4, 4]], "two_qubit": 0.25}],
}


def test_the_example_is_a_working_device() -> None:
    model = noise.device("example")
    assert noise.device_names() == ["example"]
    assert model.name == "device:example"
    assert model.p is None
    assert model.rates["two_qubit"] == 0.0028
    assert pickle.loads(pickle.dumps(model)) == model
    assert hash(model) == hash(noise.device("example"))
    chip = RotatedSurfaceCode(7, variant="zxxz")
    whole = str(memory_circuit(chip, rounds=3, noise=model))
    assert "M(0.02)" in whole
    assert "DEPOLARIZE2(0.008)" in whole
    # Patches have the chip's coordinates: only those that hold (3, 3) have its poor readout.
    for patch in chip.patches(3):
        noisy = memory_circuit(patch, rounds=3, noise=model)
        assert ("M(0.02)" in str(noisy)) == ((3, 3) in patch.data_qubits)
        assert len(noisy.shortest_graphlike_error()) == 3


def test_description_as_mapping() -> None:
    model = noise.device(DESCRIPTION)
    channels = {channel.kind: channel for channel in model.channels}
    assert model.name == "device:small"
    assert model.rates == {"one_qubit": 0.001, "two_qubit": 0.01, "readout": 0.02}
    assert channels["readout"].rate_at((3, 3)) == 0.3
    assert channels["one_qubit"].rate_at((3, 3)) == 0.0
    assert channels["one_qubit"].rate_at((5, 3)) == 0.001
    assert channels["two_qubit"].rate_at((4, 4), (3, 3)) == 0.25


def test_description_as_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[rates]\nidle = 0.01\n[[qubits]]\nat = [1, 1]\nidle = 0.5\n')
    model = noise.device(path)
    assert model == noise.device(str(path)) == noise.by_name(f"device:{path}")
    assert model.channels[0].rate_at((1, 1)) == 0.5

    path.write_text('name = "mine"\n[rates\n')
    with pytest.raises(ValueError, match=re.escape(f"{path} is not TOML:")):
        noise.device(path)
    path.write_text('name = "mine"\n[rates]\nidle = 2\n')
    with pytest.raises(ValueError, match=re.escape(f"{path}: rate of idle must lie in [0, 0.75], not 2")):
        noise.device(path)
    with pytest.raises(FileNotFoundError, match=r"no device file .*none.toml"):
        noise.device(tmp_path / "none.toml")
    with pytest.raises(FileNotFoundError, match=r"no device 'willow'; known: example, or the path of"):
        noise.device("willow")


def changed(**changes: object) -> dict[str, Any]:
    description = copy.deepcopy(DESCRIPTION)
    for key, value in changes.items():
        if value is None:
            del description[key]
        else:
            description[key] = value
    return description


@pytest.mark.parametrize(
    ("description", "message"),
    [
        (changed(name=None), "name must be a text"),
        (changed(name=""), "name must be a text"),
        (changed(source=3), "source must be a text"),
        (changed(rates=None, qubits=None, pairs=None), "must give at least one of one_qubit, two_qubit"),
        (changed(rates={}), "must give at least one of"),
        (changed(rate={}), "unknown key 'rate'; known: name, description, source, rates, qubits, pairs"),
        (changed(rates={"cz": 0.1}), "[rates]: unknown key 'cz'; known: one_qubit, two_qubit, idle"),
        (
            changed(rates={"one_qubit": "low"}, qubits=None, pairs=None),
            "rate of one_qubit must be a number, not 'low'",
        ),
        (
            changed(rates={"two_qubit": 0.95}, qubits=None),
            "rate of two_qubit must lie in [0, 0.9375], not 0.95",
        ),
        (changed(qubits={"at": [1, 1]}), "write qubits as tables: [[qubits]]"),
        (changed(qubits=[{"readout": 0.1}]), "[[qubits]]: place must be written as at = [x, y], not None"),
        (changed(qubits=[{"at": [1], "readout": 0.1}]), "place must be written as at = [x, y], not [1]"),
        (
            changed(qubits=[{"at": [1, 1], "two_qubit": 0.1}]),
            "[[qubits]]: unknown key 'two_qubit'; known: at,",
        ),
        (changed(qubits=[{"at": [1, 1], "reset": 0.1}]), "reset needs a rate for all others in [rates]"),
        (changed(qubits=[{"at": [1, 1], "readout": 1.1}]), "rate of readout at (1, 1) must lie in [0, 1]"),
        (changed(qubits=2 * [{"at": [1, 1], "readout": 0.1}]), "readout at (1, 1) is given twice"),
        (changed(pairs=[{"at": [1, 1], "two_qubit": 0.1}]), "must be written as at = [[x, y], [x, y]]"),
        (changed(pairs=[{"at": [[1, 1], [2, 2]], "readout": 0.1}]), "known: at, two_qubit"),
    ],
)
def test_wrong_descriptions(description: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        noise.device(description)
    assert "\n" not in str(error.value)
