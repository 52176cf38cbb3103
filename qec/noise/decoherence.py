"""Decoherence of idle qubits: T1, T2 and the durations of operations, as Pauli errors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

from qec.noise.channel import Place, show_place
from qec.noise.checks import is_number

Lifetimes = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Durations:
    """Durations of operations, ns.

    Attributes:
        one_qubit_ns: a one-qubit gate.
        two_qubit_ns: a two-qubit gate; a longer product (SPP) takes one per pair of consecutive qubits.
        measurement_ns: a measurement, of one qubit or of a Pauli product.
        reset_ns: a reset. MR takes a measurement and a reset.

    Raises:
        ValueError: a duration that is not a finite number of at least 0.
    """

    one_qubit_ns: float
    two_qubit_ns: float
    measurement_ns: float
    reset_ns: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_number(value) or not 0 <= value < math.inf:
                raise ValueError(f"{field.name} must be a number of ns, 0 or more, not {value!r}")
            object.__setattr__(self, field.name, float(value))

    def operation_ns(self, *, num_qubits: int, measures: bool, resets: bool) -> float:
        """Return the duration of an operation on a group of qubits, ns."""
        if measures or resets:
            return measures * self.measurement_ns + resets * self.reset_ns
        return self.one_qubit_ns if num_qubits == 1 else (num_qubits - 1) * self.two_qubit_ns


@dataclass(frozen=True, kw_only=True)
class Decoherence:
    """Relaxation and dephasing of idle qubits.

    A qubit idles in a layer for the layer's duration, which is that of the longest operations in it, less the
    time of its own operations. Its errors in that time are the Pauli twirl of amplitude damping and
    dephasing (see `twirled`). Errors of the operations themselves belong to their channels.

    Attributes:
        t1_us: relaxation time in us; None: no relaxation.
        t2_us: coherence time (echo or CPMG) in us; None: 2 T1, dephasing by relaxation only.
        durations: of the operations.
        overrides: (position, (t1_us or None, t2_us or None)): other times for one qubit; None: as above.

    Raises:
        ValueError: neither time, a time that is not above 0, T2 above 2 T1, or the same position twice.
    """

    t1_us: float | None = None
    t2_us: float | None = None
    durations: Durations
    overrides: tuple[tuple[Place, tuple[float | None, float | None]], ...] = ()

    def __post_init__(self) -> None:
        if self.t1_us is None and self.t2_us is None:
            raise ValueError("decoherence needs t1_us, t2_us or both")
        places = [place for place, _ in self.overrides]
        for place in places:
            if places.count(place) > 1:
                raise ValueError(f"t1_us and t2_us at {show_place(place)} are given twice")
        object.__setattr__(self, "overrides", tuple(sorted(self.overrides, key=lambda one: one[0])))
        _ = self._default, self._by_place  # checks all times

    @cached_property
    def _default(self) -> Lifetimes:
        return _check_lifetimes("", self.t1_us, self.t2_us)

    @cached_property
    def _by_place(self) -> Mapping[Place, Lifetimes]:
        return {
            place: _check_lifetimes(
                f" at {show_place(place)}",
                self.t1_us if t1 is None else t1,
                self.t2_us if t2 is None else t2,
            )
            for place, (t1, t2) in self.overrides
        }

    def scaled(self, factor: float) -> "Decoherence":
        """Return a copy with all rates of decoherence, 1/T1 and 1/T2, multiplied."""

        def shorter(time: float | None) -> float | None:
            return None if time is None else time / factor

        return replace(
            self,
            t1_us=shorter(self.t1_us),
            t2_us=shorter(self.t2_us),
            overrides=tuple((place, (shorter(t1), shorter(t2))) for place, (t1, t2) in self.overrides),
        )

    def lifetimes_at(self, place: Place) -> Lifetimes:
        """Return T1 and T2 of the qubit at a position, us."""
        return self._by_place.get(place, self._default)

    def errors_at(self, place: Place, wait_ns: float) -> tuple[float, float, float]:
        """Return the probabilities of X, Y and Z for an idle qubit; see `twirled`."""
        t1, t2 = self.lifetimes_at(place)
        return twirled(wait_ns, t1_ns=1e3 * t1, t2_ns=1e3 * t2)


def twirled(wait_ns: float, *, t1_ns: float, t2_ns: float) -> tuple[float, float, float]:
    """Compute the Pauli twirl of amplitude damping and dephasing (Ghosh, Fowler and Geller, Phys. Rev. A 86,
    062318).

    p_X = p_Y = (1 - exp(-t / T1)) / 4, p_Z = (1 - exp(-t / T2)) / 2 - (1 - exp(-t / T1)) / 4.

    Args:
        wait_ns: idle time t.
        t1_ns, t2_ns: T1 and T2, T2 at most 2 T1; infinity is allowed.

    Returns:
        Probabilities of X, Y and Z.
    """
    flip = -math.expm1(-wait_ns / t1_ns) / 4
    # T2 = 2 T1 and short times: p_Z is of second order, and rounding may leave it below 0.
    return flip, flip, max(0.0, -math.expm1(-wait_ns / t2_ns) / 2 - flip)


def _check_lifetimes(where: str, t1_us: float | None, t2_us: float | None) -> Lifetimes:
    for name, value in (("t1_us", t1_us), ("t2_us", t2_us)):
        if value is not None and not (is_number(value) and value > 0):
            raise ValueError(f"{name}{where} must be a time in us above 0, not {value!r}")
    t1 = math.inf if t1_us is None else float(t1_us)
    t2 = 2 * t1 if t2_us is None else float(t2_us)
    # A relative tolerance of 1e-9: T2 = 2 T1 may be the result of arithmetic.
    if t2 > 2 * t1 * (1 + 1e-9):
        raise ValueError(f"t2_us{where} is {t2:g}: must be at most 2 T1, here {2 * t1:g} us")
    return t1, t2
