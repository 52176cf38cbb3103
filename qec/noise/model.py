"""Noise model: named channels, applied to clean circuits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import stim

from qec.noise.apply import apply_noise
from qec.noise.channel import KINDS, Channel
from qec.noise.decoherence import Decoherence
from qec.noise.leakage import LeakageModel


@dataclass(frozen=True)
class NoiseModel:
    """Errors to insert into a clean circuit. Models compare, hash and pickle by value.

    Attributes:
        name: for metadata and file names, for example "si1000".
        channels: at most one of each kind; absent kinds do not occur.
        parameters: arguments that the model was made from, for example `(("p", 0.003),)`.
        decoherence: errors of idle qubits by T1, T2 and durations, in place of the kind "idle".
        leakage: rates of leakage. `apply` writes the Pauli errors only, which is all that a circuit can
            contain: sample that circuit with `qec.sampling.LeakageSampler(circuit, model=model.leakage)`.

    Raises:
        ValueError: two channels of one kind, or a channel "idle" next to decoherence.
    """

    name: str
    channels: tuple[Channel, ...]
    parameters: tuple[tuple[str, float], ...] = ()
    decoherence: Decoherence | None = None
    leakage: LeakageModel | None = None

    def __post_init__(self) -> None:
        kinds = [channel.kind for channel in self.channels]
        if len(set(kinds)) < len(kinds):
            raise ValueError(f"noise model {self.name!r} has two channels of one kind: {', '.join(kinds)}")
        if self.decoherence is not None and "idle" in kinds:
            raise ValueError(
                f"noise model {self.name!r}: a rate of idle and decoherence (T1, T2) describe the "
                "same errors: remove one of them"
            )

    def __repr__(self) -> str:
        # Without optional parts the text of earlier versions: it identifies records of published results.
        optional = (name for name in ("decoherence", "leakage") if getattr(self, name) is not None)
        shown = ("name", "channels", "parameters", *optional)
        return f"NoiseModel({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @property
    def p(self) -> float | None:
        """Parameter "p" of models with a single strength, otherwise None."""
        return dict(self.parameters).get("p")

    @property
    def rates(self) -> dict[str, float]:
        """Kind of channel -> rate at positions without an override."""
        return {channel.kind: channel.rate for channel in self.channels}

    def scaled(self, factors: Mapping[str, float]) -> "NoiseModel":
        """Return a copy with the rates of some kinds of channels multiplied; name and parameters are
        unchanged.

        Args:
            factors: kind of channel -> factor.

        Raises:
            ValueError: a kind that this model does not have, or a rate beyond its limit.
        """
        for kind in factors:
            if kind not in self.rates:
                raise ValueError(f"noise model {self.name!r} has no {kind!r}, only {', '.join(self.rates)}")
        channels = tuple(channel.scaled(factors.get(channel.kind, 1.0)) for channel in self.channels)
        return replace(self, channels=channels)

    def biased(self, eta: float) -> "NoiseModel":
        """Return a copy whose Pauli errors are biased towards dephasing, named "NAME:bias=ETA".

        Each error that is a product of I and Z becomes 2 eta times as probable as each other error of its
        channel, whose rate is unchanged: for one qubit eta = p_Z / (p_X + p_Y), 1/2 is depolarizing, infinity
            leaves
        Z errors only. Flips after resets and of results are unchanged.

        Args:
            eta: 0 or more, infinity included.

        Raises:
            ValueError: eta is not such a number, a channel has weights already, or no channel of the model
                has Pauli errors.
        """
        if not any(KINDS[channel.kind].has_paulis for channel in self.channels):
            raise ValueError(f"noise model {self.name!r} has flips only: a bias needs Pauli errors")
        channels = tuple(channel.biased(eta) for channel in self.channels)
        parameters = (*self.parameters, ("bias", float(eta)))
        return replace(self, name=f"{self.name}:bias={eta:.15g}", channels=channels, parameters=parameters)

    def apply(self, circuit: stim.Circuit) -> stim.Circuit:
        """Return a copy of a clean circuit with the errors; all other instructions keep their order.

        Layers. A layer lies between two TICKs, also where it extends over the end of a REPEAT block. A
        circuit, or a body of a REPEAT block, without any TICK is divided by use: a qubit's second operation
        begins a layer. A qubit (one with QUBIT_COORDS, or one that some instruction uses) idles in a layer in
        which others have an operation and it has none; a layer without any operation takes no time.
        `crosstalk` acts, in a layer with two-qubit gates, on pairs of qubits of different gates that have a
        two-qubit gate with each other elsewhere in the circuit. Paulis controlled by measurement records
        or sweep bits are bookkeeping: free of errors and time.

        Joint measurements. A product of two qubits (MXX, MYY, MZZ, MPP) has its result flipped as `readout`
        (the largest of its qubits' rates), and its qubits depolarized as `two_qubit`; a longer product (MPP,
        SPP) has that depolarizing for each two consecutive qubits, as a parity computed along a chain of
        gates would.

        Cycles. `cycle_data` acts on the qubits tagged `QUBIT_COORDS[data]` at each `TICK[cycle]`. Without the
        first tag, data qubits are those that are not measured by themselves more than once (if none is, those
        not measured by MR). Without the second, a cycle begins at the first gate, at the first gate after
        an ancilla was measured, and where a Pauli product is measured again: on the circuits of
        `stim.Circuit.generated` where `before_round_data_depolarization` has it.

        Weights. A channel with Pauli weights becomes PAULI_CHANNEL_1 or PAULI_CHANNEL_2, or X_ERROR, Y_ERROR
        or Z_ERROR where one Pauli of one qubit has all the weight; others are DEPOLARIZE1 and DEPOLARIZE2.
        stim makes DEMs of PAULI_CHANNEL_2 with `approximate_disjoint_errors=True` only: the errors of a
        channel then count as independent, wrong by the square of its rate.

        Decoherence. A layer takes as long as the longest operations in it. Every qubit idles for the time
        that its own operations leave, with the errors of `Decoherence`; errors of `idle_measure_reset` are in
        addition.

        REPEAT blocks stay folded. First iterations that differ from the others (the first completes the layer
        before the block, for example) are written before the block, which then has fewer repetitions.

        Args:
            circuit: without noise.

        Raises:
            ValueError: the circuit already has noise; it has no QUBIT_COORDS and the model has rates for
                single positions; the model has `cycle_data` and neither tags nor measurements show what a
                data qubit or a cycle is.
        """
        return apply_noise(self.channels, circuit, self.decoherence)
