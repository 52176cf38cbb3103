"""Source of programs with merges: draws the layers of all patches together and obeys the answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.matching.workspace import Pools
from qec.sampling.kernels.random import start_stream
from realtime.kernels.clock import now_ns
from realtime.kernels.histogram import NUM_BUCKETS, NUM_TOTALS
from realtime.latency import Histogram
from realtime.programs.kernels.records import LIFE, SHOT, End
from realtime.programs.kernels.surgery_decoder import program_ns
from realtime.programs.kernels.surgery_records import FRAME_BYTES, PASSED, PLAYED, SOURCE, Served
from realtime.programs.kernels.surgery_source import play_merged_program
from realtime.programs.run import RunSettings
from realtime.programs.surgery.model import SurgeryModel
from realtime.programs.surgery.server import SequenceServer
from realtime.programs.surgery.tables import ProgramTables

_SLICE_NS = 100_000_000
_LEAD_NS = 200_000
# After the last cycle no answer is awaited for longer.
_PATIENCE_NS = 10 * 10**9
# Bytes of the log: at least, and at most; layers for each wait of a shot. Memory is taken when it is written.
_LEAST_LOG, _MAX_LOG, _LOG_PER_WAIT = 1 << 26, 1 << 29, 100


@dataclass(frozen=True, eq=False, kw_only=True)
class Played:
    """Shots that a source has played; fields as in `SurgeryRun`, complete shots only.

    Attributes:
        symbols: of each shot its layers, as in `SequenceDecoder`; empty if they did not fit the log.
    """

    end: End
    lives: NDArray[Any]
    shots: NDArray[Any]
    rows: list[NDArray[np.uint8] | None]
    symbols: list[NDArray[np.int64]]
    lateness: Histogram
    stopped_wait: int
    load: float
    stopped_ns: int


class MergedSource:
    """Source of a program.

    Args:
        model: of the program.
        tables: of the model.
        settings: pace.
        server: decoder; running, if the clock is real.
        shots: how many to play.
    """

    def __init__(
        self,
        model: SurgeryModel,
        *,
        tables: ProgramTables,
        settings: RunSettings,
        server: SequenceServer,
        shots: int,
    ) -> None:
        self._settings, self._server, self._shots = settings, server, shots
        self._tables, self._columns = tables, model.layers[0].num_columns
        sizes = tables.sizes
        row_bytes, flip_bytes = sizes["row_bytes"], sizes["flip_bytes"]
        measurements, references = sizes["num_measurements"], sizes["num_references"]
        frame, answer = (np.zeros(size, dtype=np.uint8) for size in (server.frame_bytes, server.answer_bytes))
        usual = sizes["num_layers"] + _LOG_PER_WAIT * model.program.decisions
        layer_bytes = row_bytes + 4
        max_log = min(max(shots * usual, _LEAST_LOG // layer_bytes), _MAX_LOG // layer_bytes)
        random = np.zeros(4, dtype=np.uint64)
        start_stream(random, np.uint64(settings.seed), np.uint64(0))
        self._pools = Pools(SOURCE)
        self._pools.own(
            **tables.arrays,
            decoder=server.record,
            link=server.link.record,
            frame=frame,
            frame_header=frame,
            symbols=frame[FRAME_BYTES:],
            answer=answer,
            answer_header=answer,
            words=server.words,
            lives=np.zeros(shots * measurements, dtype=LIFE),
            shots=np.zeros(shots, dtype=PLAYED),
            log_symbols=np.zeros(max_log, dtype=np.int32),
            lateness_counts=np.zeros(NUM_BUCKETS, dtype=np.int64),
            lateness_totals=np.zeros(NUM_TOTALS, dtype=np.int64),
            random=random,
            frames=np.zeros(2 * sizes["num_patches"], dtype=np.int64),
            latest=np.zeros(sizes["num_outcomes"], dtype=np.int64),
            ending=np.zeros(measurements, dtype=np.int64),
            **{
                name: np.zeros(size, dtype=np.uint8)
                for name, size in (
                    ("masks", shots * measurements * flip_bytes),
                    ("log_rows", max_log * row_bytes),
                    ("events", sizes["num_rows"] * row_bytes),
                    ("flips", flip_bytes),
                    ("coins", references),
                    ("is_known", references),
                    ("known_outcomes", references * measurements),
                    ("known_references", references * references),
                    ("row", references),
                    ("parity", measurements),
                )
            },
        )
        self._pools.set(
            **sizes,
            frame_bytes=server.frame_bytes,
            answer_bytes=server.answer_bytes,
            max_layers=server.max_layers,
            max_shots=shots,
            max_log=max_log,
            cycle_ps=round(settings.cycle_ns * 1000),
            frame_cycles=settings.frame_cycles,
            delay_ns=settings.delay_ns,
            longest_wait=settings.longest_wait,
            is_simulated=int(settings.simulated),
            service_ns=settings.service_ns,
            hop_ns=settings.hop_ns,
        )

    def play(self) -> Played:
        """Play all shots, as far as the decoder keeps up; once."""
        play_merged_program(self._pools.record, np.int64(0))  # compiled before the clock starts
        record, words = self._pools.record[0], self._server.words
        if not self._settings.simulated:
            self._pools.set(start_ns=int(program_ns(words)) + _LEAD_NS)
        waited_since = 0
        while True:
            end = End(play_merged_program(self._pools.record, np.int64(now_ns() + _SLICE_NS)))
            if end == End.MISSING:
                self._server.help(Served.MISSING)
            elif end == End.FULL:
                self._server.help(Served.GROW)
            elif end != End.PAUSED:
                break
            elif record.num_shots == self._shots:
                waited_since = waited_since or int(now_ns())
                if now_ns() - waited_since > _PATIENCE_NS:
                    end = End.UNANSWERED
                    break
        return self._played(end)

    def _played(self, end: End) -> Played:
        """Collect the complete shots. Answers of the last ones may be missing if the run was given up."""
        arrays, record = self._pools.arrays, self._pools.record[0]
        width = int(record.num_measurements)
        played = arrays["shots"][: record.num_shots]
        lives = arrays["lives"][: width * len(played)]
        missing = np.flatnonzero((lives["predicted"] < 0).reshape(-1, width).any(axis=1))
        complete = int(missing[0]) if missing.size else len(played)
        shots = np.zeros(complete, dtype=SHOT)
        shots["first_cycle"] = played["first_cycle"][:complete]
        shots["stop_cycle"] = played["stop_cycle"][:complete]
        shots["first_life"] = width * np.arange(complete)
        shots["stop_life"] = shots["first_life"] + width
        rows, symbols = self._logged(played[:complete])
        passed = float(record.cycle) * self._settings.cycle_ns
        return Played(
            end=end,
            lives=lives[: width * complete],
            shots=shots,
            rows=rows,
            symbols=symbols,
            lateness=Histogram(counts=arrays["lateness_counts"], totals=arrays["lateness_totals"]),
            stopped_wait=int(record.stopped_wait),
            load=float(record.busy_ns) / passed if self._settings.simulated and passed else float("nan"),
            stopped_ns=int(self._server.words[PASSED]),
        )

    def _logged(self, played: NDArray[Any]) -> tuple[list[NDArray[np.uint8] | None], list[NDArray[np.int64]]]:
        """Return the detection events and the layers of shots."""
        arrays = self._pools.arrays
        packed = arrays["log_rows"].reshape(len(arrays["log_symbols"]), -1)
        rows: list[NDArray[np.uint8] | None] = []
        symbols: list[NDArray[np.int64]] = []
        for first, count in zip(played["first_row"].tolist(), played["num_rows"].tolist(), strict=True):
            part = slice(first, first + count if first >= 0 else first)
            symbols.append(arrays["log_symbols"][part].astype(np.int64))
            found = np.unpackbits(packed[part], axis=1, count=self._columns, bitorder="little")
            rows.append(found if first >= 0 else None)
        return rows, symbols
