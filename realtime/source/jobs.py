"""Jobs of a source and their reports, as plain data that can be sent between threads and processes."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from realtime.kernels.clock import now_ns
from realtime.latency import Histogram
from realtime.placement import pin_thread
from realtime.source.player import PlayedShot, Player, play_together
from realtime.source.playlist import Playlist

#: Receives the reports of a source.
Emit = Callable[[dict[str, Any]], None]
# Time to wait for an answer after the last cycle; longer for a source that waits (blocks): when its last
# frame leaves, the decoder may still have thousands of frames to decode.
_PATIENCE_S = {False: 2.0, True: 60.0}


@dataclass(frozen=True, kw_only=True)
class Job:
    """Play the shots of a playlist cyclically, until `shots` were played on each stream.

    Attributes:
        folder: written by `Playlist.save`.
        shots: number of shots on each stream.
        first: number of the first shot to play.
        apart: shots by which each stream begins later in the playlist than the stream before it.
        seconds: end after this time, even with fewer shots; 0: no limit.
    """

    folder: str
    shots: int
    first: int = 0
    apart: int = 1
    seconds: float = 0.0


@dataclass
class Place:
    """Place in a list of jobs, from which an interrupted list is continued.

    Attributes:
        jobs: being played.
        number: of the present job.
        count: shots of it that were begun on each stream.
        open: numbers, in the playlist, of the shots that were begun and are not reported, of each stream.
        begin_ns: when the job began; 0 before.
        before: overruns and frames of each stream before the job.
    """

    jobs: Sequence[Job] = ()
    number: int = 0
    count: int = 0
    open: list[int] = field(default_factory=list)
    begin_ns: int = 0
    before: list[tuple[int, int]] = field(default_factory=list)


def play_jobs(
    players: Sequence[Player],
    jobs: Sequence[Job],
    emit: Emit,
    stop: threading.Event,
    *,
    place: Place | None = None,
) -> None:
    """Play jobs one after the other, each on all streams at once.

    Every shot is reported as "shot", with the numbers of its job, of its stream (from 0 among the players)
    and of the shot in its playlist, the fields of `PlayedShot` (flips in hexadecimal), and the backlog in
    parts of the shot if commits were received; every job is reported as "job" for each stream, with
    histograms.

    Args:
        players: one for each stream.
        jobs: to play.
        emit: called with each report, a JSON object.
        stop: when set, playing ends.
        place: where to begin; it follows what is played.

    Raises:
        InterruptedError: `stop` was set.
    """
    place = place or Place(jobs)
    streams = range(len(players))
    patience_s = _PATIENCE_S[players[0].blocks]
    # Frames of different streams are sent in turn, not all at once.
    offset = players[0].frame_cycles / len(players)
    for number in range(place.number, len(jobs)):
        job, place.number = jobs[number], number
        playlist = Playlist.load(Path(job.folder))
        if not place.begin_ns:
            for player in players:
                player.lateness, player.commits = Histogram(), Histogram()
            place.begin_ns = int(now_ns())
            place.before = [(player.overruns, player.frames_sent) for player in players]
        while place.count < job.shots:
            if stop.is_set():
                raise InterruptedError("stopped between two shots")
            if job.seconds and now_ns() - place.begin_ns > job.seconds * 1e9:
                break
            indices = [(job.first + place.count + job.apart * at) % playlist.num_shots for at in streams]
            place.count, place.open = place.count + 1, indices
            together = play_together(
                players,
                [playlist] * len(players),
                indices,
                cycle_offset=offset,
                patience_s=patience_s,
            )
            place.open = []
            for stream, (index, (played, backlog)) in enumerate(zip(indices, together, strict=True)):
                report = {"type": "shot", "job": number, "stream": stream, "index": index, **_plain(played)}
                if backlog.any():
                    report["backlog"] = backlog.tolist()
                emit(report)
        for stream, (player, (overruns, frames)) in enumerate(zip(players, place.before, strict=True)):
            emit(
                {
                    "type": "job",
                    "job": number,
                    "stream": stream,
                    "seconds": (now_ns() - place.begin_ns) / 1e9,
                    "overruns": player.overruns - overruns,
                    "frames": player.frames_sent - frames,
                    "strange_answers": player.strange_answers,
                    "lateness": player.lateness.to_json(),
                    "commits": player.commits.to_json(),
                }
            )
        place.begin_ns = place.count = 0


def report_missing(place: Place, players: Sequence[Player], emit: Emit) -> None:
    """Report the shots that were interrupted as missing."""
    for stream, (index, player) in enumerate(zip(place.open, players, strict=False)):
        played = _plain(player.missing_shot())
        emit({"type": "shot", "job": place.number, "stream": stream, "index": index, **played})
    place.open = []


def _plain(played: PlayedShot) -> dict[str, Any]:
    values = asdict(played)
    values["flips"] = None if played.flips is None else played.flips.hex()
    return values


def in_thread(
    players: Sequence[Player], jobs: Sequence[Job], *, stop: threading.Event, core: int | None
) -> Iterator[Any]:
    """Play jobs in a new thread, and iterate over their reports; see `play_jobs`.

    Ending the iteration early ends the thread.
    """
    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        pin_thread(core)
        try:
            play_jobs(players, jobs, reports.put, stop)
            reports.put(None)
        except BaseException as error:  # raised again in the thread that iterates
            reports.put(error)

    thread = threading.Thread(target=run, name="source", daemon=True)
    thread.start()
    try:
        while (report := reports.get()) is not None:
            if isinstance(report, BaseException):
                raise report
            yield report
    finally:
        if thread.is_alive():
            stop.set()
            thread.join()
