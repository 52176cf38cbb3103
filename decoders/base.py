"""Decoder interface: construction from a DEM, input validation, batch decoding.

All arguments of callers are checked here, once. A decoder implements `from_dem` and `_decode_packed`,
which receives bit-packed shots only: eight detectors per byte, least significant bit first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, overload

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.model.hyperedges import HyperedgeCounts

Packed = NDArray[np.uint8]
Weights = NDArray[np.float64]
Gaps = NDArray[np.float64]


def sizes(detectors: int, observables: int) -> str:
    """Describe a model: `24 detectors, 1 observable`."""
    counts = ((detectors, "detector"), (observables, "observable"))
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)


class Decoder(ABC):
    """A decoder configured for one DEM.

    Decoding has no side effects that a later call can observe. Subclasses state their capabilities in the
    class attributes below.

    Examples:
        >>> import decoders, stim
        >>> dem = stim.DetectorErrorModel("error(0.1) D0 L0")
        >>> decoder = decoders.from_dem("mwpm", dem)
        >>> decoder.decode_batch([[True], [False]], return_weights=True)
        (array([[ True],
               [False]]), array([2.19722458, 0.        ]))
    """

    #: Whether `decode_batch` accepts `threads` > 1.
    uses_threads: ClassVar[bool] = False
    #: Whether `decode_batch` accepts `return_weights=True`.
    gives_weights: ClassVar[bool] = True
    #: Whether `return_gap=True` is accepted; requires `_decode_with_gaps`.
    gives_gaps: ClassVar[bool] = False
    #: Whether errors with more than two detectors are decoded as they are.
    takes_hyperedges: ClassVar[bool] = False
    #: Approximate decoding time per cycle in us, by code distance, for a surface-code memory at 0.3 % noise.
    #: Used only to estimate durations and to choose numbers of shots.
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 5.0, 5: 30.0, 7: 90.0, 9: 300.0, 11: 700.0}
    #: Exponent by which that time grows with the number of cycles (relative to 30 cycles).
    rough_cost_growth: ClassVar[float] = 0.0

    def __init__(self, *, name: str, num_detectors: int, num_observables: int) -> None:
        self.name = name
        self.num_detectors = num_detectors
        self.num_observables = num_observables
        #: Errors with more than two detectors that `decoders.from_dem` decomposed or dropped.
        self.hyperedges = HyperedgeCounts()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {sizes(self.num_detectors, self.num_observables)}>"

    @classmethod
    @abstractmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> Self:
        """Construct the decoder for a DEM. Options of a decoder are keyword-only parameters."""

    @abstractmethod
    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        """Decode validated shots.

        Args:
            packed: uint8 (shots, ceil(detectors / 8)), C-contiguous, read-only, padding bits zero.
            weights: whether weights are requested.
            threads: number of threads.

        Returns:
            Predictions uint8 (shots, ceil(observables / 8)), padding bits zero; float64 (shots,) weights, or
            None if not requested.
        """

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        """Decode validated shots as `_decode_packed` does; also return gaps, float64 (shots, observables)."""
        raise NotImplementedError

    def warm_up(self, *, gaps: bool = False) -> None:
        """Compile the kernels of `decode` and `decode_batch`, or load them from the cache.

        Later calls compile nothing. The first calls with more threads still allocate working memory for these
        threads (about a millisecond each).

        Args:
            gaps: also build and compile what `return_gap=True` needs.

        Raises:
            ValueError: `gaps` is set, but the decoder or its model has no gaps.
        """
        # No shots: with errors of probability one, a shot without events may be impossible.
        none = np.zeros((0, (self.num_detectors + 7) // 8), dtype=np.uint8)
        self.decode_batch(none, bit_packed=True)
        if gaps:
            self.decode_batch(none, bit_packed=True, return_gap=True)

    @overload
    def decode(
        self, detection_events: ArrayLike, *, return_gap: Literal[False] = False
    ) -> NDArray[np.bool_]: ...

    @overload
    def decode(
        self, detection_events: ArrayLike, *, return_gap: Literal[True]
    ) -> tuple[NDArray[np.bool_], Gaps]: ...

    def decode(
        self, detection_events: ArrayLike, *, return_gap: bool = False
    ) -> NDArray[np.bool_] | tuple[NDArray[np.bool_], Gaps]:
        """Predict the observable flips of one shot.

        Args:
            detection_events: bool, or integers 0 and 1, (num_detectors,).
            return_gap: also return the gaps, see `decode_batch`.

        Returns:
            bool (num_observables,); with return_gap a tuple of it and float64 (num_observables,).

        Raises:
            ValueError: wrong shape, dtype or value, or no error explains the detection events.
        """
        events = np.asarray(detection_events)
        if events.shape != (self.num_detectors,):
            raise ValueError(
                f"detection events of one shot have shape {events.shape}, expected ({self.num_detectors},)"
                + ("; decode_batch takes several shots" if events.ndim == 2 else "")
            )
        if return_gap:
            predictions, gaps = self.decode_batch(events[np.newaxis], return_gap=True)
            return predictions[0], gaps[0]
        packed, _ = self._decode_packed(pack_shots(events[np.newaxis]), weights=False, threads=1)
        flips: NDArray[np.bool_] = _unpack(packed, self.num_observables)[0]
        return flips

    @overload
    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        bit_packed: bool = False,
        return_weights: Literal[False] = False,
        return_gap: Literal[False] = False,
        threads: int = 1,
    ) -> NDArray[Any]: ...

    @overload
    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        bit_packed: bool = False,
        return_weights: Literal[True],
        return_gap: Literal[False] = False,
        threads: int = 1,
    ) -> tuple[NDArray[Any], Weights]: ...

    @overload
    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        bit_packed: bool = False,
        return_weights: Literal[False] = False,
        return_gap: Literal[True],
        threads: int = 1,
    ) -> tuple[NDArray[Any], Gaps]: ...

    @overload
    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        bit_packed: bool = False,
        return_weights: Literal[True],
        return_gap: Literal[True],
        threads: int = 1,
    ) -> tuple[NDArray[Any], Weights, Gaps]: ...

    @overload
    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        bit_packed: bool = False,
        return_weights: bool,
        return_gap: Literal[False] = False,
        threads: int = 1,
    ) -> NDArray[Any] | tuple[NDArray[Any], Weights]: ...

    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        bit_packed: bool = False,
        return_weights: bool = False,
        return_gap: bool = False,
        threads: int = 1,
    ) -> NDArray[Any] | tuple[NDArray[Any], ...]:
        """Predict the observable flips of many shots.

        Args:
            detection_events: bool, or integers 0 and 1, (shots, num_detectors); with bit_packed
                uint8 (shots, ceil(num_detectors / 8)), the first detector in the least significant
                bit, as in stim. Bits after the last detector must be zero. Any memory layout; not modified.
            bit_packed: whether detection events and predictions are bit-packed.
            return_weights: also return the weight of each shot's most likely error, the sum of
                log((1 - p) / p) over its edges.
            return_gap: also return the complementary gap of each observable: the weight of the best
                solution that predicts the opposite, minus that of the best solution, in units of
                log-likelihood. Infinite where there is no such solution; 0 is a tie. Requires `gives_gaps`;
                decoders that do not use the weights of the model document theirs in the class. (Gidney,
                Newman, Brooks, Jones, arXiv 2312.04522, section 2.)
            threads: number of threads; more than 1 requires `uses_threads`.

        Returns:
            Predictions, bool (shots, num_observables), or uint8 (shots, ceil(num_observables / 8))
            with bit_packed. With return_weights or return_gap a tuple: predictions, then float64 (shots,)
            weights and float64 (shots, num_observables) gaps, as requested.

        Raises:
            ValueError: wrong shape, dtype or value, options that this decoder does not support, or no
                error explains the detection events of a shot (the message names the shot).
        """
        if return_weights and not self.gives_weights:
            raise ValueError(f"decoder '{self.name}' gives no weights: leave return_weights=False")
        if return_gap and not self.gives_gaps:
            raise ValueError(
                f"decoder '{self.name}' gives no gaps: leave return_gap=False, or choose another decoder "
                "(decoders.with_gaps() lists those that give gaps)"
            )
        if threads < 1 or (threads > 1 and not self.uses_threads):
            allowed = "at least 1" if self.uses_threads else "1"
            raise ValueError(f"threads={threads}: decoder '{self.name}' takes {allowed}")
        events = np.asarray(detection_events)
        packed = (
            check_packed(events, self.num_detectors) if bit_packed else pack_shots(self._check_shape(events))
        )
        gaps = None
        if return_gap:
            predictions, weights, gaps = self._decode_with_gaps(packed, threads=threads)
        else:
            predictions, found = self._decode_packed(packed, weights=return_weights, threads=threads)
            weights = found if found is not None else np.zeros(0)
        result: list[NDArray[Any]] = [
            predictions if bit_packed else _unpack(predictions, self.num_observables)
        ]
        if return_weights:
            result.append(weights)
        if gaps is not None:
            result.append(gaps)
        return result[0] if len(result) == 1 else tuple(result)

    def _check_shape(self, events: NDArray[Any]) -> NDArray[Any]:
        """Return the events if they have shape (shots, num_detectors)."""
        if events.ndim != 2 or events.shape[1] != self.num_detectors:
            hint = "; decode takes a single shot" if events.shape == (self.num_detectors,) else ""
            raise ValueError(
                f"detection events have shape {events.shape}, expected (shots, {self.num_detectors}){hint}"
            )
        return events


def check_packed(events: NDArray[Any], num_detectors: int) -> Packed:
    """Return bit-packed events as a C-contiguous array if shape, dtype and padding bits are valid."""
    width = (num_detectors + 7) // 8
    if events.dtype != np.uint8:
        raise ValueError(f"bit-packed detection events have dtype {events.dtype}, expected uint8")
    if events.ndim != 2 or events.shape[1] != width:
        raise ValueError(
            f"bit-packed detection events have shape {events.shape}, expected (shots, {width}) for "
            f"{num_detectors} detectors"
        )
    used = num_detectors % 8
    if used:
        beyond = np.flatnonzero(events[:, -1] >> used)
        if beyond.size:
            raise ValueError(
                f"shot {beyond[0]} has bits set beyond its {num_detectors} detectors: pack with "
                "bitorder='little' and zeros as padding"
            )
    return np.ascontiguousarray(events)


def pack_shots(events: NDArray[Any]) -> Packed:
    """Bit-pack (shots, detectors) after checking that all values are 0 or 1.

    Args:
        events: bool or integer (shots, detectors).

    Returns:
        uint8 (shots, ceil(detectors / 8)), little-endian bits, C-contiguous.

    Raises:
        ValueError: a dtype other than bool or integer, or a value other than 0 and 1.
    """
    if events.dtype != np.bool_:
        if not np.issubdtype(events.dtype, np.integer) and events.size:
            raise ValueError(f"detection events have dtype {events.dtype}, expected bool or integers 0 and 1")
        if events.size and (events.max() > 1 or events.min() < 0):
            shot, detector = np.argwhere((events < 0) | (events > 1))[0]
            raise ValueError(
                f"detection events are 0 or 1, but shot {shot} has {events[shot, detector]} at detector "
                f"D{detector}; for bit-packed data pass bit_packed=True"
            )
    bits = events.astype(np.bool_, copy=False)
    num_shots, width = bits.shape
    if width % 8 == 0:  # rows end at byte limits: numpy packs one long row much faster than many short ones
        return np.packbits(bits.reshape(-1), bitorder="little").reshape(num_shots, width // 8)
    # np.packbits preserves Fortran order, but kernels are compiled for C order only.
    return np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little"))


def _unpack(predictions: Packed, num_observables: int) -> NDArray[np.bool_]:
    """Unpack predictions to bool (shots, num_observables)."""
    if num_observables == 1:
        return predictions.astype(np.bool_)  # padding bits are zero
    bits = np.unpackbits(predictions, axis=1, count=num_observables, bitorder="little")
    unpacked: NDArray[np.bool_] = bits.view(np.bool_)
    return unpacked
