"""Who takes part in `qec bench accuracy`: all decoders of the registry, other libraries where installed."""

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

import decoders

#: Plain matching: the errors of all others are relative to its.
REFERENCE = "mwpm"

Packed = NDArray[np.uint8]
#: Bit-packed detection events -> bit-packed predictions.
Decode = Callable[[Packed], Packed]


@dataclass(frozen=True)
class Contender:
    """A decoder by name, and how to make it for a memory.

    Attributes:
        name: in tables and files.
        peer: whether another library does the work.
        make: circuit -> function that decodes; raises ValueError where it cannot.
    """

    name: str
    peer: bool
    make: Callable[[stim.Circuit], Decode]


def ours(name: str) -> Contender:
    """A decoder of the registry."""

    def make(circuit: stim.Circuit) -> Decode:
        decoder = decoders.from_dem(name, circuit.detector_error_model(decompose_errors=True))
        decoder.warm_up()
        return lambda packed: decoder.decode_batch(packed, bit_packed=True)

    return Contender(name=name, peer=name.startswith("pymatching"), make=make)


def _one_by_one(decode: Callable[[NDArray[Any]], Any], num_detectors: int) -> Decode:
    """A batch call from a function that decodes one shot of uint8 detection events."""

    def batch(packed: Packed) -> Packed:
        events = np.unpackbits(packed, axis=1, count=num_detectors, bitorder="little")
        flips = np.array([np.asarray(decode(shot)).reshape(-1) for shot in events]).astype(np.bool_)
        return np.packbits(flips, axis=1, bitorder="little")

    return batch


def _belief_matching(circuit: stim.Circuit) -> Decode:
    dem = circuit.detector_error_model(decompose_errors=True)
    decoder = importlib.import_module("beliefmatching").BeliefMatching(dem, max_bp_iters=20)
    return _one_by_one(decoder.decode, dem.num_detectors)


def _bp_osd(circuit: stim.Circuit) -> Decode:
    dem = circuit.detector_error_model()
    matrices = importlib.import_module("ldpc.ckt_noise.dem_matrices").detector_error_model_to_check_matrices(
        dem, allow_undecomposed_hyperedges=True
    )
    decoder = importlib.import_module("ldpc.bposd_decoder").BpOsdDecoder(
        matrices.check_matrix,
        error_channel=list(matrices.priors),
        max_iter=30,
        bp_method="product_sum",
        osd_method="osd_cs",
        osd_order=10,
    )
    return _one_by_one(lambda shot: matrices.observables_matrix @ decoder.decode(shot) % 2, dem.num_detectors)


def _tesseract(circuit: stim.Circuit) -> Decode:
    dem = circuit.detector_error_model()
    tesseract = importlib.import_module("tesseract_decoder").tesseract
    decoder = tesseract.TesseractDecoder(tesseract.TesseractConfig(dem, det_beam=15))
    return _one_by_one(lambda shot: decoder.decode(shot.view(np.bool_)), dem.num_detectors)


# Name -> (module that must be installed, how to make it).
_PEERS: dict[str, tuple[str, Callable[[stim.Circuit], Decode]]] = {
    "beliefmatching": ("beliefmatching", _belief_matching),
    "ldpc BP+OSD-CS10": ("ldpc", _bp_osd),
    "Tesseract": ("tesseract_decoder", _tesseract),
}


def contenders(*, names: Sequence[str] | None, peers: bool) -> tuple[list[Contender], list[str]]:
    """All that take part, plain matching first, and notes on who is missing.

    Args:
        names: decoders of the registry; None takes all. Plain matching always takes part.
        peers: whether other libraries do.

    Raises:
        ValueError: an unknown name.
    """
    chosen = decoders.names() if names is None else list(names)
    for name in chosen:
        if name not in decoders.names():
            raise ValueError(f"unknown decoder {name!r}; known: {', '.join(decoders.names())}")
    found = [ours(name) for name in dict.fromkeys([REFERENCE, *chosen])]
    missing = []
    for name, (module, make) in _PEERS.items() if peers else ():
        if importlib.util.find_spec(module) is None:
            missing.append(f"{name} left out: the module {module} is not installed")
        else:
            found.append(Contender(name=name, peer=True, make=make))
    return found, missing
