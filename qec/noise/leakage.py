"""Leakage rates of qubits, as data; `qec.sampling.LeakageSampler` samples circuits with them."""

from dataclasses import dataclass
from typing import Literal

from qec.noise.checks import is_number

Kick = Literal["phase", "depolarize"]

_PROBABILITIES = ("cz", "measurement", "cycle", "transport", "decay", "reset", "removal", "reads_one")


@dataclass(frozen=True, kw_only=True)
class LeakageModel:
    """Rates of leakage, its transport and its removal; all numbers are probabilities.

    Attributes:
        cz: one of the two qubits of a CZ or CX leaks; both are equally likely.
        measurement: a measured qubit leaks.
        cycle: a data qubit leaks while others are measured and reset, per cycle.
        transport: in a CZ or CX with one leaked qubit, leakage moves to the other qubit.
        decay: a leaked data qubit relaxes, per cycle.
        reset: a reset returns a leaked qubit to the computational states.
        removal: leakage removal at the end of each cycle returns a leaked data qubit; 0: no removal.
        reads_one: a leaked qubit is measured as 1.
        kick: effect of a gate on the partner of a leaked qubit: "phase", a random flip of the kind that the
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
                raise ValueError(f"{name}={value!r}: must be a probability, from 0 to 1")
        if self.kick not in ("phase", "depolarize"):
            raise ValueError(f"kick={self.kick!r}: must be 'phase' or 'depolarize'")

    @property
    def leaks(self) -> bool:
        """Whether any qubit can leak."""
        return self.cz > 0 or self.measurement > 0 or self.cycle > 0

    @property
    def text(self) -> str:
        """Settings that differ from the defaults, such as "cz=0.0002 decay=0.03"."""
        default = LeakageModel()
        names = (*_PROBABILITIES, "kick")
        values = {
            name: getattr(self, name) for name in names if getattr(self, name) != getattr(default, name)
        }
        return " ".join(
            f"{name}={value}" if name == "kick" else f"{name}={value:.15g}" for name, value in values.items()
        )
