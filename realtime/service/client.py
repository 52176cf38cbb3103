"""Starting a daemon as a process of one's own, and talking to one."""

import json
import selectors
import shutil
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from os import getpid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from decoders.streaming.frames import Kind
from realtime.latency import Histogram
from realtime.security import ClientKeys
from realtime.service.daemon import DaemonConfig
from realtime.service.session import Policy
from realtime.transport import ControlClient, Hub, Pair, connect_pair


class DaemonProcess:
    """A daemon in a process of its own, which ends with this one.

    Use it in a `with` block: it is ready inside, and gone behind it.
    """

    def __init__(self, config: DaemonConfig, *, timeout_s: float = 120.0) -> None:
        self.config = replace(config, parent=getpid())
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self.ready: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def control(self) -> str:
        """The control address."""
        return str(self.ready["control"])

    @property
    def pid(self) -> int:
        """The process, 0 if it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ValueError: it refused its configuration.
            TimeoutError: it was not ready in time.
        """
        command = [sys.executable, "-m", "realtime.service.daemon"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            with self._process.stdin as stream:
                stream.write(self.config.to_json())
            with selectors.DefaultSelector() as selector:
                selector.register(self._process.stdout, selectors.EVENT_READ)
                if not selector.select(self._timeout_s):
                    raise TimeoutError(f"the daemon was not ready within {self._timeout_s:g} s")
            line = self._process.stdout.readline()
            answer = json.loads(line) if line else {"type": "error", "message": "it ended at once"}
            if answer["type"] != "ready":
                raise ValueError(f"the daemon did not start: {answer['message']}")
        except BaseException:
            self.kill()
            raise
        self.ready = answer

    def stop(self, *, timeout_s: float = 10.0) -> int:
        """End it; its exit status, 0 if it ended well or was not running."""
        if self._process is None:
            return 0
        self._process.terminate()
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._clean_up()
        return status

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._clean_up()

    def _clean_up(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        if self.config.bind is None and self.ready:
            shutil.rmtree(Path(self.control.removeprefix("ipc://")).parent, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Welcome:
    """A daemon's answer to hello; see docs/pages/protocol.md."""

    boot: str
    stream: int
    session: int
    data: str
    results: str
    kind: Kind
    bits: int
    final_bits: int
    num_observables: int
    decoder: str
    digest: str
    commit: int
    buffer: int
    loop: str
    policy: Policy
    max_frame_cycles: int
    max_cycles: int
    hard_ns: int
    timeout_ns: int


class Client:
    """Talks to a daemon. One object serves one thread; so does every pair of sockets it makes."""

    def __init__(self, control: str, *, keys: ClientKeys | None = None, io_core: int | None = None) -> None:
        """Prepare to talk to the daemon at this control address."""
        self._hub = Hub(client=keys, io_core=io_core)
        self._host = control.rpartition(":")[0] if control.startswith("tcp://") else ""
        self._control = ControlClient(self._hub, control)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; closes every socket made here."""
        self._control.close()
        self._hub.close()

    def ask(self, message: dict[str, Any], *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Send a control message and return the answer; see ControlClient.ask."""
        return self._control.ask(message, timeout_s=timeout_s)

    def hello(
        self,
        *,
        stream: int = 0,
        kind: Kind = "events",
        cycle_ns: int = 0,
        policy: Policy | None = None,
        commits: bool = False,
        commit_interval_ns: int = 0,
        digest: str | None = None,
    ) -> Welcome:
        """Begin a session on a stream; one that is open there is ended.

        Raises:
            TimeoutError: no daemon answers.
            ValueError: it refuses.
        """
        message: dict[str, Any] = {"type": "hello", "stream": stream, "kind": kind, "cycle_ns": cycle_ns}
        message |= {"commits": commits, "commit_interval_ns": commit_interval_ns}
        message |= {"policy": policy, "digest": digest}
        answer = self.ask({name: value for name, value in message.items() if value is not None})
        return Welcome(**{field.name: answer[field.name] for field in fields(Welcome)})

    def connect(self, welcome: Welcome, *, wait_ms: int = 20) -> Pair:
        """The sockets of a session; call it in the thread that will use them."""
        data, results = (self._reachable(endpoint) for endpoint in (welcome.data, welcome.results))
        return connect_pair(self._hub, data=data, results=results, wait_ms=wait_ms)

    def stats(self) -> dict[str, Any]:
        """Counters and latencies of all streams."""
        return self.ask({"type": "stats"})

    def ping(self, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Whether the daemon and its loops live."""
        return self.ask({"type": "ping"}, timeout_s=timeout_s)

    def latencies(self, *, stream: int = 0, name: str = "decision") -> Histogram:
        """A whole histogram; names as in stats."""
        return Histogram.from_json(self.ask({"type": "latencies", "stream": stream, "name": name}))

    def reset(self, *, stream: int = 0) -> None:
        """Let a stream forget its latencies so far."""
        self.ask({"type": "reset", "stream": stream})

    def bye(self, welcome: Welcome) -> None:
        """End a session."""
        self.ask({"type": "bye", "stream": welcome.stream, "session": welcome.session})

    def _reachable(self, endpoint: str) -> str:
        """The address as seen from here: a daemon bound to all interfaces does not know ours."""
        for anywhere in ("tcp://0.0.0.0:", "tcp://[::]:"):
            if endpoint.startswith(anywhere):
                return f"{self._host}:{endpoint.removeprefix(anywhere)}"
        return endpoint
