"""Parallel windows in the loop: with threads or without, answers are those of `ParallelStreamingDecoder`."""

import threading
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

from decoders import ParallelStreamingDecoder, StreamingDecoder
from realtime.kernels import blocks as kernels
from realtime.kernels.jit import interpreted
from realtime.protocol import wire
from realtime.protocol.wire import Flags, Result, Status
from realtime.service.block_threads import make_stream_decoder
from realtime.service.session import Session
from tests.support.loop_shots import CYCLE_NS, SESSION, changed, circuit, frames_of

# Blocks of nine cycles with gaps of three.
REGIONS = {"commit": 6, "buffer": 3}
# Shots that end in the first block, with it, in the second, and after several.
CYCLES = (5, 8, 9, 10, 17, 18, 40, 61)


@cache
def offline() -> ParallelStreamingDecoder:
    return ParallelStreamingDecoder.from_circuit(circuit(), threads=2, block=1, **REGIONS)


@cache
def shared_session() -> Session:
    return Session(decoder=offline())


class _Shot:
    """Rows of a shot, bit-packed, and the offline answer."""

    def __init__(self, cycles: int, seed: int) -> None:
        frame = offline().typical_rows(cycles, seed=seed)
        assert len(frame) == cycles + 1
        offline().reset()
        offline().push(frame[:-1])
        self.flips = np.packbits(offline().finish(frame[-1]), bitorder="little")
        self.rows: NDArray[np.uint8] = np.packbits(frame, axis=1, bitorder="little")


@cache
def shots() -> list[_Shot]:
    return [_Shot(cycles, seed) for seed in range(3) for cycles in CYCLES]


@pytest.fixture(params=[0, 2], ids=["alone", "threads"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    if request.param:
        shared_session().block_threads.start()
    shared_session().begin(session=SESSION, cycle_ns=CYCLE_NS, commits=True)
    yield shared_session()
    shared_session().end(now_ns=0)
    shared_session().block_threads.stop()


def messages(*, frame_cycles: int, chosen: list[_Shot] | None = None) -> list[list[bytes]]:
    found: list[list[bytes]] = []
    for number, shot in enumerate(shots() if chosen is None else chosen):
        sequence = sum(map(len, found))
        bits = shared_session().num_columns
        found.append(
            frames_of(
                shot.rows, number=number, sequence=sequence, bits=bits, frame_cycles=frame_cycles, due_ns=0
            )
        )
    return found


def flat(frames: list[list[bytes]]) -> list[bytes]:
    return list(chain.from_iterable(frames))


def play(session: Session, frames: list[bytes]) -> tuple[list[Result], list[Result]]:
    """Answers to shots, and commits."""
    answers = [wire.parse_result(one) for frame in frames for one in session.receive(frame, now_ns=5)]
    return [one for one in answers if not one.is_commit], [one for one in answers if one.is_commit]


@pytest.mark.parametrize("frame_cycles", [1, 7, 64])
def test_shots_of_all_lengths_are_answered_as_offline(session: Session, frame_cycles: int) -> None:
    results, commits = play(session, flat(messages(frame_cycles=frame_cycles)))
    assert [result.status for result in results] == [Status.OK] * len(shots())
    assert all(np.array_equal(one.flips, shot.flips) for one, shot in zip(results, shots(), strict=True))
    assert [int(one.header["committed"]) for one in results] == [len(shot.rows) for shot in shots()]
    assert any(shot.flips.any() for shot in shots())
    for commit in commits:
        # Blocks end after 6, 15, 24 ... cycles.
        assert int(commit.header["committed"]) % 9 == 6
        assert int(commit.header["committed"]) < int(commit.header["cycles"])
    if session.block_threads.record["num_threads"][0] == 0:
        assert commits or frame_cycles == 64


def test_a_shot_that_is_given_up_leaves_nothing_to_the_next(session: Session) -> None:
    longest = [shot for shot in shots() if len(shot.rows) == CYCLES[-1] + 1]
    lost, *others = messages(frame_cycles=7, chosen=longest)
    del lost[4]
    results, _ = play(session, flat([lost, *others]))
    assert [result.status for result in results] == [Status.GAP, Status.OK, Status.OK]
    for result, shot in zip(results[1:], longest[1:], strict=True):
        assert np.array_equal(result.flips, shot.flips)
    assert session.record.damaged == 0


def test_an_aborted_shot(session: Session) -> None:
    longest = [shot for shot in shots() if len(shot.rows) == CYCLES[-1] + 1]
    first, second, _ = messages(frame_cycles=7, chosen=longest)
    abort = wire.encode_frame(
        session=SESSION,
        stream=0,
        shot=0,
        sequence=5,
        first_cycle=35,
        due_ns=0,
        kind=wire.Payload.EVENTS,
        rows=np.zeros((0, 1), dtype=np.uint8),
        bits_per_cycle=0,
        flags=Flags.ABORT,
    )
    late = [changed(frame, sequence=6 + at) for at, frame in enumerate(second)]
    results, _ = play(session, [*first[:5], abort, *late])
    assert [result.status for result in results] == [Status.ABORTED, Status.OK]
    assert np.array_equal(results[1].flips, longest[1].flips)


def test_counts_of_blocks_go_on_when_threads_start_and_stop() -> None:
    shared_session().begin(session=SESSION, cycle_ns=CYCLE_NS)
    frames = messages(frame_cycles=20)
    results = []
    for at, shot in enumerate(frames):
        if at % 5 == 1:
            shared_session().block_threads.start()
        if at % 5 == 4:
            shared_session().block_threads.stop()
        results += play(shared_session(), shot)[0]
    shared_session().block_threads.stop()
    shared_session().end(now_ns=0)
    assert all(np.array_equal(one.flips, shot.flips) for one, shot in zip(results, shots(), strict=True))


@pytest.mark.skipif(interpreted, reason="without compiled kernels there are no threads")
def test_a_thread_that_ends_is_reported_and_nothing_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(decoder=make_stream_decoder(circuit(), threads=2, **REGIONS))
    session.begin(session=SESSION)
    monkeypatch.setattr(kernels, "decode_blocks", lambda *_: 1 // 0)
    session.block_threads.start()
    with pytest.raises(RuntimeError, match="a thread that decodes blocks has ended"):
        play(session, messages(frame_cycles=20)[-1])
    session.block_threads.stop()


@pytest.mark.skipif(interpreted, reason="without compiled kernels there are no threads")
@pytest.mark.parametrize("session", [2], indirect=True)
def test_blocks_that_no_thread_begins_are_decoded_by_the_receiving_one(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads without a core, which wake up after many blocks."""
    session.block_threads.stop()
    awake = threading.Event()
    decode = kernels.decode_blocks

    def wake_up_late(*records: Any) -> int:
        assert awake.wait(60.0), "the receiving thread waits"
        return decode(*records)

    monkeypatch.setattr(kernels, "decode_blocks", wake_up_late)
    frames = messages(frame_cycles=20)
    session.block_threads.start()
    results = [result for shot in frames[:20] for result in play(session, shot)[0]]
    awake.set()
    results += [result for shot in frames[20:] for result in play(session, shot)[0]]
    assert [result.status for result in results] == [Status.OK] * len(frames)
    assert all(np.array_equal(one.flips, shot.flips) for one, shot in zip(results, shots(), strict=True))


def test_service_time_leaves_no_trace() -> None:
    clock = iter(range(0, 10**9, 30_000_000)).__next__
    before = shared_session().counters()
    # Three shots of 30 ms each.
    assert shared_session().measure_service_time(clock=clock, cycles=9000) == pytest.approx(30e6 / 9001)
    assert shared_session().counters() == before


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (circuit(rounds=3), "has no repeating bulk|cycles that repeat"),
        (stim.Circuit("R 0\nX_ERROR(0.1) 0\nM 0\nDETECTOR(0, 0) rec[-1]"), "cycles that repeat"),
    ],
    ids=["short", "no memory"],
)
def test_circuits_without_repeating_cycles_are_refused(model: stim.Circuit, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Session(decoder=make_stream_decoder(model, threads=2))


def test_gaps_are_for_one_thread() -> None:
    with pytest.raises(ValueError, match="decoder_threads=2: parallel windows have no gaps, use one thread"):
        make_stream_decoder(circuit(), threads=2, gaps=True)


def test_one_thread_is_the_streaming_decoder() -> None:
    dem = circuit().detector_error_model(decompose_errors=True)
    assert isinstance(make_stream_decoder(dem, threads=1), StreamingDecoder)
    parallel = make_stream_decoder(dem, threads=3, **REGIONS)
    assert isinstance(parallel, ParallelStreamingDecoder)
    blocks = parallel.parts().blocks
    assert blocks is not None
    assert (blocks.period, blocks.threads, len(blocks.workspaces)) == (9, 3, 4)
