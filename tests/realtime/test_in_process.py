"""The whole loop in one process: answers are those of the offline decoder, whatever happens to the source."""

import threading
from pathlib import Path

import numpy as np
import pytest

import qec
from decoders import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from qec import noise
from realtime.in_process import LocalLoop
from realtime.service.session import SessionLimits
from realtime.source.jobs import Job, in_thread
from realtime.source.player import Player
from realtime.source.playlist import Playlist
from realtime.source.simulation import sample_events

CIRCUIT = qec.memory_circuit(qec.RotatedSurfaceCode(3), rounds=60, basis="z", noise=noise.si1000(0.004))
PATIENT = SessionLimits(hard_ns=10_000_000_000, timeout_ns=1_000_000_000)


@pytest.fixture(scope="module")
def shots() -> Playlist:
    model = LayeredModel.from_dem(CIRCUIT.detector_error_model(decompose_errors=True))
    return sample_events(CIRCUIT, shots=30, seed=3, model=model)


def offline(shots: Playlist) -> list[bytes]:
    decoder = StreamingDecoder.from_circuit(CIRCUIT)
    answers = []
    for shot in range(shots.num_shots):
        decoder.reset()
        decoder.push(shots.rows[shot], bit_packed=True, kind=shots.kind)
        flips = decoder.finish(shots.last[shot], bit_packed=True, kind=shots.kind)
        answers.append(np.packbits(flips, bitorder="little").tobytes())
    return answers


@pytest.mark.parametrize("frame_cycles", [1, 10, 64])
def test_answers_are_those_of_the_offline_decoder(shots: Playlist, tmp_path: Path, frame_cycles: int) -> None:
    shots.save(tmp_path)
    decoder = StreamingDecoder.from_circuit(CIRCUIT)
    with LocalLoop(decoder=decoder, cycle_ns=20_000, commits=True, limits=PATIENT) as loop:
        player = Player(
            link=loop.link, session=loop.session, playlist=shots, cycle_ns=20_000, frame_cycles=frame_cycles
        )
        reports = list(
            in_thread([player], [Job(folder=str(tmp_path), shots=40)], stop=threading.Event(), core=None)
        )
        counters = loop.counters()
    *found, final = reports
    assert [report["status"] for report in found] == ["OK"] * 40
    assert [report["index"] for report in found] == [*range(30), *range(10)]
    wanted = offline(shots)
    assert [bytes.fromhex(report["flips"]) for report in found] == [
        wanted[report["index"]] for report in found
    ]
    assert final["frames"] == counters["accepted"] == 40 * -(-60 // frame_cycles)
    assert (final["overruns"], final["strange_answers"], counters["shots_ok"]) == (0, 0, 40)
    for report in found:
        assert report["done_ns"] >= report["received_ns"] >= report["due_ns"]
        assert report["back_ns"] >= report["done_ns"]


def test_two_streams_in_one_process(shots: Playlist, tmp_path: Path) -> None:
    """A job begins where it is told to, and the streams so many shots apart."""
    shots.save(tmp_path)
    with (
        LocalLoop(decoder=StreamingDecoder.from_circuit(CIRCUIT), cycle_ns=20_000, limits=PATIENT) as one,
        LocalLoop(
            decoder=StreamingDecoder.from_circuit(CIRCUIT), cycle_ns=20_000, limits=PATIENT, stream=1
        ) as two,
    ):
        players = [
            Player(link=loop.link, session=loop.session, stream=at, playlist=shots, cycle_ns=20_000)
            for at, loop in enumerate((one, two))
        ]
        job = Job(folder=str(tmp_path), shots=5, first=28, apart=10)
        reports = list(in_thread(players, [job, job], stop=threading.Event(), core=None))
    wanted = offline(shots)
    for number in range(2):
        for stream, indices in enumerate(([28, 29, 0, 1, 2], [8, 9, 10, 11, 12])):
            *found, final = [r for r in reports if (r["job"], r["stream"]) == (number, stream)]
            assert [report["index"] for report in found] == indices
            assert [report["status"] for report in found] == ["OK"] * 5
            assert [bytes.fromhex(r["flips"]) for r in found] == [wanted[index] for index in indices]
            assert (final["type"], final["frames"]) == ("job", 5 * 6)


def test_measurements_travel_as_well() -> None:
    model = LayeredModel.from_dem(CIRCUIT.detector_error_model(decompose_errors=True))
    measuring = MeasurementModel.from_circuit(CIRCUIT, model)
    assert measuring is not None
    shots = Playlist.from_measurements(
        measurements=CIRCUIT.compile_sampler(seed=2).sample(10), model=measuring
    )
    with LocalLoop(
        decoder=StreamingDecoder.from_circuit(CIRCUIT), kind="measurements", limits=PATIENT
    ) as loop:
        player = Player(link=loop.link, session=loop.session, playlist=shots, cycle_ns=20_000)
        found = [player.play(shots, shot)[0].flips for shot in range(10)]
    assert found == offline(shots)


def test_a_broken_off_job_leaves_no_thread(shots: Playlist, tmp_path: Path) -> None:
    shots.save(tmp_path)
    before = threading.active_count()
    with LocalLoop(decoder=StreamingDecoder.from_circuit(CIRCUIT), limits=PATIENT) as loop:
        stop = threading.Event()
        player = Player(link=loop.link, session=loop.session, playlist=shots, cycle_ns=20_000, stop=stop)
        reports = in_thread(
            [player], [Job(folder=str(tmp_path), shots=10**6, seconds=60)], stop=stop, core=None
        )
        assert next(reports)["status"] == "OK"
        reports.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_a_job_ends_after_its_time(shots: Playlist, tmp_path: Path) -> None:
    shots.save(tmp_path)
    with LocalLoop(decoder=StreamingDecoder.from_circuit(CIRCUIT), limits=PATIENT) as loop:
        player = Player(link=loop.link, session=loop.session, playlist=shots, cycle_ns=1100)
        job = Job(folder=str(tmp_path), shots=10**9, seconds=0.3)
        *found, final = in_thread([player], [job], stop=threading.Event(), core=None)
    assert 0.3 < final["seconds"] < 10
    assert len(found) >= 1


def test_what_goes_wrong_in_the_source_is_raised_where_reports_are_taken(
    shots: Playlist, tmp_path: Path
) -> None:
    with LocalLoop(decoder=StreamingDecoder.from_circuit(CIRCUIT)) as loop:
        player = Player(link=loop.link, session=loop.session, playlist=shots, cycle_ns=1100)
        with pytest.raises(FileNotFoundError):
            list(
                in_thread(
                    [player], [Job(folder=str(tmp_path / "no"), shots=1)], stop=threading.Event(), core=None
                )
            )


def test_wrong_kinds_are_refused() -> None:
    dem = CIRCUIT.detector_error_model(decompose_errors=True)
    loop = LocalLoop(decoder=StreamingDecoder.from_dem(dem), kind="measurements")
    with pytest.raises(ValueError, match="detection events only"), loop:
        pass
