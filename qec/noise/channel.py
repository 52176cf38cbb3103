"""Noise channels: a kind of error with its rate, its spread, and other rates at given positions."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from types import MappingProxyType

from qec.noise.paulis import Weights, biased_weights, check_weights

Place = tuple[float, ...]


@dataclass(frozen=True)
class Kind:
    """Kind of channel.

    Attributes:
        meaning: description of the error.
        limit: largest valid rate.
        num_qubits: number of qubits of one error.
        has_paulis: whether the error is a Pauli drawn by weights, not a flip of a state or result.
    """

    meaning: str
    limit: float
    num_qubits: int = 1
    has_paulis: bool = True


# A depolarizing channel at these limits gives the maximally mixed state; stim accepts no larger rates.
_DEPOLARIZE_1, _DEPOLARIZE_2 = 3 / 4, 15 / 16
_WIDEST = 100.0  # spread: beyond it the median is below a hundredth of the mean

KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "one_qubit": Kind("depolarizing after each one-qubit gate", _DEPOLARIZE_1),
        "two_qubit": Kind("depolarizing of both qubits after each two-qubit gate", _DEPOLARIZE_2, 2),
        "idle": Kind("depolarizing of a qubit without an operation in a layer", _DEPOLARIZE_1),
        "idle_measure_reset": Kind(
            "depolarizing, in addition, if other qubits are measured or reset in that layer", _DEPOLARIZE_1
        ),
        "reset": Kind("flip to the orthogonal state after each reset", 1.0, has_paulis=False),
        "readout": Kind("flip of each measurement's result", 1.0, has_paulis=False),
        "crosstalk": Kind(
            "depolarizing of two neighbours that take part in different two-qubit gates of one layer",
            _DEPOLARIZE_2,
            2,
        ),
        "cycle_data": Kind("depolarizing of each data qubit at the start of each cycle", _DEPOLARIZE_1),
    }
)


@dataclass(frozen=True)
class Channel:
    """One kind of error with its rate.

    Attributes:
        kind: a key of `KINDS`.
        rate: probability of the error for each qubit (or pair) and operation.
        overrides: (positions, rate) pairs: the rate of one qubit, `(((x, y),), rate)`, or of one pair in
            either order, `(((x, y), (x, y)), rate)`.
        spread: standard deviation of the rate over all positions, as a fraction of `rate`, its mean:
            log-normal, drawn for each position without override, and cut at the limit of the kind. 0: all
            rates are equal.
        seed: of the spread. A position has the same rate in every circuit; other kinds draw independently.
        weights: (Pauli, weight) pairs, or a mapping: relative probabilities of the Paulis that the error can
            be, such as `{"Z": 1}` or `{"IZ": 1, "ZI": 1}` (first and second qubit of the gate). Empty: all
            equal, depolarizing.

    Raises:
        ValueError: an unknown kind (the message lists the known ones), a rate outside [0, limit of the kind],
            the wrong number of positions, the same position twice, a negative spread; weights that
            `check_weights` refuses, weights of a kind that is a flip, or weights of crosstalk that depend on
            the order of the two qubits.
    """

    kind: str
    rate: float
    overrides: tuple[tuple[tuple[Place, ...], float], ...] = ()
    spread: float = 0.0
    seed: int = 0
    weights: Weights = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown noise channel {self.kind!r}; known: {', '.join(KINDS)}")
        kind = KINDS[self.kind]
        object.__setattr__(self, "rate", _check_rate(self.kind, kind.limit, self.rate))
        object.__setattr__(self, "spread", _check_rate(f"the spread of {self.kind}", _WIDEST, self.spread))
        cleaned: dict[tuple[Place, ...], float] = {}
        for places, rate in self.overrides:
            key = _place_key(places)
            where = f"{self.kind} at {' and '.join(show_place(p) for p in key)}"
            if len(key) != kind.num_qubits:
                raise ValueError(f"{where}: must have {kind.num_qubits} position(s), not {len(key)}")
            if key in cleaned:
                raise ValueError(f"{where} is given twice")
            cleaned[key] = _check_rate(where, kind.limit, rate)
        object.__setattr__(self, "overrides", tuple(sorted(cleaned.items())))
        object.__setattr__(self, "weights", self._checked_weights(kind))

    def __repr__(self) -> str:
        # Without weights the text of earlier versions: it identifies records of published results.
        shown = ("kind", "rate", "overrides", "spread", "seed", *(("weights",) if self.weights else ()))
        return f"Channel({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def _checked_weights(self, kind: Kind) -> Weights:
        if not kind.has_paulis:
            if self.weights:
                raise ValueError(f"{self.kind} must not have Pauli weights: it is a {kind.meaning}")
            return ()
        weights = check_weights(self.kind, kind.num_qubits, self.weights)
        if self.kind == "crosstalk":
            by_pauli = dict(weights)
            for pauli in by_pauli:
                if by_pauli[pauli] != by_pauli.get(pauli[::-1], 0.0):
                    raise ValueError(
                        f"weights of crosstalk: {pauli} and {pauli[::-1]} must be equal: pairs have no order"
                    )
        return weights

    @cached_property
    def _by_place(self) -> dict[tuple[Place, ...], float]:
        return dict(self.overrides)

    def rate_at(self, *places: Place) -> float:
        """Return the rate of the qubit at a position, or of a pair in either order."""
        if not self.overrides and not self.spread:
            return self.rate
        key = _place_key(places)
        given = self._by_place.get(key)
        if given is not None:
            return given
        if not self.spread:
            return self.rate
        width = math.sqrt(math.log1p(self.spread**2))
        factor = math.exp(width * _normal(f"{self.seed} {self.kind} {key}") - width**2 / 2)
        return min(self.rate * factor, KINDS[self.kind].limit)

    def biased(self, eta: float) -> "Channel":
        """Return the channel with the weights of dephasing bias `eta`, see `biased_weights`; flips are
        unchanged.

        Raises:
            ValueError: eta is not a number of at least 0, or the channel already has weights.
        """
        if not KINDS[self.kind].has_paulis:
            return self
        if self.weights:
            raise ValueError(f"{self.kind} already has Pauli weights: give weights or a bias, not both")
        return replace(self, weights=tuple(biased_weights(KINDS[self.kind].num_qubits, eta).items()))

    def scaled(self, factor: float) -> "Channel":
        """Return the channel with all its rates multiplied.

        Raises:
            ValueError: a rate would exceed its limit.
        """
        return replace(
            self,
            rate=self.rate * factor,
            overrides=tuple((places, rate * factor) for places, rate in self.overrides),
        )


def _check_rate(what: str, limit: float, rate: object) -> float:
    if isinstance(rate, bool) or not isinstance(rate, Real):
        raise ValueError(f"rate of {what} must be a number, not {rate!r}")
    value = float(rate)
    if not (math.isfinite(value) and 0 <= value <= limit):
        raise ValueError(f"rate of {what} must lie in [0, {limit:g}], not {value:g}")
    return value


def _normal(text: str) -> float:
    """Draw from the standard normal distribution, depending on the text alone, on every platform."""
    digest = hashlib.sha256(text.encode()).digest()
    first, second = ((int.from_bytes(digest[at : at + 8], "little") + 0.5) / 2.0**64 for at in (0, 8))
    return math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second)


def _place_key(places: tuple[Place, ...]) -> tuple[Place, ...]:
    return tuple(sorted(tuple(float(c) for c in place) for place in places))


def show_place(place: Place) -> str:
    """Format a position for error messages."""
    return "(" + ", ".join(f"{c:g}" for c in place) + ")"
