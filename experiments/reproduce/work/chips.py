"""The chips: their device models with rates scaled at will, and the patches that ran on them."""

import hashlib
from collections.abc import Mapping
from functools import cache

import stim

from qec import RotatedSurfaceCode, memory_circuit, noise
from qec.noise import NoiseModel

CHIP_105 = "willow_105q"
CHIP_72 = "willow_72q"
_LARGEST = {CHIP_105: 7, CHIP_72: 5}
ALL_KINDS = "all"


def device(name: str, *, scale: Mapping[str, float] | None = None) -> NoiseModel:
    """A device's noise model, some of its rates multiplied.

    Args:
        name: of a device that ships with the project.
        scale: kind of channel, or "all", -> factor.

    Raises:
        ValueError: a kind that the device does not have, or a rate beyond its limit.
    """
    model = noise.device(name)
    factors = dict(scale or {})
    if ALL_KINDS in factors:
        common = factors.pop(ALL_KINDS)
        model = model.scaled(dict.fromkeys(model.rates, common))
    return model.scaled(factors)


@cache
def fingerprint(name: str) -> str:
    """Changes with the device's rates, so that no record of another version is taken for this one's."""
    return hashlib.sha256(repr(noise.device(name)).encode()).hexdigest()[:12]


def patches(chip: str, distance: int) -> list[RotatedSurfaceCode]:
    """The patches of the paper: 9, 4, 1 of d = 3, 5, 7 on the large chip; 5, 1 of d = 3, 5 on the small one.

    Distances beyond the chip are one patch on a chip that continues with the same mean rates and spreads.
    """
    largest = _LARGEST[chip]
    if distance >= largest:
        return [RotatedSurfaceCode(distance, variant="zxxz")]
    whole = RotatedSurfaceCode(largest, variant="zxxz")
    corners = list(whole.patches(distance))
    if chip == CHIP_72:
        middle = (largest - distance) // 2
        centre = whole.patches(distance, step=middle)
        return [*corners, centre[len(centre) // 2]]
    return corners


def circuit(
    chip: str,
    *,
    distance: int,
    patch: int,
    basis: str,
    cycles: int,
    scale: Mapping[str, float] | None = None,
) -> stim.Circuit:
    """A memory on one of the patches of `patches`."""
    code = patches(chip, distance)[patch]
    return memory_circuit(code, rounds=cycles, basis=basis, noise=device(chip, scale=scale))
