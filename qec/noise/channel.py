"""Kinds of errors, and a channel: one kind with its rate, and other rates at given places."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Real
from types import MappingProxyType

Place = tuple[float, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of channel.

    Attributes:
        meaning: when the error strikes, in words.
        limit: largest legal rate.
        num_qubits: how many qubits one error strikes together.
    """

    meaning: str
    limit: float
    num_qubits: int = 1


# A depolarizing channel at these limits leaves the fully mixed state; stim takes no more.
_DEPOLARIZE_1, _DEPOLARIZE_2 = 3 / 4, 15 / 16

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "one_qubit": Kind("depolarizing after each one-qubit gate", _DEPOLARIZE_1),
        "two_qubit": Kind("depolarizing of both qubits after each two-qubit gate", _DEPOLARIZE_2, 2),
        "idle": Kind("depolarizing of a qubit without an operation in a layer", _DEPOLARIZE_1),
        "idle_measure_reset": Kind(
            "depolarizing, in addition, if other qubits are measured or reset in that layer", _DEPOLARIZE_1
        ),
        "reset": Kind("flip to the orthogonal state after each reset", 1.0),
        "readout": Kind("flip of each measurement's result", 1.0),
        "cycle_data": Kind("depolarizing of each data qubit at the start of each cycle", _DEPOLARIZE_1),
    }
)


@dataclass(frozen=True)
class Channel:
    """One kind of error with its rate.

    Attributes:
        kind: a key of `KINDS`.
        rate: probability of the error for each qubit (or pair) and operation.
        overrides: (places, rate) pairs: the rate of one qubit, `(((x, y),), rate)`, or of one pair in either
            order, `(((x, y), (x, y)), rate)`.

    Raises:
        ValueError: an unknown kind (the message lists the known ones), a rate outside [0, limit of the kind],
            the wrong number of places, the same place twice.
    """

    kind: str
    rate: float
    overrides: tuple[tuple[tuple[Place, ...], float], ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown noise channel {self.kind!r}; known: {', '.join(KINDS)}")
        kind = KINDS[self.kind]
        object.__setattr__(self, "rate", _check_rate(self.kind, kind.limit, self.rate))
        cleaned: dict[tuple[Place, ...], float] = {}
        for places, rate in self.overrides:
            key = _place_key(places)
            where = f"{self.kind} at {' and '.join(_show(p) for p in key)}"
            if len(key) != kind.num_qubits:
                raise ValueError(f"{where}: this channel takes {kind.num_qubits} place(s), not {len(key)}")
            if key in cleaned:
                raise ValueError(f"{where} is given twice")
            cleaned[key] = _check_rate(where, kind.limit, rate)
        object.__setattr__(self, "overrides", tuple(sorted(cleaned.items())))

    @cached_property
    def _by_place(self) -> dict[tuple[Place, ...], float]:
        return dict(self.overrides)

    def rate_at(self, *places: Place) -> float:
        """Rate for a qubit, or for a pair in either order."""
        return self._by_place.get(_place_key(places), self.rate) if self.overrides else self.rate


def _check_rate(what: str, limit: float, rate: object) -> float:
    if isinstance(rate, bool) or not isinstance(rate, Real):
        raise ValueError(f"rate of {what} must be a number, not {rate!r}")
    value = float(rate)
    if not (math.isfinite(value) and 0 <= value <= limit):
        raise ValueError(f"rate of {what} must lie in [0, {limit:g}], not {value:g}")
    return value


def _place_key(places: tuple[Place, ...]) -> tuple[Place, ...]:
    return tuple(sorted(tuple(float(c) for c in place) for place in places))


def _show(place: Place) -> str:
    return "(" + ", ".join(f"{c:g}" for c in place) + ")"
