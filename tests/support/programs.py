"""Patches for tests of programs."""

from functools import cache

import stim

from qec import codes, noise
from qec.families.entangled import entangled_memory_circuit
from realtime.programs.patches import PatchModel


@cache
def patch_circuits(*, distance: int = 3, p: float = 0.004) -> tuple[stim.Circuit, ...]:
    """Circuits without readout, with the readout in z and in x."""
    code = codes.code_by_name("surface_zxxz", distance, gates="cz")
    return tuple(
        entangled_memory_circuit(code, rounds=12, readout=readout, noise=noise.si1000(p))
        for readout in (None, "z", "x")
    )


@cache
def patch_model(*, distance: int = 3, p: float = 0.004) -> PatchModel:
    idle, *readouts = patch_circuits(distance=distance, p=p)
    return PatchModel.from_circuits(idle, readouts)
