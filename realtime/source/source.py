"""Source process: play shots to a daemon on the schedule of a device, and report the answers.

`python -m realtime.source.source` reads lines of JSON from standard input: first its configuration, then
lists of jobs (see `realtime.source.jobs`). It writes lines of JSON: {"type": "ready", ...} when all kernels
are compiled and the session is open, the reports of each list, {"type": "end"} after each list. It ends when
its input ends.
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
from realtime.source.player import Player, link_over_sockets
from realtime.source.playlist import Playlist
from realtime.transport import Pair

_END = {"type": "end"}


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Configuration of a source. Strings and numbers only, so that it can be sent as JSON.

    Attributes:
        control: the daemon's control address.
        playlist: folder of a playlist with the kind and bits of all that will be played.
        stream: number of the logical qubit.
        streams: number of streams that are played to at the same time, numbered from `stream` on.
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame.
        policy: "drop-shot": abort a shot when the daemon has no room for its data; "block": wait, without
            keeping the schedule.
        commits: ask for reports of final cycles in the middle of shots.
        commit_interval_ns: least time between two such reports; 0: one for every window.
        replay: mark the data as recorded.
        digest: digest of the required decoder; None accepts any.
        core, io_core: cores of the hot loop and of the I/O thread.
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
            raise ValueError(f"streams={self.streams}: must be between 1 and 64")

    @property
    def keys(self) -> ClientKeys | None:
        """Key files, None without.

        Raises:
            ValueError: only one of the two files is given.
        """
        if self.secret_key is None and self.server_key is None:
            return None
        if self.secret_key is None or self.server_key is None:
            raise ValueError("secret_key and server_key: give both or none")
        return ClientKeys(secret=Path(self.secret_key), server=Path(self.server_key))


def serve(config: SourceConfig, lines: Iterator[str], say: Callable[[dict[str, Any]], None]) -> None:
    """Play lists of jobs until there are no more.

    Args:
        config: of the source.
        lines: a JSON list of jobs each; read in another thread, so that their end stops the playing.
        say: called with each report, a JSON object.

    Raises:
        ValueError: the daemon refuses.
        TimeoutError: no daemon answers.
        FileNotFoundError: no such playlist.
    """
    stop = threading.Event()
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            waiting.put(line)
        stop.set()  # the writer has ended or closed the stream
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
                        link=link_over_sockets(pairs[-1]),
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
            sessions = [welcome.session for welcome in welcomes]
            say({"type": "ready", "sessions": sessions, "digest": welcomes[0].digest})
            while (line := waiting.get()) is not None:
                play_jobs(players, [Job(**job) for job in json.loads(line)], say, stop)
                say(_END)
        except InterruptedError:
            pass
        finally:
            for pair in pairs:
                pair.close(linger_ms=100)


def _hello(client: Client, config: SourceConfig, form: Playlist, stream: int) -> Welcome:
    """Begin a session for shots like those of `form`.

    Raises:
        ValueError: the daemon refuses, or its decoder has other bits.
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
            f"the shots have {form.bits} and {form.last_bits} bits: must be those of the daemon's decoder, "
            f"{welcome.bits} and {welcome.final_bits}"
        )
    return welcome


class SourceProcess:
    """Source in a child process, which ends when this process ends.

    In a `with` block it is ready; the block's end stops it.

    Args:
        config: of the source.
        timeout_s: time that it may take to start; compiling for the first time takes a minute.
    """

    def __init__(self, config: SourceConfig, *, timeout_s: float = 120.0) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        #: Numbers of its sessions, one for each stream.
        self.sessions: list[int] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process number, 0 if it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the source and wait until it is ready.

        Raises:
            ValueError: the source or the daemon refused the configuration.
            RuntimeError: the source ended.
            TimeoutError: it was not ready within the timeout.
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
            self.sessions = self._next(self._timeout_s)["sessions"]
        except BaseException:
            self.stop()
            raise

    def play(self, jobs: Sequence[Job], *, silence_s: float = 60.0) -> Iterator[dict[str, Any]]:
        """Play jobs, and iterate over their reports.

        Args:
            jobs: to play.
            silence_s: longest time without a report; must exceed the longest shot.

        Raises:
            RuntimeError: the source ended.
            TimeoutError: no report for silence_s.
        """
        self._order([asdict(job) for job in jobs])
        while (report := self._next(silence_s)) != _END:
            yield report

    def stop(self, *, timeout_s: float = 10.0) -> int:
        """Stop the source, after timeout_s by force; its exit status, 0 if it was not running."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it may have ended
            process.stdin.close()
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        return status

    def kill(self) -> None:
        """Kill the source, which ends as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _order(self, value: Any) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the source is not running: call start")
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the source has ended") from None

    def _next(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"no report of the source for {timeout_s:g} s") from None
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
    """Serve standard input; return the exit status."""
    # On Ctrl-C the parent closes standard input.
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
    # The thread that reads standard input may be blocked in a read: do not wait for it.
    status = main()
    sys.stdout.flush()
    os._exit(status)
