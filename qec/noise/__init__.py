"""Noise models as data: named channels with rates, applied to clean circuits."""

from qec.noise.channel import Channel
from qec.noise.decoherence import Decoherence, Durations
from qec.noise.device import device, device_names
from qec.noise.leakage import LeakageModel
from qec.noise.model import NoiseModel
from qec.noise.registry import by_name, names
from qec.noise.standard import phenomenological, si1000, uniform

__all__ = [
    "Channel",
    "Decoherence",
    "Durations",
    "LeakageModel",
    "NoiseModel",
    "by_name",
    "device",
    "device_names",
    "names",
    "phenomenological",
    "si1000",
    "uniform",
]
