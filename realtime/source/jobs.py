"""What a source is told to play, and what it tells of it, as plain data between threads and processes."""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from realtime.kernels.clock import now_ns
from realtime.latency import Histogram
from realtime.placement import pin_thread
from realtime.source.player import PlayedShot, Player, play_together
from realtime.source.playlist import Playlist

#: Takes the reports of a source.
Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Play the shots of a playlist, over and over until there were `shots` on each stream.

    Attributes:
        folder: where `Playlist.save` put it.
        shots: how many to play on each stream.
        first: number of the shot to begin with.
        apart: the second stream begins so many shots later in the playlist, the third twice as many ...
        seconds: end after this time, whatever `shots` says; 0 for no such end.
    """

    folder: str
    shots: int
    first: int = 0
    apart: int = 1
    seconds: float = 0.0


def play_jobs(players: Sequence[Player], jobs: Sequence[Job], emit: Emit, stop: threading.Event) -> None:
    """Play jobs one after the other, each on all streams at once.

    For every shot a report of type "shot" with the numbers of its job, of its stream (counted from 0 among
    the players), and of the shot in its playlist, what `PlayedShot` says (flips in hexadecimal) and the
    backlog in parts of the shot where commits tell it; for every job and stream one of type "job" with
    histograms.

    Raises:
        InterruptedError: `stop` was set.
    """
    streams = range(len(players))
    # Frames of different streams leave in turns, not all at once.
    offset = players[0].frame_cycles / len(players)
    for number, job in enumerate(jobs):
        playlist = Playlist.load(Path(job.folder))
        for player in players:
            player.lateness, player.commits = Histogram(), Histogram()
        begin = now_ns()
        before = [(player.overruns, player.frames_sent) for player in players]
        for count in range(job.shots):
            if stop.is_set():
                raise InterruptedError("stopped between two shots")
            if job.seconds and now_ns() - begin > job.seconds * 1e9:
                break
            indices = [(job.first + count + job.apart * at) % playlist.num_shots for at in streams]
            together = play_together(players, [playlist] * len(players), indices, cycle_offset=offset)
            for stream, (index, (played, backlog)) in enumerate(zip(indices, together, strict=True)):
                report = {"type": "shot", "job": number, "stream": stream, "index": index, **_plain(played)}
                if backlog.any():
                    report["backlog"] = backlog.tolist()
                emit(report)
        for stream, (player, (overruns, frames)) in enumerate(zip(players, before, strict=True)):
            emit(
                {
                    "type": "job",
                    "job": number,
                    "stream": stream,
                    "seconds": (now_ns() - begin) / 1e9,
                    "overruns": player.overruns - overruns,
                    "frames": player.frames_sent - frames,
                    "strange_answers": player.strange_answers,
                    "lateness": player.lateness.to_json(),
                    "commits": player.commits.to_json(),
                }
            )


def _plain(played: PlayedShot) -> dict[str, Any]:
    values = asdict(played)
    values["flips"] = None if played.flips is None else played.flips.hex()
    return values


def in_thread(
    players: Sequence[Player], jobs: Sequence[Job], *, stop: threading.Event, core: int | None
) -> Iterator[Any]:
    """Play jobs in a thread of their own; gives the reports as they come. See `play_jobs`.

    Leaving the iteration early ends the thread.
    """
    reports: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def run() -> None:
        pin_thread(core)
        try:
            play_jobs(players, jobs, reports.put, stop)
            reports.put(None)
        except BaseException as error:  # raised again where the reports are taken
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
