"""Damaged frames: answered where they can be attributed, and never believed."""

from functools import partial

import pytest

from decoders import StreamingDecoder
from realtime.protocol.wire import MAX_NUMBER, Status, parse_result
from realtime.service.session import Session
from tests.support.loop_shots import SESSION, changed, circuit, frames_of, shots


@pytest.fixture
def session() -> Session:
    made = Session(decoder=StreamingDecoder.from_circuit(circuit()))
    made.begin(session=SESSION)
    return made


def three_shots() -> list[bytes]:
    """Shots of one frame each."""
    data = shots()
    made: list[bytes] = []
    for number in range(3):
        made += frames_of(
            data.packed[number], number=number, sequence=number, bits=data.bits, frame_cycles=20, due_ns=0
        )
    return made


def play(session: Session, messages: list[bytes]) -> list[tuple[int, Status]]:
    answers = [parse_result(answer) for m in messages for answer in session.receive(m, now_ns=5)]
    return [(int(answer.header["shot"]), answer.status) for answer in answers]


def with_padding(message: bytes) -> bytes:
    """A frame of a client that sets bits beyond the last column: 8 columns, said to be 7."""
    return changed(message[:64] + bytes([message[64] | 128]) + message[65:], bits_per_cycle=7, final_bits=7)


def wrong_byte(message: bytes) -> bytes:
    return message[:70] + bytes([message[70] ^ 255]) + message[71:]


@pytest.mark.parametrize(
    "damage", [with_padding, wrong_byte, lambda m: changed(m, version=9), lambda m: m[:80]]
)
def test_a_shot_of_one_damaged_frame_is_answered(session: Session, damage) -> None:  # type: ignore[no-untyped-def]
    """Its client would wait in vain, and learn nothing about its fault."""
    one, two, three = three_shots()
    found = play(session, [damage(one), two, damage(three)])
    assert found == [(0, Status.MALFORMED), (1, Status.OK), (2, Status.MALFORMED)]
    assert sum(session.faults().values()) == session.statuses()["MALFORMED"] == 2


@pytest.mark.parametrize("field", ["session", "sequence", "shot", "stream"])
def test_a_damaged_number_is_not_believed(session: Session, field: str) -> None:
    """It would make the session ignore what comes."""
    one, two, three = three_shots()
    wrong = wrong_byte(changed(two, **{field: 1 << 14}))
    assert play(session, [one, wrong, three]) == [(0, Status.OK), (2, Status.OK)]


@pytest.mark.parametrize("field", ["sequence", "shot", "first_cycle", "due_ns"])
def test_numbers_near_the_largest_are_refused(session: Session, field: str) -> None:
    """The checksum fits; all later frames would count as repeated, or a sum would overflow."""
    one, two, three = three_shots()
    found = play(session, [one, changed(two, **{field: 2**63 - 1}), three])
    assert [shot for shot in found if shot[0] != 1] == [(0, Status.OK), (2, Status.OK)]
    assert session.faults()["FIELD"] == 1


def test_due_times_far_ahead_are_counted_and_not_believed(session: Session) -> None:
    for message in three_shots():
        session.receive(changed(message, due_ns=2**61), now_ns=10**6, clock=partial(int, 10**6 + 500))
    counted = {name: (h.num, h.max) for name, h in session.histograms().items() if h.num}
    assert counted == {"service": (3, 500), "decision": (3, 500)}
    assert session.counters()["future_frames"] == 3


def test_skipped_sequence_numbers_do_not_overflow_their_count(session: Session) -> None:
    counted = 0
    for number in range(1, 7):
        session.end(now_ns=5)
        session.begin(session=number)
        session.receive(changed(three_shots()[0], session=number, sequence=MAX_NUMBER), now_ns=5)
        assert session.counters()["lost_frames"] > counted
        counted = session.counters()["lost_frames"]
