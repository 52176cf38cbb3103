"""What a noise model is: named channels, to be applied to clean circuits."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import stim

from qec.noise.apply import apply_noise
from qec.noise.channel import KINDS, Channel
from qec.noise.decoherence import Decoherence
from qec.noise.leakage import LeakageModel


@dataclass(frozen=True)
class NoiseModel:
    """Errors to put into a clean circuit.

    A frozen value: it compares, hashes and pickles by what it says.

    Attributes:
        name: for metadata and file names, for example "si1000".
        channels: at most one of each kind; kinds that are absent do not happen.
        parameters: what the model was made from, for example `(("p", 0.003),)`.
        decoherence: errors of waiting qubits by T1, T2 and durations, in place of the kind "idle".
        leakage: how qubits leak. `apply` cannot write it into a circuit, which then holds the Pauli errors
            only: sample that circuit with `qec.sampling.LeakageSampler(circuit, model=model.leakage)`.

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
                f"noise model {self.name!r}: a rate of idle and decoherence (T1, T2) say the same twice; "
                "leave one of them out"
            )

    def __repr__(self) -> str:
        # Without the optional parts as ever: records of published results are known by this text.
        optional = (name for name in ("decoherence", "leakage") if getattr(self, name) is not None)
        shown = ("name", "channels", "parameters", *optional)
        return f"NoiseModel({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    @property
    def p(self) -> float | None:
        """The parameter "p" of models with a single strength, otherwise None."""
        return dict(self.parameters).get("p")

    @property
    def rates(self) -> dict[str, float]:
        """Kind of channel -> rate where nothing else is given for a place."""
        return {channel.kind: channel.rate for channel in self.channels}

    def scaled(self, factors: Mapping[str, float]) -> "NoiseModel":
        """A copy with the rates of some kinds of channels multiplied; its name and parameters stay.

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
        """A copy whose Pauli errors are biased towards dephasing, named "NAME:bias=ETA".

        Each error that is a product of I and Z becomes 2 eta times as probable as each other error of its
        channel, whose rate stays: for one qubit eta = p_Z / (p_X + p_Y), 1/2 is depolarizing, infinity leaves
        Z errors only. Flips after resets and of results stay.

        Args:
            eta: 0 or more, infinity included.

        Raises:
            ValueError: eta is not such a number, a channel has weights already, or the model has no channel
                that could be biased.
        """
        if not any(KINDS[channel.kind].has_paulis for channel in self.channels):
            raise ValueError(f"noise model {self.name!r} has flips only: no errors that a bias could change")
        channels = tuple(channel.biased(eta) for channel in self.channels)
        parameters = (*self.parameters, ("bias", float(eta)))
        return replace(self, name=f"{self.name}:bias={eta:.15g}", channels=channels, parameters=parameters)

    def apply(self, circuit: stim.Circuit) -> stim.Circuit:
        """Add the errors to a copy of a clean circuit; every other instruction stays in its place.

        Layers. A layer lies between two TICKs, also where it reaches over the edge of a REPEAT block. A
        circuit, or a body of a REPEAT block, without any TICK is divided by use: a qubit's second operation
        begins a layer. A qubit (one with QUBIT_COORDS, or one that some instruction uses) idles in a layer in
        which others have an operation and it has none; a layer without any operation takes no time.
        `crosstalk` strikes, in a layer with two-qubit gates, pairs of qubits of different gates that have a
        two-qubit gate with each other somewhere else in the circuit. Paulis controlled by measurement records
        or sweep bits are bookkeeping: free of errors and time.

        Joint measurements. A product of two qubits (MXX, MYY, MZZ, MPP) has its result flipped as `readout`
        (the largest of its qubits' rates), and its qubits depolarized as `two_qubit`; a longer product (MPP,
        SPP) has that depolarizing for each two consecutive qubits, as a parity computed along a chain of
        gates would.

        Cycles. `cycle_data` strikes the qubits tagged `QUBIT_COORDS[data]` at each `TICK[cycle]`. Without the
        first tag, data qubits are those that are not measured by themselves more than once (if none is, those
        not measured by MR). Without the second, a cycle begins at the first gate, at the first gate after
        an ancilla was measured, and where a Pauli product is measured again: on the circuits of
        `stim.Circuit.generated` where `before_round_data_depolarization` has it.

        Weights. A channel with Pauli weights becomes PAULI_CHANNEL_1 or PAULI_CHANNEL_2, or X_ERROR, Y_ERROR
        or Z_ERROR where one Pauli of one qubit has all the weight; others are DEPOLARIZE1 and DEPOLARIZE2.
        stim makes DEMs of PAULI_CHANNEL_2 with `approximate_disjoint_errors=True` only: the errors of a
        channel then count as independent, wrong by the square of its rate.

        Decoherence. A layer takes as long as the longest operations in it. Every qubit waits for the time
        that its own operations leave, with the errors of `Decoherence`; errors of `idle_measure_reset` are in
        addition.

        REPEAT blocks stay folded. First iterations that differ from the others (the first completes the layer
        before the block, for example) are written before the block, which then has fewer repetitions.

        Args:
            circuit: without noise.

        Raises:
            ValueError: the circuit already has noise; it has no QUBIT_COORDS and the model has rates for
                single places; the model has `cycle_data` and neither tags nor measurements show what a data
                qubit or a cycle is.
        """
        return apply_noise(self.channels, circuit, self.decoherence)
