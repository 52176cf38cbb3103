"""Client of a daemon, and daemons as child processes."""

import contextlib
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

import numpy as np
from numpy.typing import NDArray

from decoders.streaming.frames import Kind
from realtime.latency import Histogram
from realtime.protocol.wire import PROTOCOL
from realtime.security import ClientKeys, socket_address
from realtime.service.daemon import DaemonConfig
from realtime.service.session import Policy
from realtime.transport import ControlClient, Hub, Pair, connect_pair

#: Module of the daemon's process.
DAEMON = "realtime.service.daemon"
# Time to wait for the answer when a client ends.
_BYE_S = 0.5


class DaemonProcess:
    """Daemon in a child process, which ends when this process ends.

    In a `with` block it is ready; the block's end stops it.

    Args:
        config: what it serves.
        timeout_s: time that it may take to start; compiling for the first time takes a minute.
        module: to run; it reads the configuration and writes the ready line as the daemon's module does.
    """

    def __init__(
        self,
        config: DaemonConfig,
        *,
        timeout_s: float = 300.0,
        module: str = DAEMON,
    ) -> None:
        self.config = replace(config, parent=getpid())
        self._timeout_s, self._module = timeout_s, module
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
        """Control address."""
        return str(self.ready["control"])

    @property
    def pid(self) -> int:
        """Process number, 0 if it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the daemon and wait until it is ready.

        Raises:
            ValueError: the daemon refused its configuration.
            TimeoutError: it was not ready within the timeout.
        """
        command = [sys.executable, "-m", self._module]
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
        """Stop the daemon, after timeout_s by force; its exit status, 0 if it was not running."""
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
        """Kill the daemon, which ends as in a crash."""
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
    """Answer of a daemon to hello; see docs/pages/protocol.md."""

    boot: str
    stream: int
    session: int
    token: str
    data: str
    results: str
    kind: Kind
    bits: int
    final_bits: int
    num_observables: int
    decoder: str
    digest: str
    model_digest: str
    layout_digest: str
    commit: int
    buffer: int
    loop: str
    policy: Policy
    max_frame_cycles: int
    max_cycles: int
    hard_ns: int
    timeout_ns: int
    #: Shared memory of the session, where it was asked for; see `SharedRings`.
    rings: dict[str, Any] | None


class Client:
    """Client of a daemon. Only one thread may use it; the same holds for each pair of sockets it makes."""

    def __init__(
        self,
        control: str,
        *,
        keys: ClientKeys | None = None,
        io_core: int | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        """Connect to a daemon; nothing is sent yet.

        Args:
            control: control address; with shm:// instead of ipc://, sessions go through shared memory.
            keys: for daemons that require keys.
            io_core: core of the I/O thread; None leaves it to the operating system.
            timeout_s: longest time to wait for an answer, unless a call gives another one.
        """
        self._timeout_s = timeout_s
        self._hub = Hub(client=keys, io_core=io_core)
        self._host = control.rpartition(":")[0] if control.startswith("tcp://") else ""
        self._shares_memory = control.startswith("shm://")
        self._control = ControlClient(self._hub, socket_address(control))
        self._sessions: dict[int, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the sessions of this client, and close all its sockets; close its pairs first."""
        for stream, session in self._sessions.items():
            if self._control.can_send():
                with contextlib.suppress(TimeoutError, ValueError):  # it may have ended
                    self.ask({"type": "bye", "stream": stream, "session": session}, timeout_s=_BYE_S)
        self._control.close()
        self._hub.close()

    def ask(self, message: dict[str, Any], *, timeout_s: float | None = None) -> dict[str, Any]:
        """Send a control message and return the answer; see ControlClient.ask."""
        return self._control.ask(message, timeout_s=self._timeout_s if timeout_s is None else timeout_s)

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
        model_digest: str | None = None,
        layout_digest: str | None = None,
    ) -> Welcome:
        """Begin a session on a stream; a session that this client has open there ends.

        Args:
            stream: number of the logical qubit.
            kind: "events" or "measurements".
            cycle_ns: time between cycles, for admission and backlog; 0 if the source has no schedule.
            policy: see SessionLimits; None: the daemon's.
            commits: whether to report final cycles in the middle of shots.
            commit_interval_ns: least time between two such reports; 0: one for every window.
            digest: digest of the required decoder, model and windows, as in `Welcome`; None accepts any.
            model_digest, layout_digest: of the required model, see `decoders.streaming.digests`.

        Raises:
            TimeoutError: no daemon answers.
            ValueError: it refuses, with its reason.
        """
        message: dict[str, Any] = {"type": "hello", "version": PROTOCOL, "stream": stream, "kind": kind}
        message |= {"cycle_ns": cycle_ns, "commits": commits, "commit_interval_ns": commit_interval_ns}
        message |= {"policy": policy, "digest": digest, "model_digest": model_digest}
        message |= {"shared_memory": self._shares_memory or None}
        message |= {"layout_digest": layout_digest, "replaces": self._sessions.get(stream)}
        answer = self.ask({name: value for name, value in message.items() if value is not None})
        self._sessions[stream] = answer["session"]
        answer.setdefault("rings")  # earlier daemons have none
        if self._shares_memory and answer["rings"] is None:
            raise ValueError("this daemon has no shared memory: connect to its ipc:// address")
        return Welcome(**{field.name: answer[field.name] for field in fields(Welcome)})

    def connect(self, welcome: Welcome, *, wait_ms: int = 20) -> Pair:
        """Connect the sockets of a session; call it in the thread that will use them."""
        data, results = (self._reachable(endpoint) for endpoint in (welcome.data, welcome.results))
        return connect_pair(
            self._hub,
            data=data,
            results=results,
            token=welcome.token,
            wait_ms=wait_ms,
            rings=welcome.rings,
        )

    def describe(self) -> dict[str, Any]:
        """Ask what the daemon decodes: columns, cycles, digests; see docs/pages/protocol.md."""
        found = self.ask({"type": "describe"})
        lists = [name for name in found if f"num_{name}" in found]
        while any(len(found[name]) < found[f"num_{name}"] for name in lists):
            first = max(len(found[name]) for name in lists)
            more = self.ask({"type": "describe", "first": first})
            for name in lists:
                found[name] += more[name]
        return found

    def model(self) -> str:
        """Ask for the text of the circuit or the error model that the daemon decodes."""
        size = int(self.ask({"type": "describe"})["model"]["bytes"])
        text, offset = "", 0
        while offset < size:
            part = self.ask({"type": "model", "offset": offset})
            text, offset = text + part["text"], part["next"]
        return text

    def stats(self, *, timeout_s: float | None = None) -> dict[str, Any]:
        """Ask for counters and latencies of all streams; an answer has as many as a message can hold."""
        found = self.ask({"type": "stats"}, timeout_s=timeout_s)
        streams = found["streams"]
        while len(streams) < found.get("num_streams", 0):  # earlier daemons give all or none
            streams += self.ask({"type": "stats", "first": len(streams)}, timeout_s=timeout_s)["streams"]
        return found

    def ping(self, *, timeout_s: float = 10.0) -> dict[str, Any]:
        """Ask for the state of the daemon and its stream threads."""
        return self.ask({"type": "ping"}, timeout_s=timeout_s)

    def latencies(self, *, stream: int = 0, name: str = "decision") -> Histogram:
        """Ask for a latency histogram; names as in `stats`."""
        return Histogram.from_json(self.ask({"type": "latencies", "stream": stream, "name": name}))

    def detections(self, *, stream: int = 0) -> tuple[int, NDArray[np.int64]]:
        """Ask for detection events by column, counted in a sample of the cycles while somebody asks.

        Returns:
            The number of counted cycles, and int64 (columns,), the events in them.
        """
        message = {"type": "detections", "stream": stream}
        found = self.ask(message)
        cycles, events = int(found["cycles"]), found["events"]
        while len(events) < found["num_columns"]:
            events += self.ask({**message, "first": len(events)})["events"]
        return cycles, np.array(events, dtype=np.int64)

    def reset(self, *, stream: int = 0, session: int | None = None) -> None:
        """Reset the latencies of a stream; with an open session its number is needed.

        Args:
            stream: number of the logical qubit.
            session: number of the session; None: that of this client.
        """
        number = self._sessions.get(stream, 0) if session is None else session
        self.ask({"type": "reset", "stream": stream, "session": number})

    def bye(self, welcome: Welcome) -> None:
        """End a session."""
        self.ask({"type": "bye", "stream": welcome.stream, "session": welcome.session})
        self._sessions.pop(welcome.stream, None)

    def _reachable(self, endpoint: str) -> str:
        """Replace a wildcard host by the host of the control address."""
        for anywhere in ("tcp://0.0.0.0:", "tcp://[::]:"):
            if endpoint.startswith(anywhere):
                return f"{self._host}:{endpoint.removeprefix(anywhere)}"
        return endpoint
