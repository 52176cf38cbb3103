"""Options that choose a noise model, shared by commands."""

import argparse
from collections.abc import Sequence

MODELS = "si1000, uniform, phenomenological, device:NAME, device:FILE.toml"
BIAS_HELP = (
    "dephasing bias p_Z / (p_X + p_Y) of the Pauli errors, 0.5: depolarizing, inf: Z errors only; "
    "not for devices"
)


def add_noise(parser: argparse.ArgumentParser) -> None:
    """Declare --noise and --bias; `noise_name` puts them together."""
    parser.add_argument("--noise", default="si1000", metavar="MODEL", help=f"{MODELS}; default: %(default)s")
    parser.add_argument("--bias", type=float, metavar="ETA", help=BIAS_HELP)


def has_own_rates(noise: str) -> bool:
    """Whether this noise model is a device, which takes neither a strength nor a bias."""
    return noise.startswith("device:")


def noise_name(noise: str, bias: float | None) -> str:
    """Name of a noise model with a bias, as `qec.noise.by_name` takes it.

    Raises:
        ValueError: a bias for a device, or for a name that has one.
    """
    if bias is None:
        return noise
    if has_own_rates(noise):
        raise ValueError("--bias with a device: leave --bias out and write [bias] in the file of the device")
    if ":bias=" in noise:
        raise ValueError(f"--bias with --noise {noise}: the bias is given twice, leave one of them out")
    return f"{noise}:bias={bias:.15g}"


def noise_names(noise: Sequence[str], biases: Sequence[float]) -> list[str]:
    """All noise models with all biases; devices as they are, unless there is nothing else.

    Raises:
        ValueError: as `noise_name`.
    """
    if not biases:
        return list(noise)
    alone = all(has_own_rates(model) for model in noise)
    return [
        noise_name(model, bias)
        for model in noise
        for bias in (biases if alone or not has_own_rates(model) else [None])
    ]
