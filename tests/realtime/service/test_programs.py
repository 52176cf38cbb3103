"""A daemon that serves patches: decisions of a program in C, their outcomes, and reaction times."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import realtime
from realtime.protocol import wire
from realtime.protocol.wire import Flags
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from realtime.service.session import Session
from tests.support.documentation import PAGES, blocks
from tests.support.programs import patch_circuits, patch_model
from tests.support.waiting import until

_CYCLES = 11


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    folder = tmp_path_factory.mktemp("patches")
    files = []
    for name, circuit in zip(("idle", "z", "x"), patch_circuits(), strict=True):
        files.append(str(folder / f"{name}.stim"))
        circuit.to_file(files[-1])
    with DaemonProcess(DaemonConfig(model=files[0], readouts=tuple(files[1:]), gaps=True)) as daemon:
        yield daemon


def sampled(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Layers of patches with both readouts at the end, uint8 (patches, cycles + 2, columns)."""
    decoder = patch_model().make_decoder()
    circuits = patch_circuits()[1:]
    z, x = (
        decoder.of_readout(readout).to_frames(circuit.compile_detector_sampler(seed=3).sample(count))
        for readout, circuit in enumerate(circuits)
    )
    return np.concatenate([z[:, :_CYCLES], z[:, -1:], x[:, -1:]], axis=1)


def test_outcomes_are_those_of_the_chosen_basis(patches: DaemonProcess, tmp_path: Path) -> None:
    compiler = next(filter(None, map(shutil.which, ("gcc", "cc"))), None)
    if compiler is None:
        pytest.skip("no compiler for c")
    (source,) = blocks((PAGES / "feed_forward.md").read_text(), "c")
    (tmp_path / "decisions.c").write_text(source)
    headers = str(Path(realtime.__file__).with_name("clients"))
    command = [compiler, "-std=c99", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-I", headers]
    subprocess.run(
        [*command, "-o", str(tmp_path / "decisions"), str(tmp_path / "decisions.c")], check=True, timeout=60
    )
    layers = sampled(40)
    done = subprocess.run(
        [str(tmp_path / "decisions"), patches.control, str(_CYCLES)],
        input=np.packbits(layers, axis=2, bitorder="little").tobytes(),
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr.decode()
    decoder, basis, expected = patch_model().make_decoder(), 0, []
    for patch in layers:
        chosen = np.concatenate([patch[:_CYCLES], patch[_CYCLES + basis : _CYCLES + basis + 1]])
        value = int(decoder.decode(chosen, readout=basis)[basis])
        expected.append(f"{basis} 0 {value}")
        basis = value
    assert done.stdout.decode().splitlines() == expected
    assert {line[0] for line in expected} == {"0", "1"}
    with Client(patches.control) as client:
        reaction = client.latencies(name="reaction")
        assert reaction.num == 40
        (stream,) = client.stats()["streams"]
        assert stream["latencies_us"]["reaction"]["p50"] > 0


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"type": "open"}, "version 0 of programs: this daemon speaks version 1"),
        ({"type": "open", "version": 1}, "the session is not open on stream 0"),
        ({"type": "acted", "reactions_ns": [5]}, "the session is not open on stream 0"),
        ({"type": "open", "version": 1, "gaps": True}, "the session is not open on stream 0"),
        ({"type": "open", "version": 1, "patches": 2}, "open has no field 'patches'"),
    ],
)
def test_messages_of_programs_are_checked(
    patches: DaemonProcess, message: dict[str, Any], reason: str
) -> None:
    with Client(patches.control) as client, pytest.raises(ValueError, match=reason):
        client.ask(message)


@pytest.mark.parametrize("values", [[], [-1], [True], "5", [10**13], [1] * 1001])
def test_reaction_times_are_checked(patches: DaemonProcess, values: Any) -> None:
    with Client(patches.control) as client:
        welcome = client.hello()
        with pytest.raises(ValueError, match="reactions_ns"):
            client.ask({"type": "acted", "stream": 0, "session": welcome.session, "reactions_ns": values})
        client.bye(welcome)


def decide(layers: np.ndarray[Any, np.dtype[np.uint8]], *, session: int, shot: int, basis: int) -> bytes:
    """A patch in one frame, whose outcome is awaited; layers uint8 (cycles + 1, columns)."""
    rows, columns = np.packbits(layers, axis=1, bitorder="little"), layers.shape[1]
    return wire.encode_frame(
        session=session,
        stream=0,
        shot=shot,
        sequence=shot,
        first_cycle=0,
        due_ns=0,
        kind=wire.Payload.EVENTS,
        rows=rows[:-1],
        bits_per_cycle=columns,
        final=rows[-1],
        final_bits=columns,
        flags=Flags.FIRST | Flags.DECIDE | (Flags.SECOND_READOUT if basis else 0),
    )


def test_outcomes_have_gaps_where_a_session_asks_for_them(patches: DaemonProcess) -> None:
    decoder = patch_model().make_decoder(gaps=True)
    with Client(patches.control) as client:
        for has_gaps in (False, True):
            welcome = client.hello()
            question = {"type": "open", "version": 1, "stream": 0, "session": welcome.session}
            assert client.ask({**question, "gaps": has_gaps})["gaps"] is has_gaps
            pair = client.connect(welcome)
            for shot, patch in enumerate(sampled(6)):
                basis = shot % 2
                chosen = np.concatenate([patch[:_CYCLES], patch[_CYCLES + basis : _CYCLES + basis + 1]])
                message = decide(chosen, session=welcome.session, shot=shot, basis=basis)
                until(lambda: pair.send(message))  # noqa: B023
                result = wire.parse_result(pair.receive(timeout_ms=10_000) or b"")
                flips = decoder.decode(chosen, readout=basis)
                assert (result.flips[0] >> basis & 1) == flips[basis]
                if has_gaps:
                    assert result.gaps is not None
                    assert abs(result.gaps[basis] - decoder.gap(readout=basis)) < 1 / wire.GAP_STEPS
                else:
                    assert result.gaps is None
            if has_gaps:
                with pytest.raises(ValueError, match="before the first frame"):
                    client.ask({**question, "gaps": True})
                with pytest.raises(ValueError, match="gaps: 1: must be true or false"):
                    client.ask({**question, "gaps": 1})
            pair.close()
            client.bye(welcome)
    with pytest.raises(ValueError, match="this decoder finds no gaps"):
        Session(decoder=patch_model().make_decoder()).send_gaps()


def test_a_second_readout_of_a_memory_is_malformed() -> None:
    """Only patches have two."""
    decoder = patch_model().make_decoder().of_readout(0)
    session = Session(decoder=decoder)
    session.begin(session=1)
    row = np.zeros((1, wire.row_bytes(session.num_columns)), dtype=np.uint8)
    answers = []
    for cycle in range(4):
        last = cycle == 3
        message = wire.encode_frame(
            session=1,
            stream=0,
            shot=0,
            sequence=cycle,
            first_cycle=cycle,
            due_ns=0,
            kind=wire.Payload.EVENTS,
            rows=row,
            bits_per_cycle=session.num_columns,
            final=row[0] if last else None,
            final_bits=session.num_columns if last else 0,
            flags=(Flags.FIRST if cycle == 0 else 0) | (Flags.SECOND_READOUT | Flags.DECIDE if last else 0),
        )
        answers += session.receive(message, now_ns=1)
    (result,) = map(wire.parse_result, answers)
    assert result.status == wire.Status.MALFORMED
    assert int(result.header["type"]) == wire.Type.OUTCOME
