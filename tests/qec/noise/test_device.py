"""Devices: what the description says, and clear words where it is wrong."""

import copy
import math
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
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
    assert noise.device_names() == ["example", "willow_105q", "willow_72q"]
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
    path.write_text('name = "mine"\nrates = ' + "[" * 100_000)
    with pytest.raises(ValueError, match=re.escape(f"{path} is nested too deeply")):
        noise.device(path)
    path.write_text('name = "mine"\n[rates]\nidle = 2\n')
    with pytest.raises(ValueError, match=re.escape(f"{path}: rate of idle must lie in [0, 0.75], not 2")):
        noise.device(path)
    with pytest.raises(FileNotFoundError, match=r"no device file .*none.toml"):
        noise.device(tmp_path / "none.toml")
    with pytest.raises(
        FileNotFoundError,
        match=r"no device 'willow'; known: example, willow_105q, willow_72q, or the path of",
    ):
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
        (changed(name=None), "name must be a non-empty text"),
        (changed(name=""), "name must be a non-empty text"),
        (changed(source=3), "source must be a text"),
        (changed(rates=None, qubits=None, pairs=None), "must give at least one of one_qubit, two_qubit"),
        (changed(rates={}), "must give at least one of"),
        (
            changed(rate={}),
            "unknown key 'rate'; known: name, description, source, rates, excess, spread, qubits",
        ),
        (changed(excess=0), "excess must be a number above 0, not 0"),
        (changed(excess="much"), "excess must be a number above 0, not 'much'"),
        (changed(excess=50.0), "rate of two_qubit at (3, 3) and (4, 4) must lie in [0, 0.9375], not 12.5"),
        (changed(spread=0.3), "write spread as a table: [spread]"),
        (changed(spread={"idle": 0.3}), "[spread]: unknown key 'idle'; known: one_qubit, two_qubit, readout"),
        (changed(spread={"readout": -0.3}), "[spread] readout must be a number, 0 or more, not -0.3"),
        (changed(spread={"seed": 1.5}), "[spread] seed must be a whole number, 0 or more, not 1.5"),
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
        (
            changed(qubits=[{"at": [1, 1], "reset": 0.1}]),
            "reset needs a rate for all other qubits in [rates]",
        ),
        (changed(qubits=[{"at": [1, 1], "readout": 1.1}]), "rate of readout at (1, 1) must lie in [0, 1]"),
        (changed(qubits=2 * [{"at": [1, 1], "readout": 0.1}]), "readout at (1, 1) is given twice"),
        (changed(pairs=[{"at": [1, 1], "two_qubit": 0.1}]), "must be written as at = [[x, y], [x, y]]"),
        (changed(pairs=[{"at": [[1, 1], [2, 2]], "readout": 0.1}]), "known: at, two_qubit"),
        (changed(qubits=[{"at": [math.nan, 1], "readout": 0.1}]), "not [nan, 1]; x and y from -1e6 to 1e6"),
        (changed(qubits=[{"at": [1, math.inf], "readout": 0.1}]), "not [1, inf]; x and y from -1e6 to 1e6"),
        (
            changed(pairs=[{"at": [[1, 1], [1.0, 1]], "two_qubit": 0.1}]),
            "[[1, 1], [1.0, 1]] is one qubit twice",
        ),
        (changed(spread={"readout": 1e300}), "the spread of readout must lie in [0, 100], not 1e+300"),
    ],
)
def test_wrong_descriptions(description: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        noise.device(description)
    assert "\n" not in str(error.value)


def test_spread_of_rates() -> None:
    description = {
        "name": "rough",
        "rates": {"two_qubit": 0.01, "readout": 0.02},
        "spread": {"seed": 3, "two_qubit": 0.5, "readout": 0.2},
        "pairs": [{"at": [[3, 3], [4, 4]], "two_qubit": 0.25}],
    }
    channels = {channel.kind: channel for channel in noise.device(description).channels}
    places = [(float(x), float(y)) for x in range(60) for y in range(60)]
    rates = np.array([channels["two_qubit"].rate_at(at, (at[0] + 1, at[1] + 1)) for at in places])
    rates = rates[rates != 0.25]
    assert len(rates) == 60 * 60 - 1
    # 3600 draws: the mean is known to 0.5 / 60, the logarithm's width to about 1 / 85.
    assert rates.mean() == pytest.approx(0.01, rel=0.03)
    assert np.log(rates).std() == pytest.approx(np.sqrt(np.log(1.25)), rel=0.04)
    readout = np.array([channels["readout"].rate_at(at) for at in places])
    assert readout.std() / readout.mean() == pytest.approx(0.2, rel=0.05)
    # A place keeps its rate, in either order, whatever else is asked; another seed draws another chip.
    assert channels["two_qubit"].rate_at((1, 1), (2, 2)) == channels["two_qubit"].rate_at((2.0, 2.0), (1, 1))
    assert channels["two_qubit"].rate_at((3, 3), (4, 4)) == 0.25
    other = noise.device({**description, "spread": {"seed": 4, "two_qubit": 0.5}})
    assert other.channels[0].rate_at((1, 1), (2, 2)) != channels["two_qubit"].rate_at((1, 1), (2, 2))
    assert abs(np.corrcoef(rates[:1000], readout[:1000])[0, 1]) < 0.12


def test_excess_is_a_factor_on_all_rates() -> None:
    plain, more = noise.device(DESCRIPTION), noise.device({**DESCRIPTION, "excess": 1.5})
    assert more.parameters == (("excess", 1.5),)
    assert more.p is None
    assert more.rates == pytest.approx({kind: 1.5 * rate for kind, rate in plain.rates.items()})
    channels = {channel.kind: channel for channel in more.channels}
    assert channels["readout"].rate_at((3, 3)) == pytest.approx(0.45)


def test_patches_of_a_chip_with_spread_agree() -> None:
    model = noise.device("willow_105q")
    chip = RotatedSurfaceCode(7, variant="zxxz")
    first, second = (
        str(memory_circuit(patch, rounds=3, noise=model)).splitlines() for patch in chip.patches(5)[:2]
    )
    readouts = [{line for line in text if line.startswith("M(")} for text in (first, second)]
    arguments = [{line.split(")")[0] for line in lines} for lines in readouts]
    # 25 + 24 qubits each, of which the two patches share 3 columns of data qubits and what lies between.
    assert 15 < len(arguments[0] & arguments[1]) < 40 < len(arguments[0])
