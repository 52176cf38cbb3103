"""Noise models by name, for the command line."""

import math

from qec.noise.device import device, device_names
from qec.noise.model import NoiseModel
from qec.noise.standard import phenomenological, si1000, uniform

_DEVICE = "device:"
_BIAS = ":bias="
_ONE_PARAMETER = {"phenomenological": phenomenological, "si1000": si1000, "uniform": uniform}


def names() -> list[str]:
    """Return the names that `by_name` accepts: models with a strength p, then the devices of the project."""
    return sorted(_ONE_PARAMETER) + [_DEVICE + name for name in device_names()]


def by_name(name: str, p: float | None = None) -> NoiseModel:
    """Return the noise model of this name.

    Args:
        name: one of `names()`, or "device:PATH.toml" for another device file. A model with a strength
            may have a dephasing bias: "si1000:bias=100" (see `NoiseModel.biased`).
        p: strength; required for the models that have one, not allowed for devices.

    Raises:
        ValueError: an unknown name (the message lists the known ones), p missing, out of range or not
            allowed, a bias that is not a number of at least 0, or a bias for a device.
        FileNotFoundError: no such device file.
    """
    if name.startswith(_DEVICE):
        if p is not None:
            raise ValueError(f"noise model {name!r} has its own rates and takes no p: leave p out")
        if _BIAS in name:
            raise ValueError(f"noise model {name!r}: set the bias of a device by [bias] in its file")
        return device(name.removeprefix(_DEVICE))
    name, biased, eta = name.partition(_BIAS)
    if name not in _ONE_PARAMETER:
        raise ValueError(f"unknown noise model {name!r}; known: {', '.join(names())}, device:PATH.toml")
    if p is None:
        raise ValueError(f"noise model {name!r} needs a strength p")
    model = _ONE_PARAMETER[name](p)
    return model.biased(_bias(eta)) if biased else model


def _bias(text: str) -> float:
    try:
        eta = float(text)
    except ValueError:
        eta = math.nan
    if not eta >= 0:
        raise ValueError(
            f"bias {text!r}: must be a number, 0 or more (0.5: depolarizing, inf: Z errors only)"
        )
    return eta
