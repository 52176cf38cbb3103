"""Description of what a daemon decodes, from which a client can be written."""

import hashlib
from collections.abc import Iterator
from typing import Any

import stim

from decoders.streaming.digests import layout_digest, model_digest
from decoders.streaming.layers import LayeredModel
from realtime.service.session import Session

#: Entries of each list in one answer; a client asks for the further ones.
MAX_ENTRIES = 500
#: Bytes of the model's text in one answer.
MAX_TEXT = 16_384
#: Fields of the description that a recording repeats.
DECODER_NOTES = (
    "decoder",
    "digest",
    "model_digest",
    "layout_digest",
    "commit",
    "buffer",
    "decoder_threads",
    "num_observables",
    "about",
)


class Description:
    """What the streams of a daemon decode; all of them decode the same.

    Args:
        text: of the model's file.
        is_circuit: whether it is a circuit; otherwise a detector error model.
        session: of one stream.
        decoder: name of the decoder.
        about: notes of the one who started the daemon, for example code, distance, basis and noise.
    """

    def __init__(
        self, *, text: str, is_circuit: bool, session: Session, decoder: str, about: dict[str, Any]
    ) -> None:
        dem = (
            stim.Circuit(text).detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
            if is_circuit
            else stim.DetectorErrorModel(text)
        )
        # Without `correlated` for any decoder: sources compute their digests so.
        model = LayeredModel.from_dem(dem)
        self.model_digest, self.layout_digest = model_digest(model), layout_digest(model)
        self.decoder = decoder
        self._about = about
        self._text = text.encode()
        seen = model.seen_detectors >= 0
        bits, final_bits = session.widths("events")
        self._lists: dict[str, list[Any]] = {
            "columns": [
                {"coordinates": place, "first_cycle": bool(first), "readout": bool(last)}
                for place, first, last in zip(model.stabilizers.tolist(), seen[0], seen[-1], strict=True)
            ]
        }
        layers = model.num_layers if not model.bulk else len(model.first) + len(model.last)
        self._fields: dict[str, Any] = {
            "decoder": decoder,
            "digest": f"{session.digest:016x}",
            "model_digest": self.model_digest,
            "layout_digest": self.layout_digest,
            "commit": session.commit,
            "buffer": session.buffer_cycles,
            "decoder_threads": max(1, session.block_threads.count),
            "num_observables": session.num_observables,
            "cycles": {
                "fewest": layers - 1,
                "period": model.period,
                "any_length": bool(model.bulk),
                "most": session.limits.max_cycles,
            },
            "kinds": {"events": {"bits": bits, "final_bits": final_bits}},
            "about": about,
            "model": {
                "format": "stim" if is_circuit else "dem",
                "bytes": len(self._text),
                "sha256": hashlib.sha256(self._text).hexdigest(),
            },
        }
        if is_circuit:
            self._add_measurements(stim.Circuit(text), session)

    def known(self) -> str:
        """Return what is known about the model, for messages: ` (distance 3, basis z)`, or ""."""
        return (
            f" ({', '.join(f'{name} {value}' for name, value in self._about.items())})" if self._about else ""
        )

    def for_recordings(self) -> dict[str, Any]:
        """Return what a recording says about the decoder and the model."""
        found = {name: self._fields[name] for name in DECODER_NOTES}
        return {**found, "model_format": self._fields["model"]["format"]}

    def _add_measurements(self, circuit: stim.Circuit, session: Session) -> None:
        try:
            bits, final_bits = session.widths("measurements")
        except ValueError:
            return
        self._fields["kinds"]["measurements"] = {"bits": bits, "final_bits": final_bits}
        places = circuit.get_final_qubit_coordinates()

        def entry(qubit: int) -> dict[str, Any]:
            return {"qubit": qubit, "coordinates": places.get(qubit, [])}

        first = [qubit for qubit, _ in zip(_measured(circuit, forwards=True), range(bits), strict=False)]
        last = [
            qubit for qubit, _ in zip(_measured(circuit, forwards=False), range(final_bits), strict=False)
        ]
        self._lists["cycle_measurements"] = [entry(qubit) for qubit in first]
        self._lists["final_measurements"] = [entry(qubit) for qubit in reversed(last)]

    def answer(self, first: int) -> dict[str, Any]:
        """Return the description, with the entries of each list from number `first` on."""
        if first < 0:
            raise ValueError(f"first={first}: must be at least 0")
        shown = {name: entries[first : first + MAX_ENTRIES] for name, entries in self._lists.items()}
        lengths = {f"num_{name}": len(entries) for name, entries in self._lists.items()}
        return {"type": "describe", "first": first, **self._fields, **lengths, **shown}

    def part(self, offset: int) -> dict[str, Any]:
        """Return a part of the model's text, which begins at byte `offset`."""
        if not 0 <= offset <= len(self._text):
            raise ValueError(f"offset={offset}: must be from 0 to {len(self._text)}")
        end = offset + MAX_TEXT
        # Not inside a character: continuation bytes begin with the bits 10.
        while end < len(self._text) and self._text[end] & 0xC0 == 0x80:
            end -= 1
        text = self._text[offset:end].decode(errors="replace")
        return {"type": "model", "offset": offset, "next": min(end, len(self._text)), "text": text}


def _measured(circuit: stim.Circuit, *, forwards: bool) -> Iterator[int]:
    """Iterate over the measured qubits, from the beginning or from the end; the first one of a product."""
    direction = 1 if forwards else -1
    for instruction in list(circuit)[::direction]:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            for _ in range(instruction.repeat_count):
                yield from _measured(instruction.body_copy(), forwards=forwards)
        elif stim.gate_data(instruction.name).produces_measurements:
            for group in instruction.target_groups()[::direction]:
                yield next((target.value for target in group if not target.is_combiner), -1)
