"""One point of a study: which memory experiment is simulated, and its name in a CSV file."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import stim

from experiments.common.noise_options import has_own_rates
from qec import codes, noise
from qec.codes import Code, Gates
from qec.memory import memory_circuit, memory_metadata
from qec.noise import LeakageModel, NoiseModel

# Metadata as it is usual in sinter's CSV files: distance, error rate, rounds, basis, noise model, code.
Metadata = dict[str, int | float | str]


@dataclass(frozen=True)
class Point:
    """A memory experiment.

    Attributes:
        code: name of the code, one of `qec.codes.code_names()`.
        gates: gate set, "cz" or "cx".
        distance: code distance.
        rounds: number of cycles.
        basis: "x" or "z".
        noise: name of the noise model, as `qec.noise.by_name` takes it.
        p: strength of the noise model; None for a device, which has rates of its own.
    """

    code: str
    gates: str
    distance: int
    rounds: int
    basis: str
    noise: str
    p: float | None

    @property
    def _code(self) -> Code:
        return codes.code_by_name(self.code, self.distance, gates=cast(Gates, self.gates))

    @property
    def _noise(self) -> NoiseModel:
        return noise.by_name(self.noise, self.p)

    def metadata(self) -> Metadata:
        """What the CSV file says about this point.

        Raises:
            ValueError: unknown names or numbers out of range.
            FileNotFoundError: there is no such device file.
        """
        return memory_metadata(self._code, rounds=self.rounds, basis=self.basis, noise=self._noise)

    def circuit(self) -> stim.Circuit:
        """The noisy circuit, without leakage; raises as `metadata`."""
        return memory_circuit(self._code, rounds=self.rounds, basis=self.basis, noise=self._noise)

    @property
    def leakage(self) -> LeakageModel | None:
        """How the qubits of the device leak, which the circuit cannot say; raises as `metadata`."""
        return self._noise.leakage


def decoding_model(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    """The DEM for decoders: errors decomposed, those of general Pauli channels taken as independent.

    As sinter makes it, so that `sinter collect` finds the same strong_id.
    """
    return circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)


def rounds_of(token: str, *, distance: int) -> int:
    """A number of cycles from `30`, or from `3d`: so many times the distance.

    Raises:
        ValueError: the token is neither, or the number is not positive.
    """
    factor = token.removesuffix("d") or "1"
    if not (factor.isascii() and factor.isdigit()) or int(factor) == 0:
        raise ValueError(
            f"--rounds {token!r}: give a positive number such as 30, or 3d for three times the distance"
        )
    return int(factor) * (distance if token.endswith("d") else 1)


def grid(
    *,
    codes: Sequence[str],
    gates: str,
    distances: Sequence[int],
    rounds: Sequence[str],
    bases: Sequence[str],
    noise: Sequence[str],
    p: Sequence[float],
) -> Iterator[Point]:
    """All combinations, each once; within a code and noise in the order of distances, then rounds."""
    seen: set[Point] = set()
    for code, model, rate, distance, token, basis in itertools.product(
        codes, noise, p, distances, rounds, bases
    ):
        own_rates = has_own_rates(model)
        cycles = rounds_of(token, distance=distance)
        point = Point(code, gates, distance, cycles, basis.lower(), model, None if own_rates else rate)
        if point not in seen:
            seen.add(point)
            yield point
