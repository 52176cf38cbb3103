"""Noise models are data: what they say, what they refuse, how they are named."""

import pickle

import numpy as np
import pytest

from qec import noise
from qec.noise import Channel, NoiseModel
from qec.noise.channel import KINDS


def test_rates_of_the_standard_models() -> None:
    assert noise.uniform(0.01).rates == dict.fromkeys(
        ("one_qubit", "two_qubit", "reset", "readout", "cycle_data"), 0.01
    )
    assert noise.phenomenological(0.02).rates == {"readout": 0.02, "cycle_data": 0.02}
    assert noise.si1000(0.001).rates == pytest.approx(
        {
            "one_qubit": 0.0001,
            "two_qubit": 0.001,
            "idle": 0.0001,
            "idle_measure_reset": 0.002,
            "reset": 0.002,
            "readout": 0.005,
        }
    )


@pytest.mark.parametrize("make", [noise.uniform, noise.phenomenological, noise.si1000])
def test_models_are_values(make: type[NoiseModel]) -> None:
    model = make(0.003)  # type: ignore[call-arg, arg-type]
    assert model.p == 0.003
    assert model.name == make.__name__
    assert noise.by_name(model.name, 0.003) == model
    assert len({model, make(0.003), make(0.004)}) == 2  # type: ignore[call-arg, arg-type]
    assert pickle.loads(pickle.dumps(model)) == model


def test_names() -> None:
    devices = [f"device:{name}" for name in noise.device_names()]
    assert "device:example" in devices
    assert noise.names() == ["phenomenological", "si1000", "uniform", *devices]
    assert noise.by_name("device:example") == noise.device("example")
    with pytest.raises(
        ValueError,
        match="unknown noise model 'depolarizing'; known: phenomenological, si1000, uniform, device:",
    ):
        noise.by_name("depolarizing", 0.1)
    with pytest.raises(ValueError, match="'si1000' needs a strength p"):
        noise.by_name("si1000")
    with pytest.raises(ValueError, match="'device:example' has its own rates and takes no p: leave p out"):
        noise.by_name("device:example", 0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_rates_end_at_the_limit_of_the_kind(kind: str) -> None:
    limit = KINDS[kind].limit
    assert Channel(kind, limit).rate == limit
    assert Channel(kind, np.float32(0.5)).rate == 0.5  # type: ignore[arg-type]
    for wrong in (-0.1, np.nextafter(limit, 2), float("nan"), float("inf")):
        with pytest.raises(ValueError, match=rf"rate of {kind} must lie in \[0, {limit:g}\]"):
            Channel(kind, wrong)
    for wrong in ("0.1", None, True):
        with pytest.raises(ValueError, match=f"rate of {kind} must be a number"):
            Channel(kind, wrong)  # type: ignore[arg-type]


def test_strengths_out_of_range_name_the_model() -> None:
    with pytest.raises(
        ValueError, match=r"readout must lie in \[0, 1\], not 1.05; p is a fraction: 0.21 is 21 %"
    ):
        noise.si1000(0.21)
    with pytest.raises(ValueError, match=r"uniform with p = 0.8: rate of one_qubit must lie in \[0, 0.75\]"):
        noise.uniform(0.8)
    with pytest.raises(ValueError, match=r"phenomenological with p = -0\.1"):
        noise.phenomenological(-0.1)
    with pytest.raises(ValueError, match="si1000 with p = 'high'"):
        noise.si1000("high")  # type: ignore[arg-type]


def test_rates_at_single_places() -> None:
    readout = Channel("readout", 0.01, ((((3, 1),), 0.05),))
    assert (readout.rate_at((3.0, 1.0)), readout.rate_at((1.0, 3.0))) == (0.05, 0.01)
    pair = Channel("two_qubit", 0.01, ((((3, 1), (2, 2)), 0.05),))
    assert pair.rate_at((2, 2), (3, 1)) == pair.rate_at((3, 1), (2, 2)) == 0.05
    assert pair == Channel("two_qubit", 0.01, ((((2, 2), (3, 1)), 0.05),))
    with pytest.raises(ValueError, match=r"must have 2 position\(s\), not 1"):
        Channel("two_qubit", 0.01, ((((3, 1),), 0.05),))
    with pytest.raises(ValueError, match=r"two_qubit at \(2, 2\) and \(3, 1\) is given twice"):
        Channel("two_qubit", 0.01, ((((3, 1), (2, 2)), 0.05), (((2, 2), (3, 1)), 0.04)))
    with pytest.raises(ValueError, match=r"rate of readout at \(3, 1\) must lie in \[0, 1\], not 2"):
        Channel("readout", 0.01, ((((3, 1),), 2.0),))


def test_unknown_and_doubled_channels() -> None:
    with pytest.raises(ValueError, match="unknown noise channel 'cz'; known: one_qubit, two_qubit, idle"):
        Channel("cz", 0.1)
    with pytest.raises(ValueError, match="two channels of one kind"):
        NoiseModel("twice", (Channel("idle", 0.1), Channel("idle", 0.2)))
