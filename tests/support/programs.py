"""Patches for tests of programs."""

from functools import cache

from qec import codes, noise
from qec.families.entangled import entangled_memory_circuit
from realtime.programs.patches import PatchModel


@cache
def patch_model(*, distance: int = 3, p: float = 0.004) -> PatchModel:
    code = codes.code_by_name("surface_zxxz", distance, gates="cz")
    idle, z, x = (
        entangled_memory_circuit(code, rounds=12, readout=readout, noise=noise.si1000(p))
        for readout in (None, "z", "x")
    )
    return PatchModel.from_circuits(idle, (z, x))
