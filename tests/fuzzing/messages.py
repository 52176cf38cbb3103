"""Checks of what a daemon receives: frames, control messages, and whole sessions in any order."""

import atexit
import contextlib
import io
import json
import zlib
from functools import cache
from typing import Any

import numpy as np
import stim
from numpy.typing import NDArray

from decoders import StreamingDecoder
from realtime.kernels.frames import find_fault
from realtime.latency import Histogram
from realtime.protocol import wire
from realtime.protocol.wire import Flags, Status
from realtime.service.daemon import Daemon, DaemonConfig
from realtime.service.session import Session
from tests.fuzzing.choices import Choices
from tests.fuzzing.refusals import or_refused, refusing
from tests.fuzzing.scratch import scratch
from tests.support.loop_shots import changed, frames_of


@cache
def _circuit() -> stim.Circuit:
    """Return a small memory: interpreted kernels are to decode thousands of its shots."""
    return stim.Circuit.generated(
        "repetition_code:memory",
        distance=3,
        rounds=8,
        before_round_data_depolarization=0.1,
        before_measure_flip_probability=0.1,
    )


def frame(data: bytes) -> None:
    """One message: the reader in Python, its compiled twin and the encoder agree."""
    if not data:
        return
    message = data[1:]
    if data[0] % 2:
        for dtype in (wire.HEADER, wire.RESULT):
            if len(message) >= dtype.itemsize and message[7] == dtype.itemsize:
                message = wire.sealed(message, dtype)
    padded = np.zeros(wire.MAX_MESSAGE, dtype=np.uint8)
    size = min(len(message), wire.MAX_MESSAGE)
    padded[:size] = np.frombuffer(message, dtype=np.uint8, count=size)
    header = padded[: wire.HEADER.itemsize].view(wire.HEADER)[0]
    compiled = int(find_fault(padded, header, np.int64(len(message))))
    fault = wire.Fault.NONE
    try:
        _encode_again(wire.parse_frame(message), message)
    except wire.WireError as error:
        fault = error.fault
        _check_line(str(error))
    assert compiled == fault
    with contextlib.suppress(wire.WireError):
        result = wire.parse_result(message)
        assert len(result.flips) == wire.row_bytes(int(result.header["num_observables"]))
        assert result.status in Status


def _check_line(text: str) -> None:
    assert len(text.splitlines()) == 1


def _encode_again(found: wire.Frame, message: bytes) -> None:
    header = found.header
    names = ("session", "stream", "shot", "sequence", "first_cycle", "due_ns", "bits_per_cycle", "final_bits")
    flags = int(header["flags"])
    again = wire.encode_frame(
        **{name: int(header[name]) for name in names},
        kind=wire.Payload(int(header["kind"])),
        rows=found.rows,
        final=found.final if flags & Flags.LAST else None,
        flags=flags,
    )
    assert again == message


def control_message(data: bytes) -> None:
    """One control message, as text."""
    with or_refused():
        message = wire.parse_control(data)
    # What was read fits into a message again, unless it has NaN or was close to the limit in length.
    with refusing():
        assert wire.parse_control(wire.encode_control(message)) == message


@cache
def _daemon() -> Daemon:
    path = scratch() / "memory.stim"
    path.write_text(str(_circuit()))
    made = Daemon(DaemonConfig(model=str(path), streams=1), write=io.StringIO().write)
    atexit.register(made.close)
    return made


def control(data: bytes) -> None:
    """Control messages, one a line, to a daemon with one stream."""
    daemon = _daemon()
    keeper: Any = daemon._control
    for line in data.split(b"\n")[:20]:
        try:
            message = wire.parse_control(line)
        except ValueError as error:
            _check_line(str(error))
            continue
        reply = keeper.answer(message, "")
        text = wire.encode_control(reply)
        assert len(text) <= wire.MAX_CONTROL
        if reply["type"] == "error":
            assert "internal error" not in reply["message"], reply
            _check_line(reply["message"])
        keeper.supervise()
    for worker in daemon._workers:
        assert worker.is_alive
    for stream in list(keeper._owned):
        keeper._end(stream, "the case ends")


def stored_settings(data: bytes) -> None:
    """Configurations of a daemon and histograms, as JSON: what is read is written again."""
    if not data:
        return
    text = data[1:].decode(errors="replace")
    if data[0] % 2:
        with or_refused():
            config = DaemonConfig.from_json(text)
        assert DaemonConfig.from_json(config.to_json()).to_json() == config.to_json()
        return
    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text)
        if isinstance(value, dict):
            with or_refused():
                histogram = Histogram.from_json(value)
            again = Histogram.from_json(histogram.to_json())
            assert np.array_equal(again.counts, histogram.counts)
            assert (histogram.counts >= 0).all()


@cache
def _session() -> Session:
    decoder = StreamingDecoder.from_circuit(_circuit(), commit=2, buffer=2)
    return Session(decoder=decoder)


@cache
def _offline() -> StreamingDecoder:
    return StreamingDecoder.from_circuit(_circuit(), commit=2, buffer=2)


def _decoded(rows: NDArray[np.uint8]) -> bytes:
    """Return the flips of one shot, uint8 (layers, bytes), by the offline decoder."""
    bits = np.unpackbits(rows, axis=1, count=_session().num_columns, bitorder="little")
    return _offline().decode_frames(bits[np.newaxis])[0].tobytes()


@cache
def _shots() -> NDArray[np.uint8]:
    """Shots that some error explains, and which are not empty; uint8 (shots, layers, bytes)."""
    events = _circuit().compile_detector_sampler(seed=5).sample(4)
    packed: NDArray[np.uint8] = np.packbits(_offline().to_frames(events), axis=2, bitorder="little")
    return packed


_FIELDS = ("stream", "flags", "cycles", "kind", "shot", "sequence", "first_cycle", "due_ns", "final_bits")
_VALUES = (0, 1, 2, 3, 7, 8, 16, 64, 255, 65535, 2**31, 2**62 - 1, 2**62, 2**63 - 1)


class _Play:
    """A session, what was sent to it, and what it answered."""

    def __init__(self, choices: Choices) -> None:
        self.session, self.now, self.number = _session(), 10, 0
        self.commits, self.policy = choices.flag(), choices.of(["drop-shot", "block"])
        self.frame_cycles = choices.number(1, 9)
        self.begin()

    def begin(self) -> None:
        """Begin a session, with shots that nobody has sent."""
        self.session.end(now_ns=self.now)
        self.number += 1
        self.session.begin(
            session=self.number,
            cycle_ns=1000,
            commits=self.commits,
            policy=self.policy,  # type: ignore[arg-type]
        )
        self.before = self.session.counters()
        self.sent: list[bytes] = []
        self.answers: list[wire.Result] = []
        self.frames: list[bytes] = []
        for number in range(5):
            self.frames += frames_of(
                _shots()[number % len(_shots())],
                number=number,
                sequence=len(self.frames),
                bits=self.session.num_columns,
                frame_cycles=self.frame_cycles,
                session=self.number,
                due_ns=0,
            )
        self.next = 0

    def send(self, message: bytes) -> None:
        """Send a message, and check the answers to it."""
        self.sent.append(message)
        self.take(self.session.receive(message, now_ns=self.now))

    def take(self, answers: list[bytes]) -> None:
        """Check answers: an OK is what the offline decoder says to what was sent; all else says nothing."""
        for answer in answers:
            result = wire.parse_result(answer)
            if result.is_commit:
                assert self.commits
                continue
            number = int(result.header["shot"])
            assert number not in [int(one.header["shot"]) for one in self.answers], "answered twice"
            self.answers.append(result)
            if result.status == Status.OK:
                assert self.is_right(number, result), "a wrong answer"
            else:
                assert not result.flips.any()

    def is_right(self, number: int, result: wire.Result) -> bool:
        """Whether an answer is the offline decoder's to this shot's frames, in the order of their cycles."""
        rows: list[NDArray[np.uint8]] = []
        for message in self.sent:
            with contextlib.suppress(wire.WireError):
                frame = wire.parse_frame(message)
                if (int(frame.header["shot"]), int(frame.header["session"])) != (number, self.number):
                    continue
                if int(frame.header["first_cycle"]) == len(rows):
                    rows += list(frame.rows)
                    if int(frame.header["flags"]) & Flags.LAST:
                        rows.append(frame.final)
                        break
        whole = np.array(rows, dtype=np.uint8)
        same = zlib.crc32(whole.tobytes()) == int(result.header["syndrome_hash"])
        return (
            same
            and len(rows) == int(result.header["cycles"]) + 1
            and _decoded(whole) == result.flips.tobytes()
        )

    def step(self, choices: Choices) -> None:
        """Do one thing that can happen to a session."""
        place = choices.number(0, len(self.frames) - 1)
        message = self.frames[place]
        match choices.number(0, 9):
            case 0 | 1 | 2:
                for _ in range(choices.number(1, 4)):
                    self.send(self.frames[self.next])
                    self.next = (self.next + 1) % len(self.frames)
            case 3:
                self.send(message)
                self.next = (place + 1) % len(self.frames)
            case 4:
                at, mask = choices.number(0, len(message) - 1), choices.number(1, 255)
                self.send(message[:at] + bytes([message[at] ^ mask]) + message[at + 1 :])
            case 5:
                fields = {choices.of(_FIELDS): choices.of(_VALUES) for _ in range(choices.number(1, 2))}
                fields = {
                    name: value & (2**63 - 1 if value > 65535 else value) for name, value in fields.items()
                }
                small = {"stream", "flags", "cycles", "final_bits"}
                fields = {
                    name: min(value, 255 if name == "kind" else 65535) if name in small | {"kind"} else value
                    for name, value in fields.items()
                }
                self.send(changed(message, **fields))
            case 6:
                self.send(message[: choices.number(0, len(message))] + choices.bytes(choices.number(0, 9)))
            case 7:
                self.now += 10 ** choices.number(0, 12)
                self.take(self.session.tick(now_ns=self.now))
            case 8:
                self.send(changed(message[:64], flags=Flags.ABORT, cycles=0, final_bits=0))
            case 9:
                self.take(self.session.end(now_ns=self.now))
                self.close()
                self.begin()

    def close(self) -> None:
        """Check that each answer was counted once, and that no counter went down."""
        grown = {name: value - self.before[name] for name, value in self.session.counters().items()}
        assert grown["shots"] == len(self.answers)
        assert min(grown.values()) >= 0, grown


def session(data: bytes) -> None:
    """A session whose frames arrive in any order, damaged, late, repeated, with other fields."""
    choices = Choices(data)
    play = _Play(choices)
    for _ in range(60):
        if not choices:
            break
        play.step(choices)
    play.take(play.session.end(now_ns=play.now))
    play.close()
    assert play.session.record["is_open"] == 0
