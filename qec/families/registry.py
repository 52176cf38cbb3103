"""Circuit families by name."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import stim

from qec import noise
from qec.codes.repetition import RepetitionCode
from qec.codes.surface import RotatedSurfaceCode, Variant
from qec.families.bias import with_bias
from qec.families.decomposition import graphlike_dem
from qec.families.erasure import with_erasure
from qec.families.heavy_hexagon import heavy_hexagon_circuit
from qec.families.honeycomb import honeycomb_circuit
from qec.families.lattice_surgery import lattice_surgery_circuit
from qec.families.stability import stability_circuit
from qec.families.superdense import superdense_circuit
from qec.families.toric import toric_circuit
from qec.families.transversal_cnot import transversal_cnot_circuit
from qec.memory import memory_circuit

#: Noise of all operations but the erasures of `surface-erasure` and `repetition-erasure`.
ERASURE_BACKGROUND = 0.001
#: Ratio of Z errors to X and Y errors together in `surface-biased` and `xzzx`.
BIAS = 100.0


@dataclass(frozen=True)
class Family:
    """Circuits of one code and experiment, by distance and noise strength.

    Attributes:
        name: for the command line.
        summary: code, experiment and noise in one line.
        build: (distance, rounds, p) -> circuit with noise.
        cells: (distance, p) pairs for a benchmark of the family.
    """

    name: str
    summary: str
    build: Callable[[int, int, float], stim.Circuit]
    cells: tuple[tuple[int, float], ...]


def names() -> list[str]:
    """Return the names that `circuit` accepts, in the order of the table."""
    return list(FAMILIES)


def family(name: str) -> Family:
    """Return the family of this name.

    Raises:
        ValueError: an unknown name (the message lists the known ones).
    """
    if name not in FAMILIES:
        raise ValueError(f"unknown family {name!r}; known: {', '.join(FAMILIES)}")
    return FAMILIES[name]


def circuit(name: str, *, distance: int, p: float, rounds: int | None = None) -> stim.Circuit:
    """Make a circuit of a family, with noise.

    Args:
        name: one of `names()`.
        distance: of the code; least number of faults that cause an undetected logical error, except for
            `colour-xyz`, whose circuit has fewer.
        p: strength of the noise; probability of an erasure in `surface-erasure` and `repetition-erasure`.
        rounds: cycles (of each phase, where there are several); default: the distance. Honeycomb
            codes count in periods of six rounds and add one round. The distance of a stability experiment is
            its number of cycles.

    Raises:
        ValueError: an unknown name, or a distance, number of cycles or strength that the family does not
            have.
    """
    chosen = family(name)
    rounds = distance if rounds is None else rounds
    for word, number, least in (("distance", distance, 2), ("rounds", rounds, 1)):
        if number < least:
            raise ValueError(f"{word}={number}: must be at least {least}")
    if not 0 <= p <= 0.75:
        raise ValueError(f"p={p}: must be between 0 and 0.75")
    return chosen.build(distance, rounds, p)


def error_model(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    """Make the DEM of a circuit for matching decoders, decomposed by stim or, where it cannot,
    `graphlike_dem`.

    The outcomes of a heralded erasure exclude each other; as errors of a DEM they are independent
    (stim's `approximate_disjoint_errors`), off by terms of order p^2 for probability p.
    """
    try:
        return circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    except ValueError:
        return graphlike_dem(circuit)


def _surface(
    distance: int, rounds: int, model: noise.NoiseModel | None, variant: Variant = "css"
) -> stim.Circuit:
    code = RotatedSurfaceCode(distance, variant=variant, gates="cx")
    return memory_circuit(code, rounds=rounds, noise=model)


def _surface_si1000(distance: int, rounds: int, p: float) -> stim.Circuit:
    return memory_circuit(RotatedSurfaceCode(distance), rounds=rounds, noise=noise.si1000(p))


def _surface_biased(distance: int, rounds: int, p: float) -> stim.Circuit:
    code = RotatedSurfaceCode(distance, gates="cx")
    # Basis X: its memory suffers from the Z errors.
    clean = memory_circuit(code, rounds=rounds, basis="x", noise=noise.uniform(p))
    return with_bias(clean, {"X": 1, "Y": 1, "Z": 2 * BIAS})


def _surface_y(distance: int, rounds: int, p: float) -> stim.Circuit:
    # An X and a Z error of probability 1e-6 let stim decompose Y errors into them.
    return with_bias(_surface(distance, rounds, noise.uniform(p)), {"X": 1e-6, "Y": 1, "Z": 1e-6})


def _surface_erasure(distance: int, rounds: int, p: float) -> stim.Circuit:
    return with_erasure(_surface(distance, rounds, noise.uniform(ERASURE_BACKGROUND)), p)


def _xzzx(distance: int, rounds: int, p: float) -> stim.Circuit:
    return with_bias(_surface(distance, rounds, noise.uniform(p), "zxxz"), {"X": 1, "Y": 1, "Z": 2 * BIAS})


def _repetition(distance: int, rounds: int, model: noise.NoiseModel) -> stim.Circuit:
    return memory_circuit(RepetitionCode(distance, gates="cx"), rounds=rounds, noise=model)


def _repetition_erasure(distance: int, rounds: int, p: float) -> stim.Circuit:
    return with_erasure(_repetition(distance, rounds, noise.uniform(ERASURE_BACKGROUND)), p)


def _stability(distance: int, rounds: int, p: float) -> stim.Circuit:
    if rounds != distance:
        raise ValueError(f"rounds={rounds}: the distance {distance} of a stability experiment is its cycles")
    return noise.uniform(p).apply(stability_circuit(width=distance + distance % 2, rounds=distance))


def _honeycomb(distance: int, rounds: int, p: float) -> stim.Circuit:
    if distance % 2:
        raise ValueError(f"distance={distance}: honeycomb tori have even distances")
    return honeycomb_circuit(size=3 * distance // 2, periods=rounds, p=p)


def _uniform(build: Callable[..., stim.Circuit]) -> Callable[[int, int, float], stim.Circuit]:
    def noisy(distance: int, rounds: int, p: float) -> stim.Circuit:
        return noise.uniform(p).apply(build(distance=distance, rounds=rounds))

    return noisy


def _colour_xyz(distance: int, rounds: int, p: float) -> stim.Circuit:
    return stim.Circuit.generated(
        "color_code:memory_xyz",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    )


FAMILIES = MappingProxyType(
    {
        one.name: one
        for one in (
            Family(
                "surface-uniform",
                "rotated surface code memory, uniform circuit noise",
                lambda d, r, p: _surface(d, r, noise.uniform(p)),
                ((3, 0.005), (5, 0.005)),
            ),
            Family(
                "surface-si1000",
                "rotated surface code memory, SI1000 noise",
                _surface_si1000,
                ((3, 0.003), (5, 0.003)),
            ),
            Family(
                "surface-biased",
                "rotated surface code memory, Z-biased circuit noise",
                _surface_biased,
                ((3, 0.005), (5, 0.005)),
            ),
            Family(
                "surface-y",
                "rotated surface code memory, Y errors of gates and idle data qubits",
                _surface_y,
                ((3, 0.005), (5, 0.005)),
            ),
            Family(
                "surface-erasure",
                f"rotated surface code memory, heralded erasure, circuit noise of {ERASURE_BACKGROUND:.1%}",
                _surface_erasure,
                ((3, 0.01), (3, 0.05), (5, 0.1), (5, 0.2)),
            ),
            Family(
                "surface-phenomenological",
                "rotated surface code memory, phenomenological noise",
                lambda d, r, p: _surface(d, r, noise.phenomenological(p)),
                ((3, 0.02), (5, 0.03)),
            ),
            Family(
                "repetition-circuit",
                "repetition code memory, uniform circuit noise",
                lambda d, r, p: _repetition(d, r, noise.uniform(p)),
                ((3, 0.006), (5, 0.015), (13, 0.04), (29, 0.05)),
            ),
            Family(
                "repetition-phenomenological",
                "repetition code memory, phenomenological noise",
                lambda d, r, p: _repetition(d, r, noise.phenomenological(p)),
                ((3, 0.02), (5, 0.05), (13, 0.1), (29, 0.12)),
            ),
            Family(
                "repetition-erasure",
                f"repetition code memory, heralded erasure, circuit noise of {ERASURE_BACKGROUND:.1%}",
                _repetition_erasure,
                ((3, 0.1), (9, 0.3)),
            ),
            Family(
                "toric",
                "toric code memory, two observables, uniform circuit noise",
                _uniform(toric_circuit),
                ((3, 0.005), (5, 0.005)),
            ),
            Family(
                "xzzx",
                "XZZX rotated surface code memory, Z-biased circuit noise",
                _xzzx,
                ((3, 0.008), (5, 0.008)),
            ),
            Family(
                "stability",
                "stability experiment, uniform circuit noise",
                _stability,
                ((4, 0.005), (6, 0.007)),
            ),
            Family(
                "honeycomb",
                "honeycomb code memory on a torus, two observables, noisy pair measurements",
                _honeycomb,
                ((2, 0.003), (4, 0.005)),
            ),
            Family(
                "heavy-hexagon",
                "heavy-hexagon code memory with flag qubits, uniform circuit noise",
                _uniform(heavy_hexagon_circuit),
                ((3, 0.003), (5, 0.003), (7, 0.002)),
            ),
            Family(
                "superdense",
                "superdense colour code memory, uniform circuit noise, graphlike decomposition",
                _uniform(superdense_circuit),
                ((3, 0.003), (5, 0.003)),
            ),
            Family(
                "colour-xyz",
                "stim's color_code:memory_xyz, uniform circuit noise, graphlike decomposition",
                _colour_xyz,
                ((3, 0.003), (5, 0.003)),
            ),
            Family(
                "lattice-surgery",
                "ZZ merge and split of two rotated patches, three observables, uniform circuit noise",
                _uniform(lattice_surgery_circuit),
                ((3, 0.004), (5, 0.005)),
            ),
            Family(
                "transversal-cnot",
                "transversal CNOT of two rotated patches, two observables, uniform circuit noise",
                _uniform(transversal_cnot_circuit),
                ((3, 0.004), (5, 0.005)),
            ),
        )
    }
)
