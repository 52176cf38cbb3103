"""Circuit builder with absolute measurement numbers."""

from collections.abc import Iterable, Mapping, Sequence

import stim

from qec.codes.code import Coordinate
from qec.instructions import append_instruction, record_targets
from qec.noise.apply import NOISELESS


class CircuitBuilder:
    """Builder of a circuit whose measurements have absolute numbers.

    `measure` returns these numbers, and detectors and observables turn them into stim's relative record
    targets. Circuits are flat, without REPEAT blocks. `QUBIT_COORDS[data]` and `TICK[cycle]` are tagged for
    `NoiseModel.apply`.

    Args:
        data: positions of the data qubits.
        ancillas: positions of all other qubits.
    """

    def __init__(self, *, data: Iterable[Coordinate], ancillas: Iterable[Coordinate] = ()) -> None:
        self.body = stim.Circuit()
        self._header = stim.Circuit()
        self._num_measurements = 0
        self.index: dict[Coordinate, int] = {}
        self.add_qubits(data=data, ancillas=ancillas)

    @property
    def circuit(self) -> stim.Circuit:
        """The circuit so far, which begins with the coordinates of all qubits."""
        return self._header + self.body

    def add_qubits(self, *, data: Iterable[Coordinate], ancillas: Iterable[Coordinate] = ()) -> None:
        """Give numbers to qubits that have none yet, by row (y), then x."""
        marked = dict.fromkeys(data, "data")
        places = {**marked, **{at: "" for at in ancillas if at not in marked}}
        order = sorted((at for at in places if at not in self.index), key=lambda at: (at[1], at[0]))
        for at in order:
            self.index[at] = len(self.index)
            append_instruction(self._header, "QUBIT_COORDS", [self.index[at]], at, tag=places[at])

    def tick(self, *, cycle: bool = False) -> None:
        """End a layer; with `cycle`, mark the beginning of a cycle."""
        append_instruction(self.body, "TICK", tag="cycle" if cycle else "")

    def gate(self, name: str, places: Iterable[Coordinate]) -> None:
        """Append a gate or reset on qubits, in pairs for two-qubit gates; nothing without qubits."""
        targets = [self.index[at] for at in places]
        if targets:
            append_instruction(self.body, name, targets)

    def measure(self, name: str, places: Iterable[Coordinate]) -> dict[Coordinate, int]:
        """Measure qubits; return the number of each result."""
        order = list(places)
        self.gate(name, order)
        return self._take(order)

    def measure_products(self, pauli: str, pairs: Sequence[tuple[int, int]], *, flip: float) -> list[int]:
        """Measure two-qubit Pauli products with MPP; return the number of each result.

        Args:
            pauli: "X", "Y" or "Z", on both qubits of every pair.
            pairs: qubit indices.
            flip: probability of a wrong result.
        """
        products = [f"{pauli}{a}*{pauli}{b}" for a, b in pairs]
        append_instruction(self.body, "MPP", products, [flip] if flip else [])
        first = self._num_measurements
        self._num_measurements += len(pairs)
        return list(range(first, self._num_measurements))

    def measure_operators(self, operators: Iterable[Mapping[Coordinate, str]]) -> list[int]:
        """Measure Pauli products without errors by MPP; return the number of each result.

        Args:
            operators: position -> "X", "Y" or "Z", for each product.
        """
        numbers = []
        for operator in operators:
            append_instruction(self.body, "MPP", ["*".join(self._paulis(operator))], tag=NOISELESS)
            numbers.append(self._num_measurements)
            self._num_measurements += 1
        return numbers

    def include_operator(self, number: int, operator: Mapping[Coordinate, str]) -> None:
        """Include a Pauli product, as it is at this point, in an observable."""
        append_instruction(self.body, "OBSERVABLE_INCLUDE", self._paulis(operator), [number])

    def detector(self, records: Iterable[int], coordinates: Sequence[float]) -> None:
        """Declare the parity of measurements as a detector; measurements that occur twice cancel."""
        append_instruction(self.body, "DETECTOR", self._targets(records), coordinates)

    def observable(self, number: int, records: Iterable[int]) -> None:
        """Include measurements in an observable; measurements that occur twice cancel."""
        append_instruction(self.body, "OBSERVABLE_INCLUDE", self._targets(records), [number])

    def _take(self, order: Sequence[Coordinate]) -> dict[Coordinate, int]:
        first = self._num_measurements
        self._num_measurements += len(order)
        return {at: first + offset for offset, at in enumerate(order)}

    def _paulis(self, operator: Mapping[Coordinate, str]) -> list[str]:
        return [f"{pauli}{self.index[at]}" for at, pauli in operator.items()]

    def _targets(self, records: Iterable[int]) -> list[str]:
        odd: dict[int, None] = {}
        for record in records:
            if record in odd:
                del odd[record]
            else:
                odd[record] = None
        return record_targets(record - self._num_measurements for record in odd)
