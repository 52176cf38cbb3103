"""Noise models with one strength."""

from qec.noise.channel import Channel
from qec.noise.checks import is_number
from qec.noise.model import NoiseModel


def uniform(p: float) -> NoiseModel:
    """Make the model of stim's generated circuits, with equal strength of all four kinds of noise.

    Depolarizing p after each Clifford gate, depolarizing p of the data qubits at the start of each cycle,
    flip p before each measurement, flip p after each reset. On the (CSS) surface and repetition codes with
    `gates="cx"` this is exactly `stim.Circuit.generated(..., after_clifford_depolarization=p,
    before_round_data_depolarization=p, before_measure_flip_probability=p, after_reset_flip_probability=p)`.

    Raises:
        ValueError: p outside [0, 3/4].
    """
    return _scaled(
        "uniform",
        p,
        {"one_qubit": 1.0, "two_qubit": 1.0, "reset": 1.0, "readout": 1.0, "cycle_data": 1.0},
    )


def phenomenological(p: float) -> NoiseModel:
    """Make the phenomenological model: data qubits depolarized at the start of each cycle, results flipped.

    Both have strength p. Gates, resets and idling are perfect. The last measurement of the data qubits has
    flips, too, as in stim's generated circuits with `before_round_data_depolarization` and
    `before_measure_flip_probability`.

    Raises:
        ValueError: p outside [0, 3/4].
    """
    return _scaled("phenomenological", p, {"readout": 1.0, "cycle_data": 1.0})


def si1000(p: float) -> NoiseModel:
    """Make SI1000, the superconducting-inspired model of arXiv 2108.10457 (a cycle of 1000 ns).

    Depolarizing p after each two-qubit gate and p/10 after each one-qubit gate; flip 2p after each reset;
    flip 5p of each measurement's result; depolarizing p/10 of each qubit that idles in a layer, and in
    addition 2p if other qubits are measured or reset in that layer. Meant for `gates="cz"`.

    The measured qubit itself is not depolarized: later versions of the model add depolarizing p after a
    measurement, which has no effect where a reset follows or the circuit ends, as in memory experiments.

    Raises:
        ValueError: p outside [0, 1/5].
    """
    return _scaled(
        "si1000",
        p,
        {
            "one_qubit": 0.1,
            "two_qubit": 1.0,
            "idle": 0.1,
            "idle_measure_reset": 2.0,
            "reset": 2.0,
            "readout": 5.0,
        },
    )


def _scaled(name: str, p: float, factors: dict[str, float]) -> NoiseModel:
    try:
        channels = tuple(Channel(kind, factor * p) for kind, factor in factors.items())
    except (ValueError, TypeError) as error:
        hint = f"; p is a fraction: {p:g} is {100 * p:g} %" if is_number(p) and p > 0 else ""
        raise ValueError(f"{name} with p = {p!r}: {error}{hint}") from None
    return NoiseModel(name, channels, (("p", float(p)),))
