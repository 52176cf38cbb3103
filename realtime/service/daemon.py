"""Decoder daemon: a process that serves streams until it is stopped or its parent ends.

`python -m realtime.service.daemon` reads its configuration as JSON from standard input and writes one line of
JSON, {"type": "ready", ...}, when all kernels are compiled and every stream can be opened.
"""

import gc
import json
import os
import secrets
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import stim

from decoders import StreamingDecoder
from decoders.model.text_files import read_circuit_file, read_dem_file
from realtime.kernels.clock import now_ns
from realtime.latency import summary
from realtime.placement import pin_thread, usable_cores
from realtime.protocol import wire
from realtime.security import EndpointLock, ServerKeys, check_endpoint, is_loopback, private_endpoint
from realtime.service.admission import MOST_LOAD, Admission
from realtime.service.session import Session, SessionLimits
from realtime.service.worker import LoopKind, ThreadOptions, Worker
from realtime.transport import ControlServer, Hub, register_functions

_POLL_MS = 50
_MOST_TRACE_ROWS = 400


@dataclass(frozen=True, kw_only=True)
class DaemonConfig:
    """Configuration of a daemon. Strings, numbers and lists only, so that it can be sent as JSON.

    Attributes:
        model: a stim circuit file (.stim), or a detector error model (.dem).
        streams: number of logical qubits; each has its own decoder for the model.
        commit, buffer: cycles of the decoder's windows, see StreamingDecoder.
        bind: control address; a private ipc:// address if none is given.
        policy, hard_ns, timeout_ns, max_cycles: see SessionLimits.
        cores: cores of the stream threads; without enough of them, the others run anywhere.
        io_core: core of the I/O thread.
        keeper_core: core of the thread that answers control messages; give every stream a core then.
        spin: stream threads poll without sleeping; each needs a core that nothing else uses.
        fifo: SCHED_FIFO priority of the stream threads, None for the default scheduling.
        insecure: allow addresses that other machines can reach, without keys.
        secret_key, client_keys: see ServerKeys.
        parent: end when this parent process ends; 0: none.
        loop: "compiled", "python" or "auto": compiled where libzmq can be reached.
        decoder: name of the decoder of the windows, see StreamingDecoder.
        max_load: largest load of a core by a stream, as a fraction; 0: any.
    """

    model: str
    streams: int = 1
    commit: int | None = None
    buffer: int | None = None
    bind: str | None = None
    policy: str = "drop-shot"
    hard_ns: int = 50_000_000
    timeout_ns: int = 1_000_000_000
    max_cycles: int = 1_000_000_000
    cores: tuple[int, ...] = ()
    io_core: int | None = None
    keeper_core: int | None = None
    spin: bool = False
    fifo: int | None = None
    insecure: bool = False
    secret_key: str | None = None
    client_keys: str | None = None
    parent: int = 0
    loop: str = "auto"
    decoder: str = "mwpm"
    max_load: float = MOST_LOAD

    def __post_init__(self) -> None:
        if not 1 <= self.streams <= 64:
            raise ValueError(f"streams={self.streams}: must be between 1 and 64")
        if self.loop not in ("auto", "compiled", "python"):
            raise ValueError(f"no loop is named '{self.loop}': choose from auto, compiled, python")
        if (self.secret_key is None) != (self.client_keys is None):
            raise ValueError("secret_key and client_keys: give both or none")

    @classmethod
    def from_json(cls, text: str) -> "DaemonConfig":
        """Read the text that `to_json` returned.

        Raises:
            ValueError: not such a text.
        """
        try:
            values = json.loads(text)
            return cls(**{**values, "cores": tuple(values.get("cores", ()))})
        except (TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"not a daemon's configuration: {error}") from None

    def to_json(self) -> str:
        """Convert to JSON."""
        return json.dumps(asdict(self))

    @property
    def keys(self) -> ServerKeys | None:
        """Key files, None without."""
        if self.secret_key is None or self.client_keys is None:
            return None
        return ServerKeys(secret=Path(self.secret_key), clients=Path(self.client_keys))


def make_decoder(config: DaemonConfig) -> StreamingDecoder:
    """Build the decoder of one stream.

    Raises:
        FileNotFoundError: no such model file.
        ValueError: the model cannot be decoded as a stream.
    """
    path = Path(config.model)
    if not path.is_file():
        raise FileNotFoundError(f"no model file {path}")
    options: dict[str, Any] = {"commit": config.commit, "buffer": config.buffer, "decoder": config.decoder}
    try:
        model = read_dem_file(path) if path.suffix == ".dem" else read_circuit_file(path)
        if model.num_detectors == 0:
            raise ValueError("the model has no detectors: nothing to decode")
        if isinstance(model, stim.Circuit):
            return StreamingDecoder.from_circuit(model, **options)
        return StreamingDecoder.from_dem(model, **options)
    except (ValueError, IndexError) as error:  # stim raises either
        raise ValueError(f"{path}: {error}") from None


class Daemon:
    """Streams, their threads, and the server of control messages."""

    def __init__(self, config: DaemonConfig) -> None:
        """Bind, build decoders and compile, until every stream can be opened.

        Raises:
            ValueError, FileNotFoundError: the configuration cannot be used.
        """
        self.config = config
        limits = SessionLimits(
            policy="block" if config.policy == "block" else "drop-shot",
            hard_ns=config.hard_ns,
            timeout_ns=config.timeout_ns,
            max_cycles=config.max_cycles,
        )
        if config.policy not in ("drop-shot", "block"):
            raise ValueError(f"no policy is named '{config.policy}': choose from drop-shot, block")
        self._admission = Admission(most_load=config.max_load, cores=len(usable_cores()))
        self.boot = secrets.token_hex(8)
        self._endpoint = endpoint = config.bind or private_endpoint()
        check_endpoint(endpoint, has_keys=config.keys is not None, insecure=config.insecure)
        reachable = register_functions()
        if config.loop == "compiled" and not reachable:
            raise ValueError("libzmq cannot be called from compiled code here: use loop 'auto' or 'python'")
        kind: LoopKind = "compiled" if reachable and config.loop != "python" else "python"
        self._stop = False
        self._workers: list[Worker] = []
        self._opened: dict[int, int] = {}
        self._lock = EndpointLock(endpoint)
        self._hub: Hub | None = None
        try:
            self._hub = Hub(server=config.keys, io_core=config.io_core)
            self._control = ControlServer(self._hub, endpoint)
            self.endpoint = self._control.endpoint
            base = endpoint if endpoint.startswith("ipc://") else endpoint.rpartition(":")[0] + ":*"
            for stream in range(config.streams):
                core = config.cores[stream] if stream < len(config.cores) else None
                worker = Worker(
                    session=Session(decoder=make_decoder(config), stream=stream, limits=limits),
                    hub=self._hub,
                    base=base,
                    options=ThreadOptions(core=core, spin=config.spin, fifo=config.fifo),
                    loop_kind=kind,
                )
                self._workers.append(worker)
                worker.start()
        except BaseException:
            self.close()
            raise

    def ready(self) -> dict[str, Any]:
        """Return the line that announces the daemon, as a JSON object."""
        worker = self._workers[0]
        notes = [note for each in self._workers for note in each.notes]
        if is_loopback(self.endpoint) and self.config.keys is None:
            notes.append("loopback tcp without keys is open to every user of this machine")
        return {
            "type": "ready",
            "control": self.endpoint,
            "boot": self.boot,
            "pid": os.getpid(),
            "streams": len(self._workers),
            "loop": worker.loop_kind,
            "spin": self.config.spin,
            "digest": f"{worker.session.digest:016x}",
            "notes": notes,
        }

    def run(self) -> None:
        """Serve until `stop` is called or the parent ends."""
        while not self._stop:
            for worker in self._workers:
                worker.keep()
            if self.config.parent and os.getppid() != self.config.parent:
                break
            self._control.poll(timeout_ms=_POLL_MS, answer=self.answer)

    def stop(self) -> None:
        """Make `run` return; may be called by a signal handler."""
        self._stop = True

    def close(self) -> None:
        """Stop all threads and close all sockets; open shots are answered as RESTARTED."""
        for worker in self._workers:
            worker.stop()
        if self._hub is not None:
            if hasattr(self, "_control"):
                self._control.close()
            self._hub.close()
        self._lock.release()
        if self.config.bind is None:
            shutil.rmtree(Path(self._endpoint.removeprefix("ipc://")).parent, ignore_errors=True)

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a control message; errors are answers, too."""
        handlers: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "hello": self._hello,
            "reset": self._reset,
            "stats": self._stats,
            "latencies": self._latencies,
            "trace": self._trace,
            "bye": self._bye,
            "ping": self._ping,
        }
        handler = handlers.get(message["type"])
        try:
            if handler is None:
                raise ValueError(
                    f"no control message is named '{message['type'][:40]}': {', '.join(handlers)}"
                )
            reply = handler(message)
        except ValueError as error:
            reply = {"type": "error", "message": str(error)[:500]}
        except Exception as error:  # a fault in answering one peer must not end all streams
            reply = {"type": "error", "message": f"internal error: {type(error).__name__}: {error}"[:500]}
        number = message.get("id")
        return {**reply, "id": number} if isinstance(number, int) else reply

    def _worker(self, message: dict[str, Any]) -> Worker:
        stream = _integer(message, "stream", 0)
        if not 0 <= stream < len(self._workers):
            raise ValueError(f"stream {stream}: this daemon has streams 0 to {len(self._workers) - 1}")
        return self._workers[stream]

    def _owned(self, message: dict[str, Any]) -> Worker:
        worker = self._worker(message)
        session = _integer(message, "session", 0)
        if self._opened.get(worker.session.stream) != session:
            raise ValueError(f"session {session} is not open on stream {worker.session.stream}")
        return worker

    def _hello(self, message: dict[str, Any]) -> dict[str, Any]:
        if _integer(message, "version", wire.VERSION) != wire.VERSION:
            raise ValueError(f"protocol version {message['version']}: this daemon uses {wire.VERSION}")
        worker = self._worker(message)
        session = worker.session
        digest = f"{session.digest:016x}"
        if message.get("digest") not in (None, digest):
            raise ValueError(f"digest {message['digest']}: this daemon decodes {digest}")
        kind: Any = message.get("kind", "events")
        bits, final_bits = session.widths(kind)
        policy = message.get("policy") or session.limits.policy
        cycle_ns = _integer(message, "cycle_ns", 0)
        # A source that waits for the decoder cannot be too fast for it.
        self._admission.check(
            stream=session.stream,
            service_ns=worker.service_ns,
            cycle_ns=0 if policy == "block" else cycle_ns,
        )
        try:
            opened = worker.begin(
                kind=kind,
                cycle_ns=cycle_ns,
                commits=bool(message.get("commits", False)),
                commit_interval_ns=_integer(message, "commit_interval_ns", 0),
                policy=policy,
            )
        except Exception:
            self._admission.release(session.stream)
            raise
        self._opened[session.stream] = opened.session
        return {
            "type": "ready",
            "version": wire.VERSION,
            "boot": self.boot,
            "stream": session.stream,
            "session": opened.session,
            "data": opened.data,
            "results": opened.results,
            "kind": kind,
            "bits": bits,
            "final_bits": final_bits,
            "num_observables": session.num_observables,
            "decoder": self.config.decoder,
            "digest": digest,
            "commit": session.commit,
            "buffer": session.buffer_cycles,
            "loop": worker.loop_kind,
            "policy": policy,
            "max_frame_cycles": wire.MAX_CYCLES,
            "max_cycles": session.limits.max_cycles,
            "hard_ns": session.limits.hard_ns,
            "timeout_ns": session.limits.timeout_ns,
        }

    def _reset(self, message: dict[str, Any]) -> dict[str, Any]:
        self._worker(message).reset_latencies()
        return {"type": "reset"}

    def _stats(self, message: dict[str, Any]) -> dict[str, Any]:
        streams = []
        for worker in self._workers if "stream" not in message else [self._worker(message)]:
            session = worker.session
            slope, error = session.window_slope()
            streams.append(
                {
                    "stream": session.stream,
                    "alive": worker.is_alive,
                    "heartbeat_age_ns": worker.heartbeat_age_ns(),
                    "session": self._opened.get(session.stream, 0),
                    "service_ns_per_cycle": worker.service_ns,
                    "counters": session.counters(),
                    "latencies_us": {name: _finite(summary(h)) for name, h in session.histograms().items()},
                    "window_slope_us_per_million_cycles": _finite({"value": slope, "error": error}),
                }
            )
        return {"type": "stats", "boot": self.boot, "refused": self._control.num_refused, "streams": streams}

    def _latencies(self, message: dict[str, Any]) -> dict[str, Any]:
        histograms = self._worker(message).session.histograms()
        name = message.get("name")
        if not isinstance(name, str) or name not in histograms:
            raise ValueError(f"no latency is named '{str(name)[:40]}': choose from {', '.join(histograms)}")
        return {"type": "latencies", "name": name, **histograms[name].to_json()}

    def _trace(self, message: dict[str, Any]) -> dict[str, Any]:
        rows = self._worker(message).session.trace_rows()
        count = min(max(1, _integer(message, "rows", _MOST_TRACE_ROWS)), _MOST_TRACE_ROWS)
        return {"type": "trace", "rows": rows[-count:].tolist()}

    def _bye(self, message: dict[str, Any]) -> dict[str, Any]:
        worker = self._owned(message)
        worker.end()
        self._admission.release(worker.session.stream)
        del self._opened[worker.session.stream]
        return {"type": "bye"}

    def _ping(self, message: dict[str, Any]) -> dict[str, Any]:
        ages = [worker.heartbeat_age_ns() for worker in self._workers]
        return {
            "type": "pong",
            "boot": self.boot,
            "heartbeat_age_ns": ages,
            "alive": [worker.is_alive for worker in self._workers],
            "sessions": [self._opened.get(worker.session.stream, 0) for worker in self._workers],
            "now_ns": int(now_ns()),
        }


def _integer(message: dict[str, Any], name: str, default: int) -> int:
    value = message.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{name} is {str(value)[:40]!r}, must be an integer")
    return value


def _finite(values: dict[str, float]) -> dict[str, float | None]:
    """Replace infinity and NaN by None: JSON has neither."""
    return {name: value if abs(value) < float("inf") else None for name, value in values.items()}


def main(config: DaemonConfig, *, say: Callable[[str], None]) -> int:
    """Serve in this process until SIGTERM, SIGINT or the parent's end; `say` gets the ready line."""
    daemon = Daemon(config)

    def handle(number: int, frame: FrameType | None) -> None:
        daemon.stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    pin_thread(config.keeper_core)
    try:
        gc.collect()
        gc.freeze()
        gc.disable()
        say(json.dumps(daemon.ready()))
        daemon.run()
    finally:
        daemon.close()
        gc.enable()
        for number, old in before.items():
            signal.signal(number, old)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(DaemonConfig.from_json(sys.stdin.read()), say=lambda text: print(text, flush=True)))
    except (ValueError, FileNotFoundError) as error:
        print(json.dumps({"type": "error", "message": str(error)}), flush=True)
        sys.exit(2)
