"""Leakage rates of qubits, as data; `qec.sampling.LeakageSampler` samples circuits with them."""

from dataclasses import dataclass
from typing import Literal

from qec.noise.checks import is_number

Kick = Literal["phase", "depolarize"]

_PROBABILITIES = ("cz", "measurement", "cycle", "transport", "decay", "reset", "removal", "reads_one")


@dataclass(frozen=True, kw_only=True)
class LeakageModel:
    """How qubits leak, spread leakage and come back; all numbers are probabilities.

    Attributes:
        cz: that one of the two qubits of a CZ or CX, either with the same probability, leaks.
        measurement: that a measured qubit leaks.
        cycle: that a data qubit leaks in the time of a cycle in which others are measured and reset.
        transport: that in a CZ or CX with one leaked qubit its partner takes the leakage over.
        decay: that a leaked data qubit falls back in a cycle by itself.
        reset: that a reset brings a leaked qubit back.
        removal: that leakage removal, at the end of each cycle, brings a leaked data qubit back; 0 is none.
        reads_one: that a leaked qubit is read as 1.
        kick: what a gate does to the partner of a leaked qubit: "phase", a random flip of the kind that the
            other qubit's state would cause (Z in a CZ), or "depolarize", any Pauli.

    Raises:
        ValueError: a number outside [0, 1], an unknown kick.
    """

    cz: float = 0.0
    measurement: float = 0.0
    cycle: float = 0.0
    transport: float = 0.0
    decay: float = 0.0
    reset: float = 1.0
    removal: float = 0.0
    reads_one: float = 0.5
    kick: Kick = "phase"

    def __post_init__(self) -> None:
        for name in _PROBABILITIES:
            value = getattr(self, name)
            if not is_number(value) or not 0 <= float(value) <= 1:
                raise ValueError(f"{name}={value!r}: a probability, from 0 to 1")
        if self.kick not in ("phase", "depolarize"):
            raise ValueError(f"kick={self.kick!r}: 'phase' or 'depolarize'")

    @property
    def leaks(self) -> bool:
        """Whether any qubit ever leaks."""
        return self.cz > 0 or self.measurement > 0 or self.cycle > 0

    @property
    def text(self) -> str:
        """The settings that differ from the defaults, such as "cz=0.0002 decay=0.03"."""
        default = LeakageModel()
        names = (*_PROBABILITIES, "kick")
        values = {
            name: getattr(self, name) for name in names if getattr(self, name) != getattr(default, name)
        }
        return " ".join(
            f"{name}={value}" if name == "kick" else f"{name}={value:.15g}" for name, value in values.items()
        )
