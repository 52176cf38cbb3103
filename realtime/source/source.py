"""The source: a process that plays shots to a daemon at the pace of a device, and tells what came back.

`python -m realtime.source.source` reads lines of JSON from standard input: first its configuration, then
lists of jobs (see `realtime.source.jobs`). It writes lines of JSON: {"type": "ready", ...} when everything is
compiled and the session is open, the reports of each list, {"type": "end"} after each list. It ends when its
input ends.
"""

import contextlib
import gc
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from realtime.placement import pin_thread
from realtime.protocol.wire import Flags
from realtime.security import ClientKeys
from realtime.service.client import Client, Welcome
from realtime.service.session import Policy
from realtime.source.jobs import Job, play_jobs
from realtime.source.player import Link, Player
from realtime.source.playlist import Playlist
from realtime.transport import Pair

_END = {"type": "end"}


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Where a source plays to, and how. Strings and numbers only, so that it travels as JSON.

    Attributes:
        control: the daemon's control address.
        playlist: folder of a playlist with the form of all that will be played.
        stream: number of the logical qubit.
        streams: play to so many, numbered from `stream` on, at once.
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame.
        policy: "drop-shot": give a shot up when its data are not taken; "block": wait, off the schedule.
        commits: ask for what is final in the middle of shots.
        commit_interval_ns: at most one such report in this time; 0: of every window.
        replay: mark the data as recorded.
        digest: of the decoder that the data need; None takes any.
        core, io_core: cores of the paced thread and of the thread that moves messages.
        secret_key, server_key: files of CURVE keys, both or none.
    """

    control: str
    playlist: str
    stream: int = 0
    streams: int = 1
    cycle_ns: float = 1100.0
    frame_cycles: int = 10
    policy: Policy = "drop-shot"
    commits: bool = True
    commit_interval_ns: int = 0
    replay: bool = False
    digest: str | None = None
    core: int | None = None
    io_core: int | None = None
    secret_key: str | None = None
    server_key: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.streams <= 64:
            raise ValueError(f"streams={self.streams}: 1 to 64")

    @property
    def keys(self) -> ClientKeys | None:
        """The key files.

        Raises:
            ValueError: only one of the two.
        """
        if self.secret_key is None and self.server_key is None:
            return None
        if self.secret_key is None or self.server_key is None:
            raise ValueError("a source with keys needs its own secret key and the daemon's public key")
        return ClientKeys(secret=Path(self.secret_key), server=Path(self.server_key))


def serve(config: SourceConfig, lines: Iterator[str], say: Callable[[dict[str, Any]], None]) -> None:
    """Play the lists of jobs that come as lines of JSON, until there are no more.

    Args:
        config: where to and how.
        lines: each a list of jobs; read in a thread of its own, so that their end is seen at once.
        say: takes what would be written.

    Raises:
        ValueError, TimeoutError, FileNotFoundError: the daemon refuses or is not there; no such playlist.
    """
    stop = threading.Event()
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            waiting.put(line)
        stop.set()  # whoever wrote them is gone or wants no more
        waiting.put(None)

    pin_thread(config.core)
    with Client(config.control, keys=config.keys, io_core=config.io_core) as client:
        form = Playlist.load(config.playlist)
        welcomes: list[Welcome] = []
        pairs: list[Pair] = []
        try:
            players = []
            for stream in range(config.stream, config.stream + config.streams):
                welcomes.append(_hello(client, config, form, stream))
                pairs.append(client.connect(welcomes[-1]))
                players.append(
                    Player(
                        link=Link.over_sockets(pairs[-1]),
                        session=welcomes[-1].session,
                        stream=stream,
                        playlist=form,
                        cycle_ns=config.cycle_ns,
                        frame_cycles=config.frame_cycles,
                        blocks=config.policy == "block",
                        flags=int(Flags.REPLAY) if config.replay else 0,
                        stop=stop,
                    )
                )
            players[0].warm_up(streams=len(players))
            threading.Thread(target=read, name="orders", daemon=True).start()
            say({"type": "ready", "session": welcomes[0].session, "digest": welcomes[0].digest})
            while (line := waiting.get()) is not None:
                play_jobs(players, [Job(**job) for job in json.loads(line)], say, stop)
                say(_END)
        except InterruptedError:
            pass
        finally:
            for pair in pairs:
                pair.close(linger_ms=100)
        for welcome in welcomes:
            client.bye(welcome)


def _hello(client: Client, config: SourceConfig, form: Playlist, stream: int) -> Welcome:
    """Begin a session for shots of a form.

    Raises:
        ValueError: the daemon refuses, or decodes something else.
    """
    welcome = client.hello(
        stream=stream,
        kind=form.kind,
        cycle_ns=round(config.cycle_ns),
        policy=config.policy,
        commits=config.commits,
        commit_interval_ns=config.commit_interval_ns,
        digest=config.digest,
    )
    if (welcome.bits, welcome.final_bits) != (form.bits, form.last_bits):
        raise ValueError(
            f"the shots have {form.bits} and {form.last_bits} bits, the daemon's decoder "
            f"{welcome.bits} and {welcome.final_bits}"
        )
    return welcome


class SourceProcess:
    """A source in a process of its own, which ends with this one.

    Use it in a `with` block: it is ready inside, and gone behind it.
    """

    def __init__(self, config: SourceConfig, *, timeout_s: float = 120.0) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process, 0 if it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ValueError: it, or the daemon, refused.
            RuntimeError: it ended at once.
            TimeoutError: it was not ready in time.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.source.source"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        try:
            self._order(asdict(self.config))
            self._next(self._timeout_s)
        except BaseException:
            self.stop()
            raise

    def play(self, jobs: Sequence[Job], *, silence_s: float = 60.0) -> Iterator[dict[str, Any]]:
        """Play jobs; gives the reports as they come.

        Args:
            jobs: what to play.
            silence_s: how long there may be no report; longer than the longest shot.

        Raises:
            RuntimeError: the source ended in the middle.
            TimeoutError: it was silent for too long.
        """
        self._order([asdict(job) for job in jobs])
        while (report := self._next(silence_s)) != _END:
            yield report

    def stop(self, *, timeout_s: float = 10.0) -> int:
        """End it; its exit status, 0 if it was not running."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it may be gone already
            process.stdin.close()
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        return status

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _order(self, value: Any) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the source does not run")
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the source has ended") from None

    def _next(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"the source was silent for {timeout_s:g} s") from None
        if line is None:
            raise RuntimeError("the source has ended")
        report: dict[str, Any] = json.loads(line)
        if report["type"] == "error":
            raise ValueError(report["message"])
        return report

    def _read(self, stream: TextIO) -> None:
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)


def main() -> int:
    """Serve standard input; returns the exit status."""
    # Ctrl-C is the parent's business: it closes our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(report: dict[str, Any]) -> None:
        print(json.dumps(report), flush=True)

    try:
        config = SourceConfig(**json.loads(sys.stdin.readline()))
        gc.collect()
        gc.freeze()
        gc.disable()
        serve(config, iter(sys.stdin.readline, ""), say)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        say({"type": "error", "message": str(error)})
        return 2
    return 0


if __name__ == "__main__":
    # The thread that reads standard input may be waiting there: no farewell to it.
    status = main()
    sys.stdout.flush()
    os._exit(status)
