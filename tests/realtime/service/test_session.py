"""Whatever happens to frames, an answer that says OK is the offline decoder's answer to the whole shot."""

import zlib
from collections.abc import Iterator
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st

from decoders import StreamingDecoder
from decoders.matching.workspace import Workspace
from decoders.streaming.frames import Kind
from realtime.kernels import loop
from realtime.kernels.frames import find_fault
from realtime.kernels.histogram import COUNT
from realtime.kernels.records import COUNTERS, SETTINGS, STATE
from realtime.protocol import wire
from realtime.protocol.wire import Flags, Result, Status
from realtime.service.session import Session, SessionLimits
from tests.support.loop_shots import CYCLE_NS, SESSION, changed, circuit, frames_of, shared_session, shots
from tests.support.strategies import data_frames
from tests.support.streams import alternating, chequered

PERIODIC = {
    "two": alternating(2, repeats=20),
    "three": alternating(3, repeats=13),
    "chequered": chequered(rounds=40),
}


@pytest.fixture
def session() -> Iterator[Session]:
    yield fresh()
    shared_session().end(now_ns=0)


def fresh(**options: object) -> Session:
    """The shared session, begun anew; kernels are compiled once for all tests."""
    session = shared_session()
    session.end(now_ns=0)
    for name in (*SETTINGS, *STATE, *COUNTERS):
        session.record[name] = 0
    session.reset_latencies()
    session.begin(session=SESSION, cycle_ns=CYCLE_NS, **options)  # type: ignore[arg-type]
    return session


def stream_of_shots(count: int, *, frame_cycles: int = 7) -> list[bytes]:
    data = shots()
    messages: list[bytes] = []
    for number in range(count):
        messages += frames_of(
            data.packed[number],
            number=number,
            sequence=len(messages),
            bits=data.bits,
            frame_cycles=frame_cycles,
            due_ns=0,
        )
    return messages


LONG_WAIT = b"a long wait"


def play(session: Session, messages: list[bytes]) -> list[Result]:
    answers = []
    for message in messages:
        if message is LONG_WAIT:
            answers += session.tick(now_ns=10**12)
        else:
            answers += session.receive(message, now_ns=5)
    return [wire.parse_result(answer) for answer in answers]


def summary(results: list[Result]) -> list[tuple[int, Status]]:
    return [(int(result.header["shot"]), result.status) for result in results]


def is_right(result: Result) -> bool:
    number = int(result.header["shot"])
    data = shots()
    return (
        np.array_equal(result.flips, data.expected[number])
        and int(result.header["syndrome_hash"]) == zlib.crc32(data.packed[number].tobytes())
        and int(result.header["cycles"]) == 20
    )


@pytest.mark.parametrize("frame_cycles", [1, 2, 7, 19, 20, 64])
def test_whole_shots_are_answered_as_offline(session: Session, frame_cycles: int) -> None:
    results = play(session, stream_of_shots(12, frame_cycles=frame_cycles))
    assert summary(results) == [(number, Status.OK) for number in range(12)]
    assert all(is_right(result) for result in results)
    assert shots().expected.any()


def test_measurements_are_answered_as_offline() -> None:
    model = circuit()
    events = shared_session().widths("measurements")
    session = fresh(kind="measurements")
    measured = model.compile_sampler(seed=3).sample(6)
    detectors, _ = model.compile_m2d_converter().convert(measurements=measured, separate_observables=True)
    offline = StreamingDecoder.from_circuit(model)
    expected = offline.decode_frames(offline.to_frames(detectors))
    bits, final_bits = events
    results: list[Result] = []
    sequence = 0
    for number, shot in enumerate(measured):
        rows = np.packbits(shot[: 20 * bits].reshape(20, bits), axis=1, bitorder="little")
        final = np.packbits(shot[20 * bits :], bitorder="little")
        for start in range(0, 20, 5):
            message = wire.encode_frame(
                session=SESSION,
                stream=0,
                shot=number,
                sequence=sequence,
                first_cycle=start,
                due_ns=0,
                kind=wire.Payload.MEASUREMENTS,
                rows=rows[start : start + 5],
                bits_per_cycle=bits,
                final=final if start == 15 else None,
                final_bits=final_bits if start == 15 else 0,
                flags=Flags.FIRST if start == 0 else 0,
            )
            sequence += 1
            results += play(session, [message])
    assert summary(results) == [(number, Status.OK) for number in range(6)]
    assert [result.flips[0] for result in results] == expected[:, 0].tolist()
    assert len({bytes(row) for row in expected}) == 2


@pytest.mark.parametrize("kind", ["events", "measurements"])
@pytest.mark.parametrize("name", ["two", "three", "chequered"])
def test_cycles_that_repeat_with_a_period(name: str, kind: Kind) -> None:
    model = PERIODIC[name]
    offline = StreamingDecoder.from_circuit(model, commit=6, buffer=6)
    measured = model.compile_sampler(seed=4).sample(5)
    detectors, _ = model.compile_m2d_converter().convert(measurements=measured, separate_observables=True)
    frames = offline.to_frames(detectors)
    expected = offline.decode_frames(frames).copy()
    cycles = frames.shape[1] - 1
    session = Session(decoder=StreamingDecoder.from_circuit(model, commit=6, buffer=6))
    session.warm_up()
    session.begin(session=SESSION, kind=kind, policy="block")
    bits, final_bits = session.widths(kind)
    results: list[Result] = []
    sequence = 0
    for number in range(6):
        shot = number % 5
        rows, final = frames[shot, :-1], frames[shot, -1]
        if kind == "measurements":
            rows, final = (
                measured[shot, : cycles * bits].reshape(cycles, bits),
                measured[shot, cycles * bits :],
            )
        # The last shot has one cycle less: not a whole number of periods.
        length = cycles - (number == 5)
        for start in range(0, length, 7):
            is_last = start + 7 >= length
            message = wire.encode_frame(
                session=SESSION,
                stream=0,
                shot=number,
                sequence=sequence,
                first_cycle=start,
                due_ns=0,
                kind=wire.Payload.EVENTS if kind == "events" else wire.Payload.MEASUREMENTS,
                rows=np.packbits(rows[start : min(start + 7, length)], axis=1, bitorder="little"),
                bits_per_cycle=bits,
                final=np.packbits(final, bitorder="little") if is_last else None,
                final_bits=final_bits if is_last else 0,
                flags=Flags.FIRST if start == 0 else 0,
            )
            sequence += 1
            results += play(session, [message])
    session.end(now_ns=9)
    assert summary(results) == [*((number, Status.OK) for number in range(5)), (5, Status.MALFORMED)]
    assert [result.flips[0] for result in results[:5]] == expected[:, 0].tolist()


STEPS = st.sampled_from(
    ["lose", "repeat", "swap", "corrupt", "truncate", "garbage", "version", "foreign", "late", "abort"]
)


@settings(max_examples=300)
@given(st.data(), st.integers(1, 9))
def test_no_damage_leads_to_a_wrong_answer(data: st.DataObject, frame_cycles: int) -> None:
    session = fresh()
    messages = stream_of_shots(4, frame_cycles=frame_cycles)
    per_shot = len(messages) // 4
    whole = {number: messages[number * per_shot : (number + 1) * per_shot] for number in range(4)}
    for _ in range(data.draw(st.integers(0, 5))):
        if not messages:
            break
        at = data.draw(st.integers(0, len(messages) - 1))
        message = messages[at]
        match data.draw(STEPS):
            case "lose":
                del messages[at : at + data.draw(st.integers(1, 8))]
            case "repeat":
                messages.insert(data.draw(st.integers(at, len(messages))), message)
            case "swap":
                other = data.draw(st.integers(0, len(messages) - 1))
                messages[at], messages[other] = messages[other], message
            case "corrupt":
                place = data.draw(st.integers(0, max(0, len(message) - 1)))
                mask = data.draw(st.integers(1, 255))
                if message:
                    broken = bytes([message[place] ^ mask])
                    messages[at] = message[:place] + broken + message[place + 1 :]
            case "truncate":
                messages[at] = message[: data.draw(st.integers(0, max(0, len(message) - 1)))]
            case "garbage":
                messages.insert(at, data.draw(st.binary(max_size=200)))
            case "version":
                messages[at] = message[:4] + b"\x07\x00" + message[6:]
            case "late":
                messages.insert(at, LONG_WAIT)
            case "abort" if len(message) >= 64:
                messages[at] = changed(message[:64], flags=Flags.ABORT, cycles=0, final_bits=0)
            case "foreign":
                messages.insert(at, changed(stream_of_shots(1)[0], session=99))
    results = play(session, messages)
    results += [wire.parse_result(answer) for answer in session.tick(now_ns=10**12)]
    numbers = [number for number, _ in summary(results)]
    assert len(set(numbers)) == len(numbers)
    for result in results:
        if result.status == Status.OK:
            assert is_right(result)
        else:
            assert not result.flips.any()
    for number, frames in whole.items():
        if not set(frames) <= set(messages):
            assert (number, Status.OK) not in summary(results)
    assert session.record["is_open"] == 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m[:1] + m[2:], [(0, Status.GAP), (1, Status.OK)]),  # lost
        (lambda m: m[1:], [(0, Status.GAP), (1, Status.OK)]),  # the first is lost
        (lambda m: m[:2] + m[3:], [(0, Status.GAP), (1, Status.OK)]),  # the last is lost
        (lambda m: m[:2] + m[1:], [(0, Status.OK), (1, Status.OK)]),  # repeated
        (lambda m: [m[1], m[0], *m[2:]], [(0, Status.GAP), (1, Status.OK)]),  # reordered
        (lambda m: [m[0], m[1][:-1], *m[2:]], [(0, Status.MALFORMED), (1, Status.OK)]),
        (lambda m: [m[0], m[1][:80] + b"\xff" + m[1][81:], *m[2:]], [(0, Status.MALFORMED), (1, Status.OK)]),
        (lambda m: [m[0], changed(m[1], version=2), *m[2:]], [(0, Status.MALFORMED), (1, Status.OK)]),
        (lambda m: [m[0], b"noise", *m[1:]], [(0, Status.OK), (1, Status.OK)]),
        (lambda m: [m[0], changed(m[1], session=1), *m[1:]], [(0, Status.OK), (1, Status.OK)]),
        (lambda m: [m[0], changed(m[1], stream=1), *m[1:]], [(0, Status.OK), (1, Status.OK)]),
        (lambda m: [m[0], changed(m[1], first_cycle=6), *m[2:]], [(0, Status.MALFORMED), (1, Status.OK)]),
        (lambda m: [m[0], changed(m[1], kind=2), *m[2:]], [(0, Status.MALFORMED), (1, Status.OK)]),
        (lambda m: [m[0], changed(m[1], bits_per_cycle=56, cycles=1), *m[2:]], [(0, 3), (1, Status.OK)]),
        (lambda m: [m[0], changed(m[1], flags=Flags.FIRST), *m[2:]], [(0, 3), (1, Status.OK)]),
        (
            lambda m: [m[0], changed(m[1][:64], flags=4, cycles=0), *m[2:]],
            [(0, Status.ABORTED), (1, Status.OK)],
        ),
        (lambda m: [changed(m[0], flags=0), *m[1:]], [(0, Status.RESTARTED), (1, Status.OK)]),
        (lambda m: m + m, [(0, Status.OK), (1, Status.OK)]),
    ],
)
def test_each_fault_has_its_status(session: Session, change, expected) -> None:  # type: ignore[no-untyped-def]
    assert summary(play(session, change(stream_of_shots(2)))) == expected


def test_a_silent_source_times_out_once() -> None:
    session = fresh()
    first, *rest = stream_of_shots(2)
    play(session, [first])
    assert session.tick(now_ns=10**9) == []
    (answer,) = session.tick(now_ns=10**9 + 10)
    assert summary([wire.parse_result(answer)]) == [(0, Status.TIMEOUT)]
    assert session.tick(now_ns=10**10) == []
    assert summary(play(session, rest)) == [(1, Status.OK)]
    assert session.counters()["drained"] == 2


def test_a_shot_cut_off_by_a_new_session_is_restarted_and_late_frames_are_foreign() -> None:
    session = fresh()
    messages = stream_of_shots(2)
    play(session, messages[:2])
    (answer,) = session.end(now_ns=9)
    assert summary([wire.parse_result(answer)]) == [(0, Status.RESTARTED)]
    session.begin(session=78)
    assert play(session, messages[2:]) == []
    assert session.counters()["foreign"] == 4
    again = [changed(message, session=78) for message in messages]
    assert summary(play(session, again)) == [(0, Status.OK), (1, Status.OK)]


def test_overload_fails_the_shot_or_waits_as_the_policy_says() -> None:
    data = shots()
    messages = frames_of(data.packed[0], number=0, sequence=0, bits=data.bits)
    late = 60_000_000
    for policy, status in (("drop-shot", Status.BACKLOG), ("block", Status.OK)):
        session = fresh(policy=policy)
        answers = [answer for message in messages for answer in session.receive(message, now_ns=late)]
        (result,) = [wire.parse_result(answer) for answer in answers]
        assert result.status == status
        assert session.counters()["late_frames"] == 3
        assert result.header["max_backlog"] > 59_000


def test_lateness_equal_to_the_limit_is_none() -> None:
    (message,) = stream_of_shots(1, frame_cycles=20)  # due after 19 cycles
    for late, status in ((50_000_000, Status.OK), (50_000_001, Status.BACKLOG)):
        assert wire.parse_result(fresh().receive(message, now_ns=19 * CYCLE_NS + late)[0]).status == status


def test_a_shot_longer_than_allowed_is_oversize() -> None:
    decoder = StreamingDecoder.from_circuit(circuit(), commit=6, buffer=3)
    for max_cycles, status in ((19, Status.OVERSIZE), (20, Status.OK)):
        session = Session(decoder=decoder, limits=SessionLimits(max_cycles=max_cycles))
        session.begin(session=SESSION)
        assert summary(play(session, stream_of_shots(1))) == [(0, status)]


def test_a_shot_aborted_before_its_first_cycle_has_no_backlog(session: Session) -> None:
    (result,) = play(session, [changed(stream_of_shots(1)[0][:64], flags=Flags.ABORT, cycles=0)])
    assert (result.status, result.header["cycles"], result.header["max_backlog"]) == (Status.RESTARTED, 0, 0)


def test_a_shot_of_impossible_length_is_malformed(session: Session) -> None:
    message = frames_of(shots().packed[0][:1], number=0, sequence=0, bits=shots().bits)
    assert summary(play(session, message)) == [(0, Status.MALFORMED)]


def test_events_that_nothing_explains_are_said_to_be_so() -> None:
    dem = "error(0.1) D0 D1\nerror(0.1) D1 D2 L0\ndetector(0,0,0) D0\ndetector(0,0,1) D1\ndetector(0,0,2) D2"
    session = Session(decoder=StreamingDecoder.from_dem(stim.DetectorErrorModel(dem)))
    session.begin(session=SESSION)
    shot = np.array([[0], [1], [0]], dtype=np.uint8)
    good = np.array([[0], [1], [1]], dtype=np.uint8)
    results = play(session, frames_of(shot, number=0, sequence=0, bits=1))
    results += play(session, frames_of(good, number=1, sequence=1, bits=1))
    assert summary(results) == [(0, Status.UNEXPLAINED), (1, Status.OK)]
    assert results[1].flips.tolist() == [1]


def test_a_workspace_that_is_too_small_grows_in_the_middle_of_a_frame(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = StreamingDecoder.from_circuit(circuit(), commit=6, buffer=3)
    noise = np.random.default_rng(1).random((1, circuit().num_detectors)) < 0.4
    unpacked = offline.to_frames(noise)
    dense = np.packbits(unpacked[0], axis=1, bitorder="little")
    small = StreamingDecoder.from_circuit(circuit(), commit=6, buffer=3)
    with monkeypatch.context() as patch:
        patch.setattr(Workspace, "grow", lambda self: self._resize(2))
        tiny = Session(decoder=small)
    tiny.begin(session=SESSION)
    results = play(tiny, frames_of(dense, number=0, sequence=0, bits=shots().bits))
    assert summary(results) == [(0, Status.OK)]
    assert results[0].flips.tolist() == offline.decode_frames(unpacked)[0].tolist()
    assert tiny.counters()["growths"] > 0


def test_commits_tell_what_is_final() -> None:
    session = fresh(commits=True)
    data = shots()
    offline = StreamingDecoder.from_circuit(circuit(), commit=6, buffer=3)
    for number in range(4):
        offline.reset()
        at = 0
        for message in frames_of(data.packed[number], number=number, sequence=3 * number, bits=data.bits):
            frame = wire.parse_frame(message)
            flips = offline.push(frame.rows, bit_packed=True)
            for result in play(session, [message]):
                if result.is_commit:
                    assert result.header["committed"] == offline.committed_cycles > at
                    assert result.flips[0] == flips[0]
                    at = offline.committed_cycles
        assert at > 0


@pytest.mark.parametrize("gap_ns", [0, 1000, 3000, 10**9])
def test_commits_come_at_most_so_often(gap_ns: int) -> None:
    """Twenty frames, 500 ns apart; two of the five of each shot end a window."""
    session = fresh(commits=True, commit_interval_ns=gap_ns)
    now, times = 10_000, []
    for message in stream_of_shots(4, frame_cycles=4):
        for answer in session.receive(message, now_ns=now):
            if wire.parse_result(answer).is_commit:
                times.append(now)
        now += 500
    assert all(later - earlier >= gap_ns for earlier, later in pairwise(times))
    assert len(times) == {0: 8, 1000: 4, 3000: 3, 10**9: 1}[gap_ns]
    with pytest.raises(ValueError, match="commit_interval_ns=-1"):
        fresh(commits=True, commit_interval_ns=-1)


def test_keeping_an_ending_near_changes_nothing() -> None:
    """Between any two frames, for any ending: no answer, no count, and the shot goes on as if nothing was."""
    session = fresh(commits=True)
    endings = [ending for ending in session._session.arrays["endings"] if ending["num_detectors"]]
    assert len(endings) > 5
    results = []
    for number, message in enumerate(stream_of_shots(6)):
        results += play(session, [message])
        before = session.record.copy()
        ending = endings[number % len(endings)]
        for at in range(70):
            loop.keep_cached(session.record, ending, at)
        before["touched"] = session.record["touched"]
        assert before == session.record
    answers = [result for result in results if not result.is_commit]
    assert summary(answers) == [(number, Status.OK) for number in range(6)]
    assert all(is_right(result) for result in answers)


def test_histograms_are_whole_while_the_loop_counts_on() -> None:
    """Another thread reads them: the number may be ahead of the buckets when it is copied."""
    session = fresh()
    play(session, stream_of_shots(3))
    session._latencies.arrays["totals"][:, COUNT] += 5
    for histogram in session.histograms().values():
        assert histogram.num == histogram.counts.sum()
        if histogram.num:
            assert histogram.percentile(99.9) <= histogram.max
    assert session.histograms()["decision"].num == 3
    session.reset_latencies()


def test_one_cycle_cannot_be_sent_as_measurements() -> None:
    short = Session(decoder=StreamingDecoder.from_circuit(circuit(rounds=1)))
    with pytest.raises(ValueError, match="two or more cycles"):
        short.begin(session=SESSION, kind="measurements")


@given(data_frames(), st.data())
def test_the_compiled_check_is_that_of_the_wire(fields: dict, data: st.DataObject) -> None:  # type: ignore[type-arg]
    message = wire.encode_frame(**fields)
    names = ["version", "header_length", "type", "session", "flags", "kind", "cycles", "reserved"]
    names += ["bits_per_cycle", "final_bits", "sequence", "due_ns"]
    for _ in range(data.draw(st.integers(0, 2))):
        name = data.draw(st.sampled_from(names))
        value = data.draw(st.integers(0, 100) | st.just(255))
        if name in ("sequence", "due_ns") and data.draw(st.booleans()):
            value = -data.draw(st.sampled_from([2**62 - 1, 2**62]))
        message = changed(message, **{name: -value if name in ("session", "sequence", "due_ns") else value})
    message = message[: data.draw(st.sampled_from([len(message), len(message), 30, 64, 70]))]
    try:
        wire.parse_frame(message)
        fault = wire.Fault.NONE
    except wire.WireError as error:
        fault = error.fault
    frame = np.zeros(wire.MAX_MESSAGE, dtype=np.uint8)
    frame[: len(message)] = np.frombuffer(message, dtype=np.uint8)
    header = frame[: wire.HEADER.itemsize].view(wire.HEADER)[0]
    assert find_fault(frame, header, np.int64(len(message))) == fault


def test_latencies_are_counted_from_due_times() -> None:
    session = fresh()
    data = shots()
    for message in frames_of(data.packed[0], number=0, sequence=0, bits=data.bits, due_ns=CYCLE_NS):
        due = int(wire.parse_frame(message).header["due_ns"])
        session.receive(message, now_ns=due + 300, clock=partial(int, due + 500))
    histograms = session.histograms()
    assert histograms.pop("reaction").num == 0  # sources report them
    assert {name: (h.num, h.max) for name, h in histograms.items()} == {
        "frame": (3, 300),
        "service": (3, 200),
        "window": (1, histograms["window"].max),
        "decision": (1, 200),
        "shot": (1, 500),
    }
    # Commit and buffer are 6 and 3 cycles: the window was full with the second frame's second cycle.
    assert session.commit + session.buffer_cycles == 9
    assert histograms["window"].max == 500 + 5 * CYCLE_NS
    assert session.trace_rows()[:, 1].tolist() == [7, 14, 20]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"session": 0}, "session 0: expected 1"),
        ({"session": 5, "kind": "pulses"}, "no kind of frame is named 'pulses'"),
        ({"session": 5, "cycle_ns": -1}, "cycle_ns=-1"),
        ({"session": 5, "policy": "hope"}, "no policy is named 'hope'"),
    ],
)
def test_bad_beginnings_are_refused(session: Session, arguments: dict, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        session.begin(**arguments)


def test_warming_up_leaves_no_trace(session: Session) -> None:
    session.warm_up()
    assert session.counters()["shots"] == 0
    assert summary(play(session, stream_of_shots(2))) == [(0, Status.OK), (1, Status.OK)]
