"""A long record of a repetition code: sampled, scanned for bursts, decoded at all distances, in blocks."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import stim
from numpy.typing import NDArray

import decoders
from decoders.base import Decoder
from experiments.common.growing_file import GrowingFile
from experiments.common.numbers import duration
from experiments.reproduce.engine.figure import Place, Record
from experiments.reproduce.work.chain_blocks import sums
from qec import RepetitionCode, memory_circuit
from qec.noise import uniform
from qec.sampling import Burst, BurstModel, ChainShots, DetectorSampler

Packed = NDArray[np.uint8]
# Shots that one thread holds at a time: a quarter of a megabyte at d = 29, which stays in its cache.
_AT_ONCE = 64


@dataclass(frozen=True, kw_only=True)
class ChainRecord:
    """Parameters of a record.

    Attributes:
        distance: data qubits of the chain.
        rounds: cycles of a shot; shots follow each other without a pause.
        p: strength of the uniform noise.
        seed: of errors and bursts.
        rate: bursts per cycle; 0 switches them off.
        decoder: name of the decoder, which knows the errors but not the bursts.
        block: shots of a block, the unit of work and of the file.
        shares: distance -> part of each block's shots that its central sub-chain decodes; shots in which a
            burst is at work, or that look like it, are decoded at every distance.
        window: cycles and checks of the window in which events are counted.
        threshold: events in a window from which a shot looks like a burst.
        peak, radius: of bursts, see `BurstModel`.
    """

    distance: int
    rounds: int
    p: float
    seed: int
    rate: float
    decoder: str
    block: int
    shares: Mapping[int, float]
    window: tuple[int, int]
    threshold: int
    peak: tuple[float, float] = BurstModel.peak
    radius: tuple[float, float] = BurstModel.radius

    @cached_property
    def shots(self) -> ChainShots:
        """The layout of the shots."""
        return ChainShots(distance=self.distance, rounds=self.rounds)

    @cached_property
    def dem(self) -> stim.DetectorErrorModel:
        """The errors without bursts."""
        return chain_model(distance=self.distance, rounds=self.rounds, p=self.p)

    @cached_property
    def sampler(self) -> DetectorSampler:
        """Sampler of the errors without bursts."""
        return DetectorSampler.from_dem(self.dem)

    @property
    def bursts(self) -> BurstModel:
        """Model of the bursts."""
        return BurstModel(rate=self.rate, peak=self.peak, radius=self.radius)

    def first_qubit(self, distance: int) -> int:
        """First qubit of the central sub-chain."""
        return (self.distance - distance) // 2

    @cached_property
    def decoders(self) -> dict[int, Decoder]:
        """One decoder for each distance, shared by all threads."""
        return {
            distance: decoders.from_dem(
                self.decoder,
                self.shots.cut_model(self.dem, first=self.first_qubit(distance), distance=distance),
            )
            for distance in self.shares
        }

    def warm_up(self) -> None:
        """Build and compile everything that threads will share."""
        events, flips = self.sampler.sample(shots=2, seed=0)
        burst = self.bursts.draw(np.random.default_rng(0), onset=1.0, num_data=self.distance)
        self.shots.add_bursts(events, flips, bursts=[burst], first_shot=0, seed=0)
        self.shots.count(events, cycles=self.window[0], checks=self.window[1])
        for distance, decoder in self.decoders.items():
            self.shots.cut(events, flips, first=self.first_qubit(distance), distance=distance)
            decoder.warm_up()

    def sample(self, first_shot: int, shots: int, bursts: list[Burst]) -> tuple[Packed, Packed]:
        """Sample shots of the record."""
        events, flips = self.sampler.sample(shots=shots, seed=self.seed, first_shot=first_shot)
        self.shots.add_bursts(events, flips, bursts=bursts, first_shot=first_shot, seed=self.seed)
        return events, flips

    def failures(self, events: Packed, flips: Packed, distance: int) -> NDArray[np.bool_]:
        """Failed shots of the central sub-chain of a distance, bool (shots,)."""
        cut, actual = self.shots.cut(events, flips, first=self.first_qubit(distance), distance=distance)
        predicted = self.decoders[distance].decode_batch(cut, bit_packed=True)
        failed: NDArray[np.bool_] = (predicted != actual)[:, 0]
        return failed

    def touched(self, first_shot: int, shots: int, bursts: Sequence[Burst]) -> NDArray[np.bool_]:
        """Shots in which a burst is at work, bool (shots,)."""
        begin = (first_shot + np.arange(shots)) * float(self.rounds)
        found = np.zeros(shots, dtype=np.bool_)
        for burst in bursts:
            end = burst.onset + self.bursts.longest * burst.decay
            found |= (burst.onset < begin + self.rounds) & (end >= begin)
        return found

    def run_block(self, number: int, bursts: list[Burst]) -> Record:
        """Sample, scan and decode one block.

        Returns:
            block; shots; events: detection events; flagged: [shot, stretch, first check, events] of windows
            at or above the threshold; special: distance -> [shots, failures] among all shots that a burst
            touches or that are flagged; decoded: the same among the others of the block's first shots;
            failed: distance -> numbers of special shots that fail; ns: processor time of sampling, counting
            and decoding.
        """
        decoded = {distance: [0, 0] for distance in self.shares}
        special = {distance: [0, 0] for distance in self.shares}
        failed_shots: dict[int, list[int]] = {distance: [] for distance in self.shares}
        flagged: list[list[int]] = []
        ns = {"sample": 0, "count": 0, **{str(distance): 0 for distance in self.shares}}
        num_events = 0
        for start in range(0, self.block, _AT_ONCE):
            size = min(_AT_ONCE, self.block - start)
            first_shot = number * self.block + start
            clock = time.thread_time_ns()
            events, flips = self.sample(first_shot, size, bursts)
            ns["sample"] += time.thread_time_ns() - clock
            clock = time.thread_time_ns()
            counts = self.shots.count(events, cycles=self.window[0], checks=self.window[1])
            ns["count"] += time.thread_time_ns() - clock
            num_events += int(counts.totals.sum())
            hits = np.argwhere(counts.most >= self.threshold)
            flagged += [
                [first_shot + int(s), int(t), int(counts.place[s, t]), int(counts.most[s, t])]
                for s, t in hits
            ]
            is_special = self.touched(first_shot, size, bursts)
            is_special[hits[:, 0]] = True
            for distance, share in self.shares.items():
                clock = time.thread_time_ns()
                ordinary = min(size, max(0, round(share * self.block) - start))
                wanted = is_special.copy()
                wanted[:ordinary] = True
                if wanted.any():
                    chosen = np.flatnonzero(wanted)
                    all_wanted = chosen.size == size
                    failed = self.failures(
                        events if all_wanted else events[chosen],
                        flips if all_wanted else flips[chosen],
                        distance,
                    )
                    marked = is_special[chosen]
                    decoded[distance][0] += int((~marked).sum())
                    decoded[distance][1] += int((failed & ~marked).sum())
                    special[distance][0] += int(marked.sum())
                    special[distance][1] += int((failed & marked).sum())
                    failed_shots[distance] += [first_shot + int(s) for s in chosen[failed & marked]]
                ns[str(distance)] += time.thread_time_ns() - clock
        return {
            "block": number,
            "shots": self.block,
            "events": num_events,
            "flagged": flagged,
            "decoded": {str(d): counts for d, counts in decoded.items()},
            "special": {str(d): counts for d, counts in special.items()},
            "failed": {str(d): shots for d, shots in failed_shots.items() if shots},
            "ns": ns,
        }


def chain_model(*, distance: int, rounds: int, p: float) -> stim.DetectorErrorModel:
    """Make the error model of a repetition code with CX gates under uniform noise."""
    code = RepetitionCode(distance, gates="cx")
    circuit = memory_circuit(code, rounds=rounds, noise=uniform(p))
    return circuit.detector_error_model(decompose_errors=True)


def run(record: ChainRecord, *, blocks: int, place: Place) -> Record:
    """Work through a record on `place.workers` threads, going on where an earlier run was stopped.

    Returns:
        The sums over blocks: shots, cycles, events, decoded, special, failed, flagged, ns; and seconds: time
        on the clock while blocks were worked on, in all runs together.

    Raises:
        KeyboardInterrupt: finished blocks are in the folder.
    """
    with GrowingFile(place.folder / "blocks.jsonl") as file:
        rows: list[Record] = []

        def take(block: Record) -> None:
            sums([block], rounds=1)  # has all fields
            rows.append(block)

        file.load(take)
        done = {block["block"] for block in rows}
        missing = [number for number in range(blocks) if number not in done]
        cycles_per_block = record.block * record.rounds
        bursts = record.bursts.bursts(
            cycles=blocks * cycles_per_block, num_data=record.distance, seed=record.seed
        )
        if missing:
            place.say("building the decoders")
            record.warm_up()
        start = last = time.monotonic()
        for number, block in enumerate(_in_threads(record, missing, bursts, place.workers), start=1):
            now = time.monotonic()
            rows.append({**block, "seconds": now - last})
            file.append(json.dumps(rows[-1], separators=(",", ":")))
            last = now
            rate = number * cycles_per_block / (now - start)
            left = duration((len(missing) - number) * cycles_per_block / rate)
            place.say(
                f"{len(rows)}/{blocks} blocks of {cycles_per_block:.0e} cycles, "
                f"{1e6 / rate:.2f} us a cycle, {left} left"
            )
    return sums(rows, rounds=record.rounds)


def _in_threads(
    record: ChainRecord, missing: Sequence[int], bursts: list[Burst], threads: int
) -> Iterator[Record]:
    """Yield blocks as they finish; after an exception the threads end with their current shots."""
    stop = threading.Event()

    def work(number: int) -> Record:
        if stop.is_set():
            raise RuntimeError("stopped")
        return record.run_block(number, bursts)

    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        queue = iter(missing)
        running: set[Future[Record]] = set()
        while True:
            while len(running) < 2 * threads and (number := next(queue, None)) is not None:
                running.add(pool.submit(work, number))
            if not running:
                break
            finished, running = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
