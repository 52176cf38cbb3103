"""Digests are the same for memories of any length, and differ where decoding would."""

import pytest

import qec
from decoders.streaming.digests import layout_digest, model_digest
from decoders.streaming.layers import LayeredModel


def digests(
    *, rounds: int = 30, distance: int = 3, basis: str = "z", p: float = 0.003, uniform: bool = False
) -> tuple[str, str]:
    noise = qec.noise.uniform(p) if uniform else qec.noise.si1000(p)
    memory = qec.memory_circuit(qec.RotatedSurfaceCode(distance), rounds=rounds, basis=basis, noise=noise)  # type: ignore[arg-type]
    model = LayeredModel.from_dem(memory.detector_error_model(decompose_errors=True))
    return layout_digest(model), model_digest(model)


@pytest.mark.parametrize("rounds", [8, 31, 10**6])
def test_all_lengths_are_one_memory(rounds: int) -> None:
    assert digests(rounds=rounds) == digests()


@pytest.mark.parametrize(
    ("change", "same_layout"),
    [({"p": 0.00301}, True), ({"uniform": True}, True), ({"basis": "x"}, False), ({"distance": 5}, False)],
)
def test_what_decodes_otherwise_differs(change: dict[str, object], same_layout: bool) -> None:
    layout, model = digests(**change)  # type: ignore[arg-type]
    assert (layout == digests()[0]) == same_layout
    assert model != digests()[1]
