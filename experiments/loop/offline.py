"""Decoding of recorded shots without a daemon, by the recorded decoder or by any other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import stim

from decoders.model.text_files import parse_circuit, parse_dem
from decoders.streaming.digests import layout_digest
from decoders.streaming.frames import FrameReader
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from experiments.common.points import decoding_model
from experiments.common.preparation import make_decoder
from experiments.loop.comparison import Corrections
from realtime.service.block_threads import MAX_THREADS, make_stream_decoder
from realtime.source.playlist import Playlist

#: Name of the decoder that made the recorded answers, with its windows.
RECORDED = "recorded"


class OfflineDecoding:
    """Decoders of recorded shots.

    Args:
        text: circuit or error model of a memory, of any length.
        is_circuit: which of both.
        notes: of the recording: decoder, windows, digest of the columns.
        name: of the model, for messages.

    Raises:
        ValueError: not a model, or one with other columns than the recorded shots.
    """

    def __init__(self, text: str, *, is_circuit: bool, notes: dict[str, Any], name: str) -> None:
        self._notes = notes
        try:
            self._circuit = parse_circuit(text) if is_circuit else None
            self._dem = parse_dem(text) if self._circuit is None else decoding_model(self._circuit)
            self._model = LayeredModel.from_dem(self._dem)
        except (ValueError, IndexError) as error:  # stim raises either
            raise ValueError(f"{name}: {error}") from None
        expected = notes.get("layout_digest")
        if expected not in (None, layout_digest(self._model)):
            raise ValueError(f"{name}: a model of other columns than those of the recorded shots")

    def decode(self, decoder: str, shots: Playlist) -> Corrections:
        """Decode shots; None for those that no error explains.

        Args:
            decoder: RECORDED, or the name of a registered decoder, which gets whole shots.
            shots: of one length.

        Raises:
            ValueError: shots that the model or the decoder does not accept.
        """
        return self._decode_windows(shots) if decoder == RECORDED else self._decode_whole(decoder, shots)

    def _decode_windows(self, shots: Playlist) -> Corrections:
        options = {name: self._notes[name] for name in ("commit", "buffer", "decoder") if name in self._notes}
        model = self._circuit if self._circuit is not None else self._dem
        threads = self._notes.get("decoder_threads", 1)
        if type(threads) is not int or not 1 <= threads <= MAX_THREADS:
            raise ValueError(
                f"decoder_threads of the recording is {threads!r}: must be from 1 to {MAX_THREADS}"
            )
        # Blocks and answers do not depend on how many threads there are.
        decoder = make_stream_decoder(model, threads=min(threads, 2), **options)

        def decode(shot: int) -> bytes:
            decoder.reset()
            decoder.push(shots.rows[shot], bit_packed=True, kind=shots.kind)
            flips = decoder.finish(shots.last[shot], bit_packed=True, kind=shots.kind)
            return _packed(flips)

        return _each(shots.num_shots, decode)

    def _decode_whole(self, name: str, shots: Playlist) -> Corrections:
        num_layers = shots.num_cycles + 1
        dem = self._dem_of_length(num_layers)
        numbers = LayeredModel.from_dem(dem).detector_numbers(num_layers)
        layers = self._layers(shots)
        events = np.zeros((shots.num_shots, dem.num_detectors), dtype=np.bool_)
        events[:, numbers[numbers >= 0]] = layers[:, numbers >= 0]
        decoder = make_decoder("qec replay", name, dem)
        try:
            return [_packed(flips) for flips in decoder.decode_batch(events)]
        except ValueError:  # a shot that no error explains: find those that can be decoded
            return _each(shots.num_shots, lambda shot: _packed(decoder.decode(events[shot])))

    def _layers(self, shots: Playlist) -> np.ndarray[Any, np.dtype[np.uint8]]:
        """Return the detection events of the shots, uint8 (shots, layers, columns)."""
        measured = None
        if shots.kind == "measurements" and self._circuit is not None:
            measured = MeasurementModel.from_circuit(self._circuit, self._model)
        reader = FrameReader(model=self._model, measurements=measured)
        found = np.zeros((shots.num_shots, shots.num_cycles + 1, self._model.num_columns), dtype=np.uint8)

        def unpacked(rows: np.ndarray[Any, np.dtype[np.uint8]], packed: bool) -> Any:
            width = self._model.num_columns
            return np.unpackbits(rows, axis=1, count=width, bitorder="little") if packed else rows

        for shot in range(shots.num_shots):
            reader.reset()
            rows = reader.check(shots.rows[shot], bit_packed=True, kind=shots.kind)
            found[shot, :-1] = unpacked(*reader.events(rows, bit_packed=True, kind=shots.kind, first_cycle=0))
            found[shot, -1] = unpacked(
                *reader.last_events(shots.last[shot], bit_packed=True, kind=shots.kind)
            )[0]
        return found

    def _dem_of_length(self, num_layers: int) -> stim.DetectorErrorModel:
        """Return the error model of shots of this length: the block that repeats is repeated more or less.

        Raises:
            ValueError: the model cannot have this length.
        """
        missing = num_layers - self._model.num_layers
        if missing == 0:
            return self._dem
        blocks = [at for at, one in enumerate(self._dem) if isinstance(one, stim.DemRepeatBlock)]
        period = 0
        if len(blocks) == 1:
            longer = _repeated(self._dem, blocks[0], 1)
            period = LayeredModel.from_dem(longer).num_layers - self._model.num_layers
        if not period or missing % period or self._repeats(blocks[0]) + missing // period < 1:
            raise ValueError(
                f"shots of {num_layers - 1:,} cycles, and a model of {self._model.num_layers - 1:,} that "
                "cannot be continued to this length: give a --model of this length"
            )
        return _repeated(self._dem, blocks[0], missing // period)

    def _repeats(self, at: int) -> int:
        block = self._dem[at]
        assert isinstance(block, stim.DemRepeatBlock)
        return int(block.repeat_count)


def _repeated(dem: stim.DetectorErrorModel, at: int, more: int) -> stim.DetectorErrorModel:
    """Return the model with the block at this place repeated more often."""
    block = dem[at]
    assert isinstance(block, stim.DemRepeatBlock)
    middle = stim.DetectorErrorModel()
    middle.append(stim.DemRepeatBlock(block.repeat_count + more, block.body_copy()))
    return dem[:at] + middle + dem[at + 1 :]


def _each(num_shots: int, decode: Callable[[int], bytes]) -> Corrections:
    found: list[bytes | None] = []
    for shot in range(num_shots):
        try:
            found.append(decode(shot))
        except ValueError as error:
            if "no error explains" not in str(error) and shot == 0:
                raise
            found.append(None)
    return found


def _packed(flips: np.ndarray[Any, Any]) -> bytes:
    return np.packbits(np.asarray(flips, dtype=np.bool_), bitorder="little").tobytes()
